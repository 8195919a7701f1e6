"""QUERY_DIRECTORY: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.errors import ParseError
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from tests.parsers.smb2.messages import (
    DAMAGE,
    HEADER,
    Codec,
    check_damage,
    check_round_trip,
    check_structure_size,
    check_truncation,
    fields,
    find,
    wire_file_id,
)

ID_BOTH = FileInformationClass.FileIdBothDirectoryInformation
RESTART = QueryDirectoryFlags.RESTART_SCANS
FULL: list[Codec] = [
    QueryDirectoryRequest(ID_BOTH, RESTART, 0, FileId(1, 2), "*.txt", 65536),
    QueryDirectoryRequest(FileInformationClass(0xEE), QueryDirectoryFlags(0x80), 9, FileId(1, 2), "\udc00\ud800", 1),
    QueryDirectoryResponse(b"entries"),
]
EMPTY: list[Codec] = [
    QueryDirectoryRequest(ID_BOTH, RESTART, 0, FileId(1, 2), "", 65536),
    QueryDirectoryResponse(b""),
]


@pytest.mark.parametrize("sample", FULL + EMPTY)
def test_what_is_built_is_read_back(sample: Codec) -> None:
    check_round_trip(sample)


@pytest.mark.parametrize("sample", FULL)
def test_every_shorter_message_is_refused(sample: Codec) -> None:
    check_truncation(sample)


@pytest.mark.parametrize("sample", FULL + EMPTY)
def test_another_structure_size_is_refused(sample: Codec) -> None:
    check_structure_size(sample)


@given(DAMAGE)
def test_damage_gives_a_message_or_a_parse_error(damage: list[tuple[int, int]]) -> None:
    for sample in FULL:
        check_damage(type(sample).parse, HEADER + sample.build(), damage)


def test_a_pattern_of_an_odd_length_is_refused() -> None:
    body = bytearray(QueryDirectoryRequest(ID_BOTH, RESTART, 0, FileId(1, 2), "*.txt", 65536).build())
    body[26:28] = (9).to_bytes(2, "little")
    with pytest.raises(ParseError, match="odd length"):
        QueryDirectoryRequest.parse(memoryview(HEADER + body))


@pytest.mark.witness
@pytest.mark.parametrize("place", ["samba/ntlm_202_signed.pcapng", "samba/torture_replay.pcapng"])
def test_requests_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    names = ("infolevel", "restart_scans", "single_entry", "index_specified", "reopen", "pattern")
    find_fields = [f"smb2.find.{name}" for name in names]
    theirs = fields(tshark, capture, "smb2.fid", "smb2.output_buffer_len", "smb2.file_index", *find_fields)
    requests = find(tshark, capture, Command.QUERY_DIRECTORY, responses=False)
    assert len(requests) > 10
    for message in requests:
        ours = QueryDirectoryRequest.parse(message.data)
        expected = [
            wire_file_id(*ours.file_id),
            str(ours.output_buffer_length),
            f"0x{ours.file_index:08x}",
            str(int(ours.file_information_class)),
            *(str(int(flag in ours.flags)) for flag in QueryDirectoryFlags),
            ours.file_name,
        ]
        assert theirs[message.frame] == [[value] for value in expected]


@pytest.mark.witness
def test_responses_are_as_long_as_tshark_says(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_202_signed.pcapng"
    theirs = fields(tshark, capture, "smb2.olb.length")
    responses = find(tshark, capture, Command.QUERY_DIRECTORY, responses=True)
    assert len(responses) > 5
    for message in responses:
        assert theirs[message.frame] == [[str(len(QueryDirectoryResponse.parse(message.data).output))]]
