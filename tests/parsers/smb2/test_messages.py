"""Compounds taken apart by hand-made NextCommand values, and the columns that follow."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.smb2.header import HEADER_SIZE, Command, Flags
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES, Fault, Messages, split_units
from parsers.verdicts import Decryption, Signature
from tests.parsers.smb2.dialogue import CLIENT, Said, compound, message, place

ECHO = message(Command.ECHO, 7)
LIMIT = 1 << 14


def split(*units: bytes) -> tuple[list[tuple[int, int, int]], list[Fault]]:
    """(unit, offset, end) of each message; units stand one behind another and have the numbers 10, 11, ..."""
    arena = memoryview(bytearray(b"".join(units)))
    length = np.array([len(unit) for unit in units], np.int64)
    ends = np.cumsum(length)
    numbers = np.arange(10, 10 + len(units), dtype=np.int64)
    unit, offset, end, faults = split_units(arena, numbers, ends - length, ends)
    return list(zip(unit.tolist(), offset.tolist(), end.tolist(), strict=True)), faults


def linked(data: bytes, next_command: int) -> bytes:
    """A message that says where the next one begins."""
    return data[:20] + struct.pack("<I", next_command) + data[24:]


def test_units_of_one_message_are_passed_on():
    assert split(ECHO, ECHO) == ([(10, 0, 68), (11, 68, 136)], [])


def test_no_units_give_no_messages():
    assert split() == ([], [])


def test_a_compound_is_taken_apart_and_padding_belongs_to_the_message_before():
    whole = compound(ECHO, message(Command.CREATE, 8, bytes(61)), message(Command.CLOSE, 9, bytes(24)))
    assert len(whole) == 72 + 128 + 88
    assert split(whole) == ([(10, 0, 72), (10, 72, 200), (10, 200, 288)], [])


def test_the_order_of_units_is_kept_between_compounds():
    pair = compound(ECHO, ECHO)
    assert [unit for unit, _, _ in split(ECHO, pair, ECHO, pair, ECHO)[0]] == [10, 11, 11, 12, 13, 13, 14]
    assert [offset for _, offset, _ in split(ECHO, pair, ECHO)[0]] == [0, 68, 140, 208]


def test_a_following_message_need_not_be_aligned():
    """MS-SMB2 2.2.1.2 demands eight bytes; what is not aligned can be read all the same."""
    assert split(linked(ECHO + b"!", 69) + ECHO) == ([(10, 0, 69), (10, 69, 137)], [])


@pytest.mark.parametrize("next_command", [1, 8, 63, 69, 70, 72, 136, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
def test_a_next_command_that_leads_astray_ends_the_compound(next_command):
    found, faults = split(ECHO, linked(ECHO, next_command) + ECHO[:64], ECHO)
    assert found == [(10, 0, 68), (11, 68, 200), (12, 200, 268)]
    assert faults == [Fault(11, 68, 0, f"NextCommand {next_command} leaves the compound")]


def test_a_next_command_that_leads_astray_later_keeps_what_was_before():
    found, faults = split(linked(ECHO + bytes(4), 72) + linked(ECHO, 9999))
    assert found == [(10, 0, 72), (10, 72, 140)]
    assert faults == [Fault(10, 72, 0, "NextCommand 9999 leaves the compound")]


def test_the_last_header_of_a_compound_must_be_whole():
    short = linked(ECHO + bytes(4), 72) + ECHO[:63]
    assert split(short)[0] == [(10, 0, 135)]
    assert split(short + b"\0")[0] == [(10, 0, 72), (10, 72, 136)]


@pytest.mark.parametrize("size", [0, 1, 63])
def test_what_is_shorter_than_a_header_is_no_message(size):
    found, faults = split(ECHO, ECHO[:size], ECHO)
    assert found == [(10, 0, 68), (12, 68 + size, 136 + size)]
    assert faults == [Fault(11, 68, size, "shorter than an SMB2 header")]


def test_a_compound_of_too_many_messages_is_cut():
    header = linked(ECHO[:64], 64)
    found, faults = split(header * LIMIT + ECHO[:64])
    assert len(found) == LIMIT + 1
    assert faults == []
    found, faults = split(header * (LIMIT + 1) + ECHO[:64])
    assert found[-1] == (10, LIMIT * 64, (LIMIT + 2) * 64)
    assert len(faults) == 1


@given(st.lists(st.tuples(st.binary(max_size=200), st.integers(0, 300)), max_size=5), st.integers(0, 8))
def test_messages_and_faults_cover_a_unit_exactly_once(parts, cut):
    units = [linked(ECHO, following) + rest for rest, following in parts]
    units = [unit[: len(unit) - cut] for unit in units]
    found, faults = split(*units)
    covered = [(unit, offset, end) for unit, offset, end in found]
    covered += [(fault.unit, fault.offset, fault.offset + fault.length) for fault in faults if fault.length]
    at = 0
    for number, unit in enumerate(units, 10):
        mine = sorted((offset, end) for owner, offset, end in covered if owner == number)
        assert [at, *(end for _, end in mine)] == [*(offset for offset, _ in mine), at + len(unit)]
        at += len(unit)


def test_headers_become_columns():
    data = [message(Command.READ, 5, bytes(49), session_id=0x77, tree_id=3), message(Command.ECHO, 6, answer=True)]
    arena, units = place([Said(0, CLIENT, one) for one in data])
    unit, offset, end, _ = split_units(arena, np.arange(2), units.start, units.start + units.length)
    plain = Messages.of_headers(arena, unit, offset, end, encrypted=False)
    assert plain.header["command"].tolist() == [Command.READ, Command.ECHO]
    assert plain.header["message_id"].tolist() == [5, 6]
    assert (plain.header["async_id"] >> np.uint64(32)).tolist() == [3, 0]
    assert (plain.header["flags"] & Flags.SERVER_TO_REDIR.value).tolist() == [0, 1]
    assert (plain.end - plain.offset).tolist() == [HEADER_SIZE + 49, HEADER_SIZE + 4]
    assert plain.known.all()
    assert {DECRYPTIONS[value] for value in plain.decryption} == {Decryption.PLAINTEXT}
    assert {SIGNATURES[value] for value in plain.signature} == {Signature.UNSIGNED}
    assert plain.session.tolist() == plain.name.tolist() == [-1, -1]
    opened = Messages.of_headers(arena, unit, offset, end, encrypted=True)
    assert opened.encrypted.all()
    assert {DECRYPTIONS[value] for value in opened.decryption} == {Decryption.DECRYPTED}
    assert {SIGNATURES[value] for value in opened.signature} == {Signature.NOT_COVERED}


def test_a_unit_that_was_not_opened_is_a_row_with_its_session_and_verdict():
    column = np.array([4, 9], np.int64)
    verdict = np.array([DECRYPTIONS.index(Decryption.NO_KEY), DECRYPTIONS.index(Decryption.DAMAGED)])
    shut = Messages.unopened(column, column, column + 100, np.array([1, 2]), verdict)
    assert not shut.known.any()
    assert shut.encrypted.all()
    assert shut.header["session_id"].tolist() == [1, 2]
    assert [DECRYPTIONS[value] for value in shut.decryption] == [Decryption.NO_KEY, Decryption.DAMAGED]
    both = Messages.concatenate([shut, shut]).take(np.array([3, 0], np.int64))
    assert both.unit.tolist() == [9, 4]
    assert len(both) == 2


def test_a_unit_is_incomplete_if_less_is_there_than_was_declared():
    _, units = place([Said(0, CLIENT, ECHO)] * 3, present={1: 60})
    assert units.incomplete.tolist() == [False, True, False]
