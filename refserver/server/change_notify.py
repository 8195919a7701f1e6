"""CHANGE_NOTIFY (MS-SMB2 3.3.5.19, MS-FSA 2.1.5.11): who watches which directory, and what it is told.

The handlers that change something say so by `changed`, `renamed` and `directory_deleted`. A watch begins with the
first request on an open, and from then on nothing is missed: what happens while no request waits is kept, up to the
size of the client's buffer, and then replaced by "look for yourself" (STATUS_NOTIFY_ENUM_DIR).
"""

from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_CANCELLED,
    STATUS_DELETE_PENDING,
    STATUS_INVALID_PARAMETER,
    STATUS_NOTIFY_CLEANUP,
    STATUS_NOTIFY_ENUM_DIR,
    STATUS_SUCCESS,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import (
    FILE_NOTIFY,
    Change,
    ChangeNotifyFlags,
    ChangeNotifyRequest,
    ChangeNotifyResponse,
    CompletionFilter,
    FileAction,
)
from refserver.errors import StatusError
from refserver.server.granted import require
from refserver.server.requests import Pending, Reply, Request
from refserver.server.state import Open, Share, Watch
from refserver.store.store import Node

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["change_notify", "changed", "content_changed", "directory_deleted", "modified", "renamed"]


def change_notify(server: "Server", request: Request) -> Reply | Pending:
    """Handle a CHANGE_NOTIFY."""
    wanted = ChangeNotifyRequest.parse(request.message)
    open_ = server.open_of(request, wanted.file_id)
    if wanted.output_buffer_length > request.connection.max_transact_size or not open_.node.is_directory:
        raise StatusError(STATUS_INVALID_PARAMETER)
    require(open_, AccessMask.FILE_LIST_DIRECTORY)
    watch = open_.watch or _begin(server, open_, wanted)
    if not open_.change_notify and (watch.changes or watch.overflowed):
        return _report(watch, wanted.output_buffer_length)
    open_.change_notify.append(request)

    def cancel() -> None:
        if request in open_.change_notify:
            open_.change_notify.remove(request)
            server.complete(request, StatusError(STATUS_CANCELLED), server.timers.now)

    return Pending(cancel)


def changed(
    server: "Server",
    share: Share,
    path: tuple[str, ...],
    action: FileAction,
    completion_filter: int,
    now: int,
    *,
    unless: int = 0,
) -> None:
    """Something happened to what lies at `path`.

    Watches report it whose filter has one of the bits of `completion_filter`, and none of `unless`.
    """
    for open_ in _watching(server, share):
        watch, directory = open_.watch, open_.node.path
        if watch is None or not watch.completion_filter & completion_filter or watch.completion_filter & unless:
            continue
        below = path[len(directory) :]
        if path[: len(directory)] != directory or not below or (len(below) > 1 and not watch.watch_tree):
            continue
        _note(watch, Change(action, "\\".join(below)))
        if action != FileAction.RENAMED_OLD_NAME:  # its new name follows, in the same response
            _answer(server, open_, now)


def modified(server: "Server", open_: Open, completion_filter: int, now: int) -> None:
    """Something of the file of `open_` has changed that is not its place; a stream's own filters are its name's."""
    share = server.open_files[open_.node].share
    if open_.node.stream_of is None:
        changed(server, share, open_.node.path, FileAction.MODIFIED, completion_filter, now)
    else:
        changed(server, share, open_.node.path, FileAction.MODIFIED_STREAM, completion_filter, now)


def content_changed(server: "Server", open_: Open, *, grows: bool, now: int) -> None:
    """Bytes were written, or the end of the file was moved."""
    if open_.node.stream_of is None:
        size, write = CompletionFilter.SIZE, CompletionFilter.LAST_WRITE
    else:
        size, write = CompletionFilter.STREAM_SIZE, CompletionFilter.STREAM_WRITE
    modified(server, open_, write | size if grows else write, now)


def renamed(
    server: "Server", share: Share, old: tuple[str, ...], new: tuple[str, ...], *, directory: bool, now: int
) -> None:
    """What lay at `old` lies at `new`; in another directory it is as if one had gone and another had come."""
    name = CompletionFilter.DIR_NAME if directory else CompletionFilter.FILE_NAME
    if old[:-1] == new[:-1]:
        changed(server, share, old, FileAction.RENAMED_OLD_NAME, name, now)
        changed(server, share, new, FileAction.RENAMED_NEW_NAME, name, now)
    else:
        changed(server, share, old, FileAction.REMOVED, name, now)
        changed(server, share, new, FileAction.ADDED, name, now)
    if not directory:  # a watch that does not look at names sees that ChangeTime is new
        changed(server, share, new, FileAction.MODIFIED, CompletionFilter.ATTRIBUTES, now, unless=name)


def directory_deleted(server: "Server", share: Share, node: Node, now: int) -> None:
    """The directory is about to go: whoever watches it is told (MS-FSA 2.1.5.15.3)."""
    for open_ in _watching(server, share):
        if open_.node is node:
            _end(server, open_, STATUS_DELETE_PENDING, now)


def _begin(server: "Server", open_: Open, wanted: ChangeNotifyRequest) -> Watch:
    """Only the first request on an open says what is watched (MS-FSA 2.1.5.11)."""
    assert open_.tree_connect is not None  # the request came over it
    share = open_.tree_connect.share
    tree = bool(wanted.flags & ChangeNotifyFlags.WATCH_TREE)
    watch = open_.watch = Watch(wanted.completion_filter, tree, wanted.output_buffer_length)
    share.watches[open_.durable_file_id] = open_

    def close(now: int) -> None:
        share.watches.pop(open_.durable_file_id, None)
        _end(server, open_, STATUS_NOTIFY_CLEANUP, now)

    open_.on_close.append(close)
    return watch


def _watching(server: "Server", share: Share) -> list[Open]:
    """All opens that watch something of the share's store, through whichever share they do."""
    shares = [other for other in server.shares.values() if other.store is share.store]
    return [open_ for other in shares for open_ in other.watches.values()]


def _note(watch: Watch, change: Change) -> None:
    if watch.overflowed or (watch.changes and watch.changes[-1] == change):
        return
    watch.changes.append(change)
    if _size(watch.changes) > watch.buffer_length:
        watch.changes.clear()
        watch.overflowed = True


def _size(changes: list[Change]) -> int:
    """Bytes that the changes take at most in a response."""
    return sum(FILE_NOTIFY.size + 2 * len(change.file_name) + 3 & ~3 for change in changes)


def _answer(server: "Server", open_: Open, now: int) -> None:
    """Give the oldest request that waits what there is."""
    if open_.change_notify and open_.watch is not None:
        request = open_.change_notify.popleft()
        length = ChangeNotifyRequest.parse(request.message).output_buffer_length
        server.complete(request, _report(open_.watch, length), now)


def _report(watch: Watch, length: int) -> Reply:
    changes, overflowed = tuple(watch.changes), watch.overflowed
    watch.changes.clear()
    watch.overflowed = False
    if overflowed or _size(list(changes)) > length:
        return Reply(STATUS_NOTIFY_ENUM_DIR, ChangeNotifyResponse(()).build())
    return Reply(STATUS_SUCCESS, ChangeNotifyResponse(changes).build())


def _end(server: "Server", open_: Open, status: int, now: int) -> None:
    while open_.change_notify:
        request = open_.change_notify.popleft()
        if status == STATUS_NOTIFY_CLEANUP:  # no failure, so not an ERROR response
            server.complete(request, Reply(status, ChangeNotifyResponse(()).build()), now)
        else:
            server.complete(request, StatusError(status), now)
