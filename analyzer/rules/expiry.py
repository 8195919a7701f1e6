"""Sessions that expire, are authenticated again, or end: what it cost, and whether everybody did as he should."""

from collections.abc import Iterator

from analyzer.events.event import Event
from analyzer.events.kinds import Kind
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import clock, count, seconds, user_of
from parsers.times import NANOSECONDS

__all__ = ["RULES"]

_TOGETHER = 60 * NANOSECONDS  # sessions that expire within this time expire together
_CROWD = 5  # so many are more than a coincidence
_RENEWING = 2 * NANOSECONDS  # a client that re-authenticates begins at once
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
            f"The session of {user_of(case, expired)} expired{_since_end(expired)} and was authenticated again in "
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
        if (
            connection is not None
            and case.end - expired.time < _RENEWING
            and case.evidence.tcp.closing(connection) is None
        ):
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
            f"The session of {user_of(case, expired)} expired{_since_end(expired)} and the client never authenticated "
            f"it again{then}: {_refused(expired)}, and its opens were lost.",
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
            f"The re-authentication of the {'expired' if expired else 'valid'} session of {user_of(case, event)} was "
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
                f"The server refused the session of {user_of(case, expired)} {seconds(-after / NANOSECONDS)} before "
                f"its ticket ends: the clocks of KDC and server differ, or of the machine that captured.",
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
                f"The session of {user_of(case, expired)} expired although it was set up with NTLM, which knows "
                f"no end.",
                f"mechanism {session.mechanism}, STATUS_NETWORK_SESSION_EXPIRED at {clock(expired.time)}",
                expired.frames,
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


def _was_let_in(case: Case, event: Event) -> bool:
    """Whether the session was authenticated within the minute before: then its user is known, and this was a slip."""
    good = case.timeline.of(Kind.AUTH_SUCCEEDED, Kind.REAUTH_SUCCEEDED)
    return any(each.session == event.session and 0 <= event.time - each.time <= _TOGETHER for each in good)


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
)
