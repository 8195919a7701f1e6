"""Leases: what is granted, how it breaks, what the client answers (MS-SMB2 3.3.4.7, 3.3.5.9.8, 3.3.5.22.2)."""

from typing import TYPE_CHECKING, TypeAlias

from parsers.ntstatus import (
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_REQUEST_NOT_ACCEPTED,
    STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL,
)
from parsers.smb2 import lease as contexts
from parsers.smb2.header import Command
from parsers.smb2.lease import LeaseFlags, LeaseState
from parsers.smb2.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification
from refserver.errors import StatusError
from refserver.server import handles
from refserver.server.caching import NOTHING, grantable
from refserver.server.requests import Reply, Request
from refserver.server.state import Connection, Lease, LeaseTable, Open, OpenFile
from refserver.store.store import Node

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["LeaseContext", "acknowledge", "break_lease", "find", "grant", "response"]

LeaseContext: TypeAlias = contexts.Lease | contexts.LeaseV2

READ, HANDLE, WRITE = LeaseState.READ_CACHING, LeaseState.HANDLE_CACHING, LeaseState.WRITE_CACHING
_ALLOWED = (READ, READ | HANDLE, READ | WRITE, READ | HANDLE | WRITE)  # 3.3.1.4
_EPOCHS = 0x10000


def find(server: "Server", connection: Connection, key: bytes, node: Node | None) -> Lease | None:
    """The client's lease of that key, if it has one.

    Raises:
        StatusError: INVALID_PARAMETER where the key belongs to another file than `node` (3.3.5.9.8).
    """
    table = server.lease_tables.get(connection.client_guid)
    lease = table.lease_list.get(key) if table else None
    if lease is not None and lease.node is not node:
        raise StatusError(STATUS_INVALID_PARAMETER)
    return lease


def grant(server: "Server", connection: Connection, file: OpenFile, open_: Open, asked: LeaseContext) -> None:
    """Give the new open its lease, a new one or the client's own, which may gain by it (3.3.5.9.8, 3.3.5.9.11)."""
    lease = find(server, connection, asked.lease_key, file.node)
    wanted = int(asked.lease_state) if asked.lease_state in _ALLOWED else int(NOTHING)
    granted = grantable(file, wanted, lease, by_lease=True)
    if lease is None:
        lease = _new(server, connection, file.node, asked)
        lease.lease_state = granted
    elif not lease.breaking and granted == asked.lease_state and granted & lease.lease_state == lease.lease_state:
        if granted != lease.lease_state:
            lease.epoch = (lease.epoch + 1) % _EPOCHS
        lease.lease_state = granted
    lease.held = True
    lease.lease_opens.append(open_)
    open_.lease = lease


def _new(server: "Server", connection: Connection, node: Node, asked: LeaseContext) -> Lease:
    lease = Lease(asked.lease_key, node, client_guid=connection.client_guid)
    if isinstance(asked, contexts.LeaseV2):
        lease.version = 2
        lease.epoch = (asked.epoch + 1) % _EPOCHS
        if asked.lease_flags & LeaseFlags.PARENT_LEASE_KEY_SET:
            lease.parent_lease_key = asked.parent_lease_key
    table = server.lease_tables.setdefault(connection.client_guid, LeaseTable(connection.client_guid))
    table.lease_list[lease.lease_key] = lease
    return lease


def response(lease: Lease) -> LeaseContext:
    """The create context that tells the client what it has, in the version the lease was made with (2.2.14.2.10)."""
    state, flags = LeaseState(lease.lease_state), LeaseFlags(0)
    if lease.breaking:
        flags |= LeaseFlags.BREAK_IN_PROGRESS
    if lease.version == 1:
        return contexts.Lease(lease.lease_key, state, flags)
    if any(lease.parent_lease_key):
        flags |= LeaseFlags.PARENT_LEASE_KEY_SET
    return contexts.LeaseV2(lease.lease_key, state, flags, lease.parent_lease_key, lease.epoch)


# ---------------------------------------------------------------------------------------------- breaking


def break_lease(server: "Server", lease: Lease, to: int, now: int) -> None:
    """Take away what is not in `to` (3.3.4.7).

    One break at a time: what has to go while the client thinks about the first goes when it has answered.
    """
    if lease.breaking:
        lease.break_required &= to
        return
    if not any(map(handles.connection_of, lease.lease_opens)):
        _break_without_client(server, lease, to, now)
        return
    lease.epoch = (lease.epoch + 1) % _EPOCHS
    lease.break_required = to
    _send_break(server, lease, to, now)


def _break_without_client(server: "Server", lease: Lease, to: int, now: int) -> None:
    """Nobody can be told: opens that are only durable end, and what others keep is no cache any more (3.3.4.7)."""
    lease.lease_state = to
    for open_ in list(lease.lease_opens):
        if not (open_.is_resilient or open_.is_persistent):
            handles.close_open(server, open_, now)


def _send_break(server: "Server", lease: Lease, to: int, now: int) -> None:
    """Tell the client; a reader need not answer as it has nothing to write back or to close."""
    needs_answer = lease.lease_state != READ
    flags = LeaseBreakFlags.ACK_REQUIRED if needs_answer else LeaseBreakFlags(0)
    epoch = lease.epoch if lease.version == 2 else 0
    notification = LeaseBreakNotification(epoch, flags, lease.lease_key, LeaseState(lease.lease_state), LeaseState(to))
    if needs_answer:
        lease.breaking, lease.break_to_lease_state = True, to
        lease.lease_break_timeout = server.timers.at(
            now + _timeout(server, lease), lambda now: _give_up(server, lease, now)
        )
    else:
        lease.lease_state = to
    _tell(server, lease, notification.build(), now)


def _tell(server: "Server", lease: Lease, notification: bytes, now: int) -> None:
    """A lease is a client's, not a connection's (3.3.1.12): its oldest one with a session is told, as in Windows."""
    for connection in server.connections.values():
        if connection.client_guid == lease.client_guid and connection.session_table:
            session = next(iter(connection.session_table.values()))
            server.notify(session, connection, Command.OPLOCK_BREAK, notification, now)
            return


def _timeout(server: "Server", lease: Lease) -> int:
    persistent = any(open_.is_persistent for open_ in lease.lease_opens)
    return server.config.persistent_lease_break_timeout if persistent else server.config.oplock_break_timeout


def _give_up(server: "Server", lease: Lease, now: int) -> None:
    """The client has not answered in time: it has nothing any more (3.3.6.5)."""
    lease.lease_state, lease.breaking = NOTHING, False
    handles.wake(server.open_files[lease.node], now)


def acknowledge(server: "Server", request: Request, answer: LeaseBreak) -> Reply:
    """What the client keeps (3.3.5.22.2).

    Raises:
        StatusError: OBJECT_NAME_NOT_FOUND for no lease of the client, UNSUCCESSFUL where nothing breaks,
            REQUEST_NOT_ACCEPTED where it keeps what it was told to give up.
    """
    table = server.lease_tables.get(request.connection.client_guid)
    lease = table.lease_list.get(answer.lease_key) if table else None
    if lease is None:
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    if not lease.breaking:
        raise StatusError(STATUS_UNSUCCESSFUL)
    if answer.lease_state & ~lease.break_to_lease_state:
        raise StatusError(STATUS_REQUEST_NOT_ACCEPTED)
    assert lease.lease_break_timeout is not None  # it breaks
    lease.lease_break_timeout.cancel()
    lease.lease_state, lease.breaking = int(answer.lease_state), False
    reply = Reply(STATUS_SUCCESS, LeaseBreak(lease.lease_key, LeaseState(lease.lease_state)).build())
    _go_on_breaking(server, lease, request.now)
    handles.wake(server.open_files[lease.node], request.now)
    return reply


def _go_on_breaking(server: "Server", lease: Lease, now: int) -> None:
    """Break on for what came meanwhile, as Windows does: first to reading only, which it may do with an answer."""
    while not lease.breaking and lease.lease_state & ~lease.break_required:
        reading = lease.lease_state & READ if lease.lease_state != READ else NOTHING
        _send_break(server, lease, lease.break_required | reading, now)
