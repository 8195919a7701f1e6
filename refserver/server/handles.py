"""Opens: how they are entered, how they end, and which outlive their connection (MS-SMB2 3.3.1.10, 3.3.7.1)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from parsers.ntstatus import STATUS_CANCELLED
from parsers.smb2.change_notify import CompletionFilter, FileAction
from parsers.smb2.create import OplockLevel
from parsers.smb2.lease import LeaseState
from refserver.errors import StatusError
from refserver.server import change_notify
from refserver.server.requests import Pending, Reply, Request
from refserver.server.state import Connection, Lease, Open, OpenFile, OplockState, Session, Share, TreeConnect
from refserver.store.store import Node

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = [
    "close_open",
    "connection_of",
    "end_lease",
    "enter",
    "file_of",
    "join",
    "logged_off",
    "mark_deleted",
    "opens_of",
    "session_lost",
    "tree_disconnected",
    "unused_id",
    "wait",
    "wake",
]

_MILLISECOND = 1_000_000
_NO_FILE_ID = (0, 0xFFFF_FFFF_FFFF_FFFF)


def file_of(server: "Server", node: Node, share: Share) -> OpenFile:
    """What the opens of `node` have in common; entered when its first open is."""
    return server.open_files.get(node) or OpenFile(node, share)


def opens_of(server: "Server", node: Node) -> list[Open]:
    """The opens of a node, oldest first."""
    file = server.open_files.get(node)
    return list(file.opens) if file else []


def connection_of(open_: Open) -> Connection | None:
    """Where the client of an open can be told something: the channel it was made on, or another one (3.3.4.6)."""
    if open_.session is None:
        return None
    channels = (open_.connection, *(channel.connection for channel in open_.session.channel_list))
    return next((channel for channel in channels if channel is not None and not channel.closed), None)


def unused_id(server: "Server", used: "dict[int, Open]") -> int:
    """Half a FileId that no open of `used` has (3.3.5.9)."""
    while True:
        number = int.from_bytes(server.random(8), "little")
        if number not in _NO_FILE_ID and number not in used:
            return number


def enter(server: "Server", open_: Open, file: OpenFile) -> None:
    """Enter a new open in the tables; its session and tree are set already."""
    server.open_files[file.node] = file
    file.opens.append(open_)
    server.global_open_table[open_.durable_file_id] = open_
    assert open_.session is not None  # a new open has one
    assert open_.tree_connect is not None
    open_.session.open_table[open_.file_id] = open_
    open_.tree_connect.open_count += 1


def join(server: "Server", open_: Open, request: Request) -> None:
    """A client takes an open up again that its connection had lost (3.3.5.9.7, 3.3.5.9.12)."""
    assert request.session is not None  # CREATE needs both
    assert request.tree_connect is not None
    if open_.durable_open_scavenger is not None:
        open_.durable_open_scavenger.cancel()
        open_.durable_open_scavenger = None
    open_.session, open_.tree_connect = request.session, request.tree_connect
    open_.connection = request.connection
    open_.file_id = unused_id(server, request.session.open_table)
    request.session.open_table[open_.file_id] = open_
    request.tree_connect.open_count += 1


# ---------------------------------------------------------------------------------------------- waiting


def wake(file: OpenFile, now: int) -> None:
    """Something of the file has changed: every request that waits for it is tried again, in its order."""
    waiting, file.waiting = file.waiting, []
    for again in waiting:
        again(now)


def wait(server: "Server", request: Request, file: OpenFile, attempt: Callable[[int], Reply | OpenFile]) -> Pending:
    """Answer `request` when `attempt(now)` gives a reply or raises StatusError.

    It is called whenever something of `file` has changed, and names the file that it waits for from then on.
    """
    place = file

    def again(now: int) -> None:
        nonlocal place
        if request.answered:
            return
        result: Reply | OpenFile | StatusError
        try:
            result = attempt(now)
        except StatusError as error:
            result = error
        if isinstance(result, OpenFile):
            place = result
            place.waiting.append(again)
        else:
            server.complete(request, result, now)

    def cancel() -> None:
        if again in place.waiting:
            place.waiting.remove(again)
        server.complete(request, StatusError(STATUS_CANCELLED), server.timers.now)

    file.waiting.append(again)
    return Pending(cancel)


# ---------------------------------------------------------------------------------------------- the end


def close_open(server: "Server", open_: Open, now: int) -> None:
    """Close it (3.3.5.10), and delete its file where the last open asks for it (MS-FSA 2.1.5.5); twice is once."""
    if server.global_open_table.pop(open_.durable_file_id, None) is None:
        return
    _leave(open_)
    for timer in (open_.oplock_timer, open_.durable_open_scavenger):
        if timer is not None:
            timer.cancel()
    open_.oplock_level, open_.oplock_state = OplockLevel.NONE, OplockState.NONE
    _end_waiting(open_, now)
    if open_.lease is not None:
        _leave_lease(server, open_.lease, open_)
    file = server.open_files[open_.node]
    file.opens.remove(open_)
    if open_.delete_on_close:
        mark_deleted(server, file, now)
    if not file.opens:
        del server.open_files[file.node]
        if file.delete_pending:
            _remove(server, file, now)
    wake(file, now)


def _close_all(server: "Server", opens: list[Open], now: int) -> None:
    """Close them; what waits on one of them ends first, so that it does not get what another one gives back."""
    for open_ in opens:
        _end_waiting(open_, now)
    for open_ in opens:
        close_open(server, open_, now)


def _end_waiting(open_: Open, now: int) -> None:
    actions, open_.on_close = open_.on_close, []
    for action in actions:
        action(now)


def mark_deleted(server: "Server", file: OpenFile, now: int) -> None:
    """The file goes with its last open (MS-FSA 2.1.5.5, 2.1.5.15.3)."""
    if not file.delete_pending:
        file.delete_pending = True
        if file.node.is_directory:
            change_notify.directory_deleted(server, file.share, file.node, now)


def _leave(open_: Open) -> None:
    """Take it out of its session and its tree."""
    if open_.session is not None:
        open_.session.open_table.pop(open_.file_id, None)
    if open_.tree_connect is not None:
        open_.tree_connect.open_count -= 1
    open_.session = open_.tree_connect = open_.connection = None


def _leave_lease(server: "Server", lease: Lease, open_: Open) -> None:
    lease.lease_opens.remove(open_)
    if not lease.lease_opens:
        end_lease(server, lease)


def end_lease(server: "Server", lease: Lease) -> None:
    """The lease has no opens any more (3.3.1.12)."""
    if lease.lease_break_timeout is not None:
        lease.lease_break_timeout.cancel()
    table = server.lease_tables.get(lease.client_guid)
    if table is not None and table.lease_list.get(lease.lease_key) is lease:
        del table.lease_list[lease.lease_key]
        if not table.lease_list:
            del server.lease_tables[lease.client_guid]


def _remove(server: "Server", file: OpenFile, now: int) -> None:
    """A directory that is not empty after all stays, as does what the store has lost already (MS-FSA 2.1.5.5)."""
    assert file.share.store is not None  # files lie in stores
    path, node = file.node.path, file.node
    try:
        file.share.store.remove(node)
    except StatusError:
        return
    if node.stream_of is not None:
        action, name = FileAction.REMOVED_STREAM, CompletionFilter.STREAM_NAME
    else:
        action = FileAction.REMOVED
        name = CompletionFilter.DIR_NAME if node.is_directory else CompletionFilter.FILE_NAME
    change_notify.changed(server, file.share, path, action, name, now)


# ---------------------------------------------------------------------------------------------- lost connections


def session_lost(server: "Server", session: Session, now: int) -> None:
    """The session's last connection is gone: durable opens wait for their client, the others end (3.3.7.1)."""
    lost = []
    for open_ in list(session.open_table.values()):
        if _survives(open_):
            _preserve(server, open_, now)
        else:
            lost.append(open_)
    _close_all(server, lost, now)


def logged_off(server: "Server", session: Session, now: int) -> None:
    """LOGOFF keeps the same opens as a lost connection (3.3.5.6)."""
    session_lost(server, session, now)


def tree_disconnected(server: "Server", tree_connect: TreeConnect, now: int) -> None:
    """Every open of the tree ends, durable or not (3.3.5.8)."""
    opens = [open_ for open_ in tree_connect.session.open_table.values() if open_.tree_connect is tree_connect]
    _close_all(server, opens, now)


def _survives(open_: Open) -> bool:
    if open_.is_resilient or open_.is_persistent:
        return True
    if not open_.is_durable:
        return False
    if open_.lease is not None:
        lease = open_.lease
        return bool(lease.lease_state & LeaseState.HANDLE_CACHING) and not lease.breaking
    return open_.oplock_level == OplockLevel.BATCH and open_.oplock_state == OplockState.HELD


def _preserve(server: "Server", open_: Open, now: int) -> None:
    """Keep the open for as long as its kind of durability says (timers of 3.3.2.2 and 3.3.2.4)."""
    _leave(open_)
    timeout = open_.resilient_open_timeout if open_.is_resilient else open_.durable_open_timeout

    def scavenge(now: int) -> None:
        close_open(server, open_, now)

    open_.durable_open_scavenger = server.timers.at(now + timeout * _MILLISECOND, scavenge)
