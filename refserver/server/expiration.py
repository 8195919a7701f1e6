"""What happens by the clock alone: sessions that expire, idle ones, connections on which nobody logs on.

MS-SMB2 3.3.2.3 and 3.3.6.3: one scan each 45 s does it all, so that everything happens up to 45 s late, as in Windows.
"""

from typing import TYPE_CHECKING

from refserver.server import sessions
from refserver.server.state import Connection, Session, SessionState

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["end_with_logon_hours", "start"]


def start(server: "Server", now: int) -> None:
    """Scan from now on, as long as there is anything to look at."""
    if not server.scanning:
        server.scanning = True
        server.timers.at(now + server.config.expiration_scan, lambda at: _scan(server, at))


def _scan(server: "Server", now: int) -> None:
    for session in list(server.global_session_table.values()):
        _look_at_session(server, session, now)
    for connection in list(server.connections.values()):
        if _is_unauthenticated(server, connection, now):
            server.drop(connection, now)
    server.scanning = False
    if server.connections:
        start(server, now)


def _look_at_session(server: "Server", session: Session, now: int) -> None:
    end = session.expiration_time
    if session.state == SessionState.VALID and end is not None and end <= now:
        session.state = SessionState.EXPIRED
    idle = server.config.idle_timeout
    if idle is not None and not session.open_table and session.idle_time + idle <= now:
        sessions.end_by_server(server, session, now)  # as `autodisconnect` of Windows has it


def _is_unauthenticated(server: "Server", connection: Connection, now: int) -> bool:
    """Whether nobody has logged on for longer than is allowed, 3.3.6.3."""
    limit = server.config.unauthenticated_timeout
    if limit is None or connection.creation_time + limit > now:
        return False
    return all(session.state == SessionState.IN_PROGRESS for session in connection.session_table.values())


def end_with_logon_hours(server: "Server", session: Session, now: int) -> None:
    """End a session with the hours in which its account may log on, whatever its ticket says."""
    context = session.security_context
    end = None if context is None else context.logon_hours_end
    if end is None or not server.config.force_logoff:
        return

    def force(at: int) -> None:
        if server.global_session_table.get(session.session_id) is session and session.security_context is context:
            sessions.end_by_server(server, session, at)

    server.timers.at(max(end, now), force)
