"""LZ77+Huffman: the published examples in both directions, wimlib's encoding, blocks, damage, bounded memory."""

import base64
import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.lz77_huffman import BLOCK_SIZE, compress, decompress


def code_table(entries: dict[int, int]) -> bytes:
    """The 256 bytes of code lengths; all but `entries` are zero."""
    return bytes(entries.get(place, 0) for place in range(256))


# MS-XCA 3.2
ALPHABET = code_table(
    {48: 0x50, **dict.fromkeys(range(49, 59), 0x55), 59: 0x45, 60: 0x44, 61: 0x04, 128: 0x04}
) + bytes.fromhex("d8523ed794115be9195ff9d67cdf8d0400000000")
ABC = code_table({48: 0x30, 49: 0x23, 128: 0x02, 143: 0x20}) + bytes.fromhex("a8dc0000ff2601")
PUBLISHED = [(bytes(range(97, 123)), ALPHABET), (b"abc" * 100, ABC)]

# XPRESS of wimlib 1.13.6, which is this format
WIMLIB_PLAIN = b" ".join(b"%d" % n**5 for n in range(64))
WIMLIB_PACKED = base64.b64decode(
    "AAAAAAAAAAAAAAAAAAAAAAUAAAAAAAAANEQ0REQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACIAAAAAAAAAAAAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAcA"
    "AAAAAAAAhgAAAAAAAACFeAAAAAAAAHQICAAAAAAAVggAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAA1N6TK0XV8RFExm6kJjJylMxo1W36P3QSHx6ghddaRpti1Ni/l10jZTevvRxRGd/KsKITthXvYukrcp3Q3CWhBsNsc/"
    "5oJj4dxnjME2Im8IWcTw6pXA3wjgaTDAQ/aq8i3URIxLzKS/GJYmtuxybF8qlRUrPELbQHtR8ebaZM+xtLrIVf4X/TMa7DjCMsiFRaHbMuUQ"
    "P+xhVUcOzrhWh5dm8tJITvYx5Zfia6T39EmzjyvxuE/m4aJQ7xUpNx2KI18WFvY84z6qnybEjbCkpOWLIHPezq7HGCcv1bHJddccJvPCL5Lt"
    "cDYb2fqSQTP2dgAA"
)


@pytest.mark.parametrize(("plain", "packed"), PUBLISHED)
def test_the_published_examples_are_read_and_written(plain, packed):
    assert decompress(packed, len(plain)) == plain
    assert compress(plain) == packed


def test_what_wimlib_compressed_is_read():
    assert decompress(WIMLIB_PACKED, len(WIMLIB_PLAIN)) == WIMLIB_PLAIN


def text(size: int) -> bytes:
    """Words drawn unevenly: codes of many lengths."""
    source = random.Random(size)
    words = [source.randbytes(source.randint(1, 9)) for _ in range(500)]
    drawn = (words[int(500 * source.random() ** 3)] for _ in range(size))
    return b" ".join(drawn)[:size]


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"a",
        b"aaaa",
        *(bytes(size) for size in (17, 18, 272, 273, 274, BLOCK_SIZE, BLOCK_SIZE + 1, BLOCK_SIZE + 4, 200_000)),
        text(5_000),
        text(BLOCK_SIZE),
        text(3 * BLOCK_SIZE + 7),
        text(BLOCK_SIZE - 2) + b"x" * 100,
    ],
    ids=len,
)
def test_what_is_compressed_comes_back(plain):
    assert decompress(compress(plain), len(plain)) == plain


def test_no_code_is_longer_than_15_bits():
    skewed = b"".join(bytes([symbol]) * (1 << symbol) for symbol in range(16))  # an unlimited code would take 16 bits
    shuffled = bytes(random.Random(1).sample(skewed, len(skewed)))
    assert decompress(compress(shuffled), len(shuffled)) == shuffled


def test_the_symbol_of_the_end_is_a_match_before_the_end():
    entries = {48: 0x10, 128: 0x01}  # "a" 0, symbol 256 1
    packed = code_table(entries) + bytes.fromhex("0050 0000")  # a, three more, a, three more
    assert decompress(packed, 8) == b"aaaaaaaa"


def test_a_length_of_32_bits_is_read():
    plain = b"a" * 100_000
    entries = {48: 0x10, 135: 0x10}  # "a" 0, a long match one back 1
    length = (len(plain) - 1 - 3).to_bytes(4, "little")
    packed = code_table(entries) + bytes.fromhex("0040 0000 ff 0000") + length
    assert decompress(packed, len(plain)) == plain


@given(st.lists(st.binary(max_size=8) | st.binary(max_size=3).map(lambda piece: piece * 90), max_size=60).map(b"".join))
def test_any_bytes_come_back(plain):
    assert decompress(compress(plain), len(plain)) == plain


@pytest.mark.parametrize("plain", [bytes(range(97, 123)), text(600), bytes(2 * BLOCK_SIZE)], ids=len)
def test_every_prefix_but_those_that_lack_the_end_is_refused(plain):
    packed = compress(plain)
    for length in range(len(packed) - 4):  # the symbol of the end, and the word that is read in advance
        with pytest.raises(ParseError):
            decompress(packed[:length], len(plain))


def test_a_larger_size_than_the_data_give_is_refused():
    with pytest.raises(ParseError):
        decompress(ABC, 1 << 40)


def test_a_smaller_size_than_a_match_gives_is_refused():
    with pytest.raises(ParseError, match="match of 297 bytes, 3 back, after 3 of 299"):
        decompress(ABC, 299)


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (ABC[:255], "code table needs 256 bytes, 255 remain"),
        (code_table({}) + ABC[256:], "no complete prefix code"),
        (code_table({48: 0x11, 49: 0x01}) + ABC[256:], "no complete prefix code"),
        (code_table({48: 0x21}) + ABC[256:], "no complete prefix code"),
        (code_table({48: 0x10, 136: 0x01}) + bytes.fromhex("0040 0000"), "match of 3 bytes, 2 back, after 1"),
        (code_table({48: 0x10, 135: 0x10}) + bytes.fromhex("0040 0000 ff 0e00"), "longer form"),
    ],
)
def test_bad_blocks_are_refused(packed, message):
    with pytest.raises(ParseError, match=message):
        decompress(packed, 1000)


def test_a_bomb_is_refused_before_it_costs_memory():
    bomb = code_table({48: 0x10, 135: 0x10}) + bytes.fromhex("0040 0000 ff 0000 ffffffff")
    tracemalloc.start()
    try:
        with pytest.raises(ParseError, match="match of 4294967298 bytes"):
            decompress(bomb, 8 << 20)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20  # the decoding table takes 256 KiB
    finally:
        tracemalloc.stop()


@given(st.integers(0, len(WIMLIB_PACKED) - 1), st.integers(0, 255), st.integers(0, 700))
def test_one_changed_byte_gives_the_declared_size_or_a_parse_error(place, value, size):
    damaged = WIMLIB_PACKED[:place] + bytes([value]) + WIMLIB_PACKED[place + 1 :]
    try:
        assert len(decompress(damaged, size)) == size
    except ParseError:
        return


@given(st.binary(max_size=100), st.integers(0, 300))
def test_any_bits_after_a_good_table_give_the_declared_size_or_a_parse_error(bits, size):
    try:
        assert len(decompress(WIMLIB_PACKED[:256] + bits, size)) == size
    except ParseError:
        return
