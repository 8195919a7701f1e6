"""Unknown wire values survive as themselves, and hostile ones cost no memory."""

import copy
import pickle
from enum import unique

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.enums import OpenEnum, OpenFlag


@unique
class Command(OpenEnum):
    NEGOTIATE = 0
    ECHO = 0x0D


@unique
class Flags(OpenFlag):
    RESPONSE = 0x01
    SIGNED = 0x08


@given(st.integers(0, 2**64 - 1))
def test_every_integer_is_a_member_equal_to_itself(value):
    member = Command(value)
    assert isinstance(member, Command)
    assert (member, member.value, int(member), hash(member)) == (value, value, value, hash(value))


def test_a_known_value_is_the_declared_member():
    assert Command(0x0D) is Command.ECHO
    assert Command.ECHO.name == "ECHO"


def test_an_unknown_value_is_named_by_its_hexadecimal_value():
    assert Command(0xBEEF).name == "0xBEEF"
    assert repr(Command(0xBEEF)) == "<Command.0xBEEF: 48879>"


@pytest.mark.parametrize("value", ["ECHO", 1.5, None, b"\x0d"])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(ValueError, match="is not a valid Command"):
        Command(value)


def test_unknown_members_are_not_remembered():
    before = list(Command)
    for value in range(100, 5000):
        Command(value)
    assert list(Command) == before
    assert len(Command._value2member_map_) == 2


def test_unknown_members_survive_copying_and_pickling():
    unknown = Command(0xBEEF)
    for twin in (copy.deepcopy(unknown), pickle.loads(pickle.dumps(unknown))):
        assert (type(twin), twin, twin.name) == (Command, 0xBEEF, "0xBEEF")


@given(st.integers(0, 2**32 - 1))
def test_a_flag_keeps_the_bits_that_no_member_names(value):
    flags = Flags(value)
    assert isinstance(flags, Flags)
    assert int(flags) == value
    assert (Flags.SIGNED in flags) == bool(value & 0x08)
    assert int(flags | Flags.SIGNED) == value | 0x08
    assert int(flags ^ flags & Flags.SIGNED) == value & ~0x08


def test_a_class_of_flags_remembers_a_bounded_number_of_combinations():
    for value in range(0, 40_000, 7):
        assert int(Flags(value)) == value
    assert len(Flags._value2member_map_) <= 1100
    assert Flags(0x09) == Flags.RESPONSE | Flags.SIGNED
    assert [flag.name for flag in Flags] == ["RESPONSE", "SIGNED"]
