"""READ and WRITE: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from parsers.errors import ParseError
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.read_write import (
    WRITE_REQUEST,
    Channel,
    ReadFlags,
    ReadRequest,
    ReadResponse,
    ReadResponseFlags,
    WriteFlags,
    WriteRequest,
    WriteResponse,
)
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

DESCRIPTOR = bytes(range(16))
FULL: list[Codec] = [
    ReadRequest(0x50, ReadFlags.READ_UNBUFFERED, 4096, 1 << 40, FileId(1, 2), 7, Channel.RDMA_V1, 4096, DESCRIPTOR),
    ReadResponse(b"data", 3, ReadResponseFlags.RDMA_TRANSFORM),
    WriteRequest(1 << 63, FileId(3, 4), b"data"),
    WriteRequest(0, FileId(3, 4), b"", Channel.RDMA_TRANSFORM, 9, DESCRIPTOR, WriteFlags.WRITE_THROUGH),
    WriteRequest(5, FileId(3, 4), b"both", Channel(77), 9, DESCRIPTOR),
    WriteResponse(65536),
]
EMPTY: list[Codec] = [
    ReadRequest(0, ReadFlags.NONE, 0, 0, FileId(1, 2)),
    ReadResponse(b""),
    WriteRequest(0, FileId(3, 4), b""),
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


@pytest.mark.parametrize("data_offset", [0, 63, 117, 0xFFFF])
def test_data_that_overlaps_the_header_or_leaves_the_message_is_refused(data_offset: int) -> None:
    body = bytearray(WriteRequest(0, FileId(1, 2), b"data").build())
    body[2:4] = data_offset.to_bytes(2, "little")
    with pytest.raises(ParseError, match="Data at"):
        WriteRequest.parse(memoryview(HEADER + body))


def test_data_may_stand_anywhere_in_the_message() -> None:
    body = bytearray(WriteRequest(0, FileId(1, 2), b"....data").build())
    body[2:4] = (112 + 4).to_bytes(2, "little")
    body[4:8] = (4).to_bytes(4, "little")
    assert WriteRequest.parse(memoryview(HEADER + body)).data == b"data"


def test_many_writes_are_gathered_as_they_are_read_one_by_one() -> None:
    parts = [HEADER + WriteRequest(4096 * i, FileId(i, i + 1), bytes(i)).build() for i in range(5)]
    starts = np.cumsum([0, *map(len, parts[:-1])], dtype=np.int64)
    columns = WRITE_REQUEST.gather(b"".join(parts), starts + len(HEADER))
    one_by_one = [WRITE_REQUEST.parse(part, len(HEADER)) for part in parts]
    assert [tuple(row) for row in columns.tolist()] == [tuple(fixed) for fixed in one_by_one]
    assert columns["length"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.witness
@pytest.mark.parametrize(
    "place", ["samba/torture_lock.pcapng", "public/suricata/smb2-async-read/input.pcap", "public/zeek/smb/smb2.pcap"]
)
def test_reads_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    names = ("smb2.fid", "smb2.file_offset", "smb2.read_length", "smb2.min_count", "smb2.channel")
    theirs = fields(tshark, capture, *names)
    requests = find(tshark, capture, Command.READ, responses=False)
    assert requests
    for message in requests:
        ours = ReadRequest.parse(message.data)
        expected = [wire_file_id(*ours.file_id), str(ours.offset), str(ours.length), str(ours.minimum_count)]
        assert theirs[message.frame] == [*([value] for value in expected), [f"0x{ours.channel:08x}"]]


@pytest.mark.witness
def test_read_data_is_what_tshark_finds(shared: Path, tshark: str) -> None:
    capture = shared / "captures/public/suricata/smb2-async-read/input.pcap"
    theirs = fields(tshark, capture, "smb2.olb.length", "smb2.read_remaining", "data.data")
    responses = find(tshark, capture, Command.READ, responses=True)
    assert sum(len(ReadResponse.parse(message.data).data) for message in responses) > 1_000_000
    for message in responses:
        ours = ReadResponse.parse(message.data)
        assert theirs[message.frame] == [[str(len(ours.data))], [str(ours.data_remaining)], [ours.data.hex()]]


@pytest.mark.witness
def test_writes_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_202_signed.pcapng"
    theirs = fields(tshark, capture, "smb2.fid", "smb2.file_offset", "smb2.write_length", "data.data")
    requests = find(tshark, capture, Command.WRITE, responses=False)
    assert len(requests) > 5
    for message in requests:
        ours = WriteRequest.parse(message.data)
        expected = [wire_file_id(*ours.file_id), str(ours.offset), str(len(ours.data)), ours.data.hex()]
        assert theirs[message.frame] == [[value] for value in expected]
        assert ours.build() == message.data[len(HEADER) :]


@pytest.mark.witness
def test_write_responses_count_what_tshark_counts(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/ntlm_202_signed.pcapng"
    theirs = fields(tshark, capture, "smb2.write.count")
    responses = find(tshark, capture, Command.WRITE, responses=True)
    assert len(responses) > 5
    for message in responses:
        assert theirs[message.frame] == [[str(WriteResponse.parse(message.data).count)]]
