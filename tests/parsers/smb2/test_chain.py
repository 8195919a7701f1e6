"""Linked entries: forward only, never outside of the buffer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.chain import link_entries, split_entries


def test_entries_that_are_linked_are_found_again() -> None:
    linked = link_entries([b"\0\0\0\0one", b"\0\0\0\0three", b"\0\0\0\0!"], 4)
    assert linked.hex(" ") == "08 00 00 00 6f 6e 65 00 0c 00 00 00 74 68 72 65 65 00 00 00 00 00 00 00 21"
    assert [bytes(entry[4:]).rstrip(b"\0") for entry in split_entries(memoryview(linked), "x")] == [
        b"one",
        b"three",
        b"!",
    ]


def test_no_bytes_are_no_entries() -> None:
    assert list(split_entries(memoryview(b""), "x")) == []
    assert link_entries([], 8) == b""


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("00 00 00", id="link cut short"),
        pytest.param("03 00 00 00 00 00 00 00", id="link into itself"),
        pytest.param("08 00 00 00 00 00 00 00", id="link to the end"),
        pytest.param("09 00 00 00 00 00 00 00", id="link past the end"),
        pytest.param("ff ff ff ff 00 00 00 00", id="link far away"),
        pytest.param("04 00 00 00 02 00 00 00 00", id="second link into itself"),
        pytest.param("04 00 00 00 00 00", id="second link cut short"),
    ],
)
def test_a_link_that_leads_nowhere_is_refused(data: str) -> None:
    with pytest.raises(ParseError, match="NextEntryOffset"):
        list(split_entries(memoryview(bytes.fromhex(data)), "x"))


@given(st.binary(max_size=64))
def test_any_bytes_are_entries_that_follow_each_other_or_an_error(data: bytes) -> None:
    try:
        entries = list(split_entries(memoryview(data), "x"))
    except ParseError:
        return
    assert b"".join(map(bytes, entries)) == data
