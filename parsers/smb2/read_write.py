"""SMB2 READ (MS-SMB2 2.2.19, 2.2.20) and WRITE (2.2.21, 2.2.22).

The messages copy the data they carry. Whoever reads many of them gathers the layouts instead and takes the data where
`data_offset` and the length say it is.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenEnum, OpenFlag
from parsers.layout import U8, U16, U32, U64, Layout
from parsers.smb2.body import parse_body, payload
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE

__all__ = [
    "READ_REQUEST",
    "READ_RESPONSE",
    "WRITE_REQUEST",
    "WRITE_RESPONSE",
    "Channel",
    "ReadFlags",
    "ReadRequest",
    "ReadRequestFixed",
    "ReadResponse",
    "ReadResponseFixed",
    "ReadResponseFlags",
    "WriteFlags",
    "WriteRequest",
    "WriteRequestFixed",
    "WriteResponse",
    "WriteResponseFixed",
]


class Channel(OpenEnum):
    """MS-SMB2 2.2.19 and 2.2.21, Channel (3.x): where the data goes if not into the message."""

    NONE = 0
    RDMA_V1 = 1
    RDMA_V1_INVALIDATE = 2
    RDMA_TRANSFORM = 3


class ReadFlags(OpenFlag):
    """MS-SMB2 2.2.19, Flags (3.0.2 and later)."""

    NONE = 0x00
    READ_UNBUFFERED = 0x01
    REQUEST_COMPRESSED = 0x02


class ReadResponseFlags(OpenFlag):
    """MS-SMB2 2.2.20, Flags (3.1.1)."""

    NONE = 0x00000000
    RDMA_TRANSFORM = 0x00000001


class WriteFlags(OpenFlag):
    """MS-SMB2 2.2.21, Flags."""

    NONE = 0x00000000
    WRITE_THROUGH = 0x00000001
    WRITE_UNBUFFERED = 0x00000002


class ReadRequestFixed(NamedTuple):
    """MS-SMB2 2.2.19; `padding` is the DataOffset that the client would like in the response."""

    structure_size: U16
    padding: U8
    flags: U8
    length: U32
    offset: U64
    persistent: U64
    volatile: U64
    minimum_count: U32
    channel: U32
    remaining_bytes: U32
    read_channel_info_offset: U16
    read_channel_info_length: U16


class ReadResponseFixed(NamedTuple):
    """MS-SMB2 2.2.20; `flags` is reserved before 3.1.1."""

    structure_size: U16
    data_offset: U8
    reserved: U8
    data_length: U32
    data_remaining: U32
    flags: U32


class WriteRequestFixed(NamedTuple):
    """MS-SMB2 2.2.21."""

    structure_size: U16
    data_offset: U16
    length: U32
    offset: U64
    persistent: U64
    volatile: U64
    channel: U32
    remaining_bytes: U32
    write_channel_info_offset: U16
    write_channel_info_length: U16
    flags: U32


class WriteResponseFixed(NamedTuple):
    """MS-SMB2 2.2.22; all that follows `count` is reserved."""

    structure_size: U16
    reserved: U16
    count: U32  # type: ignore[assignment]  # the specification's name is also a method of tuple
    remaining: U32
    write_channel_info_offset: U16
    write_channel_info_length: U16


READ_REQUEST = Layout(ReadRequestFixed)
READ_RESPONSE = Layout(ReadResponseFixed)
WRITE_REQUEST = Layout(WriteRequestFixed)
WRITE_RESPONSE = Layout(WriteResponseFixed)

_READ_REQUEST_BUFFER = HEADER_SIZE + READ_REQUEST.size
_READ_RESPONSE_BUFFER = HEADER_SIZE + READ_RESPONSE.size
_WRITE_REQUEST_BUFFER = HEADER_SIZE + WRITE_REQUEST.size


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """MS-SMB2 2.2.19. `length` bytes at `offset` are wanted; `channel_info` are RDMA descriptors, uninterpreted."""

    padding: int
    flags: ReadFlags
    length: int
    offset: int
    file_id: FileId
    minimum_count: int = 0
    channel: Channel = Channel.NONE
    remaining_bytes: int = 0
    channel_info: bytes = b""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or the channel information leaves the message.
        """
        fixed = parse_body(READ_REQUEST, 49, message)
        return cls(
            fixed.padding,
            ReadFlags(fixed.flags),
            fixed.length,
            fixed.offset,
            FileId(fixed.persistent, fixed.volatile),
            fixed.minimum_count,
            Channel(fixed.channel),
            fixed.remaining_bytes,
            bytes(
                payload(message, fixed.read_channel_info_offset, fixed.read_channel_info_length, "ReadChannelInfo"),
            ),
        )

    def build(self) -> bytes:
        """The body. One zero byte stands for an empty Buffer, since servers check StructureSize against the length."""
        fixed = ReadRequestFixed(
            49,
            self.padding,
            self.flags,
            self.length,
            self.offset,
            *self.file_id,
            self.minimum_count,
            self.channel,
            self.remaining_bytes,
            _READ_REQUEST_BUFFER if self.channel_info else 0,
            len(self.channel_info),
        )
        return READ_REQUEST.build(fixed) + (self.channel_info or b"\0")


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """MS-SMB2 2.2.20. `data_remaining` counts bytes that go over the RDMA channel."""

    data: bytes
    data_remaining: int = 0
    flags: ReadResponseFlags = ReadResponseFlags.NONE

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or the data leaves the message.
        """
        fixed = parse_body(READ_RESPONSE, 17, message)
        data = payload(message, fixed.data_offset, fixed.data_length, "Data")
        return cls(bytes(data), fixed.data_remaining, ReadResponseFlags(fixed.flags))

    def build(self) -> bytes:
        """The body, the data right behind its fixed part; one zero byte stands for no data (Buffer is never empty)."""
        fixed = ReadResponseFixed(17, _READ_RESPONSE_BUFFER, 0, len(self.data), self.data_remaining, self.flags)
        return READ_RESPONSE.build(fixed) + (self.data or b"\0")


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """MS-SMB2 2.2.21. `channel_info` are RDMA descriptors, uninterpreted."""

    offset: int
    file_id: FileId
    data: bytes
    channel: Channel = Channel.NONE
    remaining_bytes: int = 0
    channel_info: bytes = b""
    flags: WriteFlags = WriteFlags.NONE

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or data or channel information leave the message.
        """
        fixed = parse_body(WRITE_REQUEST, 49, message)
        info = payload(message, fixed.write_channel_info_offset, fixed.write_channel_info_length, "WriteChannelInfo")
        return cls(
            fixed.offset,
            FileId(fixed.persistent, fixed.volatile),
            bytes(payload(message, fixed.data_offset, fixed.length, "Data")),
            Channel(fixed.channel),
            fixed.remaining_bytes,
            bytes(info),
            WriteFlags(fixed.flags),
        )

    def build(self) -> bytes:
        """The body: channel information, then the data. One zero byte stands for an empty Buffer."""
        info = len(self.channel_info)
        fixed = WriteRequestFixed(
            49,
            _WRITE_REQUEST_BUFFER + info,
            len(self.data),
            self.offset,
            *self.file_id,
            self.channel,
            self.remaining_bytes,
            _WRITE_REQUEST_BUFFER if info else 0,
            info,
            self.flags,
        )
        return WRITE_REQUEST.build(fixed) + (self.channel_info + self.data or b"\0")


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """MS-SMB2 2.2.22: `count` bytes were written."""

    count: int

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        return cls(parse_body(WRITE_RESPONSE, 17, message).count)

    def build(self) -> bytes:
        """The body, which ends with its fixed part although StructureSize says 17 (MS-SMB2 2.2.22)."""
        return WRITE_RESPONSE.build(WriteResponseFixed(17, 0, self.count, 0, 0, 0))
