"""SMB2 IOCTL (MS-SMB2 2.2.31, 2.2.32). What the buffers hold is in `parsers.smb2.fsctl`."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U16, U32, U64, Layout
from parsers.smb2.body import pad8, parse_body, payload
from parsers.smb2.file_id import FileId
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import HEADER_SIZE

__all__ = [
    "IOCTL_REQUEST",
    "IOCTL_RESPONSE",
    "IoctlFlags",
    "IoctlRequest",
    "IoctlRequestFixed",
    "IoctlResponse",
    "IoctlResponseFixed",
]


class IoctlFlags(OpenFlag):
    """MS-SMB2 2.2.31, Flags."""

    IS_FSCTL = 0x00000001


class IoctlRequestFixed(NamedTuple):
    """MS-SMB2 2.2.31."""

    structure_size: U16
    reserved: U16
    ctl_code: U32
    persistent: U64
    volatile: U64
    input_offset: U32
    input_count: U32
    max_input_response: U32
    output_offset: U32
    output_count: U32
    max_output_response: U32
    flags: U32
    reserved2: U32


class IoctlResponseFixed(NamedTuple):
    """MS-SMB2 2.2.32."""

    structure_size: U16
    reserved: U16
    ctl_code: U32
    persistent: U64
    volatile: U64
    input_offset: U32
    input_count: U32
    output_offset: U32
    output_count: U32
    flags: U32
    reserved2: U32


IOCTL_REQUEST = Layout(IoctlRequestFixed)
IOCTL_RESPONSE = Layout(IoctlResponseFixed)

_REQUEST_BUFFER = HEADER_SIZE + IOCTL_REQUEST.size
_RESPONSE_BUFFER = HEADER_SIZE + IOCTL_RESPONSE.size


@dataclass(frozen=True, slots=True)
class IoctlRequest:
    """MS-SMB2 2.2.31. `output` is empty in requests that keep to the rules."""

    ctl_code: FsctlCode
    file_id: FileId
    input: bytes
    max_input_response: int
    max_output_response: int
    flags: IoctlFlags = IoctlFlags.IS_FSCTL
    output: bytes = b""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or a buffer leaves the message.
        """
        fixed = parse_body(IOCTL_REQUEST, 57, message)
        return cls(
            FsctlCode(fixed.ctl_code),
            FileId(fixed.persistent, fixed.volatile),
            bytes(payload(message, fixed.input_offset, fixed.input_count, "Input")),
            fixed.max_input_response,
            fixed.max_output_response,
            IoctlFlags(fixed.flags),
            bytes(payload(message, fixed.output_offset, fixed.output_count, "Output")),
        )

    def build(self) -> bytes:
        """The body; offsets of empty buffers are zero."""
        buffer, input_offset, output_offset = _lay_out(_REQUEST_BUFFER, self.input, self.output)
        fixed = IoctlRequestFixed(
            57,
            0,
            self.ctl_code,
            *self.file_id,
            input_offset if self.input else 0,
            len(self.input),
            self.max_input_response,
            output_offset if self.output else 0,
            len(self.output),
            self.max_output_response,
            self.flags,
            0,
        )
        return IOCTL_REQUEST.build(fixed) + buffer


@dataclass(frozen=True, slots=True)
class IoctlResponse:
    """MS-SMB2 2.2.32. `input` repeats the request's only for FSCTLs that the server passes through (3.3.5.15.8)."""

    ctl_code: FsctlCode
    file_id: FileId
    output: bytes
    input: bytes = b""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, or a buffer leaves the message.
        """
        fixed = parse_body(IOCTL_RESPONSE, 49, message)
        return cls(
            FsctlCode(fixed.ctl_code),
            FileId(fixed.persistent, fixed.volatile),
            bytes(payload(message, fixed.output_offset, fixed.output_count, "Output")),
            bytes(payload(message, fixed.input_offset, fixed.input_count, "Input")),
        )

    def build(self) -> bytes:
        """The body; InputOffset is that of Buffer even where it is empty, OutputOffset is then zero (2.2.32)."""
        buffer, input_offset, output_offset = _lay_out(_RESPONSE_BUFFER, self.input, self.output)
        fixed = IoctlResponseFixed(
            49,
            0,
            self.ctl_code,
            *self.file_id,
            input_offset,
            len(self.input),
            output_offset if self.output else 0,
            len(self.output),
            0,
            0,
        )
        return IOCTL_RESPONSE.build(fixed) + buffer


def _lay_out(start: int, input_: bytes, output: bytes) -> tuple[bytes, int, int]:
    """Buffer, InputOffset and OutputOffset: the output begins at a multiple of 8 behind the input (2.2.32)."""
    before = input_ + pad8(len(input_)) if output else input_
    return before + output, start, start + len(before)
