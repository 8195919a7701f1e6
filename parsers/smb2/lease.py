"""Lease create contexts, "RqLs" (MS-SMB2 2.2.13.2.8, 2.2.13.2.10, 2.2.14.2.10, 2.2.14.2.11).

Request and response share their form; which version it is shows in the length.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U16, U32, U64, Buffer, Bytes16, Layout

__all__ = ["LEASE", "LEASE_V2", "Lease", "LeaseFixed", "LeaseFlags", "LeaseState", "LeaseV2", "LeaseV2Fixed"]


class LeaseState(OpenFlag):
    """MS-SMB2 2.2.13.2.8, LeaseState."""

    NONE = 0x00
    READ_CACHING = 0x01
    HANDLE_CACHING = 0x02
    WRITE_CACHING = 0x04


class LeaseFlags(OpenFlag):
    """MS-SMB2 2.2.14.2.11, Flags; in requests only `PARENT_LEASE_KEY_SET`."""

    BREAK_IN_PROGRESS = 0x02
    PARENT_LEASE_KEY_SET = 0x04


class LeaseFixed(NamedTuple):
    """MS-SMB2 2.2.13.2.8."""

    lease_key: Bytes16
    lease_state: U32
    lease_flags: U32
    lease_duration: U64


class LeaseV2Fixed(NamedTuple):
    """MS-SMB2 2.2.13.2.10."""

    lease_key: Bytes16
    lease_state: U32
    flags: U32
    lease_duration: U64
    parent_lease_key: Bytes16
    epoch: U16
    reserved: U16


LEASE = Layout(LeaseFixed)
LEASE_V2 = Layout(LeaseV2Fixed)


@dataclass(frozen=True, slots=True)
class Lease:
    """MS-SMB2 2.2.13.2.8, 2.2.14.2.10: a lease of version 1, of dialect 2.1 or later."""

    name: ClassVar[bytes] = b"RqLs"
    lease_key: bytes
    lease_state: LeaseState
    lease_flags: LeaseFlags

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = LEASE.parse(data)
        return cls(fixed.lease_key, LeaseState(fixed.lease_state), LeaseFlags(fixed.lease_flags))

    def build(self) -> bytes:
        """The data of the context."""
        return LEASE.build(LeaseFixed(self.lease_key, self.lease_state, self.lease_flags, 0))


@dataclass(frozen=True, slots=True)
class LeaseV2:
    """MS-SMB2 2.2.13.2.10, 2.2.14.2.11: a lease of version 2, of dialect 3.0 or later; directories may have one."""

    name: ClassVar[bytes] = b"RqLs"
    lease_key: bytes
    lease_state: LeaseState
    lease_flags: LeaseFlags
    parent_lease_key: bytes
    epoch: int

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = LEASE_V2.parse(data)
        state, flags = LeaseState(fixed.lease_state), LeaseFlags(fixed.flags)
        return cls(fixed.lease_key, state, flags, fixed.parent_lease_key, fixed.epoch)

    def build(self) -> bytes:
        """The data of the context."""
        fixed = LeaseV2Fixed(
            self.lease_key, self.lease_state, self.lease_flags, 0, self.parent_lease_key, self.epoch, 0
        )
        return LEASE_V2.build(fixed)
