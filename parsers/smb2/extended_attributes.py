"""Lists of extended attributes: FILE_FULL_EA_INFORMATION and FILE_GET_EA_INFORMATION (MS-FSCC 2.4.16)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, Buffer, Layout
from parsers.reader import Reader
from parsers.smb2.chain import link_entries, split_entries

__all__ = ["EA", "EaFixed", "ExtendedAttribute", "build_ea_names", "build_eas", "parse_ea_names", "parse_eas"]

_ALIGNMENT = 4


class EaFixed(NamedTuple):
    """FILE_FULL_EA_INFORMATION, MS-FSCC 2.4.16, up to EaName."""

    next_entry_offset: U32
    flags: U8
    ea_name_length: U8
    ea_value_length: U16


EA = Layout(EaFixed)


@dataclass(frozen=True, slots=True)
class ExtendedAttribute:
    """One attribute; an empty value in a SET_INFO deletes it. Flag 0x80 says that the file is unusable without."""

    name: bytes
    value: bytes
    flags: int = 0


def parse_eas(buffer: Buffer) -> list[ExtendedAttribute]:
    """The attributes of a SET_INFO request, a QUERY_INFO response or an ExtA create context.

    Raises:
        ParseError: an entry leaves the buffer, or a name is not terminated.
    """
    attributes = []
    for entry in split_entries(memoryview(buffer), "FILE_FULL_EA_INFORMATION"):
        fixed, reader = EA.parse(entry), Reader(entry[EA.size :])
        name = bytes(reader.take(fixed.ea_name_length, "EaName"))
        if reader.u8("terminator"):
            raise ParseError("EaName is not terminated", EA.size + fixed.ea_name_length)
        attributes.append(ExtendedAttribute(name, bytes(reader.take(fixed.ea_value_length, "EaValue")), fixed.flags))
    return attributes


def build_eas(attributes: Iterable[ExtendedAttribute]) -> bytes:
    """The buffer that `parse_eas` reads."""
    entries = [
        EA.build(EaFixed(0, one.flags, len(one.name), len(one.value))) + one.name + b"\0" + one.value
        for one in attributes
    ]
    return link_entries(entries, _ALIGNMENT)


def parse_ea_names(buffer: Buffer) -> list[bytes]:
    """The names that a QUERY_INFO request asks for.

    Raises:
        ParseError: an entry leaves the buffer.
    """
    names = []
    for entry in split_entries(memoryview(buffer), "FILE_GET_EA_INFORMATION"):
        reader = Reader(entry[4:])
        names.append(bytes(reader.take(reader.u8("EaNameLength"), "EaName")))
    return names


def build_ea_names(names: Iterable[bytes]) -> bytes:
    """The buffer that `parse_ea_names` reads."""
    return link_entries([bytes(4) + bytes([len(name)]) + name + b"\0" for name in names], _ALIGNMENT)
