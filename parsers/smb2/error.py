"""SMB2 ERROR response: the body of most failures, and of interim responses (MS-SMB2 2.2.2)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenEnum, OpenFlag
from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, Buffer, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16, pad8, parse_body, payload
from parsers.smb2.header import HEADER_SIZE

__all__ = [
    "ERROR_CONTEXT",
    "ERROR_RESPONSE",
    "SYMBOLIC_LINK_ERROR",
    "ErrorContext",
    "ErrorContextFixed",
    "ErrorId",
    "ErrorResponse",
    "ErrorResponseFixed",
    "SymbolicLinkError",
    "SymbolicLinkErrorFixed",
    "SymlinkFlags",
    "parse_required_length",
]

_STRUCTURE_SIZE = 9
_SYMLINK_ERROR_TAG = 0x4C4D5953
_REPARSE_TAG_SYMLINK = 0xA000000C
_SYMLINK_UNCOUNTED = 16  # bytes of SymbolicLinkErrorFixed that ReparseDataLength does not count


class ErrorId(OpenEnum):
    """MS-SMB2 2.2.2.1, ErrorId."""

    DEFAULT = 0x00000000
    SHARE_REDIRECT = 0x72645253


class SymlinkFlags(OpenFlag):
    """MS-SMB2 2.2.2.2.1, Flags."""

    RELATIVE = 0x00000001


class ErrorResponseFixed(NamedTuple):
    """MS-SMB2 2.2.2; `error_context_count` is 0 before 3.1.1."""

    structure_size: U16
    error_context_count: U8
    reserved: U8
    byte_count: U32


class ErrorContextFixed(NamedTuple):
    """MS-SMB2 2.2.2.1; `error_data_length` bytes follow."""

    error_data_length: U32
    error_id: U32


class SymbolicLinkErrorFixed(NamedTuple):
    """MS-SMB2 2.2.2.2.1; the path buffer follows."""

    sym_link_length: U32
    sym_link_error_tag: U32
    reparse_tag: U32
    reparse_data_length: U16
    unparsed_path_length: U16
    substitute_name_offset: U16
    substitute_name_length: U16
    print_name_offset: U16
    print_name_length: U16
    flags: U32


ERROR_RESPONSE = Layout(ErrorResponseFixed)
ERROR_CONTEXT = Layout(ErrorContextFixed)
SYMBOLIC_LINK_ERROR = Layout(SymbolicLinkErrorFixed)


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """MS-SMB2 2.2.2.1 (3.1.1); the data of a share redirect (2.2.2.2.2) is kept as it is."""

    error_id: ErrorId
    data: bytes


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """MS-SMB2 2.2.2: either contexts or, before 3.1.1 and where there is nothing to say, plain `error_data`."""

    contexts: tuple[ErrorContext, ...] = ()
    error_data: bytes = b""

    @property
    def default_data(self) -> bytes:
        """What 2.2.2.2 describes, wherever the dialect puts it: of the first default context, or plain."""
        return next((context.data for context in self.contexts if context.error_id == ErrorId.DEFAULT), self.error_data)

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, or error data outside of the message.
        """
        fixed = parse_body(ERROR_RESPONSE, _STRUCTURE_SIZE, message)
        data = payload(message, HEADER_SIZE + ERROR_RESPONSE.size, fixed.byte_count, "ErrorData")
        if fixed.error_context_count:
            return cls(contexts=_parse_contexts(data, fixed.error_context_count))
        return cls(error_data=bytes(data))

    def build(self) -> bytes:
        """The body; without data it ends in the one byte that StructureSize counts (3.3.4.4)."""
        data = self.error_data
        if self.contexts:
            data = _build_contexts(self.contexts)
        fixed = ErrorResponseFixed(_STRUCTURE_SIZE, len(self.contexts), 0, len(data))
        return ERROR_RESPONSE.build(fixed) + (data or b"\0")


def _parse_contexts(data: memoryview, count: int) -> tuple[ErrorContext, ...]:
    # The data begins eight bytes into the body, so alignment within it is alignment to the response (2.2.2).
    contexts = []
    reader = Reader(data)
    for _ in range(count):
        reader.take(min(-reader.position % 8, reader.remaining), "padding")
        fixed = ERROR_CONTEXT.parse(reader.take(ERROR_CONTEXT.size, "error context"))
        content = reader.take(fixed.error_data_length, "ErrorContextData")
        contexts.append(ErrorContext(ErrorId(fixed.error_id), bytes(content)))
    return tuple(contexts)


def _build_contexts(contexts: tuple[ErrorContext, ...]) -> bytes:
    built = b""
    for context in contexts:
        fixed = ErrorContextFixed(len(context.data), context.error_id)
        built += pad8(len(built)) + ERROR_CONTEXT.build(fixed) + context.data
    return built


@dataclass(frozen=True, slots=True)
class SymbolicLinkError:
    """MS-SMB2 2.2.2.2.1, the error data of STATUS_STOPPED_ON_SYMLINK.

    The last `unparsed_path_length` bytes of the requested name come after the link.
    """

    unparsed_path_length: int
    flags: SymlinkFlags
    substitute_name: str
    print_name: str

    @classmethod
    def parse(cls, data: Buffer) -> Self:
        """Read `ErrorResponse.default_data`.

        Raises:
            ParseError: too short, another tag, or a name that is odd or leaves the path buffer.
        """
        fixed = SYMBOLIC_LINK_ERROR.parse(data)
        if fixed.sym_link_error_tag != _SYMLINK_ERROR_TAG:
            raise ParseError(f"SymLinkErrorTag is 0x{fixed.sym_link_error_tag:08X}, not 0x4C4D5953", 4)
        path_buffer = Reader(memoryview(data)[SYMBOLIC_LINK_ERROR.size :])
        substitute = path_buffer.at(fixed.substitute_name_offset, fixed.substitute_name_length, "substitute name")
        printed = path_buffer.at(fixed.print_name_offset, fixed.print_name_length, "print name")
        return cls(
            fixed.unparsed_path_length,
            SymlinkFlags(fixed.flags),
            decode_utf16(substitute, "substitute name"),
            decode_utf16(printed, "print name"),
        )

    def build(self) -> bytes:
        """The error data."""
        substitute, printed = encode_utf16(self.substitute_name), encode_utf16(self.print_name)
        length = SYMBOLIC_LINK_ERROR.size + len(substitute) + len(printed)
        fixed = SymbolicLinkErrorFixed(
            length - 4,
            _SYMLINK_ERROR_TAG,
            _REPARSE_TAG_SYMLINK,
            length - _SYMLINK_UNCOUNTED,
            self.unparsed_path_length,
            0,
            len(substitute),
            len(substitute),
            len(printed),
            self.flags,
        )
        return SYMBOLIC_LINK_ERROR.build(fixed) + substitute + printed


def parse_required_length(data: Buffer) -> int:
    """The minimum buffer length of STATUS_BUFFER_TOO_SMALL, from `ErrorResponse.default_data` (MS-SMB2 2.2.2.2).

    Raises:
        ParseError: fewer than four bytes.
    """
    return Reader(data).u32("required buffer length")
