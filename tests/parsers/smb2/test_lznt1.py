"""LZNT1: the published example in both directions, round trips, damage, and the bound on memory."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.lznt1 import CHUNK_SIZE, compress, decompress

# MS-XCA 3.3
PLAIN = (
    b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A "
    b"F# F# G A A G F# E D D E F# E D D\0"
)
PACKED = bytes.fromhex(
    "38b08846232000204720410010a24701a045204400084501507900c045200524138805b4024a44ef0358028c091601484500be009e00040118"
    "9000"
)


def test_the_published_example_is_read_and_written():
    assert decompress(PACKED, len(PLAIN)) == PLAIN
    assert compress(PLAIN) == PACKED


def test_the_end_of_the_buffer_may_be_marked():
    assert decompress(PACKED + b"\0\0", len(PLAIN)) == PLAIN
    assert decompress(PACKED + b"\0\0" + PACKED, len(PLAIN)) == PLAIN


@pytest.mark.parametrize(
    "plain",
    [b"", b"a", b"aaaa", bytes(CHUNK_SIZE), bytes(3 * CHUNK_SIZE + 1), PLAIN * 100, bytes(range(256)) * 20],
)
def test_what_is_compressed_comes_back(plain):
    assert decompress(compress(plain), len(plain)) == plain


@given(st.lists(st.binary(max_size=8) | st.binary(max_size=3).map(lambda piece: piece * 90), max_size=60).map(b"".join))
def test_any_bytes_come_back(plain):
    assert decompress(compress(plain), len(plain)) == plain


@pytest.mark.parametrize("packed", [PACKED, compress(bytes(range(256)) * 20), compress(bytes(10_000))])
def test_every_prefix_is_refused(packed):
    size = len(PLAIN) if packed == PACKED else 5120 if len(packed) > 100 else 10_000
    assert len(decompress(packed, size)) == size
    for length in range(len(packed)):
        with pytest.raises(ParseError):
            decompress(packed[:length], size)


@pytest.mark.parametrize("size", [0, len(PLAIN) - 1, len(PLAIN) + 1, 1 << 40])
def test_another_size_is_refused(size):
    with pytest.raises(ParseError, match=r"gives"):
        decompress(PACKED, size)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        ("38a0 88", "chunk header 0xa038"),  # another signature
        ("38b0 88", "chunk header 0xb038"),  # more than there is
        ("03b0 01 0000 61", "match of 3 bytes, 1 back, after 0"),
        ("03b0 02 61 0010", "match of 3 bytes, 2 back, after 1"),
        ("02b0 02 61 00", "cut short"),
        ("05b0 06 61 ff0f ff0f", "match of 4098 bytes, 1 back"),
    ],
)
def test_bad_chunks_are_refused(packed, message):
    with pytest.raises(ParseError, match=message):
        decompress(bytes.fromhex(packed), 4)


def test_a_chunk_gives_4096_bytes_and_no_more():
    assert decompress(bytes.fromhex("03b0 02 61 fc0f"), 4096) == b"a" * 4096
    with pytest.raises(ParseError, match="match of 4096 bytes, 1 back, after 1"):
        decompress(bytes.fromhex("03b0 02 61 fd0f"), 4097)
    with pytest.raises(ParseError, match="gives 4097 bytes"):
        decompress(bytes.fromhex("04b0 02 61 fc0f 62"), 4097)
    with pytest.raises(ParseError, match="too long"):
        decompress(bytes.fromhex("06b0 0a 61 fc0f 62 0000"), 5000)


def test_a_bomb_costs_one_chunk():
    packed = compress(bytes(4096)) * 10_000
    tracemalloc.start()
    try:
        with pytest.raises(ParseError, match="more than the 100 bytes"):
            decompress(packed, 100)
        assert tracemalloc.get_traced_memory()[1] < 4 * CHUNK_SIZE + len(packed)
    finally:
        tracemalloc.stop()


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_data_gives_the_declared_size_or_a_parse_error(data, size):
    try:
        assert len(decompress(data, size)) == size
    except ParseError:
        return


@given(st.integers(0, len(PACKED) - 1), st.integers(0, 255))
def test_one_changed_byte_gives_the_declared_size_or_a_parse_error(place, value):
    damaged = PACKED[:place] + bytes([value]) + PACKED[place + 1 :]
    try:
        assert len(decompress(damaged, len(PLAIN))) == len(PLAIN)
    except ParseError:
        return
