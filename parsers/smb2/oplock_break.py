"""SMB2 OPLOCK_BREAK (MS-SMB2 2.2.23 to 2.2.25): notification, acknowledgment and response, of oplocks and of leases.

Who sent a message, and whether it answers one, is in its header; its StructureSize says whether it is about an oplock
(24) or a lease (44 in a notification, 36 in an acknowledgment or response).
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, U64, Bytes16, Layout
from parsers.reader import Reader
from parsers.smb2.body import parse_body
from parsers.smb2.create import OplockLevel
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE
from parsers.smb2.lease import LeaseState

__all__ = [
    "LEASE_BREAK",
    "LEASE_BREAK_NOTIFICATION",
    "OPLOCK_BREAK",
    "LeaseBreak",
    "LeaseBreakFixed",
    "LeaseBreakFlags",
    "LeaseBreakNotification",
    "LeaseBreakNotificationFixed",
    "OplockBreak",
    "OplockBreakFixed",
    "parse_oplock_break",
]


class LeaseBreakFlags(OpenFlag):
    """MS-SMB2 2.2.23.2, Flags."""

    ACK_REQUIRED = 0x01


class OplockBreakFixed(NamedTuple):
    """MS-SMB2 2.2.23.1, 2.2.24.1, 2.2.25.1."""

    structure_size: U16
    oplock_level: U8
    reserved: U8
    reserved2: U32
    persistent: U64
    volatile: U64


class LeaseBreakNotificationFixed(NamedTuple):
    """MS-SMB2 2.2.23.2; the last three fields are reserved."""

    structure_size: U16
    new_epoch: U16
    flags: U32
    lease_key: Bytes16
    current_lease_state: U32
    new_lease_state: U32
    break_reason: U32
    access_mask_hint: U32
    share_mask_hint: U32


class LeaseBreakFixed(NamedTuple):
    """MS-SMB2 2.2.24.2, 2.2.25.2."""

    structure_size: U16
    reserved: U16
    flags: U32
    lease_key: Bytes16
    lease_state: U32
    lease_duration: U64


OPLOCK_BREAK = Layout(OplockBreakFixed)
LEASE_BREAK_NOTIFICATION = Layout(LeaseBreakNotificationFixed)
LEASE_BREAK = Layout(LeaseBreakFixed)


@dataclass(frozen=True, slots=True)
class OplockBreak:
    """MS-SMB2 2.2.23.1 (the highest level left), 2.2.24.1 (the level accepted), 2.2.25.1 (the level granted)."""

    oplock_level: OplockLevel
    file_id: FileId

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(OPLOCK_BREAK, 24, message)
        return cls(OplockLevel(fixed.oplock_level), FileId(fixed.persistent, fixed.volatile))

    def build(self) -> bytes:
        """The body."""
        return OPLOCK_BREAK.build(OplockBreakFixed(24, self.oplock_level, 0, 0, *self.file_id))


@dataclass(frozen=True, slots=True)
class LeaseBreakNotification:
    """MS-SMB2 2.2.23.2; `new_epoch` is reserved in 2.1."""

    new_epoch: int
    flags: LeaseBreakFlags
    lease_key: bytes
    current_lease_state: LeaseState
    new_lease_state: LeaseState

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(LEASE_BREAK_NOTIFICATION, 44, message)
        return cls(
            fixed.new_epoch,
            LeaseBreakFlags(fixed.flags),
            fixed.lease_key,
            LeaseState(fixed.current_lease_state),
            LeaseState(fixed.new_lease_state),
        )

    def build(self) -> bytes:
        """The body."""
        return LEASE_BREAK_NOTIFICATION.build(
            LeaseBreakNotificationFixed(
                44,
                self.new_epoch,
                self.flags,
                self.lease_key,
                self.current_lease_state,
                self.new_lease_state,
                0,
                0,
                0,
            )
        )


@dataclass(frozen=True, slots=True)
class LeaseBreak:
    """MS-SMB2 2.2.24.2 (the state that the client keeps), 2.2.25.2 (the state that the server confirms)."""

    lease_key: bytes
    lease_state: LeaseState

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(LEASE_BREAK, 36, message)
        return cls(fixed.lease_key, LeaseState(fixed.lease_state))

    def build(self) -> bytes:
        """The body."""
        return LEASE_BREAK.build(LeaseBreakFixed(36, 0, 0, self.lease_key, self.lease_state, 0))


def parse_oplock_break(message: memoryview) -> OplockBreak | LeaseBreakNotification | LeaseBreak:
    """Read the OPLOCK_BREAK `message`, which begins with its header, in the form that its StructureSize says.

    Raises:
        ParseError: too short, or a StructureSize of none of the forms.
    """
    reader = Reader(message)
    reader.take(HEADER_SIZE, "header")
    match reader.u16("StructureSize"):
        case 24:
            return OplockBreak.parse(message)
        case 36:
            return LeaseBreak.parse(message)
        case 44:
            return LeaseBreakNotification.parse(message)
        case size:
            raise ParseError(f"OPLOCK_BREAK StructureSize is {size}, not 24, 36 or 44", HEADER_SIZE)
