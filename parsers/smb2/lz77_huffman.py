"""LZ77+Huffman (MS-XCA 2.1 and 2.2): blocks of 64 KiB of plain bytes, each with its own code.

The bits of the code lie in 16-bit words, the highest bit first. What does not fit into the code, the bytes of a long
length, lies where a reader that keeps one word in advance finds it next.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator

from parsers.errors import ParseError
from parsers.layout import Buffer
from parsers.smb2.lz77 import find_matches, repeat

__all__ = ["compress", "decompress"]

BLOCK_SIZE = 1 << 16  # plain bytes
WINDOW = 65535  # the farthest that a match reaches back (2.3.4)

_SYMBOLS = 512  # 256 literals, then matches by the high bit of their distance and their length (2.1.4.1)
_TABLE_SIZE = _SYMBOLS // 2
_END_OF_FILE = 256
_LONGEST_CODE = 15
_SHORTEST = 3


def decompress(data: Buffer, size: int) -> bytes:
    """The `size` plain bytes that `data` holds. A match is refused before it is copied where it does not fit `size`.

    Raises:
        ParseError: not LZ77+Huffman, or it ends before it has given `size` bytes.
    """
    source = bytes(data)
    output = bytearray()
    position = 0
    try:
        while len(output) < size:
            position = _expand_block(source, position, output, size)
    except IndexError:
        raise ParseError(f"LZ77+Huffman data ends after {len(output)} of {size} bytes", len(source)) from None
    return bytes(output)


def _expand_block(source: bytes, position: int, output: bytearray, size: int) -> int:
    """Append the plain bytes of the block at `position`; gives the position of the next one (2.2.4)."""
    table = _decoding_table(source[position : position + _TABLE_SIZE], position)
    position += _TABLE_SIZE
    bits = source[position] << 16 | source[position + 1] << 24 | source[position + 2] | source[position + 3] << 8
    position += 4
    spare = 16  # bits in advance of the sixteen that the next code may take
    done = len(output)
    stop = min(size, done + BLOCK_SIZE)
    while done < stop:
        entry = table[bits >> 32 - _LONGEST_CODE]
        taken = entry & 15
        symbol = entry >> 4
        bits = bits << taken & 0xFFFFFFFF
        spare -= taken
        if spare < 0:
            bits |= (source[position] | source[position + 1] << 8) << -spare
            position += 2
            spare += 16
        if symbol < 256:
            output.append(symbol)
            done += 1
            continue
        length = symbol & 15
        if length == 15:
            length, position = _long_length(source, position)
        length += _SHORTEST
        taken = symbol - 256 >> 4
        distance = (1 << taken) + (bits >> 32 - taken)
        bits = bits << taken & 0xFFFFFFFF
        spare -= taken
        if spare < 0:
            bits |= (source[position] | source[position + 1] << 8) << -spare
            position += 2
            spare += 16
        if distance > done or length > size - done:
            raise ParseError(f"LZ77+Huffman match of {length} bytes, {distance} back, after {done} of {size}", position)
        repeat(output, done - distance, length)
        done += length
    return position


def _long_length(source: bytes, position: int) -> tuple[int, int]:
    """A length of 15 or more, before 3 is added; then where to go on."""
    length = source[position]
    if length < 255:
        return length + 15, position + 1
    length = source[position + 1] | source[position + 2] << 8
    position += 3
    if length == 0:  # as the encoder of 2.1.4.3 writes what 16 bits do not hold
        length = source[position] | source[position + 1] << 8 | source[position + 2] << 16 | source[position + 3] << 24
        position += 4
    if length < 15:
        raise ParseError(f"LZ77+Huffman match length {length} has a longer form than it needs", position)
    return length, position


def _decoding_table(packed: bytes, position: int) -> list[int]:
    """For every 15 bits: the symbol that they begin with, times 16, plus the bits of its code (2.2.4)."""
    if len(packed) < _TABLE_SIZE:
        raise ParseError(f"LZ77+Huffman code table needs {_TABLE_SIZE} bytes, {len(packed)} remain", position)
    lengths = [length for byte in packed for length in (byte & 15, byte >> 4)]
    if sum(1 << _LONGEST_CODE - length for length in lengths if length) != 1 << _LONGEST_CODE:
        raise ParseError("LZ77+Huffman code table is no complete prefix code", position)
    table: list[int] = []
    for length, symbol in _canonical(lengths):
        table += [symbol << 4 | length] * (1 << _LONGEST_CODE - length)
    return table


def _canonical(lengths: list[int]) -> list[tuple[int, int]]:
    """(bits of the code, symbol) in the order of the codes (2.2.4)."""
    return sorted((length, symbol) for symbol, length in enumerate(lengths) if length)


def compress(data: Buffer) -> bytes:
    """LZ77+Huffman of `data`; the first match that is found is taken."""
    plain = bytes(data)
    blocks = itertools.groupby(_items(plain), key=lambda item: item[0] // BLOCK_SIZE)
    return b"".join(_encode(plain, list(items)) for _, items in blocks)


def _items(plain: bytes) -> Iterator[tuple[int, int, int]]:
    """(start, length, distance) of all matches, and literals as (start, 1, 0), in order; none crosses a block's end.

    Three bytes, one back, would be the symbol of the end of the file, at which some readers stop (2.1.4.3).
    """
    position = 0
    for start, length, distance in itertools.chain(find_matches(plain, WINDOW), [(len(plain), 0, 0)]):
        yield from ((place, 1, 0) for place in range(position, start))
        position = start + length
        borders = [start, *range((start // BLOCK_SIZE + 1) * BLOCK_SIZE, position, BLOCK_SIZE), position]
        for first, last in itertools.pairwise(borders):
            if last - first > _SHORTEST or (last - first == _SHORTEST and distance > 1):
                yield first, last - first, distance
            else:
                yield from ((place, 1, 0) for place in range(first, last))


def _encode(plain: bytes, items: list[tuple[int, int, int]]) -> bytes:
    """One block (2.1.4.3).

    The end of the file is in the code of every block, which thus has two symbols, and is written in the last: a reader
    that has all of another block expects the table of the next (2.2.4).
    """
    symbols = [_symbol(length, distance) if distance else plain[start] for start, length, distance in items]
    lengths = _code_lengths(Counter([*symbols, _END_OF_FILE]))
    writer = _BitWriter(bytes(lengths[place] | lengths[place + 1] << 4 for place in range(0, _SYMBOLS, 2)))
    codes = _codes(lengths)
    for symbol, (_, length, distance) in zip(symbols, items, strict=True):
        writer.bits(lengths[symbol], codes[symbol])
        if distance:
            if length - _SHORTEST >= 15:
                writer.long_length(length - _SHORTEST)
            high_bit = distance.bit_length() - 1
            writer.bits(high_bit, distance - (1 << high_bit))
    last_start, last_length, _ = items[-1]
    if last_start + last_length == len(plain):
        writer.bits(lengths[_END_OF_FILE], codes[_END_OF_FILE])
    return writer.finish()


def _symbol(length: int, distance: int) -> int:
    return 256 + min(length - _SHORTEST, 15) + 16 * (distance.bit_length() - 1)


def _code_lengths(counts: Counter[int]) -> list[int]:
    """Bits of the code of each symbol, none longer than 15: counts are evened out until that is so (2.1.4.2)."""
    while True:
        lengths = [0] * _SYMBOLS
        heap: list[tuple[int, int, tuple[int, ...]]] = [(count, symbol, (symbol,)) for symbol, count in counts.items()]
        heapq.heapify(heap)
        while len(heap) > 1:
            rarest, rarer = heapq.heappop(heap), heapq.heappop(heap)
            merged = rarest[2] + rarer[2]
            for symbol in merged:
                lengths[symbol] += 1
            heapq.heappush(heap, (rarest[0] + rarer[0], rarest[1], merged))
        if max(lengths) <= _LONGEST_CODE:
            return lengths
        counts = Counter({symbol: (count + 1) // 2 for symbol, count in counts.items()})


def _codes(lengths: list[int]) -> dict[int, int]:
    """The code of each symbol: counted up in the order of the lengths, then of the symbols (2.2.4)."""
    codes: dict[int, int] = {}
    following = 0  # of fifteen bits
    for length, symbol in _canonical(lengths):
        codes[symbol] = following >> _LONGEST_CODE - length
        following += 1 << _LONGEST_CODE - length
    return codes


class _BitWriter:
    """Words of bits among bytes (2.1.4.3): two words are kept free ahead of the bytes, as a reader has read them."""

    def __init__(self, table: bytes) -> None:
        self._output = bytearray(table) + bytes(4)
        self._places = (len(table), len(table) + 2)  # of the word being filled, and of the next
        self._word = 0
        self._free = 16

    def bits(self, count: int, value: int) -> None:
        """The lowest `count` bits of `value`; at most 15."""
        self._free -= count
        if self._free >= 0:
            self._word = self._word << count | value
            return
        self._put(self._places[0], self._word << count + self._free | value >> -self._free)
        self._places = (self._places[1], len(self._output))
        self._output += bytes(2)
        self._word = value & (1 << -self._free) - 1
        self._free += 16

    def long_length(self, length: int) -> None:
        """A length of 15 or more."""
        self._output.append(min(length - 15, 255))
        if length - 15 >= 255:
            short = length < 1 << 16
            self._output += length.to_bytes(2, "little") if short else bytes(2) + length.to_bytes(4, "little")

    def finish(self) -> bytes:
        """All of it; the second word stays zero."""
        self._put(self._places[0], self._word << self._free)
        return bytes(self._output)

    def _put(self, place: int, word: int) -> None:
        self._output[place : place + 2] = word.to_bytes(2, "little")
