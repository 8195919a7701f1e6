"""Plain LZ77: the published examples in both directions, Samba's encoding, round trips, damage, bounded memory."""

import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.lz77 import WINDOW, compress, decompress, find_matches, repeat

# MS-XCA 3.1
PUBLISHED = [
    (b"abcdefghijklmnopqrstuvwxyz", "3f000000 6162636465666768696a6b6c6d6e6f707172737475767778797a"),
    (b"abc" * 100, "ffffff1f61626317000fff2601"),
]

# lzxpress_compress of Samba 4.17.12
FIFTH_POWERS = b" ".join(b"%d" % n**5 for n in range(64))[:150]
SAMBA_PLAIN = FIFTH_POWERS + bytes(100_000) + FIFTH_POWERS
SAMBA_PACKED = bytes.fromhex(
    "0100000030203120333220323433203130323420333132352037373736203136383037d8000190700037363820353930343900010100"
    "c0003130353190013838c8013337313239332035333738f0010604220237353933373548013438351902343139400020313838393538"
    "0232343736303939a80253023400b009003038343130312035313533366002363430005004000700ffffffff0700ff9a863020312033"
    "322032343320310710000030323420333132352037373736203136383037d80037363820353930343900010100c00022100009313035"
    "3190013838c8013337313239332035333738f00137353933373548013438351902340060402031394000203138383935380232343736"
    "303939a802530234303834313031203531353336ffffff9f6002363430005004"
)


@pytest.mark.parametrize(("plain", "packed"), PUBLISHED)
def test_the_published_examples_are_read_and_written(plain, packed):
    assert decompress(bytes.fromhex(packed), len(plain)) == plain
    assert compress(plain) == bytes.fromhex(packed)


def test_what_samba_compressed_is_read():
    assert decompress(SAMBA_PACKED, len(SAMBA_PLAIN)) == SAMBA_PLAIN


@pytest.mark.parametrize("length", [*range(40), 280, 281, 282, 300, 65_530, 65_538, 65_539, 65_540, 1 << 20])
def test_runs_of_every_form_of_length_come_back(length):
    plain = b"abc" + b"c" * length + b"a short one: aaaaaaaaaaaa, and another: bbbbbbbbbbbb"
    assert decompress(compress(plain), len(plain)) == plain


@given(st.lists(st.binary(max_size=8) | st.binary(max_size=3).map(lambda piece: piece * 90), max_size=60).map(b"".join))
def test_any_bytes_come_back(plain):
    assert decompress(compress(plain), len(plain)) == plain


def test_a_match_reaches_back_8192_bytes_and_no_further():
    filler = b"".join(b"%04x" % n for n in range(WINDOW))
    for gap in (WINDOW - 8, WINDOW - 7):
        plain = b"distance" + filler[:gap] + b"distance"
        reached = [match for match in find_matches(plain, WINDOW) if match[0] == gap + 8]
        assert bool(reached) == (gap + 8 <= WINDOW)
        assert decompress(compress(plain), len(plain)) == plain


@pytest.mark.parametrize("plain", [b"abc" * 100, SAMBA_PLAIN, bytes(range(200))])
def test_every_prefix_is_refused(plain):
    packed = compress(plain)
    for length in range(len(packed)):
        with pytest.raises(ParseError):
            decompress(packed[:length], len(plain))


@pytest.mark.parametrize("size", [0, 1, 299, 301, 1 << 40])
def test_another_size_is_refused(size):
    with pytest.raises(ParseError):
        decompress(compress(b"abc" * 100), size)


def test_flags_of_a_last_group_without_items_do_not_count():
    plain = bytes(range(32))
    packed = compress(plain)
    assert packed[-4:] == b"\xff\xff\xff\xff"
    assert decompress(packed, 32) == decompress(packed[:-4], 32) == plain


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        ("ffffffff 0000", "match of 3 bytes, 1 back, after 0"),
        ("ffffff7f 61 0800", "match of 3 bytes, 2 back, after 1"),
        ("ffffff7f 61 0700 0f ff 1500", "longer form"),
        ("ffffff7f 61 0700 0f ff 0000 15000000", "longer form"),
        ("ffffff7f 61 0700 0f ff 0000", "ends within a match"),
        ("ffffff7f 61 07", "ends within a match"),
        ("ffff", "ends within a match"),
    ],
)
def test_bad_items_are_refused(packed, message):
    with pytest.raises(ParseError, match=message):
        decompress(bytes.fromhex(packed), 1 << 20)


def test_a_bomb_is_refused_before_it_costs_memory():
    for length in (9 << 20, 0xFFFF_FFFF):
        bomb = bytes.fromhex("ffffff7f 61 0700 0f ff 0000") + struct.pack("<I", length)
        tracemalloc.start()
        try:
            with pytest.raises(ParseError, match="match of"):
                decompress(bomb, 8 << 20)
            assert tracemalloc.get_traced_memory()[1] < 1 << 16
        finally:
            tracemalloc.stop()


def test_repeating_is_done_byte_by_byte():
    for distance in range(1, 6):
        for length in range(20):
            output = bytearray(b"abcdef")
            wanted = bytearray(output)
            for _ in range(length):
                wanted.append(wanted[-distance])
            repeat(output, 6 - distance, length)
            assert output == wanted


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_data_gives_the_declared_size_or_a_parse_error(data, size):
    try:
        assert len(decompress(data, size)) == size
    except ParseError:
        return


@given(st.integers(0, len(SAMBA_PACKED) - 1), st.integers(0, 255))
def test_one_changed_byte_gives_the_declared_size_or_a_parse_error(place, value):
    damaged = SAMBA_PACKED[:place] + bytes([value]) + SAMBA_PACKED[place + 1 :]
    try:
        assert len(decompress(damaged, len(SAMBA_PLAIN))) == len(SAMBA_PLAIN)
    except ParseError:
        return
