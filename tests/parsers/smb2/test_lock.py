"""LOCK: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.errors import ParseError
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.lock import LockElement, LockFlags, LockRequest, LockResponse
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

SHARED = LockElement(0, 1 << 63, LockFlags.SHARED_LOCK | LockFlags.FAIL_IMMEDIATELY)
UNLOCK = LockElement((1 << 64) - 1, 0, LockFlags.UNLOCK | LockFlags(1 << 30))
SAMPLES: list[Codec] = [
    LockRequest(15, 64, FileId(1, 2), (SHARED, UNLOCK)),
    LockRequest(0, (1 << 28) - 1, FileId(1, 2), (SHARED,)),
    LockRequest(0, 0, FileId(1, 2), ()),
    LockResponse(),
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


def test_more_locks_than_the_message_holds_are_refused() -> None:
    body = bytearray(LockRequest(0, 0, FileId(1, 2), (SHARED,)).build())
    body[2:4] = b"\xff\xff"
    with pytest.raises(ParseError, match="Locks"):
        LockRequest.parse(memoryview(HEADER + body))


def test_the_sequence_number_is_the_low_half_byte() -> None:
    body = LockRequest(0xA, 0x123, FileId(1, 2), (SHARED,)).build()
    assert body[4:8] == (0x123A).to_bytes(4, "little")


@pytest.mark.witness
def test_locks_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/torture_lock.pcapng"
    names = ("smb2.lock_count", "smb2.fid", "smb2.file_offset", "smb2.lock_length", "smb2.lock_flags")
    theirs = fields(tshark, capture, *names)
    requests = find(tshark, capture, Command.LOCK, responses=False)
    assert len(requests) > 300
    assert max(len(LockRequest.parse(message.data).locks) for message in requests) > 1
    for message in requests:
        ours = LockRequest.parse(message.data)
        assert theirs[message.frame] == [
            [str(len(ours.locks))],
            [wire_file_id(*ours.file_id)],
            [str(lock.offset) for lock in ours.locks],
            [str(lock.length) for lock in ours.locks],
            [f"0x{lock.flags:08x}" for lock in ours.locks],
        ]
