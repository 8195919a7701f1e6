"""The end of sessions and connections, whatever the cause (MS-SMB2 3.3.5.6, 3.3.7.1, 3.3.4.8)."""

from typing import TYPE_CHECKING

from parsers.smb2.header import Command
from parsers.smb2.server_notification import NotificationType, ServerNotification
from refserver.server import handles
from refserver.server.requests import Request
from refserver.server.state import Connection, SecurityContext, Session

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["connection_lost", "end_by_server", "is_same_user", "log_off", "lose", "new_session_id"]

_END_WITH_OPEN = (Command.CHANGE_NOTIFY, Command.LOCK)


def new_session_id(server: "Server") -> int:
    """A SessionId that is neither 0 nor -1 and that no session has (3.3.5.5.1)."""
    while True:
        session_id = int.from_bytes(server.random(6), "little") << 8 | 0x01
        if session_id not in server.global_session_table:
            return session_id


def is_same_user(session: Session, other: SecurityContext | None) -> bool:
    """Whether a session belongs to the user of an authentication (3.3.5.5.3); names have no case."""
    own = session.security_context
    if own is None or other is None:
        return False
    return (own.domain.lower(), own.user.lower()) == (other.domain.lower(), other.user.lower())


def log_off(server: "Server", session: Session, now: int, *, last: Request | None = None) -> None:
    """Remove a session on a LOGOFF or after a failed authentication (3.3.5.6); `last` is the request that asks for it.

    Resilient and durable opens are kept for the client to come back to.
    """
    _cancel_waiting(session, last, but_watches=True)
    handles.logged_off(server, session, now)
    _cancel_waiting(session, last)
    _remove(server, session)


def lose(server: "Server", session: Session, now: int) -> None:
    """Remove a session whose last channel is lost, or that another one replaces (3.3.7.1, 3.3.5.5.3)."""
    _cancel_waiting(session, None, but_watches=True)
    handles.session_lost(server, session, now)
    _cancel_waiting(session, None)
    _remove(server, session)


def end_by_server(server: "Server", session: Session, now: int) -> None:
    """Remove a session that the server is done with, and tell the client if it wants to know (3.3.4.8)."""
    if session.supports_notification:
        body = ServerNotification(NotificationType.SESSION_CLOSED).build()
        for channel in session.channel_list:
            server.notify(session, channel.connection, Command.SERVER_TO_CLIENT_NOTIFICATION, body, now)
    lose(server, session, now)


def connection_lost(server: "Server", connection: Connection, now: int) -> None:
    """3.3.7.1: sessions with another channel live on, the others end; nothing that waits is answered."""
    for request in list(connection.request_list.values()):
        _cancel(request)
    connection.request_list.clear()
    connection.async_command_list.clear()
    for session in list(connection.session_table.values()):
        session.channel_list = [one for one in session.channel_list if one.connection is not connection]
        if not session.channel_list:
            lose(server, session, now)
            continue
        if session.connection is connection:
            session.connection = session.channel_list[0].connection
        for open_ in session.open_table.values():
            if open_.connection is connection:
                open_.connection = session.connection
    connection.session_table.clear()


def _remove(server: "Server", session: Session) -> None:
    session.tree_connect_table.clear()
    server.global_session_table.pop(session.session_id, None)
    for connection in [session.connection, *(channel.connection for channel in session.channel_list)]:
        connection.session_table.pop(session.session_id, None)
        connection.preauth_session_table.pop(session.session_id, None)


def _cancel_waiting(session: Session, last: Request | None, *, but_watches: bool = False) -> None:
    """End every request of a session that waits, on all of its channels.

    A CHANGE_NOTIFY and a LOCK end with their open, which tells the client so (STATUS_NOTIFY_CLEANUP,
    STATUS_RANGE_NOT_LOCKED): `but_watches` leaves them.
    """
    for connection in [session.connection, *(channel.connection for channel in session.channel_list)]:
        for request in list(connection.request_list.values()):
            if request.session is not session or request is last:
                continue
            if not (but_watches and request.header.command in _END_WITH_OPEN):
                _cancel(request)


def _cancel(request: Request) -> None:
    cancel, request.cancel = request.cancel, None
    if cancel is not None:
        cancel()
