"""Buffers that rename, delete and resize: round trips, refusals, and what tshark reads in real and built ones."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError, UnsupportedError
from parsers.smb2.file_id import FileId
from parsers.smb2.file_information import (
    DispositionFlags,
    DispositionInformation,
    DispositionInformationEx,
    EndOfFileInformation,
    FileInformation,
    RenameFlags,
    RenameInformation,
    RenameInformationEx,
    parse_file_information,
)
from parsers.smb2.header import Command, build_header
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.set_info import SetInfoRequest
from tests.parsers.smb2.messages import dissect, fields, find

RENAME = FileInformationClass.FileRenameInformation
DISPOSITION = FileInformationClass.FileDispositionInformation
END_OF_FILE = FileInformationClass.FileEndOfFileInformation
SAMPLES: list[tuple[FileInformationClass, FileInformation]] = [
    (RENAME, RenameInformation(True, 0, r"folder\new name.txt")),
    (FileInformationClass.FileLinkInformation, RenameInformation(False, 1 << 63, "\ud800")),
    (FileInformationClass.FileRenameInformationEx, RenameInformationEx(RenameFlags.POSIX_SEMANTICS, 0, "new")),
    (DISPOSITION, DispositionInformation(True)),
    (DISPOSITION, DispositionInformation(False)),
    (FileInformationClass.FileDispositionInformationEx, DispositionInformationEx(DispositionFlags.ON_CLOSE)),
    (END_OF_FILE, EndOfFileInformation(-1)),
    (END_OF_FILE, EndOfFileInformation(1 << 40)),
]


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_what_is_built_is_read_back(kind: FileInformationClass, sample: FileInformation) -> None:
    assert parse_file_information(kind, sample.build()) == sample
    assert parse_file_information(kind, sample.build() + b"padding ") == sample


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_every_shorter_buffer_is_refused(kind: FileInformationClass, sample: FileInformation) -> None:
    whole = sample.build()
    for length in range(len(whole)):
        with pytest.raises(ParseError):
            parse_file_information(kind, whole[:length])


@given(st.binary(max_size=60))
def test_any_bytes_give_information_or_a_parse_error(data: bytes) -> None:
    for kind in {kind for kind, _ in SAMPLES}:
        try:
            found = parse_file_information(kind, data)
        except ParseError:
            continue
        assert parse_file_information(kind, found.build()) == found


def test_a_name_of_an_odd_length_is_refused() -> None:
    data = RenameInformation(True, 0, "ab").build()
    with pytest.raises(ParseError, match="odd length"):
        parse_file_information(RENAME, data[:16] + (3).to_bytes(4, "little") + data[20:])


def test_a_class_that_does_none_of_this_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="FileBasicInformation"):
        parse_file_information(FileInformationClass.FileBasicInformation, bytes(40))


def wire(kind: FileInformationClass, information: FileInformation) -> tuple[int, bytes]:
    request = SetInfoRequest(InfoType.FILE, kind, 0, FileId(1, 2), information.build())
    return 0, build_header(Command.SET_INFO, 1) + request.build()


@pytest.mark.witness
def test_what_is_built_is_read_by_tshark(tshark: str, tmp_path: Path) -> None:
    messages = [
        wire(RENAME, RenameInformation(True, 7, r"folder\new.txt")),
        wire(DISPOSITION, DispositionInformation(True)),
        wire(DISPOSITION, DispositionInformation(False)),
    ]
    names = ("smb2.filename", "smb2.rename.replace_if", "smb2.root_directory", "smb2.disposition.delete_on_close")
    assert dissect(tshark, tmp_path, messages, *names) == [
        [[r"folder\new.txt"], ["1"], ["0700000000000000"], []],
        [[], [], [], ["1"]],
        [[], [], [], ["0"]],
    ]


@pytest.mark.witness
@pytest.mark.parametrize(
    "place", ["samba/ntlm_202_signed.pcapng", "samba/torture_lease.pcapng", "public/suricata/smb2-async/input.pcap"]
)
def test_real_renames_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    theirs = fields(tshark, capture, "smb2.filename", "smb2.rename.replace_if")
    requests = [
        (m.frame, SetInfoRequest.parse(m.data)) for m in find(tshark, capture, Command.SET_INFO, responses=False)
    ]
    renames = [(frame, request.buffer) for frame, request in requests if request.file_info_class == RENAME]
    assert renames
    for frame, buffer in renames:
        ours = RenameInformation.parse(buffer)
        assert theirs[frame] == [[ours.file_name], [str(int(ours.replace_if_exists))]]
        assert ours.build() == buffer[: len(ours.build())]


@pytest.mark.witness
def test_real_deletions_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_202_signed.pcapng"
    theirs = fields(tshark, capture, "smb2.disposition.delete_on_close")
    requests = [
        (m.frame, SetInfoRequest.parse(m.data)) for m in find(tshark, capture, Command.SET_INFO, responses=False)
    ]
    deletions = [(frame, request.buffer) for frame, request in requests if request.file_info_class == DISPOSITION]
    assert len(deletions) == 3
    for frame, buffer in deletions:
        assert theirs[frame] == [[str(int(DispositionInformation.parse(buffer).delete_pending))]]
