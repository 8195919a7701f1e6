"""A bounded cursor for the variable parts of messages."""

from parsers.errors import ParseError
from parsers.layout import Buffer

__all__ = ["Reader"]


class Reader:
    """Reads forward through one buffer; every length is checked against what remains.

    Integers are little-endian, as everywhere in SMB; `big` variants exist for the protocols that differ.
    All methods raise `ParseError` with the offset at which the buffer was too short.
    """

    __slots__ = ("data", "position")

    def __init__(self, data: Buffer) -> None:
        self.data = memoryview(data)
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes between the cursor and the end."""
        return len(self.data) - self.position

    def take(self, length: int, what: str) -> memoryview:
        """The next `length` bytes; `what` names them in the error."""
        if length < 0 or length > self.remaining:
            raise ParseError(f"{what} needs {length} bytes, {self.remaining} remain", self.position)
        start = self.position
        self.position += length
        return self.data[start : self.position]

    def sub(self, length: int, what: str) -> "Reader":
        """A reader over the next `length` bytes alone."""
        return Reader(self.take(length, what))

    def rest(self) -> memoryview:
        """All that remains."""
        return self.take(self.remaining, "rest")

    def u8(self, what: str) -> int:
        """One byte."""
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        """Two bytes, little-endian."""
        return int.from_bytes(self.take(2, what), "little")

    def u32(self, what: str) -> int:
        """Four bytes, little-endian."""
        return int.from_bytes(self.take(4, what), "little")

    def u64(self, what: str) -> int:
        """Eight bytes, little-endian."""
        return int.from_bytes(self.take(8, what), "little")

    def big(self, length: int, what: str) -> int:
        """`length` bytes, big-endian."""
        return int.from_bytes(self.take(length, what), "big")

    def at(self, offset: int, length: int, what: str) -> memoryview:
        """`length` bytes at an absolute `offset` that the wire supplied; the cursor stays where it is."""
        if length == 0:
            return self.data[:0]
        if offset < 0 or length < 0 or offset + length > len(self.data):
            raise ParseError(f"{what} at {offset} of length {length} leaves the {len(self.data)} byte buffer", offset)
        return self.data[offset : offset + length]
