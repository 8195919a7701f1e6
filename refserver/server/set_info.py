"""SET_INFO (MS-SMB2 3.3.5.21, MS-FSA 2.1.5.15): times and attributes, sizes, deletion, security, quota.

New names are in `rename`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from parsers.errors import ParseError
from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_INFO_CLASS,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import CompletionFilter
from parsers.smb2.create import FileAttributes
from parsers.smb2.file_information import (
    DispositionFlags,
    DispositionInformation,
    DispositionInformationEx,
    EndOfFileInformation,
)
from parsers.smb2.file_query import BASIC, POSITION
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.set_info import SetInfoRequest, SetInfoResponse
from parsers.times import filetime_to_ns
from refserver.errors import StatusError
from refserver.server import change_notify, extended_attributes, locks, oplocks, rename, sharing, stamps
from refserver.server.granted import require
from refserver.server.pipes import Pipe
from refserver.server.requests import Pending, Reply, Request
from refserver.server.security import merged
from refserver.server.state import Open

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["set_info"]

_LARGEST = (1 << 63) - 1 - (1 << 16)  # the end of a file is signed, and some room is left for allocation units
_KEEP, _RESUME = -1, -2  # times that stop, and let again, operations on the open change them (MS-FSCC 2.4.7)
_TIMES = {
    "creation_time": CompletionFilter.CREATION,
    "last_access_time": CompletionFilter.LAST_ACCESS,
    "last_write_time": CompletionFilter.LAST_WRITE,
    "change_time": CompletionFilter.ATTRIBUTES,
}


def set_info(server: "Server", request: Request) -> Reply | Pending:
    """Handle a SET_INFO."""
    wanted = SetInfoRequest.parse(request.message)
    open_ = server.open_of(request, wanted.file_id)
    if len(wanted.buffer) > request.connection.max_transact_size:
        raise StatusError(STATUS_INVALID_PARAMETER)
    match wanted.info_type:
        case InfoType.FILE:
            return _file(server, request, open_, wanted)
        case InfoType.SECURITY:
            _security(server, open_, wanted, request.now)
        case InfoType.FILESYSTEM:
            raise StatusError(STATUS_ACCESS_DENIED)  # labels and quotas are not the clients' to set
        case InfoType.QUOTA:
            raise StatusError(STATUS_NOT_SUPPORTED)
        case _:
            raise StatusError(STATUS_INVALID_PARAMETER)
    return done()


def done() -> Reply:
    """It has happened."""
    return Reply(STATUS_SUCCESS, SetInfoResponse().build())


def _file(server: "Server", request: Request, open_: Open, wanted: SetInfoRequest) -> Reply | Pending:
    try:
        if wanted.file_info_class in rename.CLASSES:
            return rename.rename(server, request, open_, wanted)
        setter = _SETTERS.get(wanted.file_info_class)
        if setter is None or isinstance(open_.node, Pipe):
            raise StatusError(STATUS_INVALID_INFO_CLASS)
        setter(server, open_, wanted.buffer, request.now)
    except ParseError as error:  # the class wants more bytes than there are (3.3.5.21.1)
        raise StatusError(STATUS_INFO_LENGTH_MISMATCH) from error
    return done()


def _security(server: "Server", open_: Open, wanted: SetInfoRequest, now: int) -> None:
    known = open_.node.attributes()
    known.security = merged(open_, wanted.additional_information, wanted.buffer)
    open_.node.set_attributes(known)
    stamps.was_changed(open_, now)
    change_notify.modified(server, open_, CompletionFilter.SECURITY, now)


def _basic(server: "Server", open_: Open, buffer: bytes, now: int) -> None:
    """FileBasicInformation (MS-FSA 2.1.5.15.2): a zero leaves a field alone."""
    fixed = BASIC.parse(buffer)
    require(open_, AccessMask.FILE_WRITE_ATTRIBUTES)
    bits = fixed.file_attributes
    if bits & (FileAttributes.TEMPORARY if open_.node.is_directory else FileAttributes.DIRECTORY):
        raise StatusError(STATUS_INVALID_PARAMETER)
    times = {name: getattr(fixed, name) for name in _TIMES}
    if any(time < _RESUME for time in times.values()):
        raise StatusError(STATUS_INVALID_PARAMETER)
    known = open_.node.attributes()
    told = CompletionFilter(0)
    for name, time in times.items():
        if time == _RESUME:
            open_.kept_times -= {name}
        elif time:
            open_.kept_times |= {name}
            if (ns := filetime_to_ns(time)) is not None and time != _KEEP:
                setattr(known, name, ns)
                told |= _TIMES[name]
    if bits:  # whether the file is sparse is for FSCTL_SET_SPARSE to say
        sparse = FileAttributes.SPARSE_FILE
        known.attributes = bits & ~sparse | known.attributes & sparse
        told |= CompletionFilter.ATTRIBUTES
    if told and "change_time" not in open_.kept_times:
        known.change_time = now
    open_.node.set_attributes(known)
    if told:
        change_notify.modified(server, open_, told, now)


def _end_of_file(server: "Server", open_: Open, buffer: bytes, now: int) -> None:
    size = EndOfFileInformation.parse(buffer).end_of_file
    require(open_, AccessMask.FILE_WRITE_DATA)
    _resize(server, open_, size, now)


def _allocation(server: "Server", open_: Open, buffer: bytes, now: int) -> None:
    """Less than the file has cuts it; more is only reserved (MS-FSA 2.1.5.15.1)."""
    size = EndOfFileInformation.parse(buffer).end_of_file  # the same structure
    require(open_, AccessMask.FILE_WRITE_DATA)
    if 0 <= size <= _LARGEST and not open_.node.is_directory:
        server.open_files[open_.node].reserved = size
    if size < open_.node.attributes().end_of_file or size > _LARGEST:
        _resize(server, open_, size, now)
    else:
        oplocks.break_on_size(server, open_, now)


def _resize(server: "Server", open_: Open, size: int, now: int) -> None:
    if open_.node.is_directory or not 0 <= size <= _LARGEST:
        raise StatusError(STATUS_INVALID_PARAMETER)
    before = open_.node.attributes().end_of_file
    locks.check_write(server, open_, min(size, before), abs(size - before))
    oplocks.break_on_size(server, open_, now)
    if size != before:
        open_.node.truncate(size)
        stamps.was_written(open_, now)
    change_notify.content_changed(server, open_, grows=True, now=now)


def _disposition(server: "Server", open_: Open, buffer: bytes, now: int) -> None:
    require(open_, AccessMask.DELETE)
    sharing.set_delete_pending(server, open_, pending=DispositionInformation.parse(buffer).delete_pending, now=now)


def _disposition_ex(server: "Server", open_: Open, buffer: bytes, now: int) -> None:
    """POSIX semantics, the removal of the name at once, is for local file systems; the flag alone changes nothing."""
    flags = DispositionInformationEx.parse(buffer).flags
    require(open_, AccessMask.DELETE)
    if flags & DispositionFlags.ON_CLOSE:
        open_.delete_on_close = bool(flags & DispositionFlags.DELETE)
    else:
        sharing.set_delete_pending(server, open_, pending=bool(flags & DispositionFlags.DELETE), now=now)


def _position(_: "Server", open_: Open, buffer: bytes, __: int) -> None:
    position = POSITION.parse(buffer).current_byte_offset
    if position < 0:
        raise StatusError(STATUS_INVALID_PARAMETER)
    open_.position = position


def _mode(_: "Server", open_: Open, buffer: bytes, __: int) -> None:
    """FileModeInformation (MS-FSA 2.1.5.15.8): only some options can be changed after CREATE."""
    if len(buffer) < 4:
        raise ParseError("FileModeInformation has four bytes")
    mode = int.from_bytes(buffer[:4], "little")
    if mode & ~_CHANGEABLE_MODE:
        raise StatusError(STATUS_INVALID_PARAMETER)
    open_.create_options = open_.create_options & ~_CHANGEABLE_MODE | mode


def _full_ea(server: "Server", open_: Open, buffer: bytes, now: int) -> None:
    require(open_, AccessMask.FILE_WRITE_EA)
    extended_attributes.set_full_ea(open_.node, extended_attributes.parse_full_ea(buffer))
    stamps.was_changed(open_, now)
    change_notify.modified(server, open_, CompletionFilter.EA, now)


_CHANGEABLE_MODE = 0x0000003E  # WRITE_THROUGH to SYNCHRONOUS_IO_NONALERT
_SETTERS: Mapping[int, Callable[["Server", Open, bytes, int], None]] = {
    FileInformationClass.FileBasicInformation: _basic,
    FileInformationClass.FileDispositionInformation: _disposition,
    FileInformationClass.FileDispositionInformationEx: _disposition_ex,
    FileInformationClass.FilePositionInformation: _position,
    FileInformationClass.FileFullEaInformation: _full_ea,
    FileInformationClass.FileModeInformation: _mode,
    FileInformationClass.FileAllocationInformation: _allocation,
    FileInformationClass.FileEndOfFileInformation: _end_of_file,
}
