"""Create contexts about the file itself: "AlSi", "MxAc", "QFid", "TWrp" (MS-SMB2 2.2.13.2, 2.2.14.2)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from parsers.layout import U32, U64, Buffer, Bytes16, Layout
from parsers.reader import Reader
from parsers.smb2.access import AccessMask

__all__ = [
    "MAXIMAL_ACCESS_RESPONSE",
    "ON_DISK_ID_RESPONSE",
    "AllocationSize",
    "MaximalAccessRequest",
    "MaximalAccessResponse",
    "MaximalAccessResponseFixed",
    "OnDiskIdRequest",
    "OnDiskIdResponse",
    "OnDiskIdResponseFixed",
    "TimewarpToken",
]


class MaximalAccessResponseFixed(NamedTuple):
    """MS-SMB2 2.2.14.2.5."""

    query_status: U32
    maximal_access: U32


class OnDiskIdResponseFixed(NamedTuple):
    """MS-SMB2 2.2.14.2.9."""

    disk_file_id: U64
    volume_id: U64
    reserved: Bytes16


MAXIMAL_ACCESS_RESPONSE = Layout(MaximalAccessResponseFixed)
ON_DISK_ID_RESPONSE = Layout(OnDiskIdResponseFixed)


@dataclass(frozen=True, slots=True)
class AllocationSize:
    """MS-SMB2 2.2.13.2.6: bytes to reserve on disk."""

    name: ClassVar[bytes] = b"AlSi"
    allocation_size: int

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        return cls(Reader(data).u64("AllocationSize"))

    def build(self) -> bytes:
        """The data of the context."""
        return self.allocation_size.to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class TimewarpToken:
    """MS-SMB2 2.2.13.2.7: the snapshot to open, as FILETIME."""

    name: ClassVar[bytes] = b"TWrp"
    timestamp: int

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        return cls(Reader(data).u64("Timestamp"))

    def build(self) -> bytes:
        """The data of the context."""
        return self.timestamp.to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class MaximalAccessRequest:
    """MS-SMB2 2.2.13.2.5; `timestamp`, a FILETIME, may be left out."""

    name: ClassVar[bytes] = b"MxAc"
    timestamp: int | None = None

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is neither empty nor long enough."""
        return cls(Reader(data).u64("Timestamp") if len(data) else None)

    def build(self) -> bytes:
        """The data of the context."""
        return b"" if self.timestamp is None else self.timestamp.to_bytes(8, "little")


@dataclass(frozen=True, slots=True)
class MaximalAccessResponse:
    """MS-SMB2 2.2.14.2.5; `maximal_access` says something only where `query_status` is 0."""

    name: ClassVar[bytes] = b"MxAc"
    query_status: int
    maximal_access: AccessMask

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = MAXIMAL_ACCESS_RESPONSE.parse(data)
        return cls(fixed.query_status, AccessMask(fixed.maximal_access))

    def build(self) -> bytes:
        """The data of the context."""
        return MAXIMAL_ACCESS_RESPONSE.build(MaximalAccessResponseFixed(self.query_status, self.maximal_access))


@dataclass(frozen=True, slots=True)
class OnDiskIdRequest:
    """MS-SMB2 2.2.13.2.9: no data."""

    name: ClassVar[bytes] = b"QFid"

    @classmethod
    def parse(cls, _data: Buffer) -> Self:
        """There is nothing to read."""
        return cls()

    def build(self) -> bytes:
        """The data of the context."""
        return b""


@dataclass(frozen=True, slots=True)
class OnDiskIdResponse:
    """MS-SMB2 2.2.14.2.9: which file of which volume was opened."""

    name: ClassVar[bytes] = b"QFid"
    disk_file_id: int
    volume_id: int

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = ON_DISK_ID_RESPONSE.parse(data)
        return cls(fixed.disk_file_id, fixed.volume_id)

    def build(self) -> bytes:
        """The data of the context."""
        return ON_DISK_ID_RESPONSE.build(OnDiskIdResponseFixed(self.disk_file_id, self.volume_id, bytes(16)))
