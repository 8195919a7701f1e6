"""The cursor: whatever is asked for, it gives exactly those bytes or says where they end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.reader import Reader

DATA = bytes(range(1, 17))
NUMBERS = {"u8": (1, 0x01), "u16": (2, 0x0201), "u32": (4, 0x04030201), "u64": (8, 0x0807060504030201)}


@pytest.mark.parametrize(("method", "size", "expected"), [(name, *row) for name, row in NUMBERS.items()])
def test_numbers_are_little_endian_and_every_prefix_is_too_short(method, size, expected):
    reader = Reader(DATA)
    assert getattr(reader, method)("number") == expected
    assert reader.position == size
    for length in range(size):
        with pytest.raises(ParseError, match=f"number needs {size} bytes, {length} remain"):
            getattr(Reader(DATA[:length]), method)("number")


def test_big_endian_numbers_have_any_length():
    reader = Reader(DATA)
    assert [reader.big(length, "length") for length in (3, 2, 0)] == [0x010203, 0x0405, 0]
    assert reader.position == 5


def test_pieces_follow_one_another_until_nothing_remains():
    reader = Reader(DATA)
    assert bytes(reader.take(3, "head")) == DATA[:3]
    assert reader.remaining == 13
    assert bytes(reader.rest()) == DATA[3:]
    assert (reader.remaining, bytes(reader.rest())) == (0, b"")


def test_a_reader_over_a_part_ends_where_the_part_ends():
    reader = Reader(DATA)
    reader.u8("head")
    part = reader.sub(4, "part")
    assert (part.remaining, reader.position) == (4, 5)
    assert part.u32("field") == 0x05040302
    with pytest.raises(ParseError) as caught:
        part.u8("more")
    assert caught.value.offset == 4  # counted from the start of the part


@pytest.mark.parametrize("length", [-1, 15, 2**70])
def test_a_refused_piece_leaves_the_cursor_where_it_is(length):
    reader = Reader(DATA)
    reader.u16("head")
    for attempt in (reader.take, reader.sub, reader.big):
        with pytest.raises(ParseError) as caught:
            attempt(length, "field")
        assert caught.value.offset == reader.position == 2


def test_an_offset_from_the_wire_reads_elsewhere_and_moves_nothing():
    reader = Reader(DATA)
    reader.u32("head")
    assert bytes(reader.at(2, 3, "name")) == DATA[2:5]
    assert bytes(reader.at(16, 0, "nothing")) == b""
    assert bytes(reader.at(999, 0, "nothing, and its offset does not matter")) == b""
    assert reader.position == 4


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (0, 17), (16, 1), (1, -1), (2**64, 1), (1, 2**64)])
def test_an_offset_from_the_wire_cannot_leave_the_buffer(offset, length):
    with pytest.raises(ParseError, match="leaves the 16 byte buffer") as caught:
        Reader(DATA).at(offset, length, "name")
    assert caught.value.offset == offset


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_is_read_without_a_copy(kind):
    reader = Reader(kind(DATA))
    assert reader.take(4, "part").obj is reader.data.obj


@pytest.mark.fuzz
@given(st.binary(max_size=40), st.lists(st.tuples(st.sampled_from(["take", "at", "sub"]), st.integers(-5, 45))))
def test_any_series_of_requests_gives_slices_or_bad_bytes(data, requests):
    reader, position = Reader(data), 0
    for method, length in requests:
        place = position if method != "at" else abs(length)
        fits = length == 0 or (length > 0 and place + length <= len(data))
        arguments = (place, length) if method == "at" else (length,)
        if not fits:
            with pytest.raises(ParseError):
                getattr(reader, method)(*arguments, "field")
            continue
        given_bytes = getattr(reader, method)(*arguments, "field")
        expected = data[place : place + length]
        assert bytes(given_bytes.rest() if method == "sub" else given_bytes) == expected
        position += 0 if method == "at" else length
        assert reader.position == position
