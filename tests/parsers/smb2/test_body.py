from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.layout import U16, Layout
from parsers.smb2.body import (
    align8,
    decode_u16s,
    decode_utf16,
    encode_u16s,
    encode_utf16,
    pad8,
    parse_body,
    payload,
)


class PairFixed(NamedTuple):
    structure_size: U16
    value: U16


PAIR = Layout(PairFixed)


def test_a_body_begins_after_the_header():
    assert parse_body(PAIR, 4, memoryview(bytes(64) + b"\x04\0\x07\0")).value == 7


def test_another_structure_size_is_refused():
    with pytest.raises(ParseError, match="StructureSize is 5, not 4"):
        parse_body(PAIR, 4, memoryview(bytes(64) + b"\x05\0\x07\0"))


def test_a_payload_lies_between_header_and_end():
    message = memoryview(bytes(64) + b"abcdef")
    assert payload(message, 66, 4, "name") == b"cdef"
    for offset, length in ((63, 2), (0, 1), (67, 4), (2**32, 1)):
        with pytest.raises(ParseError, match="name"):
            payload(message, offset, length, "name")


def test_an_empty_payload_may_be_anywhere():
    assert payload(memoryview(bytes(64)), 0xFFFF, 0, "name") == b""


@given(st.binary(max_size=40).filter(lambda data: len(data) % 2 == 0))
def test_any_sixteen_bit_units_survive_as_a_name(data):
    assert encode_utf16(decode_utf16(data, "name")) == data


def test_a_lone_surrogate_is_a_character():
    assert decode_utf16(b"a\0\x00\xd8b\0", "name") == "a\ud800b"


def test_an_odd_name_is_refused():
    with pytest.raises(ParseError, match="odd length of 3"):
        decode_utf16(b"a\0b", "name")


@pytest.mark.parametrize(("length", "padding"), [(0, 0), (1, 7), (7, 1), (8, 0), (9, 7)])
def test_padding_leads_to_a_multiple_of_eight(length, padding):
    assert pad8(length) == bytes(padding)
    assert align8(b"x" * length) == b"x" * length + bytes(padding)


def test_numbers_are_little_endian():
    assert encode_u16s((1, 0x0311)) == b"\x01\0\x11\x03"
    assert decode_u16s(memoryview(b"\x01\0\x11\x03")) == (1, 0x0311)
