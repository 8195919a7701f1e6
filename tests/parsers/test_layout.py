"""One declaration, three ways to read and write: they agree, and none leaves the buffer.

Witness: an IPv4 header that dpkt builds.
"""

import struct
from typing import NamedTuple

import dpkt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.layout import (
    I64,
    U8,
    U16,
    U32,
    U64,
    Bytes3,
    Bytes4,
    Bytes8,
    Bytes16,
    Bytes32,
    Layout,
    cut,
    everywhere,
)


class Everything(NamedTuple):
    """A field of every type, so placed that nothing is aligned."""

    byte: U8
    pair: U16
    three: Bytes3
    word: U32
    four: Bytes4
    long: U64
    signed: I64
    eight: Bytes8
    sixteen: Bytes16
    thirty_two: Bytes32


SIZE = 1 + 2 + 3 + 4 + 4 + 8 + 8 + 8 + 16 + 32
LAYOUTS = {order: Layout(Everything, byteorder=order) for order in "<>"}
RECORDS = st.builds(
    Everything,
    *(st.integers(0, 256**size - 1) for size in (1, 2)),
    st.binary(min_size=3, max_size=3),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 2**64 - 1),
    st.integers(-(2**63), 2**63 - 1),
    *(st.binary(min_size=size, max_size=size) for size in (8, 16, 32)),
)
orders = pytest.mark.parametrize("order", LAYOUTS)


def as_record(row: np.void) -> Everything:
    """A gathered row with the types that `parse` gives."""
    return Everything(*(bytes(value) if isinstance(value, bytes | np.void) else int(value) for value in row.item()))


@orders
@given(record=RECORDS, before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_parse_gather_and_build_agree(order, record, before, after):
    layout = LAYOUTS[order]
    data = before + layout.build(record) + after
    assert layout.parse(data, len(before)) == record
    (row,) = layout.gather(data, np.array([len(before)]))
    assert as_record(row) == record


@orders
@given(data=st.binary(min_size=SIZE, max_size=3 * SIZE), draw=st.data())
def test_random_bytes_are_read_the_same_one_by_one_and_all_at_once(order, data, draw):
    layout = LAYOUTS[order]
    offsets = draw.draw(st.lists(st.integers(0, len(data) - SIZE), max_size=12))  # any order, overlapping, unaligned
    rows = layout.gather(data, np.array(offsets, np.int64))
    assert rows.dtype == layout.dtype
    assert [as_record(row) for row in rows] == [layout.parse(data, offset) for offset in offsets]
    assert [layout.build(as_record(row)) for row in rows] == [data[offset : offset + SIZE] for offset in offsets]


@orders
def test_the_size_is_that_of_the_fields_without_padding(order):
    assert LAYOUTS[order].size == LAYOUTS[order].dtype.itemsize == SIZE
    assert LAYOUTS[order].dtype.names == Everything._fields


@orders
def test_every_prefix_is_too_short(order):
    layout = LAYOUTS[order]
    for length in range(SIZE):
        with pytest.raises(ParseError, match=f"Everything needs {SIZE} bytes, {length} remain") as caught:
            layout.parse(bytes(length + 5), 5)
        assert caught.value.offset == 5
        with pytest.raises(ParseError, match="Everything lies outside of the buffer"):
            layout.gather(bytes(length), np.array([0]))


@pytest.mark.parametrize("offset", [-1, -SIZE, 6, SIZE + 5, 2**40])
def test_an_offset_outside_of_the_buffer_is_bad_bytes(offset):
    layout, data = LAYOUTS["<"], bytes(SIZE + 5)
    with pytest.raises(ParseError):
        layout.parse(data, offset)
    with pytest.raises(ParseError, match="outside") as caught:
        layout.gather(data, np.array([0, 5, offset, 1]))
    assert caught.value.offset == offset


def test_no_offsets_give_no_rows_even_of_an_empty_buffer():
    rows = LAYOUTS["<"].gather(b"", np.empty(0, np.int64))
    assert (rows.shape, rows.dtype) == ((0,), LAYOUTS["<"].dtype)


def test_gathered_rows_are_copies():
    layout, data = LAYOUTS["<"], bytearray(SIZE)
    rows = layout.gather(data, np.array([0]))
    data[:] = b"\xff" * SIZE
    assert as_record(rows[0]) == layout.parse(bytes(SIZE))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda data: np.frombuffer(data, np.uint8)])
def test_every_kind_of_buffer_is_gathered_from(kind):
    data = bytes(range(SIZE + 1))
    (row,) = LAYOUTS["<"].gather(kind(data), np.array([1]))
    assert as_record(row) == LAYOUTS["<"].parse(data, 1)


def test_a_byte_string_keeps_its_trailing_zeros():
    class Name(NamedTuple):
        name: Bytes8

    layout = Layout(Name)
    assert layout.parse(b"AB\0\0\0\0\0\0") == Name(b"AB\0\0\0\0\0\0")
    assert bytes(layout.gather(b"AB\0\0\0\0\0\0", np.array([0]))["name"][0]) == b"AB\0\0\0\0\0\0"


@given(st.binary(max_size=30), st.sampled_from(["u1", "<u2", ">u4", "<u8", "V5"]))
def test_every_place_of_a_buffer_is_a_number(data, dtype):
    size = np.dtype(dtype).itemsize
    items = everywhere(data, dtype)
    assert len(items) == max(len(data) - size + 1, 0)
    expected = [np.frombuffer(data[at : at + size], dtype)[0] for at in range(len(items))]
    assert items[np.arange(len(items))].tolist() == [item.item() for item in expected]


def test_big_endian_fields_are_those_that_dpkt_writes():
    class Ipv4(NamedTuple):
        version_ihl: U8
        tos: U8
        total_length: U16
        identification: U16
        flags_fragment: U16
        ttl: U8
        protocol: U8
        checksum: U16
        source: U32
        destination: U32

    packet = dpkt.ip.IP(tos=3, id=0x1234, ttl=63, p=6, src=b"\x0a\0\0\1", dst=b"\x0a\0\0\2", data=b"payload", len=27)
    packet.df = 1
    packet.sum = 0xABCD
    expected = Ipv4(0x45, 3, 27, 0x1234, 0x4000, 63, 6, 0xABCD, 0x0A000001, 0x0A000002)
    layout = Layout(Ipv4, byteorder=">")
    assert layout.parse(bytes(packet)) == expected
    assert layout.build(expected) == bytes(packet)[:20]
    assert tuple(layout.gather(bytes(packet), np.array([0]))[0].item()) == expected


def test_building_a_value_that_its_field_cannot_hold_is_a_bug_and_says_so():
    with pytest.raises(struct.error):
        LAYOUTS["<"].build(LAYOUTS["<"].parse(bytes(SIZE))._replace(pair=65536))


def test_short_ranges_are_cut_as_slices_are():
    data = bytes(range(200)) + bytes(20)
    starts = np.array([5, 0, 199, 7, 7, 210, 220])
    ends = np.array([9, 0, 203, 7, 200, 220, 220])
    for buffer in (data, bytearray(data), memoryview(data)):
        pieces = cut(buffer, starts, ends).tolist()
        assert pieces == [data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    assert cut(data, starts[:0], ends[:0]).tolist() == []
