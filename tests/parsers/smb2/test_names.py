import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.smb2.names import NameTable


def test_a_name_has_one_number_and_is_kept_once():
    table = NameTable()
    raw = [name.encode("utf-16-le") for name in ("a.txt", "b.txt", "a.txt", "")]
    assert [table.number(one) for one in raw] == [0, 1, 0, 2]
    assert table.names == ["a.txt", "b.txt", ""]


def test_names_are_read_from_the_arena():
    arena = memoryview(bytearray("xxa.txtb.txta.txt".encode("utf-16-le")))
    starts = np.array([4, 14, 24, 0], np.int64)
    table = NameTable()
    numbers = table.numbers(arena, starts, starts + np.array([10, 10, 10, 0]))
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [0, 1, 0, 2]
    assert table.names == ["a.txt", "b.txt", ""]
    arena[:] = bytes(len(arena))  # the arena is reused
    assert table.names == ["a.txt", "b.txt", ""]


def test_no_names_are_an_empty_column():
    nothing = np.empty(0, np.int64)
    assert NameTable().numbers(memoryview(bytearray(4)), nothing, nothing).dtype == np.int64


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x00\xd8", "\ud800"),  # MS-FSCC 2.1.5: any 16-bit units
        (b"a\x00\x00\xdcb\x00", "a\udc00b"),
        (b"a\x00b", "a"),
        (b"a", ""),
        ("😀".encode("utf-16-le"), "😀"),
        (b"\x00\x00", "\x00"),
    ],
)
def test_names_that_are_no_text_survive(raw, text):
    table = NameTable()
    assert table.names[table.number(raw)] == text


@given(st.lists(st.binary(max_size=9)))
def test_any_bytes_are_a_name(raws):
    table = NameTable()
    numbers = [table.number(raw) for raw in raws]
    assert numbers == [table.number(raw) for raw in raws]
    assert len(set(numbers)) == len(set(raws)) == len(table.names)
