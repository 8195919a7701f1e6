"""Lists of extended attributes (MS-FSCC 2.4.16)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.extended_attributes import (
    EA,
    ExtendedAttribute,
    build_ea_names,
    build_eas,
    parse_ea_names,
    parse_eas,
)

names = st.binary(max_size=255)
attributes = st.builds(ExtendedAttribute, names, st.binary(max_size=300), st.sampled_from([0, 0x80]))


@given(st.lists(attributes, max_size=4))
def test_attributes_survive(some: list[ExtendedAttribute]) -> None:
    assert parse_eas(build_eas(some)) == some


@given(st.lists(names, max_size=4))
def test_names_survive(some: list[bytes]) -> None:
    assert parse_ea_names(build_ea_names(some)) == some


def test_a_list_looks_as_the_specification_says() -> None:
    built = build_eas([ExtendedAttribute(b"AB", b"xyz"), ExtendedAttribute(b"C", b"")])
    assert built == bytes.fromhex("10000000 00 02 0300 4142 00 78797a 000000000000 00 01 0000 43 00".replace(" ", ""))
    assert EA.size == 8


def test_what_is_cut_short_is_none() -> None:
    data = build_eas([ExtendedAttribute(b"NAME", b"value"), ExtendedAttribute(b"OTHER", b"v")])
    for length in range(1, len(data)):
        with pytest.raises(ParseError):
            parse_eas(data[:length])
    asked = build_ea_names([b"NAME", b"OTHER"])
    for length in range(1, len(asked) - 1):  # the terminator of the last one is not missed
        with pytest.raises(ParseError):
            parse_ea_names(asked[:length])


def test_a_name_has_an_end() -> None:
    data = bytearray(build_eas([ExtendedAttribute(b"A", b"b")]))
    data[9] = 0x42
    with pytest.raises(ParseError, match="terminated"):
        parse_eas(bytes(data))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (parse_eas, parse_ea_names):
        try:
            parse(data)
        except ParseError:
            continue
