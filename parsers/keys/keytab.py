"""Keytabs: long-term keys of services, as MIT Kerberos writes them (versions 0x0501 and 0x0502).

A file is a list of records, each with its size in front; a negative size is a hole that a deleted entry left.
Numbers are big-endian, in version 0x0501 those of the machine that wrote it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from parsers.errors import ParseError, UsageError
from parsers.reader import Reader
from parsers.secret import Secret
from parsers.times import NANOSECONDS

__all__ = ["MAX_ENTRIES", "KeytabEntry", "build", "load", "parse"]

MAX_ENTRIES = 1 << 16
"""Bound of what is read of one file; a domain controller's keytab of all accounts may have thousands."""

_V1, _V2 = b"\x05\x01", b"\x05\x02"
_MAX_COMPONENTS = 64  # of a principal, which has one to three
_NT_PRINCIPAL = 1  # name type (RFC 4120 6.2); readers ignore it

ByteOrder = Literal["big", "little"]


@dataclass(frozen=True, slots=True)
class KeytabEntry(Secret):
    """One key. `principal` has its components joined by "/", without realm; `timestamp` in nanoseconds."""

    principal: str
    realm: str
    kvno: int
    etype: int
    key: bytes = field(repr=False)
    timestamp: int
    provenance: str


def load(path: Path | str) -> list[KeytabEntry]:
    """The keys in a file, in its order.

    Raises:
        UsageError: it cannot be read, or is no keytab; the message says what and where.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"the keytab {path} cannot be read: {error.strerror}") from error
    try:
        return parse(data, str(path))
    except ParseError as error:
        raise UsageError(f"{path} is no keytab that can be read: {error.reason}") from None


def parse(data: bytes, provenance: str) -> list[KeytabEntry]:
    """The keys in the bytes of a file; `provenance` says in words which.

    Raises:
        ParseError: no keytab, or a record that is cut off or too short for what it says.
    """
    reader = Reader(data)
    version = bytes(reader.take(2, "keytab version"))
    if version not in (_V1, _V2):
        raise ParseError(f"it begins with {version.hex()}, a keytab with 0502 or 0501")
    order = "big" if version == _V2 else _order_of_v1(data[2:6])
    entries: list[KeytabEntry] = []
    while reader.remaining:
        size = _number(reader, 4, order, "size of a record", signed=True)
        if size == 0:  # the end, of which space that was reserved may follow
            break
        record = reader.sub(abs(size), "keytab record")
        if size > 0:
            entries.append(_entry(record, order, provenance, names_type=version == _V2))
        if len(entries) > MAX_ENTRIES:
            raise ParseError(f"it has more than {MAX_ENTRIES} keys")
    return entries


def build(entries: Iterable[KeytabEntry]) -> bytes:
    """The bytes of a file of version 0x0502 with these keys."""
    return _V2 + b"".join(len(record).to_bytes(4, "big") + record for record in map(_build_entry, entries))


def _build_entry(entry: KeytabEntry) -> bytes:
    components = entry.principal.split("/")
    numbers = (
        (_NT_PRINCIPAL, 4),
        (entry.timestamp // NANOSECONDS, 4),
        (entry.kvno & 0xFF, 1),
        (entry.etype, 2),
    )
    names = b"".join(map(_build_octets, (entry.realm.encode(), *(name.encode() for name in components))))
    fixed = b"".join(value.to_bytes(size, "big", signed=value < 0) for value, size in numbers)
    return len(components).to_bytes(2, "big") + names + fixed + _build_octets(entry.key) + entry.kvno.to_bytes(4, "big")


def _build_octets(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _entry(record: Reader, order: ByteOrder, provenance: str, *, names_type: bool) -> KeytabEntry:
    components = _number(record, 2, order, "number of components") - (not names_type)  # 0x0501 counts the realm too
    if not 0 <= components <= _MAX_COMPONENTS:
        raise ParseError(f"a principal has {components} components", record.position)
    realm = _text(record, order)
    principal = "/".join([_text(record, order) for _ in range(components)])
    if names_type:
        _number(record, 4, order, "name type")
    timestamp = _number(record, 4, order, "timestamp")
    kvno = record.u8("kvno")
    etype = _number(record, 2, order, "encryption type", signed=True)
    key = bytes(record.take(_number(record, 2, order, "size of a key"), "key"))
    if record.remaining >= 4:  # the number in full, where it is not zero
        kvno = _number(record, 4, order, "kvno") or kvno
    return KeytabEntry(principal, realm, kvno, etype, key, timestamp * NANOSECONDS, provenance)


def _order_of_v1(size: bytes) -> ByteOrder:
    """The order in which the size of the first record is the smaller one: no record has 16 MiB."""
    little, big = (abs(int.from_bytes(size, order, signed=True)) for order in ("little", "big"))
    return "little" if little <= big else "big"


def _number(reader: Reader, size: int, order: ByteOrder, what: str, *, signed: bool = False) -> int:
    return int.from_bytes(reader.take(size, what), order, signed=signed)


def _text(reader: Reader, order: ByteOrder) -> str:
    return str(reader.take(_number(reader, 2, order, "size of a name"), "name"), "utf-8", "backslashreplace")
