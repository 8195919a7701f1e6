"""Compressed captures: each format, members, bombs, cut and broken streams."""

import bz2
import gzip
import io
import lzma
import random
import tracemalloc

import lz4.frame
import pytest
import zstandard

from parsers.capture.compressed import Decompressed, compression_of

COMPRESS = {
    "gzip": gzip.compress,
    "zstd": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    "lz4": lambda data: lz4.frame.compress(data, content_checksum=True),
    "xz": lambda data: lzma.compress(data, preset=0),
}
EVERY = pytest.mark.parametrize("compression", COMPRESS)
TEXT = random.Random(5).randbytes(100_000) + b"sessionscope" * 50_000


def decompressed(data, compression, size=10_000):
    """What can be read, and the error that ended it."""
    source, found, view = Decompressed(io.BytesIO(data), compression), b"", memoryview(bytearray(size))
    try:
        while count := source.readinto(view):
            found += view[:count]
    except OSError as error:
        return found, str(error)
    return found, None


@EVERY
def test_each_format_is_recognised(compression):
    assert compression_of(COMPRESS[compression](b"x")[:6]) == compression


@pytest.mark.parametrize("head", [b"", b"\x1f", b"\n\r\r\n", b"\xd4\xc3\xb2\xa1", bz2.compress(b"x")[:6]])
def test_other_beginnings_are_not_taken_for_compressed(head):
    assert compression_of(head) is None


@EVERY
@pytest.mark.parametrize("size", [1, 4096, 1 << 20])
def test_the_content_comes_back_in_pieces_of_any_size(compression, size):
    content = TEXT[:3000] if size == 1 else TEXT
    assert decompressed(COMPRESS[compression](content), compression, size) == (content, None)


@EVERY
def test_members_follow_each_other_with_zeros_between(compression):
    compress = COMPRESS[compression]
    data = compress(TEXT) + compress(b"") + bytes(20_000) + compress(b"second") + bytes(4)
    assert decompressed(data, compression) == (TEXT + b"second", None)


@EVERY
def test_a_stream_cut_anywhere_gives_a_beginning_of_the_content_and_an_error(compression):
    content = random.Random(6).randbytes(300)
    data = COMPRESS[compression](content)
    for cut in range(1, len(data)):
        found, error = decompressed(data[:cut], compression)
        assert content.startswith(found)
        assert error is not None
        assert compression in error


@EVERY
def test_a_cut_stream_gives_what_is_before_the_cut(compression):
    data = COMPRESS[compression](random.Random(7).randbytes(5_000_000))
    found, error = decompressed(data[: len(data) // 2], compression)
    assert len(found) > 2_000_000
    assert error == f"the {compression} stream ends in the middle"


@EVERY
def test_broken_bytes_are_an_error_and_what_is_before_is_read(compression):
    content = random.Random(8).randbytes(5_000_000)
    data = bytearray(COMPRESS[compression](content))
    middle = len(data) // 2
    data[middle : middle + 100_000] = bytes(100_000)
    found, error = decompressed(bytes(data), compression)
    assert error is not None
    assert "broken" in error
    assert content.startswith(found[:2_000_000])
    assert len(found) > 2_000_000


@EVERY
def test_bytes_behind_the_end_are_an_error_after_the_content(compression):
    found, error = decompressed(COMPRESS[compression](TEXT) + b"garbage" * 10, compression)
    assert found == TEXT
    assert error is not None


@EVERY
def test_a_bomb_does_not_take_more_memory_than_a_piece(compression):
    size = 150_000_000
    data = COMPRESS[compression](bytes(size))
    tracemalloc.start()
    source, view, count = Decompressed(io.BytesIO(data), compression), memoryview(bytearray(1 << 20)), 0
    while piece := source.readinto(view):
        count += piece
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == size
    assert peak < 100_000_000


def test_an_xz_stream_that_asks_for_too_much_memory_is_refused():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    data = lzma.compress(b"x", filters=filters)
    found, error = decompressed(data, "xz")
    assert (found, error) == (b"", "the xz stream is broken (Memory usage limit exceeded)")
