"""Sessions that expire, are authenticated again, or end: what it cost, and whether everybody did as he should."""

from collections.abc import Iterator

from analyzer.events.event import Event
from analyzer.events.kinds import Kind
from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import clock, count, ends, seconds
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

__all__ = ["RULES"]

_TOGETHER = 60 * NANOSECONDS  # sessions that expire within this time expire together
_CROWD = 5  # so many are more than a coincidence
_RENEWING = 2 * NANOSECONDS  # a client that re-authenticates begins at once
_ORDERLY = ("logoff", "replaced", "re-authentication refused", "logon refused", "authentication refused")
_REST = (Kind.SESSION_EXPIRED, Kind.REAUTH_STARTED, Kind.REAUTH_SUCCEEDED, Kind.REAUTH_FAILED)


def _session_expired(case: Case) -> Iterator[Found]:
    """An expiry that ended well."""
    for expired, again in _expiries(case):
        if again is None or again.kind is not Kind.REAUTH_SUCCEEDED:
            continue
        stall = again.time - expired.time
        yield _found(
            case,
            expired,
            f"The session of {_who(case, expired)} expired{_since_end(expired)} and was authenticated again in "
            f"{seconds(stall / NANOSECONDS)}; {_refused(expired)} meanwhile.",
            f"first STATUS_NETWORK_SESSION_EXPIRED at {clock(expired.time)}, re-authenticated at {clock(again.time)}"
            + _lifetime(case, expired),
            (*expired.frames, *again.frames[-1:]),
            end=again.time,
        )


def _session_not_renewed(case: Case) -> Iterator[Found]:
    for expired, again in _expiries(case):
        if again is not None:
            continue
        connection = expired.connection
        if connection is not None and case.end - expired.time < _RENEWING and not _is_closed(case, connection):
            continue  # the capture ended before the client could
        renewed = _new_session_after(case, expired)
        then = (
            f"; it set up a new session {seconds((renewed.time - expired.time) / NANOSECONDS)} later instead"
            if renewed
            else ""
        )
        yield _found(
            case,
            expired,
            f"The session of {_who(case, expired)} expired{_since_end(expired)} and the client never authenticated it "
            f"again{then}: {_refused(expired)}, and its opens were lost.",
            f"STATUS_NETWORK_SESSION_EXPIRED from {clock(expired.time)} on; no SESSION_SETUP for this session followed"
            + _lifetime(case, expired),
            (*expired.frames, *(renewed.frames[:1] if renewed else ())),
        )


def _reauth_failed(case: Case) -> Iterator[Found]:
    for event in case.timeline.of(Kind.REAUTH_FAILED):
        opens = _open_files(case, event)
        expired = bool(event.details["expired"])
        cost = f" {count(opens, 'open file')} went with it." if opens else " Nothing was open."
        yield _found(
            case,
            event,
            f"The re-authentication of the {'expired' if expired else 'valid'} session of {_who(case, event)} was "
            f"refused with {event.details['status']}, which ended the session.{cost}",
            f"SESSION_SETUP for this SessionId answered {event.details['status']} at {clock(event.time)}",
            event.frames,
            severity=None if (opens or expired) and not _was_let_in(case, event) else Severity.INFO,
        )


def _mass_expiry(case: Case) -> Iterator[Found]:
    expiries = sorted((expired for expired, _ in _expiries(case)), key=lambda event: event.time)
    group: list[Event] = []
    following: list[Event | None] = [*expiries, None]
    for latest in following:
        if latest is not None and (not group or latest.time - group[0].time <= _TOGETHER):
            group.append(latest)
            continue
        if len({each.session for each in group}) >= _CROWD:
            spent = (group[-1].time - group[0].time) / NANOSECONDS
            refused = sum(int(each.details["refused"] or 0) for each in group)
            yield Found(
                group[0].time,
                f"{count(len({each.session for each in group}), 'session')} expired within {seconds(spent)}: their "
                f"tickets were of one age, so all their users stood still together; {count(refused, 'request')} were "
                f"refused.",
                f"first STATUS_NETWORK_SESSION_EXPIRED at {clock(group[0].time)}, last at {clock(group[-1].time)}",
                tuple(each.frames[-1] for each in group[:8] if each.frames),
                end=group[-1].time,
            )
        group = [] if latest is None else [latest]


def _late_expiry(case: Case) -> Iterator[Found]:
    """EXP-03: the server scans its sessions every 45 s; earlier means that the clocks differ."""
    for expired, _ in _expiries(case):
        after = expired.details["after_expiration_ns"]
        if not isinstance(after, int):
            continue
        if after < -NANOSECONDS:
            yield _found(
                case,
                expired,
                f"The server refused the session of {_who(case, expired)} {seconds(-after / NANOSECONDS)} before its "
                f"ticket ends: the clocks of KDC and server differ, or of the machine that captured.",
                f"ticket ends {clock(expired.time - after)}, first refusal at {clock(expired.time)}",
                expired.frames,
                confidence=Confidence.LIKELY,
            )


def _not_for_ntlm(case: Case) -> Iterator[Found]:
    """EXP-04."""
    for expired, _ in _expiries(case):
        session = case.session(expired)
        if session is not None and (session.mechanism or "").startswith("NTLM"):
            yield _found(
                case,
                expired,
                f"The session of {_who(case, expired)} expired although it was set up with NTLM, which knows no end.",
                f"mechanism {session.mechanism}, STATUS_NETWORK_SESSION_EXPIRED at {clock(expired.time)}",
                expired.frames,
            )


def _idle_session_reaped(case: Case) -> Iterator[Found]:
    """SESS-10 and the server's idle disconnect: an idle connection closed by the server, then used again."""
    limit = round(case.policy.seconds("autodisconnect") * NANOSECONDS)
    for connection in case.smb_connections:
        marks = case.evidence.tcp.marks_of(connection, Mark.FIN, Mark.RST)
        if len(marks) == 0 or marks[0]["sender"] != SERVER:
            continue
        time = int(marks[0]["time"])
        idle = time - max(_last_payload(case, connection, side, time - 1) for side in (CLIENT, SERVER))
        late = list(_asked_after(case, connection, time))[:1]
        if idle < min(limit, 60 * NANOSECONDS) or case.connections.iloc[connection]["bytes_server"] == 0:
            continue
        client, server = ends(case, connection)
        used = "; the client used it again afterwards and was reset" if late else ""
        yield Found(
            time,
            f"{server} closed the connection of {client} after {seconds(idle / NANOSECONDS)} without traffic{used}.",
            f"last payload at {clock(time - idle)}, server closed at {clock(time)} in frame {int(marks[0]['frame'])}",
            (int(marks[0]["frame"]), *(frame for frame, _ in late)),
            next(iter(case.session_ids(connection)[-1:]), None),
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
        if idle < round(case.policy.seconds("autodisconnect") * NANOSECONDS):
            continue
        client, server = ends(case, connection)
        yield Found(
            int(exchange["response_time"]),
            f"{server} had ended the session of {client} while nothing was asked for {seconds(idle / NANOSECONDS)}; "
            f"the next {Command(int(exchange['command'])).name} was answered STATUS_USER_SESSION_DELETED.",
            f"last payload at {clock(asked - idle)}, next request at {clock(asked)}; "
            f"{case.policy.describe('autodisconnect')}",
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
        if _logged_off_before(case, event):
            continue
        yield _found(
            case,
            event,
            f"One of the connections that carry the session of {_who(case, event)} was lost; the session goes on over "
            f"the others.",
            event.text,
            event.frames,
        )


def _expiries(case: Case) -> Iterator[tuple[Event, Event | None]]:
    """Each expiry with how its next re-authentication ended; None: there was none."""
    sessions: dict[int, list[Event]] = {}
    for event in case.timeline.of(*_REST):
        if event.session is not None:
            sessions.setdefault(event.session, []).append(event)
    for events in sessions.values():
        for place, event in enumerate(events):
            if event.kind is Kind.SESSION_EXPIRED:
                rest = events[place + 1 :]
                done = next((each for each in rest if each.kind in _REST[2:]), None)
                later = next((each for each in rest if each.kind is Kind.SESSION_EXPIRED), None)
                yield event, None if done is None or (later and later.time < done.time) else done


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


def _was_let_in(case: Case, event: Event) -> bool:
    """Whether the session was authenticated within the minute before: then its user is known, and this was a slip."""
    good = case.timeline.of(Kind.AUTH_SUCCEEDED, Kind.REAUTH_SUCCEEDED)
    return any(each.session == event.session and 0 <= event.time - each.time <= _TOGETHER for each in good)


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


def _is_closed(case: Case, connection: int) -> bool:
    return len(case.evidence.tcp.marks_of(connection, Mark.FIN, Mark.RST)) > 0


def _new_session_after(case: Case, expired: Event) -> Event | None:
    """The next logon of a client with the same address."""
    if expired.connection is None:
        return None
    address = case.connections.iloc[expired.connection]["client_ip"]
    for event in case.timeline.of(Kind.AUTH_SUCCEEDED):
        if event.time <= expired.time or event.connection is None or event.session == expired.session:
            continue
        if case.connections.iloc[event.connection]["client_ip"] == address:
            return event
    return None


def _open_files(case: Case, event: Event) -> int:
    session, frame = case.session(event), case.opens
    if session is None:
        return 0
    mine = frame[frame["session_id"] == session.session_id]
    time = event.time
    opened = mine["opened"].to_numpy("M8[ns]").view("i8")
    closed = mine["closed"].to_numpy("M8[ns]").view("i8")
    return int(((opened <= time) & ((closed < 0) | (closed > time))).sum())


def _who(case: Case, event: Event) -> str:
    session = case.session(event)
    context = None if session is None else session.security_context
    if context is None or not context.user:
        return "an unknown user" if event.connection is None else ends(case, event.connection)[0]
    return f"{context.domain}\\{context.user}" if context.domain else context.user


def _refused(expired: Event) -> str:
    return f"{count(int(expired.details['refused'] or 0), 'request')} refused ({expired.details['commands']})"


def _since_end(expired: Event) -> str:
    after = expired.details["after_expiration_ns"]
    return f" {seconds(after / NANOSECONDS)} after its ticket's end" if isinstance(after, int) and after >= 0 else ""


def _lifetime(case: Case, expired: Event) -> str:
    end, session = expired.details["expiration_time"], case.session(expired)
    if not isinstance(end, int):
        return "; the ticket's end is not known (a keytab would show it)"
    begin = None if session is None else session.creation_time
    lived = f", {seconds((end - begin) / NANOSECONDS)} after the session began" if begin else ""
    return f"; the ticket ended at {clock(end)}{lived}"


def _found(
    case: Case,
    event: Event,
    cause: str,
    evidence: str,
    frames: tuple[int, ...],
    *,
    end: int | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    severity: Severity | None = None,
) -> Found:
    session = case.session(event)
    if event.connection is not None and case.has_gap(event.connection) and confidence is Confidence.CERTAIN:
        confidence = Confidence.LIKELY
    number = None if session is None else session.session_id
    return Found(event.time, cause, evidence, frames, number, event.connection, end, confidence, severity)


_RENEW = (
    "Let the client re-authenticate (Windows does; smbclient does not), or give tickets more life: Maximum lifetime "
    "for service ticket (MaxServiceTicketAge, minutes), Maximum lifetime for user ticket; renew tickets of "
    "services before they end (k5start, gssproxy)."
)

RULES = (
    Rule(
        "session_expired",
        "a session expired and was authenticated again",
        Severity.INFO,
        Party.NOBODY,
        "MS-SMB2 3.3.5.2.9, 3.2.5.1.6",
        "The Kerberos ticket of the session ended, the server refused requests, and the client re-authenticated and "
        "went on: as it should be. The pause is the time between the two.",
        "Nothing, unless the pauses are felt: a longer lifetime of service tickets makes them rarer.",
        _session_expired,
    ),
    Rule(
        "session_not_renewed",
        "a session expired and nobody renewed it",
        Severity.ERROR,
        Party.CLIENT,
        "MS-SMB2 3.2.5.1.6",
        "After STATUS_NETWORK_SESSION_EXPIRED a client has to authenticate the same session again and repeat the "
        "request. This one did not, so everything that it had open is lost.",
        _RENEW,
        _session_not_renewed,
        ("EXP-05",),
    ),
    Rule(
        "reauth_failed",
        "a re-authentication was refused",
        Severity.ERROR,
        Party.CLIENT,
        "MS-SMB2 3.3.5.5.3",
        "A re-authentication that fails destroys the session, with its opens and tree connects.",
        "See why the credentials were refused: an expired ticket cache, a changed password, a locked account.",
        _reauth_failed,
    ),
    Rule(
        "EXP-08",
        "many sessions expired together",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.6.3",
        "Tickets that were issued together, for example after a restart or in the morning, end together.",
        "Nothing is wrong with any of them; longer tickets, or logons that are spread, avoid the crowd.",
        _mass_expiry,
    ),
    Rule(
        "EXP-03",
        "a session was refused before its ticket ended",
        Severity.WARNING,
        Party.SERVER,
        "MS-SMB2 3.3.2.3, 3.3.6.3",
        "The server refuses a session up to 45 s after the end of its ticket, never before it: the clocks differ.",
        "Synchronize the clocks of server, KDC and clients (w32tm /resync; chronyc makestep).",
        _late_expiry,
    ),
    Rule(
        "EXP-04",
        "an NTLM session expired",
        Severity.WARNING,
        Party.SERVER,
        "MS-SMB2 3.3.5.5.3",
        "NTLM gives no expiry time, so Session.ExpirationTime is infinite.",
        "Look for a limit of the server's own.",
        _not_for_ntlm,
    ),
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
