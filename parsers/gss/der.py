"""The little of DER (X.690) that GSS tokens need: single-byte tags, definite lengths, object identifiers.

What it refuses: tag numbers above 30, indefinite lengths, lengths of more than four bytes, nesting deeper than
`MAX_DEPTH`. Lengths that are longer than they must be are accepted: they are unusual, and not ambiguous.
"""

from typing import NamedTuple

from parsers.errors import ParseError
from parsers.layout import Buffer

__all__ = [
    "BIT_STRING",
    "ENUMERATED",
    "GENERAL_STRING",
    "INTEGER",
    "MAX_DEPTH",
    "OBJECT_IDENTIFIER",
    "OCTET_STRING",
    "SEQUENCE",
    "Element",
    "announced_size",
    "application",
    "build",
    "build_oid",
    "context",
    "parse",
]

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
GENERAL_STRING = 0x1B
SEQUENCE = 0x30

MAX_DEPTH = 24
"""A Kerberos ticket inside of SPNEGO needs about 12; the rest is room, not an invitation."""

_MAX_OID_BYTES = 64  # the longest in use has 11; a bound, since the text grows with the square of the number's length


def context(number: int) -> int:
    """The tag of a constructed element [number] (context class)."""
    return 0xA0 | number


def application(number: int) -> int:
    """The tag of a constructed element [APPLICATION number]."""
    return 0x60 | number


class Element(NamedTuple):
    """One element: its tag byte and what is inside. `size` counts tag and length as well."""

    tag: int
    content: memoryview
    size: int
    depth: int = 0

    def children(self) -> list["Element"]:
        """The elements inside, all of them.

        Raises:
            ParseError: they do not fill the content exactly, or are nested too deeply.
        """
        if self.depth >= MAX_DEPTH:
            raise ParseError(f"DER is nested deeper than {MAX_DEPTH}")
        found = []
        offset = 0
        while offset < len(self.content):
            child = _element(self.content[offset:], self.depth + 1)
            found.append(child)
            offset += child.size
        return found

    def only(self, tag: int, what: str) -> "Element":
        """The single element inside, which has this tag; `what` names it in the error."""
        found = self.children()
        if len(found) != 1 or found[0].tag != tag:
            tags = ", ".join(f"0x{child.tag:02x}" for child in found) or "nothing"
            raise ParseError(f"{what}: one element with tag 0x{tag:02x} expected, found {tags}")
        return found[0]

    def oid(self) -> str:
        """The content as an object identifier in dotted form (X.690 8.19)."""
        data = self.content
        if not 0 < len(data) <= _MAX_OID_BYTES or data[-1] & 0x80:
            raise ParseError(f"object identifier of {len(data)} bytes is cut off or too long")
        arcs = []
        value = 0
        for byte in data:
            value = (value << 7) | (byte & 0x7F)
            if not byte & 0x80:
                arcs.append(value)
                value = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def parse(data: Buffer) -> Element:
    """The element that fills `data` exactly.

    Raises:
        ParseError: it is cut off, something follows it, or it is not DER.
    """
    element = _element(memoryview(data), 0)
    if element.size != len(data):
        raise ParseError(f"{len(data) - element.size} bytes follow the DER element of {element.size}", element.size)
    return element


def announced_size(data: Buffer) -> int | None:
    """The size of the element that begins `data`, tag and length included, by its own header alone.

    None if not even the header is complete.

    Raises:
        ParseError: the header is not DER.
    """
    view = memoryview(data)
    length_bytes = view[1] & 0x7F if len(view) >= 2 and view[1] & 0x80 else 0
    if len(view) < 2 or len(view) < 2 + min(length_bytes, 4):
        return None
    _, header, length = _header(view)
    return header + length


def build(tag: int, *contents: bytes) -> bytes:
    """An element with these contents, one behind the other."""
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def build_oid(dotted: str) -> bytes:
    """The OBJECT IDENTIFIER element of a dotted identifier."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return build(OBJECT_IDENTIFIER, *(_base_128(arc) for arc in (40 * first + second, *rest)))


def _base_128(arc: int) -> bytes:
    out = [arc & 0x7F]
    while arc := arc >> 7:
        out.append(0x80 | (arc & 0x7F))
    return bytes(reversed(out))


def _element(view: memoryview, depth: int) -> Element:
    tag, header, length = _header(view)
    if header + length > len(view):
        raise ParseError(f"DER element needs {header + length} bytes, {len(view)} are here")
    return Element(tag, view[header : header + length], header + length, depth)


def _header(view: memoryview) -> tuple[int, int, int]:
    """Tag, size of tag and length together, length of the content (X.690 8.1)."""
    if len(view) < 2:
        raise ParseError(f"DER {'length' if len(view) else 'tag'} needs 1 bytes, 0 remain", len(view))
    tag, length = view[0], view[1]
    if tag & 0x1F == 0x1F:
        raise ParseError(f"DER tag 0x{tag:02x} has more than one byte")
    if length < 0x80:
        return tag, 2, length
    end = 2 + (length & 0x7F)
    if not 3 <= end <= 6:
        raise ParseError(f"DER length of {end - 2} bytes", 1)
    if len(view) < end:
        raise ParseError(f"DER length needs {end - 2} bytes, {len(view) - 2} remain", 2)
    return tag, end, int.from_bytes(view[2:end], "big")
