"""Who may open what beside whom (MS-FSA 2.1.5.1.2.2), and who may rename or delete (2.1.5.15)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANNOT_DELETE,
    STATUS_DIRECTORY_NOT_EMPTY,
    STATUS_SHARING_VIOLATION,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.create import FileAttributes, ShareAccess
from refserver.errors import StatusError
from refserver.server import handles, oplocks
from refserver.server.state import Open, OpenFile

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["check_delete", "check_rename", "set_delete_pending", "violates"]

_READS = AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE
_WRITES = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA
_KINDS = ((_READS, ShareAccess.READ), (_WRITES, ShareAccess.WRITE), (AccessMask.DELETE, ShareAccess.DELETE))
_SHARED = _READS | _WRITES | AccessMask.DELETE


def violates(server: "Server", file: OpenFile, access: int, share_access: int) -> bool:
    """Whether an open with `access` that allows others `share_access` cannot stand beside those that are there.

    Opens that only look at attributes take no part. A file and its streams go together, so deleting one of them
    concerns the opens of all.
    """
    if not access & _SHARED:
        return False
    return _clash(file, access, share_access, _KINDS) or any(
        _clash(other, access, share_access, _KINDS[-1:]) for other in _of_same_file(server, file)
    )


def _clash(file: OpenFile, access: int, share_access: int, kinds: Sequence[tuple[AccessMask, ShareAccess]]) -> bool:
    return any(
        (access & kind and not other.share_access & allowed)
        or (other.granted_access & kind and not share_access & allowed)
        for other in file.opens
        if other.granted_access & _SHARED
        for kind, allowed in kinds
    )


def _of_same_file(server: "Server", file: OpenFile) -> list[OpenFile]:
    """The other streams of a file that are open, the unnamed one among them."""
    node = file.node
    base = node.stream_of or node
    if node is base and not node.streams():
        return []
    others = [other for other in server.open_files.values() if other is not file]
    return [other for other in others if (other.node.stream_of or other.node) is base]


def check_rename(server: "Server", open_: Open) -> None:
    """May the file of `open_` get another name (MS-FSA 2.1.5.15.11)?

    Raises:
        StatusError: ACCESS_DENIED without DELETE access, or for a directory in which something is open;
            SHARING_VIOLATION while somebody has its directory open for deletion.
    """
    if not open_.granted_access & AccessMask.DELETE:
        raise StatusError(STATUS_ACCESS_DENIED)
    if open_.node.stream_of is not None:  # stays where it is
        return
    path, store = open_.node.path, server.open_files[open_.node].share.store
    for file in server.open_files.values():
        if file.share.store is not store:
            continue
        other = file.node.path
        if open_.node.is_directory and len(other) > len(path) and other[: len(path)] == path:
            raise StatusError(STATUS_ACCESS_DENIED)
        if other == path[:-1] and any(each.granted_access & AccessMask.DELETE for each in file.opens):
            raise StatusError(STATUS_SHARING_VIOLATION)


def check_delete(open_: Open) -> None:
    """May the file of `open_` be marked for deletion (MS-FSA 2.1.5.15.3)?

    Raises:
        StatusError: ACCESS_DENIED without DELETE access, CANNOT_DELETE for a read-only file, DIRECTORY_NOT_EMPTY.
    """
    if not open_.granted_access & AccessMask.DELETE:
        raise StatusError(STATUS_ACCESS_DENIED)
    if open_.node.attributes().attributes & FileAttributes.READONLY:
        raise StatusError(STATUS_CANNOT_DELETE)
    if open_.node.is_directory and open_.node.children():
        raise StatusError(STATUS_DIRECTORY_NOT_EMPTY)


def set_delete_pending(server: "Server", open_: Open, now: int, *, pending: bool) -> None:
    """FileDispositionInformation (MS-FSA 2.1.5.15.3): the file goes with its last open, or does not after all."""
    file = server.open_files[open_.node]
    if pending:
        check_delete(open_)
        handles.mark_deleted(server, file, now)
        oplocks.break_handles(server, open_, now)
    else:
        file.delete_pending = False
    handles.wake(file, now)
