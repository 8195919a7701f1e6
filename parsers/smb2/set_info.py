"""SMB2 SET_INFO (MS-SMB2 2.2.39, 2.2.40)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.layout import U8, U16, U32, U64, Layout
from parsers.smb2.body import parse_body, payload
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE
from parsers.smb2.info_classes import FileInformationClass, FsInformationClass, InfoType, info_class

__all__ = [
    "SET_INFO_REQUEST",
    "SET_INFO_RESPONSE",
    "SetInfoRequest",
    "SetInfoRequestFixed",
    "SetInfoResponse",
    "SetInfoResponseFixed",
]


class SetInfoRequestFixed(NamedTuple):
    """MS-SMB2 2.2.39."""

    structure_size: U16
    info_type: U8
    file_info_class: U8
    buffer_length: U32
    buffer_offset: U16
    reserved: U16
    additional_information: U32
    persistent: U64
    volatile: U64


class SetInfoResponseFixed(NamedTuple):
    """MS-SMB2 2.2.40."""

    structure_size: U16


SET_INFO_REQUEST = Layout(SetInfoRequestFixed)
SET_INFO_RESPONSE = Layout(SetInfoResponseFixed)

_REQUEST_BUFFER = HEADER_SIZE + SET_INFO_REQUEST.size


@dataclass(frozen=True, slots=True)
class SetInfoRequest:
    """MS-SMB2 2.2.39.

    `additional_information` is `SecurityInformation` where the type is `SECURITY`. `parsers.smb2.file_information`
    reads the buffers that rename, delete and resize.
    """

    info_type: InfoType
    file_info_class: FileInformationClass | FsInformationClass | int
    additional_information: int
    file_id: FileId
    buffer: bytes

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or the buffer leaves the message.
        """
        fixed = parse_body(SET_INFO_REQUEST, 33, message)
        return cls(
            InfoType(fixed.info_type),
            info_class(fixed.info_type, fixed.file_info_class),
            fixed.additional_information,
            FileId(fixed.persistent, fixed.volatile),
            bytes(payload(message, fixed.buffer_offset, fixed.buffer_length, "Buffer")),
        )

    def build(self) -> bytes:
        """The body. One zero byte stands for an empty Buffer, since servers check StructureSize against the length."""
        fixed = SetInfoRequestFixed(
            33,
            self.info_type,
            self.file_info_class,
            len(self.buffer),
            _REQUEST_BUFFER,
            0,
            self.additional_information,
            *self.file_id,
        )
        return SET_INFO_REQUEST.build(fixed) + (self.buffer or b"\0")


@dataclass(frozen=True, slots=True)
class SetInfoResponse:
    """MS-SMB2 2.2.40: says only that it happened."""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        parse_body(SET_INFO_RESPONSE, 2, message)
        return cls()

    def build(self) -> bytes:
        """The body."""
        return SET_INFO_RESPONSE.build(SetInfoResponseFixed(2))
