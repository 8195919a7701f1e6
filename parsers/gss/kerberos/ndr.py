"""The little of NDR (C706 14, MS-RPCE 2.2.6) that a PAC needs: one serialized structure, little-endian, its pointers.

Counts come from the wire: nothing is allocated before the bytes for it are known to be there.
"""

from parsers.errors import ParseError
from parsers.layout import Buffer
from parsers.reader import Reader

__all__ = ["NdrReader", "NdrWriter", "build_sid", "sid", "sid_text"]

_FILLER = b"\xcc\xcc\xcc\xcc"  # of the common header (MS-RPCE 2.2.6.1)
_FIRST_REFERENT, _REFERENT_STEP = 0x0002_0000, 4  # any numbers but zero; these are what Windows writes
_COMMON_HEADER = b"\x01\x10\x08\x00"  # version 1, little-endian, 8 bytes long (MS-RPCE 2.2.6.1)
_SID_HEADER_SIZE = 8
_MAX_SUB_AUTHORITIES = 15  # MS-DTYP 2.4.2.2


class NdrReader(Reader):
    """A reader of what lies behind the headers of a type serialization, version 1; alignment counts from there.

    Raises:
        ParseError: other headers, or fewer bytes than they say.
    """

    __slots__ = ()

    def __init__(self, data: Buffer) -> None:
        header = Reader(data)
        if header.take(4, "NDR common header") != _COMMON_HEADER:
            raise ParseError("NDR is not version 1 in little-endian byte order")
        header.take(4, "NDR filler")
        size = header.u32("NDR object buffer length")
        header.take(4, "NDR filler")
        super().__init__(header.take(size, "NDR object"))

    def align(self, boundary: int) -> None:
        """Go to the next multiple of `boundary`."""
        self.take(-self.position % boundary, "NDR padding")

    def number(self, what: str) -> int:
        """An aligned 32-bit number: a count, or a pointer's referent, of which 0 points nowhere."""
        self.align(4)
        return self.u32(what)

    def count(self, expected: int, what: str) -> int:
        """The size in front of a conformant array (C706 14.3.3.2), which the structure has said already.

        Raises:
            ParseError: it says something else.
        """
        found = self.number(what)
        if found != expected:
            raise ParseError(f"{what}: {expected} announced, {found} in the array", self.position)
        return found

    def unicode_string(self, length: int, what: str) -> str:
        """What a RPC_UNICODE_STRING (MS-DTYP 2.3.10) of `length` bytes points to (C706 14.3.3.4)."""
        maximum, offset, actual = self.number(what), self.u32(what), self.u32(what)
        if offset != 0 or actual > maximum or length > 2 * actual:
            raise ParseError(f"{what}: {length} bytes in {actual} of {maximum} characters", self.position)
        return str(self.take(2 * actual, what)[:length], "utf-16-le", "backslashreplace")

    def sid(self, what: str) -> str:
        """What a pointer to a SID points to (MS-DTYP 2.4.2.3): the number of sub-authorities, then the SID."""
        count = self.number(what)
        if count > _MAX_SUB_AUTHORITIES:
            raise ParseError(f"{what}: a SID of {count} sub-authorities", self.position)
        return sid(self.take(_SID_HEADER_SIZE + 4 * count, what))


class NdrWriter:
    """Writes what `NdrReader` reads; alignment counts from behind the headers."""

    __slots__ = ("_data", "_referent")

    def __init__(self) -> None:
        self._data = bytearray()
        self._referent = _FIRST_REFERENT

    def referent(self, there: bool = True) -> int:  # noqa: FBT001, FBT002  # reads as "a referent, if it is there"
        """The next number for a pointer, 0 for one that points nowhere."""
        if not there:
            return 0
        self._referent += _REFERENT_STEP
        return self._referent - _REFERENT_STEP

    def put(self, data: bytes) -> None:
        """Bytes as they are."""
        self._data += data

    def number(self, value: int) -> None:
        """An aligned 32-bit number."""
        self._data += bytes(-len(self._data) % 4) + value.to_bytes(4, "little")

    def unicode_string(self, text: str) -> None:
        """What a RPC_UNICODE_STRING points to."""
        encoded = text.encode("utf-16-le")
        for value in (len(encoded) // 2, 0, len(encoded) // 2):
            self.number(value)
        self.put(encoded)

    def sid(self, text: str) -> None:
        """What a pointer to a SID points to."""
        built = build_sid(text)
        self.number(built[1])
        self.put(built)

    def build(self) -> bytes:
        """Everything, behind the headers of a type serialization, padded to a multiple of eight (MS-RPCE 2.2.6.2)."""
        body = bytes(self._data) + bytes(-len(self._data) % 8)
        return _COMMON_HEADER + _FILLER + len(body).to_bytes(4, "little") + bytes(4) + body


def build_sid(text: str) -> bytes:
    """The bytes of a SID (MS-DTYP 2.4.2.2) that is given as `S-1-...`."""
    _, _, authority, *sub_authorities = text.split("-")
    numbers = b"".join(int(value).to_bytes(4, "little") for value in sub_authorities)
    return bytes((1, len(sub_authorities))) + int(authority, 0).to_bytes(6, "big") + numbers


def sid(data: Buffer) -> str:
    """A SID (MS-DTYP 2.4.2.2) that fills `data`, as `S-1-...`.

    Raises:
        ParseError: cut off, followed by other bytes, or of another revision than 1.
    """
    reader = Reader(data)
    revision, count = reader.u8("SID"), reader.u8("SID")
    if revision != 1 or count > _MAX_SUB_AUTHORITIES or len(data) != _SID_HEADER_SIZE + 4 * count:
        raise ParseError(f"SID of revision {revision} with {count} sub-authorities in {len(data)} bytes")
    authority = reader.big(6, "SID")
    return sid_text(authority, [reader.u32("SID") for _ in range(count)])


def sid_text(authority: int, sub_authorities: list[int]) -> str:
    """The string form of a SID (MS-DTYP 2.4.2.1)."""
    top = str(authority) if authority < 1 << 32 else f"0x{authority:012x}"
    return "-".join(("S-1", top, *map(str, sub_authorities)))
