"""SMB2 CLOSE (MS-SMB2 2.2.15, 2.2.16) and FLUSH (2.2.17, 2.2.18)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U16, U32, U64, Layout
from parsers.smb2.body import parse_body
from parsers.smb2.create import FileAttributes
from parsers.smb2.file_id import FileId

__all__ = [
    "CLOSE_REQUEST",
    "CLOSE_RESPONSE",
    "FLUSH_REQUEST",
    "FLUSH_RESPONSE",
    "CloseFlags",
    "CloseRequest",
    "CloseRequestFixed",
    "CloseResponse",
    "CloseResponseFixed",
    "FlushRequest",
    "FlushRequestFixed",
    "FlushResponse",
    "FlushResponseFixed",
]


class CloseFlags(OpenFlag):
    """MS-SMB2 2.2.15, Flags."""

    POSTQUERY_ATTRIB = 0x0001


class CloseRequestFixed(NamedTuple):
    """MS-SMB2 2.2.15."""

    structure_size: U16
    flags: U16
    reserved: U32
    persistent: U64
    volatile: U64


class CloseResponseFixed(NamedTuple):
    """MS-SMB2 2.2.16; times are FILETIME."""

    structure_size: U16
    flags: U16
    reserved: U32
    creation_time: U64
    last_access_time: U64
    last_write_time: U64
    change_time: U64
    allocation_size: U64
    end_of_file: U64
    file_attributes: U32


class FlushRequestFixed(NamedTuple):
    """MS-SMB2 2.2.17."""

    structure_size: U16
    reserved1: U16
    reserved2: U32
    persistent: U64
    volatile: U64


class FlushResponseFixed(NamedTuple):
    """MS-SMB2 2.2.18."""

    structure_size: U16
    reserved: U16


CLOSE_REQUEST = Layout(CloseRequestFixed)
CLOSE_RESPONSE = Layout(CloseResponseFixed)
FLUSH_REQUEST = Layout(FlushRequestFixed)
FLUSH_RESPONSE = Layout(FlushResponseFixed)


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """MS-SMB2 2.2.15."""

    flags: CloseFlags
    file_id: FileId

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(CLOSE_REQUEST, 24, message)
        return cls(CloseFlags(fixed.flags), FileId(fixed.persistent, fixed.volatile))

    def build(self) -> bytes:
        """The body."""
        return CLOSE_REQUEST.build(CloseRequestFixed(24, self.flags, 0, *self.file_id))


@dataclass(frozen=True, slots=True)
class CloseResponse:
    """MS-SMB2 2.2.16. Times are FILETIME; all but `flags` mean something only with `POSTQUERY_ATTRIB`."""

    flags: CloseFlags
    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    allocation_size: int
    end_of_file: int
    file_attributes: FileAttributes

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(CLOSE_RESPONSE, 60, message)
        return cls(CloseFlags(fixed.flags), *fixed[3:9], FileAttributes(fixed.file_attributes))

    def build(self) -> bytes:
        """The body."""
        return CLOSE_RESPONSE.build(
            CloseResponseFixed(
                60,
                self.flags,
                0,
                self.creation_time,
                self.last_access_time,
                self.last_write_time,
                self.change_time,
                self.allocation_size,
                self.end_of_file,
                self.file_attributes,
            )
        )


@dataclass(frozen=True, slots=True)
class FlushRequest:
    """MS-SMB2 2.2.17."""

    file_id: FileId

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(FLUSH_REQUEST, 24, message)
        return cls(FileId(fixed.persistent, fixed.volatile))

    def build(self) -> bytes:
        """The body."""
        return FLUSH_REQUEST.build(FlushRequestFixed(24, 0, 0, *self.file_id))


@dataclass(frozen=True, slots=True)
class FlushResponse:
    """MS-SMB2 2.2.18: says only that it happened."""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        parse_body(FLUSH_RESPONSE, 4, message)
        return cls()

    def build(self) -> bytes:
        """The body."""
        return FLUSH_RESPONSE.build(FlushResponseFixed(4, 0))
