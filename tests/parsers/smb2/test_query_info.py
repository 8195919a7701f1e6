"""QUERY_INFO: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass, FsInformationClass, InfoType, SecurityInformation
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest, QueryInfoResponse
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

NONE = QueryInfoFlags(0)
# tshark has a field of its own for AdditionalInformation that is about security.
ADDITIONAL = ("smb2.getsetinfo_additional", "smb2.getsetinfo_additionals")
FULL: list[Codec] = [
    QueryInfoRequest(
        InfoType.FILE,
        FileInformationClass.FileFullEaInformation,
        65536,
        3,
        QueryInfoFlags.INDEX_SPECIFIED,
        FileId(1, 2),
        b"list of names",
    ),
    QueryInfoRequest(InfoType(9), 77, 1, 0, QueryInfoFlags(1 << 31), FileId(1, 2), b"input"),
    QueryInfoResponse(b"output"),
]
EMPTY: list[Codec] = [
    QueryInfoRequest(InfoType.FILESYSTEM, FsInformationClass.FileFsVolumeInformation, 1, 0, NONE, FileId(1, 2)),
    QueryInfoRequest(InfoType.SECURITY, 0, 1, SecurityInformation.OWNER, NONE, FileId(1, 2)),
    QueryInfoResponse(b""),
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


@pytest.mark.witness
@pytest.mark.parametrize("place", ["samba/ntlm_202_signed.pcapng", "samba/torture_connect.pcapng"])
def test_requests_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    levels = ("smb2.file_info.infolevel", "smb2.fs_info.infolevel", "smb2.sec_info.infolevel")
    names = ("smb2.class", "smb2.max_response_size", "smb2.getinfo_input_size", *ADDITIONAL)
    theirs = fields(tshark, capture, *levels, *names, "smb2.getinfo_flags", "smb2.fid")
    requests = find(tshark, capture, Command.QUERY_INFO, responses=False)
    assert len(requests) > 5
    for message in requests:
        ours = QueryInfoRequest.parse(message.data)
        *found, kind, most, size, additional, of_security, flags, file_id = theirs[message.frame]
        assert [value for level in found for value in level] == [f"0x{ours.file_info_class:02x}"]
        assert [kind, most, size] == [
            [f"0x{ours.info_type:02x}"],
            [str(ours.output_buffer_length)],
            [str(len(ours.input))],
        ]
        assert [additional + of_security, flags] == [[f"0x{ours.additional_information:08x}"], [f"0x{ours.flags:08x}"]]
        assert file_id == [wire_file_id(*ours.file_id)]


@pytest.mark.witness
def test_responses_are_as_long_as_tshark_says(shared: Path, tshark: str) -> None:
    capture = shared / "captures/public/suricata/smb2-01/smb2-peter.pcap"
    theirs = fields(tshark, capture, "smb2.olb.length")
    responses = find(tshark, capture, Command.QUERY_INFO, responses=True)
    assert len(responses) > 30
    for message in responses:
        ours = QueryInfoResponse.parse(message.data)
        assert theirs[message.frame] == [[str(len(ours.output))]]
        assert ours.build() == message.data[len(HEADER) :]
