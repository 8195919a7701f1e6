"""Directory entries of six classes: round trips, refusals, and what tshark reads in real and in built ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.errors import ParseError, UnsupportedError
from parsers.smb2.create import FileAttributes
from parsers.smb2.directory_entries import DirectoryEntry, build_directory_entries, parse_directory_entries
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command, Flags, build_header
from parsers.smb2.info_classes import FileInformationClass
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from tests.parsers.smb2.messages import DAMAGE, dissect, fields, find, read_messages

DIRECTORY = FileInformationClass.FileDirectoryInformation
FULL = FileInformationClass.FileFullDirectoryInformation
ID_FULL = FileInformationClass.FileIdFullDirectoryInformation
BOTH = FileInformationClass.FileBothDirectoryInformation
ID_BOTH = FileInformationClass.FileIdBothDirectoryInformation
NAMES = FileInformationClass.FileNamesInformation


def entries(wanted: FileInformationClass) -> list[DirectoryEntry]:
    """Three entries that carry all that their class has room for."""
    made = []
    for place, name in enumerate(["a", "long name.txt", "\ud800 lone \udc00"]):
        if wanted == NAMES:
            made.append(DirectoryEntry(file_index=place, file_name=name))
            continue
        made.append(
            DirectoryEntry(
                file_index=place,
                creation_time=1,
                last_access_time=2,
                last_write_time=3,
                change_time=4,
                end_of_file=5 + place,
                allocation_size=4096,
                file_attributes=FileAttributes.ARCHIVE,
                ea_size=None if wanted == DIRECTORY else 9,
                short_name="LONG~1.TXT"[: 10 * place] if wanted in (BOTH, ID_BOTH) else None,
                file_id=1 << 63 if wanted in (ID_BOTH, ID_FULL) else None,
                file_name=name,
            )
        )
    return made


CLASSES = [DIRECTORY, FULL, ID_FULL, BOTH, ID_BOTH, NAMES]


@pytest.mark.parametrize("wanted", CLASSES)
def test_what_is_built_is_read_back(wanted: FileInformationClass) -> None:
    assert parse_directory_entries(wanted, build_directory_entries(wanted, entries(wanted))) == entries(wanted)
    assert parse_directory_entries(wanted, b"") == []
    assert build_directory_entries(wanted, []) == b""


@pytest.mark.parametrize("wanted", CLASSES)
def test_every_shorter_buffer_is_refused(wanted: FileInformationClass) -> None:
    whole = build_directory_entries(wanted, entries(wanted))
    for length in range(1, len(whole)):
        with pytest.raises(ParseError):
            parse_directory_entries(wanted, whole[:length])


@given(DAMAGE)
def test_damage_gives_entries_or_a_parse_error(damage: list[tuple[int, int]]) -> None:
    for wanted in CLASSES:
        data = bytearray(build_directory_entries(wanted, entries(wanted)))
        for place, value in damage:
            data[place % len(data)] = value
        try:
            found = parse_directory_entries(wanted, data)
        except ParseError:
            continue
        assert 1 <= len(found) <= len(data) // 12


def test_a_name_that_reaches_into_the_next_entry_is_refused() -> None:
    data = bytearray(build_directory_entries(NAMES, entries(NAMES)))
    data[8:12] = (14).to_bytes(4, "little")
    with pytest.raises(ParseError, match="FileName"):
        parse_directory_entries(NAMES, data)


def test_a_short_name_longer_than_its_field_is_refused() -> None:
    data = bytearray(build_directory_entries(BOTH, entries(BOTH)))
    data[68] = 26
    with pytest.raises(ParseError, match="ShortNameLength"):
        parse_directory_entries(BOTH, data)


def test_a_class_of_another_form_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="FileIdExtdDirectoryInformation"):
        parse_directory_entries(FileInformationClass.FileIdExtdDirectoryInformation, b"")


@pytest.mark.witness
@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        ("samba/ntlm_202_signed.pcapng", ID_BOTH),
        ("samba/torture_replay.pcapng", NAMES),
        ("public/suricata/smb2-01/smb2-peter.pcap", ID_FULL),
    ],
)
def test_real_entries_are_read_as_tshark_reads_them(
    place: str, wanted: FileInformationClass, shared: Path, tshark: str
) -> None:
    capture = shared / "captures" / place
    requests = (m for m in read_messages(tshark, capture) if m.header.command == Command.QUERY_DIRECTORY)
    asked = {
        (message.header.session_id, message.header.message_id): QueryDirectoryRequest.parse(message.data)
        for message in requests
        if not message.header.is_response
    }
    theirs = fields(tshark, capture, "smb2.filename", "smb2.eof", "smb2.file_id", "smb2.file_attribute")
    seen = 0
    for message in find(tshark, capture, Command.QUERY_DIRECTORY, responses=True):
        request = asked[message.header.session_id, message.header.message_id]
        ours = parse_directory_entries(
            request.file_information_class, QueryDirectoryResponse.parse(message.data).output
        )
        names, sizes, ids, attributes = theirs[message.frame]
        if request.file_information_class == wanted:
            seen += len(ours)
            assert names == [entry.file_name for entry in ours]
            assert sizes == [str(entry.end_of_file) for entry in ours if entry.end_of_file is not None]
            assert ids == [f"0x{entry.file_id:016x}" for entry in ours if entry.file_id is not None]
            assert attributes == [f"0x{e.file_attributes:08x}" for e in ours if e.file_attributes is not None]
    assert seen > 3


@pytest.mark.witness
@pytest.mark.parametrize("wanted", [DIRECTORY, FULL, BOTH, ID_BOTH])
def test_what_is_built_is_read_by_tshark(wanted: FileInformationClass, tshark: str, tmp_path: Path) -> None:
    ours = entries(wanted)[:2]
    request = QueryDirectoryRequest(wanted, QueryDirectoryFlags(0), 0, FileId(1, 2), "*", 65536)
    response = QueryDirectoryResponse(build_directory_entries(wanted, ours))
    messages = [
        (0, build_header(Command.QUERY_DIRECTORY, 1) + request.build()),
        (1, build_header(Command.QUERY_DIRECTORY, 1, flags=Flags.SERVER_TO_REDIR) + response.build()),
    ]
    names = ("smb2.filename", "smb2.eof", "smb2.allocation_size", "smb2.ea_size", "smb2.file_id", "smb2.shortname")
    _, theirs = dissect(tshark, tmp_path, messages, *names)
    assert theirs == [
        [entry.file_name for entry in ours],
        [str(entry.end_of_file) for entry in ours],
        [str(entry.allocation_size) for entry in ours],
        [str(entry.ea_size) for entry in ours if entry.ea_size is not None],
        [f"0x{entry.file_id:016x}" for entry in ours if entry.file_id is not None],
        [entry.short_name for entry in ours if entry.short_name],
    ]
