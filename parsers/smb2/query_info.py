"""SMB2 QUERY_INFO (MS-SMB2 2.2.37, 2.2.38). Its buffers are handed out raw."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U8, U16, U32, U64, Layout
from parsers.smb2.body import parse_body, payload
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE
from parsers.smb2.info_classes import FileInformationClass, FsInformationClass, InfoType, info_class

__all__ = [
    "QUERY_INFO_REQUEST",
    "QUERY_INFO_RESPONSE",
    "QueryInfoFlags",
    "QueryInfoRequest",
    "QueryInfoRequestFixed",
    "QueryInfoResponse",
    "QueryInfoResponseFixed",
]


class QueryInfoFlags(OpenFlag):
    """MS-SMB2 2.2.37, Flags: how extended attributes are listed."""

    RESTART_SCAN = 0x00000001
    RETURN_SINGLE_ENTRY = 0x00000002
    INDEX_SPECIFIED = 0x00000004


class QueryInfoRequestFixed(NamedTuple):
    """MS-SMB2 2.2.37."""

    structure_size: U16
    info_type: U8
    file_info_class: U8
    output_buffer_length: U32
    input_buffer_offset: U16
    reserved: U16
    input_buffer_length: U32
    additional_information: U32
    flags: U32
    persistent: U64
    volatile: U64


class QueryInfoResponseFixed(NamedTuple):
    """MS-SMB2 2.2.38."""

    structure_size: U16
    output_buffer_offset: U16
    output_buffer_length: U32


QUERY_INFO_REQUEST = Layout(QueryInfoRequestFixed)
QUERY_INFO_RESPONSE = Layout(QueryInfoResponseFixed)

_REQUEST_BUFFER = HEADER_SIZE + QUERY_INFO_REQUEST.size
_RESPONSE_BUFFER = HEADER_SIZE + QUERY_INFO_RESPONSE.size


@dataclass(frozen=True, slots=True)
class QueryInfoRequest:
    """MS-SMB2 2.2.37.

    `additional_information` is `SecurityInformation` where the type is `SECURITY`, and an index of extended attributes
    for FileFullEaInformation. `output_buffer_length` is the most that the server may return.
    """

    info_type: InfoType
    file_info_class: FileInformationClass | FsInformationClass | int
    output_buffer_length: int
    additional_information: int
    flags: QueryInfoFlags
    file_id: FileId
    input: bytes = b""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or the input leaves the message.
        """
        fixed = parse_body(QUERY_INFO_REQUEST, 41, message)
        return cls(
            InfoType(fixed.info_type),
            info_class(fixed.info_type, fixed.file_info_class),
            fixed.output_buffer_length,
            fixed.additional_information,
            QueryInfoFlags(fixed.flags),
            FileId(fixed.persistent, fixed.volatile),
            bytes(payload(message, fixed.input_buffer_offset, fixed.input_buffer_length, "InputBuffer")),
        )

    def build(self) -> bytes:
        """The body. One zero byte stands for an empty Buffer, since servers check StructureSize against the length."""
        fixed = QueryInfoRequestFixed(
            41,
            self.info_type,
            self.file_info_class,
            self.output_buffer_length,
            _REQUEST_BUFFER if self.input else 0,
            0,
            len(self.input),
            self.additional_information,
            self.flags,
            *self.file_id,
        )
        return QUERY_INFO_REQUEST.build(fixed) + (self.input or b"\0")


@dataclass(frozen=True, slots=True)
class QueryInfoResponse:
    """MS-SMB2 2.2.38. The request alone knows what `output` is."""

    output: bytes

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or the output leaves the message.
        """
        fixed = parse_body(QUERY_INFO_RESPONSE, 9, message)
        return cls(bytes(payload(message, fixed.output_buffer_offset, fixed.output_buffer_length, "OutputBuffer")))

    def build(self) -> bytes:
        """The body; one zero byte stands for an empty Buffer."""
        fixed = QueryInfoResponseFixed(9, _RESPONSE_BUFFER if self.output else 0, len(self.output))
        return QUERY_INFO_RESPONSE.build(fixed) + (self.output or b"\0")
