"""Self-relative security descriptors, SIDs and access lists (MS-DTYP 2.4.2, 2.4.4, 2.4.5, 2.4.6).

Lists keep the entries that are not simple grants or denials as they are.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, Buffer, Layout
from parsers.reader import Reader

__all__ = [
    "SECURITY_DESCRIPTOR",
    "Control",
    "SecurityDescriptor",
    "SecurityDescriptorFixed",
    "build_ace",
    "build_acl",
    "build_sid",
]

_REVISION = 1
_ACL_REVISION = 2
_MOST_SUB_AUTHORITIES = 15


class Control(OpenFlag):
    """MS-DTYP 2.4.6, Control."""

    DACL_PRESENT = 0x0004
    DACL_DEFAULTED = 0x0008
    SACL_PRESENT = 0x0010
    DACL_AUTO_INHERITED = 0x0400
    SACL_AUTO_INHERITED = 0x0800
    DACL_PROTECTED = 0x1000
    SACL_PROTECTED = 0x2000
    SELF_RELATIVE = 0x8000


class SecurityDescriptorFixed(NamedTuple):
    """MS-DTYP 2.4.6 up to the parts."""

    revision: U8
    sbz1: U8
    control: U16
    offset_owner: U32
    offset_group: U32
    offset_sacl: U32
    offset_dacl: U32


SECURITY_DESCRIPTOR = Layout(SecurityDescriptorFixed)


@dataclass(frozen=True, slots=True)
class SecurityDescriptor:
    """The parts, each in its wire form; an empty one is absent (an absent list with its PRESENT bit grants all)."""

    control: Control = Control.SELF_RELATIVE
    owner: bytes = b""
    group: bytes = b""
    sacl: bytes = b""
    dacl: bytes = b""

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read a self-relative descriptor.

        Raises:
            ParseError: too short, another revision, or a part leaves the buffer.
        """
        fixed = SECURITY_DESCRIPTOR.parse(buffer)
        if fixed.revision != _REVISION:
            raise ParseError(f"security descriptor of revision {fixed.revision}")
        control = Control(fixed.control)
        return cls(
            control,
            _sid_at(buffer, fixed.offset_owner),
            _sid_at(buffer, fixed.offset_group),
            _acl_at(buffer, fixed.offset_sacl) if control & Control.SACL_PRESENT else b"",
            _acl_at(buffer, fixed.offset_dacl) if control & Control.DACL_PRESENT else b"",
        )

    def build(self) -> bytes:
        """The self-relative form: owner, group, SACL, DACL."""
        offset, offsets, parts = SECURITY_DESCRIPTOR.size, [], b""
        for part in (self.owner, self.group, self.sacl, self.dacl):
            offsets.append(offset + len(parts) if part else 0)
            parts += part + bytes(-len(part) % 4)
        control = self.control | Control.SELF_RELATIVE
        return SECURITY_DESCRIPTOR.build(SecurityDescriptorFixed(_REVISION, 0, control, *offsets)) + parts


def build_sid(authority: int, *sub_authorities: int) -> bytes:
    """The SID S-1-authority-sub-sub... (MS-DTYP 2.4.2.2)."""
    start = bytes([1, len(sub_authorities)]) + authority.to_bytes(6, "big")
    return start + b"".join(number.to_bytes(4, "little") for number in sub_authorities)


def build_ace(ace_type: int, flags: int, mask: int, sid: bytes) -> bytes:
    """An access control entry that has a mask and a SID (MS-DTYP 2.4.4.2)."""
    size = 8 + len(sid)
    return bytes([ace_type, flags]) + size.to_bytes(2, "little") + mask.to_bytes(4, "little") + sid


def build_acl(*aces: bytes) -> bytes:
    """An access control list (MS-DTYP 2.4.5)."""
    size = 8 + sum(map(len, aces))
    start = bytes([_ACL_REVISION, 0]) + size.to_bytes(2, "little") + len(aces).to_bytes(2, "little") + bytes(2)
    return start + b"".join(aces)


def _sid_at(buffer: Buffer, offset: int) -> bytes:
    if not offset:
        return b""
    reader = Reader(buffer)
    count = reader.at(offset, 2, "SID")[1]
    if count > _MOST_SUB_AUTHORITIES:
        raise ParseError(f"SID with {count} sub-authorities", offset)
    return bytes(reader.at(offset, 8 + 4 * count, "SID"))


def _acl_at(buffer: Buffer, offset: int) -> bytes:
    if not offset:
        return b""
    reader = Reader(buffer)
    size = int.from_bytes(reader.at(offset, 8, "ACL")[2:4], "little")
    if size < 8:
        raise ParseError(f"ACL of {size} bytes", offset)
    return bytes(reader.at(offset, size, "ACL"))
