"""LZNT1 (MS-XCA 2.5): chunks of 4096 plain bytes, each compressed for itself or not at all.

A pair of a distance and a length takes 16 bits; how many of them are the distance depends on how far into the chunk
it stands.
"""

from parsers.errors import ParseError
from parsers.layout import Buffer
from parsers.smb2.lz77 import find_matches, repeat

__all__ = ["compress", "decompress"]

CHUNK_SIZE = 4096  # plain bytes (2.5.3)

# The chunk header (2.5.1.2)
_COMPRESSED = 0x8000
_SIGNATURE_MASK = 0x7000
_SIGNATURE = 0x3000
_SIZE_MASK = 0x0FFF
_SIZE_BIAS = 3

_SHORTEST = 3
_LENGTH_BITS = [16 - max(4, (done - 1).bit_length()) for done in range(CHUNK_SIZE + 1)]
"""Bits of the length after so many bytes of the chunk: 16 - M, M the largest of 4 to 12 with 2**(M-1) < U (2.5.1.4)."""


def decompress(data: Buffer, size: int) -> bytes:
    """The `size` plain bytes that `data` holds. Memory stays below `size` plus one chunk.

    Raises:
        ParseError: not LZNT1, or it holds more or fewer bytes.
    """
    source = bytes(data)
    output = bytearray()
    position = 0
    while position + 2 <= len(source):
        header = source[position] | source[position + 1] << 8
        if header == 0:  # End_of_buffer
            break
        end = position + (header & _SIZE_MASK) + _SIZE_BIAS
        if header & _SIGNATURE_MASK != _SIGNATURE or end > len(source):
            raise ParseError(f"LZNT1 chunk header {header:#06x} with {len(source) - position} bytes left", position)
        chunk = source[position + 2 : end]
        output += _expand(chunk, position) if header & _COMPRESSED else chunk
        if len(output) > size:
            raise ParseError(f"LZNT1 data gives more than the {size} bytes declared", position)
        position = end
    if len(output) != size:
        raise ParseError(f"LZNT1 data gives {len(output)} bytes, {size} were declared", position)
    return bytes(output)


def _expand(chunk: bytes, place: int) -> bytearray:
    """The plain bytes of one compressed chunk (2.5.1.3); `place` is where it lies, for the error."""
    output = bytearray()
    position, end = 0, len(chunk)
    while position < end:
        flags = chunk[position]
        position += 1
        if flags == 0:
            output += chunk[position : position + 8]
            position += 8
            continue
        for bit in range(8):
            if position >= end:  # flags of elements outside of the chunk do not count (2.5.3)
                break
            if not flags >> bit & 1:
                output.append(chunk[position])
                position += 1
                continue
            done = len(output)
            if position + 2 > end or done > CHUNK_SIZE:
                raise ParseError("LZNT1 chunk is cut short or too long", place + position)
            word = chunk[position] | chunk[position + 1] << 8
            position += 2
            length_bits = _LENGTH_BITS[done]
            start = done - (word >> length_bits) - 1
            length = (word & (1 << length_bits) - 1) + _SHORTEST
            if start < 0 or done + length > CHUNK_SIZE:
                raise ParseError(f"LZNT1 match of {length} bytes, {done - start} back, after {done}", place + position)
            repeat(output, start, length)
    if len(output) > CHUNK_SIZE:
        raise ParseError(f"LZNT1 chunk gives {len(output)} bytes, {CHUNK_SIZE} at most are allowed", place)
    return output


def compress(data: Buffer) -> bytes:
    """LZNT1 of `data`; the first match that is found is taken."""
    plain = bytes(data)
    return b"".join(_chunk(plain[start : start + CHUNK_SIZE]) for start in range(0, len(plain), CHUNK_SIZE))


def _chunk(plain: bytes) -> bytes:
    packed = _pack(plain)
    header = _SIGNATURE | _COMPRESSED
    if len(packed) >= len(plain):
        packed, header = plain, _SIGNATURE
    return (header | len(packed) + 2 - _SIZE_BIAS).to_bytes(2, "little") + packed


def _pack(plain: bytes) -> bytes:
    """The flag groups of a chunk (2.5.1.3)."""
    elements: list[bytes] = []
    flags: list[int] = []
    position = 0
    for start, length, distance in [*find_matches(plain, CHUNK_SIZE), (len(plain), 0, 0)]:
        elements += [plain[place : place + 1] for place in range(position, start)]
        flags += [0] * (start - position)
        position = start
        while start + length - position >= _SHORTEST:  # a match may be longer than its place allows to say
            length_bits = _LENGTH_BITS[position]
            piece = min(start + length - position, (1 << length_bits) - 1 + _SHORTEST)
            elements.append((distance - 1 << length_bits | piece - _SHORTEST).to_bytes(2, "little"))
            flags.append(1)
            position += piece
    groups = []
    for first in range(0, len(elements), 8):
        groups.append(bytes([sum(flag << bit for bit, flag in enumerate(flags[first : first + 8]))]))
        groups += elements[first : first + 8]
    return b"".join(groups)
