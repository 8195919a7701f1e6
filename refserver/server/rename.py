"""New names: FileRenameInformation and FileLinkInformation (MS-SMB2 3.3.5.21.1, MS-FSA 2.1.5.15.6, 2.1.5.15.11)."""

from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
)
from parsers.smb2.change_notify import CompletionFilter, FileAction
from parsers.smb2.create import FileAttributes
from parsers.smb2.file_information import RenameFlags, RenameInformation, RenameInformationEx
from parsers.smb2.info_classes import FileInformationClass
from parsers.smb2.set_info import SetInfoRequest, SetInfoResponse
from refserver.errors import StatusError
from refserver.server import change_notify, handles, oplocks, sharing, stamps
from refserver.server.requests import Pending, Reply, Request
from refserver.server.state import Open, OpenFile
from refserver.store.store import Store

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["CLASSES", "rename"]

_LINKS = (FileInformationClass.FileLinkInformation, FileInformationClass.FileLinkInformationEx)
_EXTENDED = (FileInformationClass.FileRenameInformationEx, FileInformationClass.FileLinkInformationEx)
CLASSES = (FileInformationClass.FileRenameInformation, *_EXTENDED, *_LINKS)


def rename(server: "Server", request: Request, open_: Open, wanted: SetInfoRequest) -> Reply | Pending:
    """Rename or link the file; a rename waits until nobody caches a handle of the old name.

    Raises:
        ParseError: the buffer is too short.
    """
    name, replace = _parse(wanted)
    path = _path(open_, name)
    if wanted.file_info_class in _LINKS:
        _link(server, open_, path, replace=replace, now=request.now)
        return _done()
    file = server.open_files[open_.node]

    def attempt(now: int) -> Reply | OpenFile:
        if oplocks.break_handles(server, open_, now):
            return file
        sharing.check_rename(server, open_)
        _rename(server, open_, path, replace=replace, now=now)
        return _done()

    sharing.check_rename(server, open_)
    result = attempt(request.now)
    return handles.wait(server, request, file, attempt) if isinstance(result, OpenFile) else result


def _done() -> Reply:
    return Reply(STATUS_SUCCESS, SetInfoResponse().build())


def _parse(wanted: SetInfoRequest) -> tuple[str, bool]:
    """The new name, and whether it may be that of another file."""
    if wanted.file_info_class in _EXTENDED:
        extended = RenameInformationEx.parse(wanted.buffer)
        name, replace = extended.file_name, bool(extended.flags & RenameFlags.REPLACE_IF_EXISTS)
        root = extended.root_directory
    else:
        plain = RenameInformation.parse(wanted.buffer)
        name, replace, root = plain.file_name, plain.replace_if_exists, plain.root_directory
    if root or not name:  # over the network names begin at the share (MS-FSCC 2.4.42)
        raise StatusError(STATUS_INVALID_PARAMETER)
    return name, replace


def _path(open_: Open, name: str) -> tuple[str, ...]:
    """The path that a new name means; `:name` is another stream of the same file."""
    path = open_.node.path
    if name.startswith(":") or open_.node.stream_of is not None:
        if open_.node.stream_of is None or not name.startswith(":"):
            raise StatusError(STATUS_INVALID_PARAMETER)
        return (*path[:-1], path[-1].partition(":")[0] + name)
    parts = tuple(name.split("\\"))
    if "" in parts:
        raise StatusError(STATUS_OBJECT_NAME_INVALID if parts[0] else STATUS_INVALID_PARAMETER)
    return parts


def _rename(server: "Server", open_: Open, path: tuple[str, ...], *, replace: bool, now: int) -> None:
    file = server.open_files[open_.node]
    store, old = _store(file), open_.node.path
    replaced = _check_target(server, store, open_, path, replace=replace)
    store.rename(open_.node, path, replace=replace)
    for other in file.opens:
        other.path = "\\".join(open_.node.path)
    stamps.was_changed(open_, now)
    if open_.node.stream_of is None:
        if replaced:
            change_notify.changed(server, file.share, path, FileAction.REMOVED, CompletionFilter.FILE_NAME, now)
        new = open_.node.path
        change_notify.renamed(server, file.share, old, new, directory=open_.node.is_directory, now=now)


def _link(server: "Server", open_: Open, path: tuple[str, ...], *, replace: bool, now: int) -> None:
    file = server.open_files[open_.node]
    if open_.node.is_directory:
        raise StatusError(STATUS_FILE_IS_A_DIRECTORY)
    if open_.node.stream_of is not None:
        raise StatusError(STATUS_INVALID_PARAMETER)
    store = _store(file)
    _check_target(server, store, open_, path, replace=replace)
    store.link(open_.node, path, replace=replace)
    stamps.was_changed(open_, now)
    change_notify.changed(server, file.share, path, FileAction.ADDED, CompletionFilter.FILE_NAME, now)


def _check_target(server: "Server", store: Store, open_: Open, path: tuple[str, ...], *, replace: bool) -> bool:
    """Whether another file has that name; StatusError unless it may be replaced (MS-FSA 2.1.5.15.11)."""
    try:
        target = store.find(path)
    except StatusError as error:
        if error.status != STATUS_OBJECT_NAME_NOT_FOUND:
            raise
        return False
    if target is open_.node:
        return False
    if not replace:
        raise StatusError(STATUS_OBJECT_NAME_COLLISION)
    readonly = target.attributes().attributes & FileAttributes.READONLY
    if target.is_directory or readonly or handles.opens_of(server, target):
        raise StatusError(STATUS_ACCESS_DENIED)
    return True


def _store(file: OpenFile) -> Store:
    if file.share.store is None:  # a pipe
        raise StatusError(STATUS_INVALID_PARAMETER)
    return file.share.store
