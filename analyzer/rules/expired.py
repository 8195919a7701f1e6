"""What client and server owe each other when a session has expired (MS-SMB2 3.3.5.2.9, 3.2.5.1.6)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analyzer.events.event import Event
from analyzer.events.kinds import Kind
from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.sessions import used_after
from analyzer.rules.telling import tell
from analyzer.rules.words import clock, count, ends
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT

__all__ = ["RULES"]

_ALWAYS = ("LOGOFF", "CLOSE", "LOCK")  # processed in an expired session
_UNCHECKED = ("SESSION_SETUP", "CANCEL", "ECHO", "NEGOTIATE")  # not checked, or not unless signed
_REPEATED_WITHIN = 60 * NANOSECONDS
_EXPIRED = "STATUS_NETWORK_SESSION_EXPIRED"


@dataclass(frozen=True, slots=True)
class _Expiry:
    """A session that had expired: from the first refusal until its re-authentication had succeeded; None if never.

    `rows` are the exchanges of the session that were asked after the first refusal, or refused; in order.
    """

    event: Event
    connection: int
    since: int
    until: int | None
    rows: pd.DataFrame

    @property
    def asked(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """When each row was asked."""
        return self.rows["request_time"].to_numpy("M8[ns]").view("i8")

    @property
    def meanwhile(self) -> pd.DataFrame:
        """Rows that were asked while the session was known to be expired."""
        times, until = self.asked, np.iinfo(np.int64).max if self.until is None else self.until
        return self.rows[(times > self.since) & (times < until)]


def _served(case: Case) -> Iterator[Found]:
    """EXP-01."""
    for expiry in _expiries(case):
        rows = expiry.meanwhile
        reauthentication = _reauthentication_start(case, expiry)
        rows = rows[rows["request_time"].to_numpy("M8[ns]").view("i8") < reauthentication]
        names = rows["command"].astype("object")
        served = rows[~names.isin((*_ALWAYS, *_UNCHECKED)) & rows["status"].astype("object").eq("STATUS_SUCCESS")]
        if len(served):
            yield _tell(
                case, expiry, served,
                f"{ends(case, expiry.connection)[1]} had said that the session expired, and went on to serve "
                f"{count(len(served), 'request')} in it (first a {served['command'].iloc[0]}).",
                f"first {_EXPIRED} at {clock(expiry.since)}",
            )  # fmt: skip


def _refused_although_exempt(case: Case) -> Iterator[Found]:
    """EXP-02."""
    for expiry in _expiries(case):
        names, statuses = expiry.rows["command"].astype("object"), expiry.rows["status"].astype("object")
        refused = expiry.rows[names.isin(["LOGOFF", "CLOSE"]) & statuses.eq(_EXPIRED)]
        if len(refused):
            yield _tell(
                case, expiry, refused,
                f"{ends(case, expiry.connection)[1]} refused {refused['command'].iloc[0]} because the session had "
                f"expired; a client could not even tidy up.",
                f"{count(len(refused), 'LOGOFF or CLOSE')} answered {_EXPIRED}",
            )  # fmt: skip


def _not_repeated(case: Case) -> Iterator[Found]:
    """EXP-05."""
    for expiry in _expiries(case):
        if expiry.until is None:
            yield from _not_renewed(case, expiry)
            continue
        closed = case.evidence.decoded.connections[expiry.connection].closed_time
        if closed is None and case.near_end(expiry.until):
            continue
        refused = expiry.rows[expiry.rows["status"].astype("object").eq(_EXPIRED) & (expiry.asked < expiry.until)]
        later = expiry.rows[(expiry.asked >= expiry.until) & (expiry.asked < expiry.until + _REPEATED_WITHIN)]
        repeated = set(map(_what, later.itertuples()))
        lost = [row for row in refused.itertuples() if _what(row) not in repeated and row.command != "TREE_DISCONNECT"]
        if lost:
            rows = refused.loc[[row.Index for row in lost]]
            yield _tell(
                case, expiry, rows,
                f"{ends(case, expiry.connection)[0]} authenticated its expired session again and did not repeat "
                f"{count(len(lost), 'request')} that had been refused (first a {lost[0].command}): whoever asked got "
                f"an error.",
                f"re-authenticated at {clock(expiry.until)}, and no such request within a minute",
                severity=Severity.WARNING,
            )  # fmt: skip


def _not_renewed(case: Case, expiry: _Expiry) -> Iterator[Found]:
    """No re-authentication was even tried, although there was time for it."""
    tried = _reauthentication_start(case, expiry) < np.iinfo(np.int64).max
    closed = case.evidence.decoded.connections[expiry.connection].closed_time
    if tried or (closed is None and case.end - expiry.since < 2 * NANOSECONDS):
        return
    rows = expiry.rows[expiry.rows["status"].astype("object").eq(_EXPIRED)]
    yield _tell(
        case, expiry, rows,
        f"{ends(case, expiry.connection)[0]} was told that its session had expired and never authenticated it again: "
        f"{count(len(rows), 'request')} failed for good.",
        f"first {_EXPIRED} at {clock(expiry.since)}, no SESSION_SETUP of this session followed",
    )  # fmt: skip


def _kept_asking(case: Case) -> Iterator[Found]:
    """EXP-06."""
    for expiry in _expiries(case):
        rows = expiry.meanwhile
        asked = rows["request_time"].to_numpy("M8[ns]").view("i8")
        samples = case.evidence.tcp.round_trips(expiry.connection, CLIENT)  # what was under way when the refusal came
        on_the_way = int(samples.min()) if len(samples) else case.evidence.tcp.round_trip(expiry.connection) or 0
        names = rows["command"].astype("object")
        more = rows[~names.isin((*_ALWAYS, *_UNCHECKED)) & (asked > expiry.since + on_the_way)]
        if len(more) and expiry.until is not None:
            yield _tell(
                case, expiry, more,
                f"{ends(case, expiry.connection)[0]} knew that its session had expired and went on to ask "
                f"({count(len(more), 'request')}, first a {more['command'].iloc[0]}) before it had renewed it.",
                f"first {_EXPIRED} at {clock(expiry.since)}, authenticated again at {clock(expiry.until)}",
                severity=Severity.INFO if len(more) == 1 else None,
            )  # fmt: skip


def _used_after_refusal(case: Case) -> Iterator[Found]:
    """EXP-07."""
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for event in case.timeline.of(Kind.REAUTH_FAILED):
        session = None if event.session is None else sessions[event.session]
        if session is None or event.connection is None or session.ended_time != event.time:
            continue
        frame = case.exchanges
        mine = frame[frame["session_id"].eq(session.session_id).fillna(value=False)]
        mine = mine[mine["request_time"].to_numpy("M8[ns]").view("i8") > event.time + NANOSECONDS // 100]
        mine = mine[~mine["command"].astype("object").isin((*_UNCHECKED, "LOGOFF"))]
        if len(mine):
            yield tell(
                case, event.time, event.connection, event.session,
                (*event.frames[-1:], *mine["request_frame"].dropna().astype(int).tolist()[:4]),
                f"{ends(case, event.connection)[0]} went on to ask for {mine['command'].iloc[0]} in a session whose "
                f"re-authentication had been refused ({event.details['status']}).",
                f"refused at {clock(event.time)}, then {count(len(mine), 'request')}",
                severity=Severity.INFO if case.evidence.tcp.marks_of(event.connection, Mark.RST).size else None,
            )  # fmt: skip


def _gone_with_it(case: Case) -> Iterator[Found]:
    """REAU-05: told here, since it is the same look at what was served."""
    return used_after(
        case, ("re-authentication refused",), "after its re-authentication had been refused",
        "a SESSION_SETUP of the session failed",
    )  # fmt: skip


def _expiries(case: Case) -> Iterator[_Expiry]:
    events = list(case.timeline.of(Kind.SESSION_EXPIRED))
    if not events:
        return
    frame = case.exchanges
    for event in events:
        session = case.session(event)
        if session is None or event.connection is None or case.has_gap(event.connection):
            continue
        mine = frame[frame["session_id"].eq(session.session_id).fillna(value=False) & frame["request_frame"].notna()]
        mine = mine.sort_values("request_time", kind="stable")
        again = (
            other.time
            for other in case.timeline.of(Kind.REAUTH_SUCCEEDED)
            if other.session == event.session and other.time > event.time
        )
        answered = mine["response_time"].to_numpy("M8[ns]").view("i8")
        yield _Expiry(event, event.connection, event.time, next(again, None), mine[answered >= event.time])


def _reauthentication_start(case: Case, expiry: _Expiry) -> int:
    """When the client began to authenticate again: what follows may be served as soon as that is done."""
    begun = (
        run.start
        for run in case.timeline.runs
        if run.session == expiry.event.session and run.purpose == "reauthentication" and run.start >= expiry.since
    )
    return next(begun, int(np.iinfo(np.int64).max))


def _what(row: object) -> tuple[object, ...]:
    """What a request asks for, as far as it can be told from another one."""
    values = (getattr(row, name) for name in ("command", "file_name", "file_offset"))
    return tuple(None if pd.isna(value) else value for value in values)


def _tell(
    case: Case, expiry: _Expiry, rows: pd.DataFrame, cause: str, evidence: str, severity: Severity | None = None
) -> Found:
    frames = (*expiry.event.frames[-1:], *rows["request_frame"].dropna().astype(int).tolist()[:4])
    return tell(
        case, expiry.since, expiry.connection, expiry.event.session, frames, cause, evidence, severity=severity,
        confidence=Confidence.LIKELY if expiry.until is None else Confidence.CERTAIN, end=expiry.until,
    )  # fmt: skip


RULES = (
    Rule("EXP-01", "an expired session was served", Severity.WARNING, Party.SERVER, "MS-SMB2 3.3.5.2.9",
         "Once a server has said STATUS_NETWORK_SESSION_EXPIRED, everything but SESSION_SETUP, LOGOFF, CLOSE and LOCK "
         "should be refused until the session is authenticated again. Windows Server 2008 R2 and before serve signed "
         "requests all the same.",
         "Update the server.", _served),
    Rule("EXP-02", "LOGOFF or CLOSE refused in an expired session", Severity.ERROR, Party.SERVER,
         "MS-SMB2 3.3.5.2.9",
         "LOGOFF, CLOSE and LOCK must be processed although the session has expired.",
         "Update the server.", _refused_although_exempt),
    Rule("EXP-05", "requests that were refused and not repeated", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.2.5.1.6",
         "The client has to authenticate the session again and to repeat the request that had failed, so that the "
         "program that asked does not notice. Which requests are the same is told by command, file and offset; where "
         "only the repetition is missing this is a warning, since the program may not want it any more. What a "
         "session that is not renewed costs is said by `session_not_renewed`.",
         "Update the client.", _not_repeated),
    Rule("EXP-06", "a client that keeps asking in an expired session", Severity.WARNING, Party.CLIENT,
         "MS-SMB2 3.2.4.2.3.1",
         "Between the refusal and the re-authentication a client should hold its requests back: all of them fail. One "
         "is info.",
         "Update the client.", _kept_asking),
    Rule("EXP-07", "a session used after its re-authentication was refused", Severity.ERROR, Party.CLIENT,
         "MS-SMB2 3.2.5.1.6",
         "A re-authentication that fails ends the session; the client has to log off or begin a new one.",
         "Update the client; see why its credentials were refused.", _used_after_refusal),
    Rule("REAU-05", "a session served after its re-authentication failed", Severity.ERROR, Party.SERVER,
         "MS-SMB2 3.3.5.5.3",
         "A re-authentication that fails removes the session with its opens and trees; whatever follows gets "
         "STATUS_USER_SESSION_DELETED.",
         "Update the server.", _gone_with_it),
)  # fmt: skip
