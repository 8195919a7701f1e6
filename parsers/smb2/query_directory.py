"""SMB2 QUERY_DIRECTORY (MS-SMB2 2.2.33, 2.2.34). The entries are in `parsers.smb2.directory_entries`."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U8, U16, U32, U64, Layout
from parsers.smb2.body import decode_utf16, encode_utf16, parse_body, payload
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE
from parsers.smb2.info_classes import FileInformationClass

__all__ = [
    "QUERY_DIRECTORY_REQUEST",
    "QUERY_DIRECTORY_RESPONSE",
    "QueryDirectoryFlags",
    "QueryDirectoryRequest",
    "QueryDirectoryRequestFixed",
    "QueryDirectoryResponse",
    "QueryDirectoryResponseFixed",
]


class QueryDirectoryFlags(OpenFlag):
    """MS-SMB2 2.2.33, Flags."""

    RESTART_SCANS = 0x01
    RETURN_SINGLE_ENTRY = 0x02
    INDEX_SPECIFIED = 0x04
    REOPEN = 0x10


class QueryDirectoryRequestFixed(NamedTuple):
    """MS-SMB2 2.2.33."""

    structure_size: U16
    file_information_class: U8
    flags: U8
    file_index: U32
    persistent: U64
    volatile: U64
    file_name_offset: U16
    file_name_length: U16
    output_buffer_length: U32


class QueryDirectoryResponseFixed(NamedTuple):
    """MS-SMB2 2.2.34."""

    structure_size: U16
    output_buffer_offset: U16
    output_buffer_length: U32


QUERY_DIRECTORY_REQUEST = Layout(QueryDirectoryRequestFixed)
QUERY_DIRECTORY_RESPONSE = Layout(QueryDirectoryResponseFixed)

_REQUEST_BUFFER = HEADER_SIZE + QUERY_DIRECTORY_REQUEST.size
_RESPONSE_BUFFER = HEADER_SIZE + QUERY_DIRECTORY_RESPONSE.size


@dataclass(frozen=True, slots=True)
class QueryDirectoryRequest:
    """MS-SMB2 2.2.33. `file_name` is the search pattern, `output_buffer_length` the most that the server may return."""

    file_information_class: FileInformationClass
    flags: QueryDirectoryFlags
    file_index: int
    file_id: FileId
    file_name: str
    output_buffer_length: int

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or the pattern leaves the message or has an odd length.
        """
        fixed = parse_body(QUERY_DIRECTORY_REQUEST, 33, message)
        name = payload(message, fixed.file_name_offset, fixed.file_name_length, "FileName")
        return cls(
            FileInformationClass(fixed.file_information_class),
            QueryDirectoryFlags(fixed.flags),
            fixed.file_index,
            FileId(fixed.persistent, fixed.volatile),
            decode_utf16(name, "FileName"),
            fixed.output_buffer_length,
        )

    def build(self) -> bytes:
        """The body. One zero byte stands for an empty Buffer, since servers check StructureSize against the length."""
        name = encode_utf16(self.file_name)
        fixed = QueryDirectoryRequestFixed(
            33,
            self.file_information_class,
            self.flags,
            self.file_index,
            *self.file_id,
            _REQUEST_BUFFER if name else 0,
            len(name),
            self.output_buffer_length,
        )
        return QUERY_DIRECTORY_REQUEST.build(fixed) + (name or b"\0")


@dataclass(frozen=True, slots=True)
class QueryDirectoryResponse:
    """MS-SMB2 2.2.34. The request alone knows the class of the entries in `output`."""

    output: bytes

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or the output leaves the message.
        """
        fixed = parse_body(QUERY_DIRECTORY_RESPONSE, 9, message)
        return cls(bytes(payload(message, fixed.output_buffer_offset, fixed.output_buffer_length, "OutputBuffer")))

    def build(self) -> bytes:
        """The body; one zero byte stands for an empty Buffer."""
        fixed = QueryDirectoryResponseFixed(9, _RESPONSE_BUFFER if self.output else 0, len(self.output))
        return QUERY_DIRECTORY_RESPONSE.build(fixed) + (self.output or b"\0")
