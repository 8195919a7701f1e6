"""The ASN.1 types that all Kerberos messages are made of (RFC 4120 5.2), read from and written to DER.

A reader takes the element inside of a field and returns a value, so that `fields.need(1, text)` reads as the
specification does. Numbered fields that the specification does not know are passed over.
"""

from calendar import timegm
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.der import Element
from parsers.gss.kerberos.names import Etype, NameType, etype_name
from parsers.secret import Secret
from parsers.times import NANOSECONDS

__all__ = [
    "PVNO",
    "EncryptedData",
    "EncryptionKey",
    "Fields",
    "PrincipalName",
    "application",
    "build_application",
    "build_fields",
    "build_flags",
    "build_integer",
    "build_list",
    "build_maybe",
    "build_octets",
    "build_text",
    "build_time",
    "check_version",
    "flags",
    "integer",
    "list_of",
    "microseconds",
    "octets",
    "text",
    "time",
    "unsigned",
]

PVNO = 5
"""Version of the protocol, and of tickets."""

_GENERALIZED_TIME = 0x18
_TIME_SIZE = 15
_MAX_INTEGER_BYTES = 9  # an unsigned 64-bit number with its leading zero; the specification's own have 32 bits
_LAST_SECOND = 9_223_372_035  # in 2262, one second before nanoseconds leave 64 bits

T = TypeVar("T")
Read = Callable[[Element], T]


class Fields:
    """The [n] elements of a SEQUENCE; `what` names it in errors.

    Raises:
        ParseError: no SEQUENCE, or an element that is not [n] or there twice.
    """

    __slots__ = ("_found", "_what")

    def __init__(self, sequence: Element, what: str) -> None:
        if sequence.tag != der.SEQUENCE:
            raise ParseError(f"{what} is a SEQUENCE, found tag 0x{sequence.tag:02x}")
        self._what = what
        self._found: dict[int, Element] = {}
        for element in sequence.children():
            number = element.tag ^ der.context(0)
            if number > 30 or number in self._found:
                raise ParseError(f"{what} has an element of tag 0x{element.tag:02x} that does not belong there")
            self._found[number] = element

    def need(self, number: int, read: Read[T]) -> T:
        """The value of field [number].

        Raises:
            ParseError: it is missing, or `read` refuses it.
        """
        if number not in self._found:
            raise ParseError(f"{self._what} has no field [{number}]")
        inner = self._found[number].children()
        if len(inner) != 1:
            raise ParseError(f"field [{number}] of {self._what} has {len(inner)} elements")
        return read(inner[0])

    def maybe(self, number: int, read: Read[T]) -> T | None:
        """The value of an OPTIONAL field [number].

        Raises:
            ParseError: it is there, and `read` refuses it.
        """
        return self.need(number, read) if number in self._found else None


def application(element: Element, number: int, what: str) -> Fields:
    """The fields of [APPLICATION number] SEQUENCE.

    Raises:
        ParseError: another tag, or no such fields.
    """
    if element.tag != der.application(number):
        raise ParseError(f"{what} has tag 0x{der.application(number):02x}, found 0x{element.tag:02x}")
    return Fields(element.only(der.SEQUENCE, what), what)


def check_version(fields: Fields, number: int) -> None:
    """Raise ParseError unless field [number] says version 5."""
    version = fields.need(number, integer)
    if version != PVNO:
        raise ParseError(f"Kerberos version {version}")


# ----------------------------------------------------------------------------------------------- reading


def _content(element: Element, tag: int, what: str) -> memoryview:
    if element.tag != tag:
        raise ParseError(f"{what} has tag 0x{tag:02x}, found 0x{element.tag:02x}")
    return element.content


def integer(element: Element) -> int:
    """INTEGER, Int32 where it is a number of something (RFC 4120 5.2.4)."""
    content = _content(element, der.INTEGER, "INTEGER")
    if not 1 <= len(content) <= _MAX_INTEGER_BYTES:
        raise ParseError(f"INTEGER of {len(content)} bytes")
    return int.from_bytes(content, "big", signed=True)


def unsigned(element: Element) -> int:
    """UInt32 (RFC 4120 5.2.4); some peers write those above 2^31 as negative numbers."""
    return integer(element) & 0xFFFF_FFFF


def text(element: Element) -> str:
    """KerberosString (RFC 4120 5.2.1): UTF-8 in practice; bytes that are not are shown as escapes."""
    return str(_content(element, der.GENERAL_STRING, "KerberosString"), "utf-8", "backslashreplace")


def octets(element: Element) -> bytes:
    """OCTET STRING."""
    return bytes(_content(element, der.OCTET_STRING, "OCTET STRING"))


def microseconds(element: Element) -> int:
    """Microseconds (RFC 4120 5.2.4): 0 to 999999."""
    value = integer(element)
    if not 0 <= value < 1_000_000:
        raise ParseError(f"{value} microseconds")
    return value


def time(element: Element) -> int:
    """KerberosTime (RFC 4120 5.2.3), `YYYYMMDDhhmmssZ`, in nanoseconds since 1970.

    What lies beyond 64 bits of them, such as the year 9999 for "never", is given as the last second that does not.
    """
    content = bytes(_content(element, _GENERALIZED_TIME, "KerberosTime"))
    digits = content[:-1]
    if len(content) != _TIME_SIZE or not digits.isdigit() or content[-1:] != b"Z":
        raise ParseError("KerberosTime is not YYYYMMDDhhmmssZ")
    year, rest = int(digits[:4]), digits[4:]
    month, day, hour, minute, second = (int(rest[at : at + 2]) for at in range(0, len(rest), 2))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise ParseError(f"KerberosTime is no time: {error}") from None
    return max(min(timegm(moment.timetuple()), _LAST_SECOND), -_LAST_SECOND) * NANOSECONDS


def flags(element: Element) -> int:
    """KerberosFlags (RFC 4120 5.2.8): the first 32 bits, of which bit 0 is the most significant."""
    content = _content(element, der.BIT_STRING, "KerberosFlags")
    if len(content) == 0 or content[0] > 7:
        raise ParseError("KerberosFlags are cut off")
    return int.from_bytes(bytes(content[1:5]).ljust(4, b"\x00"), "big")


def list_of(read: Read[T]) -> Read[tuple[T, ...]]:
    """A reader of SEQUENCE OF what `read` reads."""

    def read_all(element: Element) -> tuple[T, ...]:
        _content(element, der.SEQUENCE, "SEQUENCE OF")
        return tuple(read(child) for child in element.children())

    return read_all


# ----------------------------------------------------------------------------------------------- writing


def build_fields(*fields: tuple[int, bytes | None]) -> bytes:
    """SEQUENCE of numbered fields; None is a field that is not there."""
    return der.build(
        der.SEQUENCE, *(der.build(der.context(number), value) for number, value in fields if value is not None)
    )


def build_maybe(build: Callable[[T], bytes], value: T | None) -> bytes | None:
    """What `build` makes of an OPTIONAL value, None where that is not there."""
    return None if value is None else build(value)


def build_application(number: int, *fields: tuple[int, bytes | None]) -> bytes:
    """[APPLICATION number] SEQUENCE of numbered fields."""
    return der.build(der.application(number), build_fields(*fields))


def build_integer(value: int) -> bytes:
    """INTEGER in its shortest form."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return der.build(der.INTEGER, value.to_bytes(size, "big", signed=True))


def build_text(value: str) -> bytes:
    """KerberosString."""
    return der.build(der.GENERAL_STRING, value.encode())


def build_octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return der.build(der.OCTET_STRING, value)


def build_time(ns: int) -> bytes:
    """KerberosTime of nanoseconds since 1970; what is finer than a second is dropped."""
    moment = datetime.fromtimestamp(ns // NANOSECONDS, UTC)
    return der.build(_GENERALIZED_TIME, f"{moment:%Y%m%d%H%M%SZ}".encode())


def build_flags(value: int) -> bytes:
    """KerberosFlags of 32 bits."""
    return der.build(der.BIT_STRING, b"\x00", value.to_bytes(4, "big"))


def build_list(*items: bytes) -> bytes:
    """SEQUENCE OF."""
    return der.build(der.SEQUENCE, *items)


# ----------------------------------------------------------------------------------------------- compound types


@dataclass(frozen=True, slots=True)
class PrincipalName:
    """RFC 4120 5.2.2. As text its components are joined by "/"."""

    name_type: NameType
    components: tuple[str, ...]

    @classmethod
    def parse(cls, element: Element) -> "PrincipalName":
        """The name in a SEQUENCE."""
        fields = Fields(element, "PrincipalName")
        return cls(NameType(fields.need(0, integer)), fields.need(1, list_of(text)))

    def build(self) -> bytes:
        """The SEQUENCE."""
        names = build_list(*(build_text(component) for component in self.components))
        return build_fields((0, build_integer(self.name_type)), (1, names))

    def __str__(self) -> str:
        return "/".join(self.components)


@dataclass(frozen=True, slots=True)
class EncryptedData:
    """RFC 4120 5.2.9."""

    etype: Etype
    kvno: int | None
    cipher: bytes

    @classmethod
    def parse(cls, element: Element) -> "EncryptedData":
        """The type, number of the key and ciphertext in a SEQUENCE."""
        fields = Fields(element, "EncryptedData")
        return cls(Etype(fields.need(0, integer)), fields.maybe(1, unsigned), fields.need(2, octets))

    def build(self) -> bytes:
        """The SEQUENCE."""
        return build_fields(
            (0, build_integer(self.etype)),
            (1, build_maybe(build_integer, self.kvno)),
            (2, build_octets(self.cipher)),
        )

    def __repr__(self) -> str:
        return f"EncryptedData({etype_name(self.etype)}, kvno {self.kvno}, {len(self.cipher)} bytes)"


@dataclass(frozen=True, slots=True)
class EncryptionKey(Secret):
    """RFC 4120 5.2.9."""

    keytype: Etype
    keyvalue: bytes = field(repr=False)

    @classmethod
    def parse(cls, element: Element) -> "EncryptionKey":
        """The key in a SEQUENCE."""
        fields = Fields(element, "EncryptionKey")
        return cls(Etype(fields.need(0, integer)), fields.need(1, octets))

    def build(self) -> bytes:
        """The SEQUENCE."""
        return build_fields((0, build_integer(self.keytype)), (1, build_octets(self.keyvalue)))
