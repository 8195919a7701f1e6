"""Plain LZ77 (MS-XCA 2.3 and 2.4): 32 flags, then as many literals and matches, and so on."""

import struct
from collections.abc import Iterator

from parsers.errors import ParseError
from parsers.layout import Buffer

__all__ = ["compress", "decompress", "find_matches", "repeat"]

WINDOW = 8192  # the farthest that a match reaches back (2.3.4)

_SHORTEST = 3
_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")


def decompress(data: Buffer, size: int) -> bytes:
    """The `size` plain bytes that `data` holds. A match is refused before it is copied where it does not fit `size`.

    Raises:
        ParseError: not plain LZ77, or it holds more or fewer bytes.
    """
    try:
        output = _expand(bytes(data), size)
    except (IndexError, struct.error):
        raise ParseError("LZ77 data ends within a match", len(data)) from None
    if len(output) != size:
        raise ParseError(f"LZ77 data gives {len(output)} bytes, {size} were declared")
    return bytes(output)


def _expand(source: bytes, size: int) -> bytearray:
    output = bytearray()
    position, end = 0, len(source)
    half_used = 0  # where a byte of length lies whose upper half is free; it is never the first
    while position < end:
        (flags,) = _U32.unpack_from(source, position)
        position += 4
        left = 32
        while left:
            literals = left - flags.bit_length()
            if literals:
                output += source[position : position + literals]
                position += literals
                left -= literals
                if not left:
                    break
            if position >= end:
                return output
            left -= 1
            flags ^= 1 << left
            word = source[position] | source[position + 1] << 8
            position += 2
            length = word & 7
            if length == 7:
                length, position, half_used = _long_length(source, position, half_used)
            length += _SHORTEST
            start = len(output) - (word >> 3) - 1
            if start < 0 or length > size - len(output):
                raise ParseError(f"LZ77 match of {length} bytes, {(word >> 3) + 1} back, after {len(output)}", position)
            repeat(output, start, length)
    return output


def _long_length(source: bytes, position: int, half_used: int) -> tuple[int, int, int]:
    """A length of 7 or more, before 3 is added; then where to go on, and the byte whose upper half is free, or 0."""
    if half_used:
        length = source[half_used] >> 4
        half_used = 0
    else:
        length = source[position] & 15
        half_used = position
        position += 1
    if length < 15:
        return length + 7, position, half_used
    length = source[position]
    position += 1
    if length < 255:
        return length + 15 + 7, position, half_used
    (length,) = _U16.unpack_from(source, position)
    position += 2
    if length == 0:
        (length,) = _U32.unpack_from(source, position)
        position += 4
    if length < 15 + 7:
        raise ParseError(f"LZ77 match length {length} has a longer form than it needs", position)
    return length, position, half_used


def repeat(output: bytearray, start: int, length: int) -> None:
    """Append `length` bytes from `start` on, byte by byte: what is appended is copied too."""
    distance = len(output) - start
    if length <= distance:
        output += output[start : start + length]
    else:
        whole, rest = divmod(length, distance)
        period = output[start:]
        output += period * whole
        output += period[:rest]


def find_matches(plain: bytes, window: int) -> Iterator[tuple[int, int, int]]:
    """(start, length, distance) of repetitions of 3 bytes or more at most `window` back, in order, none in another."""
    latest: dict[bytes, int] = {}
    position = 0
    while position + _SHORTEST <= len(plain):
        head = plain[position : position + _SHORTEST]
        earlier = latest.get(head, -window - 1)
        latest[head] = position
        if position - earlier > window or earlier < 0:
            position += 1
            continue
        length = _common(plain, earlier, position)
        yield position, length, position - earlier
        position += length


def _common(plain: bytes, first: int, second: int) -> int:
    """How many bytes are the same from `first` and from `second` on."""
    length = 0
    step = 1 << 12
    while step:
        if second + length + step <= len(plain) and (
            plain[first + length : first + length + step] == plain[second + length : second + length + step]
        ):
            length += step
        else:
            step >>= 1
    return length


def compress(data: Buffer) -> bytes:
    """Plain LZ77 of `data`; the first match that is found is taken."""
    plain = bytes(data)
    writer = _Writer()
    position = 0
    for start, length, distance in find_matches(plain, WINDOW):
        for literal in plain[position:start]:
            writer.literal(literal)
        writer.match(length - _SHORTEST, distance - 1)
        position = start + length
    for literal in plain[position:]:
        writer.literal(literal)
    return writer.finish()


class _Writer:
    """Flags before the items that they describe (2.3.4)."""

    def __init__(self) -> None:
        self._output = bytearray(4)
        self._flags_at = 0
        self._flags = 0
        self._count = 0
        self._half_used = 0

    def literal(self, value: int) -> None:
        """One byte."""
        self._output.append(value)
        self._flag(0)

    def match(self, length: int, distance: int) -> None:
        """A match, its length less 3 and its distance less 1."""
        self._output += _U16.pack(distance << 3 | min(length, 7))
        if length >= 7:
            self._long_length(length)
        self._flag(1)

    def finish(self) -> bytes:
        """All of it; the flags that are left are ones."""
        left = 32 - self._count
        _U32.pack_into(self._output, self._flags_at, self._flags << left | (1 << left) - 1)
        return bytes(self._output)

    def _long_length(self, length: int) -> None:
        half = min(length - 7, 15)
        if self._half_used:
            self._output[self._half_used] |= half << 4
            self._half_used = 0
        else:
            self._half_used = len(self._output)
            self._output.append(half)
        if half == 15:
            self._output.append(min(length - 7 - 15, 255))
            if length - 7 - 15 >= 255:
                self._output += _U16.pack(length) if length < 1 << 16 else bytes(2) + _U32.pack(length)

    def _flag(self, flag: int) -> None:
        self._flags = self._flags << 1 | flag
        self._count += 1
        if self._count == 32:
            _U32.pack_into(self._output, self._flags_at, self._flags)
            self._flags_at, self._flags, self._count = len(self._output), 0, 0
            self._output += bytes(4)
