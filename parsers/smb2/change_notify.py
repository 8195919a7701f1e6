"""SMB2 CHANGE_NOTIFY (MS-SMB2 2.2.35, 2.2.36) and the changes that it reports (MS-FSCC 2.7.1)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenEnum, OpenFlag
from parsers.layout import U16, U32, U64, Layout
from parsers.reader import Reader
from parsers.smb2.body import decode_utf16, encode_utf16, parse_body, payload
from parsers.smb2.chain import link_entries, split_entries
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE

__all__ = [
    "CHANGE_NOTIFY_REQUEST",
    "CHANGE_NOTIFY_RESPONSE",
    "FILE_NOTIFY",
    "Change",
    "ChangeNotifyFlags",
    "ChangeNotifyRequest",
    "ChangeNotifyRequestFixed",
    "ChangeNotifyResponse",
    "ChangeNotifyResponseFixed",
    "CompletionFilter",
    "FileAction",
    "FileNotifyFixed",
]


class ChangeNotifyFlags(OpenFlag):
    """MS-SMB2 2.2.35, Flags."""

    WATCH_TREE = 0x0001


class CompletionFilter(OpenFlag):
    """MS-SMB2 2.2.35, CompletionFilter, without the prefix FILE_NOTIFY_CHANGE_."""

    FILE_NAME = 0x00000001
    DIR_NAME = 0x00000002
    ATTRIBUTES = 0x00000004
    SIZE = 0x00000008
    LAST_WRITE = 0x00000010
    LAST_ACCESS = 0x00000020
    CREATION = 0x00000040
    EA = 0x00000080
    SECURITY = 0x00000100
    STREAM_NAME = 0x00000200
    STREAM_SIZE = 0x00000400
    STREAM_WRITE = 0x00000800


class FileAction(OpenEnum):
    """MS-FSCC 2.7.1, Action, without the prefix FILE_ACTION_."""

    ADDED = 1
    REMOVED = 2
    MODIFIED = 3
    RENAMED_OLD_NAME = 4
    RENAMED_NEW_NAME = 5
    ADDED_STREAM = 6
    REMOVED_STREAM = 7
    MODIFIED_STREAM = 8
    REMOVED_BY_DELETE = 9
    ID_NOT_TUNNELLED = 10
    TUNNELLED_ID_COLLISION = 11


class ChangeNotifyRequestFixed(NamedTuple):
    """MS-SMB2 2.2.35."""

    structure_size: U16
    flags: U16
    output_buffer_length: U32
    persistent: U64
    volatile: U64
    completion_filter: U32
    reserved: U32


class ChangeNotifyResponseFixed(NamedTuple):
    """MS-SMB2 2.2.36."""

    structure_size: U16
    output_buffer_offset: U16
    output_buffer_length: U32


class FileNotifyFixed(NamedTuple):
    """MS-FSCC 2.7.1 up to FileName."""

    next_entry_offset: U32
    action: U32
    file_name_length: U32


CHANGE_NOTIFY_REQUEST = Layout(ChangeNotifyRequestFixed)
CHANGE_NOTIFY_RESPONSE = Layout(ChangeNotifyResponseFixed)
FILE_NOTIFY = Layout(FileNotifyFixed)

_ALIGNMENT = 4  # of changes in the buffer (MS-FSCC 2.7.1)
_RESPONSE_BUFFER = HEADER_SIZE + CHANGE_NOTIFY_RESPONSE.size


@dataclass(frozen=True, slots=True)
class ChangeNotifyRequest:
    """MS-SMB2 2.2.35."""

    flags: ChangeNotifyFlags
    output_buffer_length: int
    file_id: FileId
    completion_filter: CompletionFilter

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        fixed = parse_body(CHANGE_NOTIFY_REQUEST, 32, message)
        return cls(
            ChangeNotifyFlags(fixed.flags),
            fixed.output_buffer_length,
            FileId(fixed.persistent, fixed.volatile),
            CompletionFilter(fixed.completion_filter),
        )

    def build(self) -> bytes:
        """The body."""
        return CHANGE_NOTIFY_REQUEST.build(
            ChangeNotifyRequestFixed(
                32, self.flags, self.output_buffer_length, *self.file_id, self.completion_filter, 0
            )
        )


@dataclass(frozen=True, slots=True)
class Change:
    """FILE_NOTIFY_INFORMATION, MS-FSCC 2.7.1; the name is relative to the watched directory."""

    action: FileAction
    file_name: str


@dataclass(frozen=True, slots=True)
class ChangeNotifyResponse:
    """MS-SMB2 2.2.36. No changes, with STATUS_NOTIFY_ENUM_DIR, mean that they did not fit."""

    changes: tuple[Change, ...]

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, another StructureSize, a change leaves the buffer, or a name has an odd length.
        """
        fixed = parse_body(CHANGE_NOTIFY_RESPONSE, 9, message)
        output = payload(message, fixed.output_buffer_offset, fixed.output_buffer_length, "OutputBuffer")
        return cls(tuple(map(_parse_change, split_entries(output, "FILE_NOTIFY_INFORMATION"))))

    def build(self) -> bytes:
        """The body; one zero byte stands for an empty Buffer."""
        output = link_entries(_build_changes(self.changes), _ALIGNMENT)
        fixed = ChangeNotifyResponseFixed(9, _RESPONSE_BUFFER if output else 0, len(output))
        return CHANGE_NOTIFY_RESPONSE.build(fixed) + (output or b"\0")


def _parse_change(entry: memoryview) -> Change:
    fixed = FILE_NOTIFY.parse(entry)
    name = Reader(entry[FILE_NOTIFY.size :]).take(fixed.file_name_length, "FileName")
    return Change(FileAction(fixed.action), decode_utf16(name, "FileName"))


def _build_changes(changes: Iterable[Change]) -> list[bytes]:
    named = ((change.action, encode_utf16(change.file_name)) for change in changes)
    return [FILE_NOTIFY.build(FileNotifyFixed(0, action, len(name))) + name for action, name in named]
