"""Durable handle create contexts, "DHnQ", "DHnC", "DH2Q", "DH2C" (MS-SMB2 2.2.13.2, 2.2.14.2)."""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U32, U64, Buffer, Bytes16, Layout
from parsers.reader import Reader
from parsers.smb2.file_id import FileId

__all__ = [
    "DURABLE_RECONNECT",
    "DURABLE_RECONNECT_V2",
    "DURABLE_REQUEST_V2",
    "DURABLE_RESPONSE_V2",
    "DurableFlags",
    "DurableReconnect",
    "DurableReconnectFixed",
    "DurableReconnectV2",
    "DurableReconnectV2Fixed",
    "DurableRequest",
    "DurableRequestV2",
    "DurableRequestV2Fixed",
    "DurableResponse",
    "DurableResponseV2",
    "DurableResponseV2Fixed",
]

_REQUEST_SIZE = 16
_RESPONSE_SIZE = 8


class DurableFlags(OpenFlag):
    """MS-SMB2 2.2.13.2.11, Flags."""

    PERSISTENT = 0x00000002


class DurableReconnectFixed(NamedTuple):
    """MS-SMB2 2.2.13.2.4."""

    file_id_persistent: U64
    file_id_volatile: U64


class DurableRequestV2Fixed(NamedTuple):
    """MS-SMB2 2.2.13.2.11."""

    timeout: U32
    flags: U32
    reserved: U64
    create_guid: Bytes16


class DurableReconnectV2Fixed(NamedTuple):
    """MS-SMB2 2.2.13.2.12."""

    file_id_persistent: U64
    file_id_volatile: U64
    create_guid: Bytes16
    flags: U32


class DurableResponseV2Fixed(NamedTuple):
    """MS-SMB2 2.2.14.2.12."""

    timeout: U32
    flags: U32


DURABLE_RECONNECT = Layout(DurableReconnectFixed)
DURABLE_REQUEST_V2 = Layout(DurableRequestV2Fixed)
DURABLE_RECONNECT_V2 = Layout(DurableReconnectV2Fixed)
DURABLE_RESPONSE_V2 = Layout(DurableResponseV2Fixed)


@dataclass(frozen=True, slots=True)
class DurableRequest:
    """MS-SMB2 2.2.13.2.3: 16 reserved bytes."""

    name: ClassVar[bytes] = b"DHnQ"

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        Reader(data).take(_REQUEST_SIZE, "DurableRequest")
        return cls()

    def build(self) -> bytes:
        """The data of the context."""
        return bytes(_REQUEST_SIZE)


@dataclass(frozen=True, slots=True)
class DurableResponse:
    """MS-SMB2 2.2.14.2.3: eight reserved bytes; that it is there grants the request."""

    name: ClassVar[bytes] = b"DHnQ"

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        Reader(data).take(_RESPONSE_SIZE, "DurableResponse")
        return cls()

    def build(self) -> bytes:
        """The data of the context."""
        return bytes(_RESPONSE_SIZE)


@dataclass(frozen=True, slots=True)
class DurableReconnect:
    """MS-SMB2 2.2.13.2.4: the open to get back."""

    name: ClassVar[bytes] = b"DHnC"
    file_id: FileId

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        return cls(FileId(*DURABLE_RECONNECT.parse(data)))

    def build(self) -> bytes:
        """The data of the context."""
        return DURABLE_RECONNECT.build(DurableReconnectFixed(*self.file_id))


@dataclass(frozen=True, slots=True)
class DurableRequestV2:
    """MS-SMB2 2.2.13.2.11: `timeout` in milliseconds, 0 leaves it to the server."""

    name: ClassVar[bytes] = b"DH2Q"
    timeout: int
    flags: DurableFlags
    create_guid: bytes

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = DURABLE_REQUEST_V2.parse(data)
        return cls(fixed.timeout, DurableFlags(fixed.flags), fixed.create_guid)

    def build(self) -> bytes:
        """The data of the context."""
        return DURABLE_REQUEST_V2.build(DurableRequestV2Fixed(self.timeout, self.flags, 0, self.create_guid))


@dataclass(frozen=True, slots=True)
class DurableReconnectV2:
    """MS-SMB2 2.2.13.2.12: the open to get back, and the GUID it was created with."""

    name: ClassVar[bytes] = b"DH2C"
    file_id: FileId
    create_guid: bytes
    flags: DurableFlags

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = DURABLE_RECONNECT_V2.parse(data)
        file_id = FileId(fixed.file_id_persistent, fixed.file_id_volatile)
        return cls(file_id, fixed.create_guid, DurableFlags(fixed.flags))

    def build(self) -> bytes:
        """The data of the context."""
        return DURABLE_RECONNECT_V2.build(DurableReconnectV2Fixed(*self.file_id, self.create_guid, self.flags))


@dataclass(frozen=True, slots=True)
class DurableResponseV2:
    """MS-SMB2 2.2.14.2.12: the server keeps the open for `timeout` milliseconds after a disconnect."""

    name: ClassVar[bytes] = b"DH2Q"
    timeout: int
    flags: DurableFlags

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read the data of the context; `ParseError` where it is too short."""
        fixed = DURABLE_RESPONSE_V2.parse(data)
        return cls(fixed.timeout, DurableFlags(fixed.flags))

    def build(self) -> bytes:
        """The data of the context."""
        return DURABLE_RESPONSE_V2.build(DurableResponseV2Fixed(self.timeout, self.flags))
