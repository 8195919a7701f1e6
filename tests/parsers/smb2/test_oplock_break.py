"""OPLOCK_BREAK in its three forms: round trips, refusals, and what tshark reads in real ones."""

from pathlib import Path

import pytest
from hypothesis import given

from parsers.errors import ParseError
from parsers.smb2.create import OplockLevel
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.lease import LeaseState
from parsers.smb2.oplock_break import (
    LeaseBreak,
    LeaseBreakFlags,
    LeaseBreakNotification,
    OplockBreak,
    parse_oplock_break,
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
    guid_text,
    wire_file_id,
)

KEY = bytes(range(16))
READ_HANDLE = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING
FULL: list[Codec] = [
    OplockBreak(OplockLevel.II, FileId(1, 2)),
    OplockBreak(OplockLevel(0x77), FileId(1, 2)),
    LeaseBreakNotification(3, LeaseBreakFlags.ACK_REQUIRED, KEY, READ_HANDLE, LeaseState.NONE),
    LeaseBreak(KEY, LeaseState.READ_CACHING | LeaseState(1 << 31)),
]
EMPTY: list[Codec] = []


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


@pytest.mark.parametrize("sample", FULL)
def test_the_structure_size_says_which_form_it_is(sample: Codec) -> None:
    whole = HEADER + sample.build()
    assert parse_oplock_break(memoryview(whole)) == sample
    for length in range(len(whole)):
        with pytest.raises(ParseError):
            parse_oplock_break(memoryview(whole[:length]))


def test_a_structure_size_of_none_of_the_forms_is_refused() -> None:
    with pytest.raises(ParseError, match="not 24, 36 or 44"):
        parse_oplock_break(memoryview(HEADER + (25).to_bytes(2, "little") + bytes(60)))


@pytest.mark.witness
def test_oplock_breaks_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/torture_oplock.pcapng"
    theirs = fields(tshark, capture, "smb2.fid", "smb2.create.oplock")
    counts = []
    for responses in (False, True):
        messages = find(tshark, capture, Command.OPLOCK_BREAK, responses=responses)
        counts.append(len(messages))
        for message in messages:
            ours = parse_oplock_break(message.data)
            assert isinstance(ours, OplockBreak)
            assert theirs[message.frame] == [[wire_file_id(*ours.file_id)], [f"0x{ours.oplock_level:02x}"]]
            assert ours.build() == message.data[len(HEADER) :]
    assert min(counts) > 20


@pytest.mark.witness
def test_lease_breaks_are_read_as_tshark_reads_them(shared: Path, tshark: str) -> None:
    capture = shared / "captures/samba/torture_lease.pcapng"
    names = ("smb2.lease.lease_key", "smb2.lease.lease_state", "smb2.lease.lease_flags", "smb2.lease.lease_oplock")
    theirs = fields(tshark, capture, *names)
    notifications = answers = 0
    for responses in (False, True):
        for message in find(tshark, capture, Command.OPLOCK_BREAK, responses=responses):
            ours = parse_oplock_break(message.data)
            if isinstance(ours, LeaseBreakNotification):
                notifications += 1
                states = [f"0x{state:08x}" for state in (ours.current_lease_state, ours.new_lease_state)]
                more = [[f"0x{ours.flags:08x}"], [f"0x{ours.new_epoch:04x}"]]
                assert theirs[message.frame] == [[guid_text(ours.lease_key)], states, *more]
            elif isinstance(ours, LeaseBreak):
                answers += 1
                key, state = guid_text(ours.lease_key), f"0x{ours.lease_state:08x}"
                assert theirs[message.frame] == [[key], [state], ["0x00000000"], []]
            assert ours.build() == message.data[len(HEADER) :]
    assert (notifications > 50, answers > 50) == (True, True)
