"""CLOSE and FLUSH: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.smb2.close_flush import CloseFlags, CloseRequest, CloseResponse, FlushRequest, FlushResponse
from parsers.smb2.create import FileAttributes
from parsers.smb2.file_id import FILE_ID_RELATED, FileId
from parsers.smb2.header import Command
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

SAMPLES: list[Codec] = [
    CloseRequest(CloseFlags.POSTQUERY_ATTRIB, FileId(1, 2)),
    CloseRequest(CloseFlags(0x8000), FILE_ID_RELATED),
    CloseResponse(CloseFlags.POSTQUERY_ATTRIB, 1, 2, 3, 4, 4096, 5, FileAttributes.ARCHIVE | FileAttributes(1 << 31)),
    FlushRequest(FileId(3, 4)),
    FlushResponse(),
]


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_is_built_is_read_back(sample: Codec) -> None:
    check_round_trip(sample)


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_shorter_message_is_refused(sample: Codec) -> None:
    check_truncation(sample)


@pytest.mark.parametrize("sample", SAMPLES)
def test_another_structure_size_is_refused(sample: Codec) -> None:
    check_structure_size(sample)


@given(DAMAGE)
def test_damage_gives_a_message_or_a_parse_error(damage: list[tuple[int, int]]) -> None:
    for sample in SAMPLES:
        check_damage(type(sample).parse, HEADER + sample.build(), damage)


@pytest.mark.witness
def test_closes_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_202_signed.pcapng"
    theirs = fields(tshark, capture, "smb2.fid", "smb2.close.flags")
    requests = find(tshark, capture, Command.CLOSE, responses=False)
    assert len(requests) > 30
    for message in requests:
        ours = CloseRequest.parse(message.data)
        assert theirs[message.frame] == [[wire_file_id(*ours.file_id)], [f"0x{ours.flags:04x}"]]
        assert ours.build() == message.data[len(HEADER) :]


@pytest.mark.witness
def test_close_responses_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/public/suricata/smb2-01/smb2-peter.pcap"
    names = ("smb2.close.flags", "smb2.allocation_size", "smb2.eof", "smb2.file_attribute")
    theirs = fields(tshark, capture, *names)
    responses = find(tshark, capture, Command.CLOSE, responses=True)
    assert len(responses) > 30
    for message in responses:
        ours = CloseResponse.parse(message.data)
        expected = [f"0x{ours.flags:04x}", str(ours.allocation_size), str(ours.end_of_file)]
        assert theirs[message.frame] == [*([value] for value in expected), [f"0x{ours.file_attributes:08x}"]]
        assert ours.build() == message.data[len(HEADER) :]


@pytest.mark.witness
def test_flushes_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/torture_replay.pcapng"
    theirs = fields(tshark, capture, "smb2.fid")
    requests = find(tshark, capture, Command.FLUSH, responses=False)
    assert requests
    for message in requests:
        assert theirs[message.frame] == [[wire_file_id(*FlushRequest.parse(message.data).file_id)]]
