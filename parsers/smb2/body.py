"""What all message bodies share: StructureSize, payloads at wire offsets, UTF-16 names (MS-SMB2 2.2)."""

import struct
from collections.abc import Sequence
from typing import TypeVar

from parsers.errors import ParseError
from parsers.layout import Buffer, Layout
from parsers.smb2.header import HEADER_SIZE

__all__ = ["align8", "decode_u16s", "decode_utf16", "encode_u16s", "encode_utf16", "pad8", "parse_body", "payload"]

T = TypeVar("T", bound=tuple[object, ...])


def parse_body(layout: Layout[T], structure_size: int, message: memoryview) -> T:
    """The fixed part that follows the header of `message`.

    `structure_size` is what the specification demands of its first field: the size of the fixed part, plus one where a
    variable part follows.

    Raises:
        ParseError: too short, or another StructureSize.
    """
    fixed = layout.parse(message, HEADER_SIZE)
    if fixed[0] != structure_size:
        raise ParseError(f"{layout.record.__name__} StructureSize is {fixed[0]}, not {structure_size}", HEADER_SIZE)
    return fixed


def payload(message: memoryview, offset: int, length: int, what: str) -> memoryview:
    """`length` bytes at `offset` from the header; empty for length 0, whatever the offset says.

    Raises:
        ParseError: the range begins inside of the header or leaves the message.
    """
    if length == 0:
        return message[:0]
    if offset < HEADER_SIZE or offset + length > len(message):
        raise ParseError(f"{what} at {offset} of length {length} leaves the {len(message)} byte message", offset)
    return message[offset : offset + length]


def decode_utf16(data: Buffer, what: str) -> str:
    """A name of the wire; lone surrogates survive, as file names may hold any 16-bit units (MS-FSCC 2.1.5).

    Raises:
        ParseError: an odd number of bytes.
    """
    if len(data) % 2:
        raise ParseError(f"{what} has an odd length of {len(data)} bytes")
    return str(data, "utf-16-le", "surrogatepass")


def encode_utf16(name: str) -> bytes:
    """The wire bytes of a name, lone surrogates included."""
    return name.encode("utf-16-le", "surrogatepass")


def pad8(length: int) -> bytes:
    """The zeros that follow `length` bytes up to the next multiple of eight."""
    return bytes(-length % 8)


def align8(data: bytes) -> bytes:
    """`data` and the zeros up to the next multiple of eight."""
    return data + pad8(len(data))


def decode_u16s(data: memoryview) -> tuple[int, ...]:
    """An array of 16-bit numbers; `data` has an even length."""
    return struct.unpack(f"<{len(data) // 2}H", data)


def encode_u16s(values: Sequence[int]) -> bytes:
    """The wire bytes of 16-bit numbers."""
    return struct.pack(f"<{len(values)}H", *values)
