"""The buffers of SET_INFO that rename, link, delete and resize a file (MS-FSCC 2.4)."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Self, TypeAlias

from parsers.enums import OpenFlag
from parsers.errors import UnsupportedError
from parsers.layout import I64, U8, U32, U64, Buffer, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16
from parsers.smb2.info_classes import FileInformationClass

__all__ = [
    "DISPOSITION",
    "DISPOSITION_EX",
    "END_OF_FILE",
    "RENAME",
    "RENAME_EX",
    "DispositionFixed",
    "DispositionFlags",
    "DispositionInformation",
    "DispositionInformationEx",
    "EndOfFileFixed",
    "EndOfFileInformation",
    "FileInformation",
    "FlagsFixed",
    "RenameExFixed",
    "RenameFixed",
    "RenameFlags",
    "RenameInformation",
    "RenameInformationEx",
    "parse_file_information",
]

_Bytes7 = Annotated[bytes, "7s"]


class RenameFlags(OpenFlag):
    """MS-FSCC 2.4.43, Flags of FileRenameInformationEx."""

    REPLACE_IF_EXISTS = 0x00000001
    POSIX_SEMANTICS = 0x00000002
    SUPPRESS_PIN_STATE_INHERITANCE = 0x00000004
    SUPPRESS_STORAGE_RESERVE_INHERITANCE = 0x00000008
    NO_INCREASE_AVAILABLE_SPACE = 0x00000010
    NO_DECREASE_AVAILABLE_SPACE = 0x00000020
    IGNORE_READONLY_ATTRIBUTE = 0x00000040


class DispositionFlags(OpenFlag):
    """MS-FSCC 2.4.12, Flags of FileDispositionInformationEx."""

    DELETE = 0x00000001
    POSIX_SEMANTICS = 0x00000002
    FORCE_IMAGE_SECTION_CHECK = 0x00000004
    ON_CLOSE = 0x00000008
    IGNORE_READONLY_ATTRIBUTE = 0x00000010


class RenameFixed(NamedTuple):
    """MS-FSCC 2.4.42.2 and 2.4.28.2, the forms that SMB2 uses, up to FileName."""

    replace_if_exists: U8
    reserved: _Bytes7
    root_directory: U64
    file_name_length: U32


class RenameExFixed(NamedTuple):
    """MS-FSCC 2.4.43 up to FileName."""

    flags: U32
    reserved: U32
    root_directory: U64
    file_name_length: U32


class DispositionFixed(NamedTuple):
    """MS-FSCC 2.4.11."""

    delete_pending: U8


class FlagsFixed(NamedTuple):
    """MS-FSCC 2.4.12."""

    flags: U32


class EndOfFileFixed(NamedTuple):
    """MS-FSCC 2.4.14."""

    end_of_file: I64


RENAME = Layout(RenameFixed)
RENAME_EX = Layout(RenameExFixed)
DISPOSITION = Layout(DispositionFixed)
DISPOSITION_EX = Layout(FlagsFixed)
END_OF_FILE = Layout(EndOfFileFixed)


@dataclass(frozen=True, slots=True)
class RenameInformation:
    """FileRenameInformation (MS-FSCC 2.4.42.2) or FileLinkInformation (2.4.28.2): the name from the share's root."""

    replace_if_exists: bool
    root_directory: int
    file_name: str

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read the buffer of a SET_INFO request.

        Raises:
            ParseError: too short, or the name has an odd length.
        """
        fixed = RENAME.parse(buffer)
        name = _name_behind(RENAME.size, fixed.file_name_length, buffer)
        return cls(fixed.replace_if_exists != 0, fixed.root_directory, name)

    def build(self) -> bytes:
        """The buffer of a SET_INFO request."""
        name = encode_utf16(self.file_name)
        return RENAME.build(RenameFixed(self.replace_if_exists, bytes(7), self.root_directory, len(name))) + name


@dataclass(frozen=True, slots=True)
class RenameInformationEx:
    """FileRenameInformationEx (MS-FSCC 2.4.43)."""

    flags: RenameFlags
    root_directory: int
    file_name: str

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read the buffer of a SET_INFO request.

        Raises:
            ParseError: too short, or the name has an odd length.
        """
        fixed = RENAME_EX.parse(buffer)
        name = _name_behind(RENAME_EX.size, fixed.file_name_length, buffer)
        return cls(RenameFlags(fixed.flags), fixed.root_directory, name)

    def build(self) -> bytes:
        """The buffer of a SET_INFO request."""
        name = encode_utf16(self.file_name)
        return RENAME_EX.build(RenameExFixed(self.flags, 0, self.root_directory, len(name))) + name


@dataclass(frozen=True, slots=True)
class DispositionInformation:
    """FileDispositionInformation (MS-FSCC 2.4.11): whether the file goes when its last open is closed."""

    delete_pending: bool

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read the buffer of a SET_INFO request.

        Raises:
            ParseError: it is empty.
        """
        return cls(DISPOSITION.parse(buffer).delete_pending != 0)

    def build(self) -> bytes:
        """The buffer of a SET_INFO request."""
        return DISPOSITION.build(DispositionFixed(self.delete_pending))


@dataclass(frozen=True, slots=True)
class DispositionInformationEx:
    """FileDispositionInformationEx (MS-FSCC 2.4.12)."""

    flags: DispositionFlags

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read the buffer of a SET_INFO request.

        Raises:
            ParseError: too short.
        """
        return cls(DispositionFlags(DISPOSITION_EX.parse(buffer).flags))

    def build(self) -> bytes:
        """The buffer of a SET_INFO request."""
        return DISPOSITION_EX.build(FlagsFixed(self.flags))


@dataclass(frozen=True, slots=True)
class EndOfFileInformation:
    """FileEndOfFileInformation (MS-FSCC 2.4.14): the new length in bytes."""

    end_of_file: int

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read the buffer of a SET_INFO request.

        Raises:
            ParseError: too short.
        """
        return cls(END_OF_FILE.parse(buffer).end_of_file)

    def build(self) -> bytes:
        """The buffer of a SET_INFO request."""
        return END_OF_FILE.build(EndOfFileFixed(self.end_of_file))


FileInformation: TypeAlias = (
    RenameInformation | RenameInformationEx | DispositionInformation | DispositionInformationEx | EndOfFileInformation
)


def parse_file_information(file_info_class: int, buffer: Buffer) -> FileInformation:
    """Read the buffer of a SET_INFO request of type `FILE`.

    Raises:
        ParseError: too short, or a name has an odd length.
        UnsupportedError: a class that neither renames, links, deletes nor resizes.
    """
    match file_info_class:
        case FileInformationClass.FileRenameInformation | FileInformationClass.FileLinkInformation:
            return RenameInformation.parse(buffer)
        case FileInformationClass.FileRenameInformationEx:
            return RenameInformationEx.parse(buffer)
        case FileInformationClass.FileDispositionInformation:
            return DispositionInformation.parse(buffer)
        case FileInformationClass.FileDispositionInformationEx:
            return DispositionInformationEx.parse(buffer)
        case FileInformationClass.FileEndOfFileInformation:
            return EndOfFileInformation.parse(buffer)
        case _:
            raise UnsupportedError(f"buffer of class {FileInformationClass(file_info_class).name}")


def _name_behind(start: int, length: int, buffer: Buffer) -> str:
    return decode_utf16(Reader(memoryview(buffer)[start:]).take(length, "FileName"), "FileName")
