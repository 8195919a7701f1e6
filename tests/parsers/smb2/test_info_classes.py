"""Information classes: their values against tshark's."""

import subprocess

import pytest

from parsers.smb2.info_classes import FileInformationClass, FsInformationClass, InfoType, info_class

# tshark's names of file information classes, where they are not the specification's in capitals.
OTHER_WORDS = {
    "SMB2_FILE_ENDOFFILE_INFO": "FileEndOfFileInformation",
    "SMB2_FIND_NAME_INFO": "FileNamesInformation",
}
# Not an information class but a flag, listed among them by tshark.
NOT_A_CLASS = {"SMB2_FIND_INDEX_SPECIFIED"}


@pytest.mark.parametrize(
    ("info_type", "value", "expected"),
    [
        (InfoType.FILE, 18, FileInformationClass.FileAllInformation),
        (InfoType.FILESYSTEM, 3, FsInformationClass.FileFsSizeInformation),
        (InfoType.SECURITY, 0, 0),
        (InfoType.QUOTA, 7, 7),
        (99, 3, 3),
    ],
)
def test_the_type_says_what_the_class_means(info_type: int, value: int, expected: int) -> None:
    found = info_class(info_type, value)
    assert (found, type(found)) == (expected, type(expected))


def test_an_unknown_class_keeps_its_value() -> None:
    found = info_class(InfoType.FILE, 0xEE)
    assert (int(found), FileInformationClass(0xEE).name) == (0xEE, "0xEE")


def tshark_values(tshark: str, field: str) -> dict[str, int]:
    listing = subprocess.run([tshark, "-G", "values"], capture_output=True, check=True).stdout.decode("latin-1")
    rows = (row.split("\t") for row in listing.splitlines() if row.startswith(f"V\t{field}\t"))
    return {row[3]: int(row[2], 0) for row in rows}


def camel_case(name: str) -> str:
    """`SMB2_FILE_EA_INFO` -> `FileEaInformation`."""
    words = name.removeprefix("SMB2_").removesuffix("_INFO").replace("FIND_", "FILE_").split("_")
    return "".join(word.capitalize() for word in words) + "Information"


@pytest.mark.witness
@pytest.mark.parametrize("field", ["smb2.file_info.infolevel", "smb2.find.infolevel"])
def test_file_classes_have_the_values_of_tshark(field: str, tshark: str) -> None:
    theirs = {name: value for name, value in tshark_values(tshark, field).items() if name not in NOT_A_CLASS}
    ours = {name: FileInformationClass[OTHER_WORDS.get(name) or camel_case(name)].value for name in theirs}
    assert len(theirs) > 6
    assert ours == theirs


@pytest.mark.witness
def test_file_system_classes_have_the_values_of_tshark(tshark: str) -> None:
    theirs = tshark_values(tshark, "smb2.fs_info.infolevel")
    assert len(theirs) == 11
    assert {name: FsInformationClass[name].value for name in theirs} == theirs
