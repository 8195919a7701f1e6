"""Sessions that are gone: ended while idle, forgotten by the server, or with one connection less."""

from collections.abc import Iterator

from analyzer.events.event import Event
from analyzer.events.kinds import Kind
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import clock, ends, seconds, user_of
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

__all__ = ["RULES"]

_IDLE = 60 * NANOSECONDS  # a server that closes so long after the last word did it for idleness
_REAPED = 900 * NANOSECONDS  # sessions are reaped after a quarter of an hour, where nobody says otherwise
_ORDERLY = ("logoff", "replaced", "re-authentication refused", "logon refused")


def _idle_session_reaped(case: Case) -> Iterator[Found]:
    """SESS-10 and the server's idle disconnect: an idle connection closed by the server, then used again."""
    for connection in case.smb_connections:
        closing = case.evidence.tcp.closing(connection)
        if closing is None or closing.sender != SERVER:
            continue
        time = closing.time
        idle = time - max(_last_payload(case, connection, side, time - 1) for side in (CLIENT, SERVER))
        late = list(_asked_after(case, connection, time))[:1]
        if (
            idle < min(case.limit("autodisconnect", connection), _IDLE)
            or case.connections.iloc[connection]["bytes_server"] == 0
        ):
            continue
        client, server = ends(case, connection)
        used = "; the client used it again afterwards and was reset" if late else ""
        yield Found(
            time,
            f"{server} closed the connection of {client} after {seconds(idle / NANOSECONDS)} without traffic{used}.",
            f"last payload at {clock(time - idle)}, server closed at {clock(time)} in frame {closing.frame}",
            (closing.frame, *(frame for frame, _ in late)),
            case.last_session_id(connection),
            connection,
            late[0][1] if late else None,
            severity=Severity.WARNING if late else Severity.INFO,
        )


def _reaped_by_status(case: Case) -> Iterator[Found]:
    """The other way to learn it: USER_SESSION_DELETED after a long silence."""
    for exchange in _deleted(case):
        asked = int(exchange["request_time"])
        connection = int(exchange["connection"])
        idle = asked - max(_last_payload(case, connection, side, asked - 1) for side in (CLIENT, SERVER))
        if idle < min(case.limit("autodisconnect", connection), _REAPED):
            continue
        client, server = ends(case, connection)
        yield Found(
            int(exchange["response_time"]),
            f"{server} had ended the session of {client} while nothing was asked for {seconds(idle / NANOSECONDS)}; "
            f"the next {Command(int(exchange['command'])).name} was answered STATUS_USER_SESSION_DELETED.",
            f"last payload at {clock(asked - idle)}, next request at {clock(asked)}; "
            f"{case.told('autodisconnect', connection)}",
            (int(exchange["request_frame"]), int(exchange["response_frame"])),
            int(exchange["session_id"]),
            connection,
        )


def _session_lost(case: Case) -> Iterator[Found]:
    """A client that goes on with a session which the server does not know (any more)."""
    told: set[tuple[int, int]] = set()
    for exchange in _deleted(case):
        key = int(exchange["session_id"]), int(exchange["connection"])
        if key in told or _was_ended_orderly(case, key[0], int(exchange["request_time"])):
            continue
        told.add(key)
        client, server = ends(case, key[1])
        yield Found(
            int(exchange["response_time"]),
            f"{client} went on with a session that {server} does not know: it was restarted, or had ended the session; "
            f"opens and locks are lost, and a new logon is needed.",
            f"{Command(int(exchange['command'])).name} answered STATUS_USER_SESSION_DELETED in frame "
            f"{int(exchange['response_frame'])}",
            (int(exchange["response_frame"]), int(exchange["request_frame"])),
            key[0],
            key[1],
        )


def _channel_lost(case: Case) -> Iterator[Found]:
    for event in case.timeline.of(Kind.CHANNEL_LOST):
        session = case.session(event)
        if session is None or _logged_off_before(case, event):
            continue
        yield Found(
            event.time,
            f"One of the connections that carry the session of {user_of(case, event)} was lost; the session goes on "
            f"over the others.",
            event.text,
            event.frames,
            session.session_id,
            event.connection,
            confidence=Confidence.CERTAIN,
        )


def _deleted(case: Case) -> list[dict[str, int]]:
    rows = case.evidence.operations.watched
    rows = rows[(rows["status"] == ntstatus.STATUS_USER_SESSION_DELETED) & (rows["request_frame"] != 0)]
    rows = rows[rows["command"] != Command.SESSION_SETUP]
    names = ("session_id", "connection", "command", "request_time", "response_time", "request_frame", "response_frame")
    return [{name: int(row[name]) for name in names} for row in rows]


def _was_ended_orderly(case: Case, session_id: int, time: int) -> bool:
    """Whether the capture shows that client or server ended the session before: logoff, replacement, refused logon."""
    return any(
        session.session_id == session_id
        and session.ended_time is not None
        and session.ended_time < time
        and (session.ended_by or "").startswith(_ORDERLY)
        for session in case.evidence.decoded.smb2.tracker.sessions
    )


def _logged_off_before(case: Case, event: Event) -> bool:
    session = case.session(event)
    return session is None or (session.ended_time is not None and session.ended_time <= event.time + NANOSECONDS)


def _last_payload(case: Case, connection: int, side: int, time: int) -> int:
    tcp = case.evidence.tcp
    return tcp.sent_at(connection, side, tcp.sent_by(connection, side, time)) or case.begin


def _asked_after(case: Case, connection: int, time: int) -> Iterator[tuple[int, int]]:
    rows = case.unanswered_at(connection, case.end)
    asked = rows["request_time"].to_numpy("M8[ns]").view("i8")
    for frame, when in zip(rows["request_frame"].tolist(), asked.tolist(), strict=True):
        if when > time:
            yield int(frame), when


RULES = (
    Rule(
        "idle_session_reaped",
        "the server ended an idle connection",
        Severity.WARNING,
        Party.NOBODY,
        "MS-CIFS 3.3.6.2; smb.conf: deadtime (TIME-07)",
        "Nothing was asked for a long time, so the server closed the connection. That is no fault by itself; a client "
        "that does not notice, and uses it again, gets an error first.",
        "autodisconnect (minutes; net config server /autodisconnect, LanmanServer\\Parameters), smb.conf: deadtime.",
        _idle_session_reaped,
        ("TIME-07",),
    ),
    Rule(
        "SESS-10",
        "a session was ended while it was idle",
        Severity.INFO,
        Party.NOBODY,
        "MS-CIFS 3.3.6.2",
        "STATUS_USER_SESSION_DELETED after a long silence: the server had ended the session meanwhile.",
        "autodisconnect (minutes; net config server /autodisconnect, LanmanServer\\Parameters), smb.conf: deadtime.",
        _reaped_by_status,
    ),
    Rule(
        "session_lost",
        "a client went on with a session that is gone",
        Severity.WARNING,
        Party.SERVER,
        "MS-SMB2 3.3.5.2.9",
        "A request named a session that the server does not have on this connection, and was answered "
        "STATUS_USER_SESSION_DELETED. The signature of that answer may be the request's own, since the server has no "
        "key: that is no sign of tampering.",
        "See what ended the session: a restart of the server, an administrator, an idle limit.",
        _session_lost,
    ),
    Rule(
        "channel_lost",
        "one connection of several was lost",
        Severity.INFO,
        Party.NETWORK,
        "MS-SMB2 3.3.7.1",
        "A session with several channels lost one of them and went on over the rest.",
        "See why that connection ended.",
        _channel_lost,
    ),
)
