"""Handles: breaks that nobody acknowledged and who waited, durable handles that were lost, credits that ran out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.events.event import Event
from analyzer.events.kinds import Kind
from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import asked_for, clock, count, ends, seconds
from analyzer.tables.text import printable
from parsers import ntstatus
from parsers.times import NANOSECONDS
from parsers.transport.connections import SERVER

__all__ = ["RULES"]

_ARTICLES = {"oplock": "an oplock", "lease": "a lease"}
_MOMENT = NANOSECONDS // 10  # between the request that needs the break and its notification
_FELT = NANOSECONDS  # a shorter wait for another client's answer is how breaks work
_STARVED = NANOSECONDS  # a client without credits for less than this did not feel it
_RETRY = 10 * NANOSECONDS  # within which a client tries again for the same handle
_GIVEN_UP = 30 * NANOSECONDS  # a break that took the server's whole patience, as the waiting request shows it


def _oplock_break_timeout(case: Case) -> Iterator[Found]:
    yield from _timeouts(case, Kind.OPLOCK_BREAK, Kind.OPLOCK_ACK, "oplock")


def _lease_break_timeout(case: Case) -> Iterator[Found]:
    yield from _timeouts(case, Kind.LEASE_BREAK, Kind.LEASE_ACK, "lease")


def _timeouts(case: Case, asked: Kind, given: Kind, what: str) -> Iterator[Found]:
    for event in case.timeline.of(asked):
        if not event.details["needs_acknowledgment"] or event.connection is None:
            continue
        wait = case.limit("OplockBreakWait", event.connection)
        answer = _answer(case, event, given)
        waiting = _waiting(case, event)
        held = _held(case, event, answer, waiting)
        if held < _FELT or _is_dead(case, event):
            continue
        file = _file(event)
        holder, _ = ends(case, event.connection)
        gave_up = held >= wait or (answer is None and held >= _GIVEN_UP)
        end = (
            f"the server took the {what} away after {seconds(wait / NANOSECONDS)} and went on"
            if gave_up
            else f"it was still waiting when the capture shows the last of it, {seconds(held / NANOSECONDS)} later"
            if answer is None
            else f"the acknowledgment came after {seconds(held / NANOSECONDS)}"
        )
        yield _found(
            case,
            event,
            f"{holder} holds {_ARTICLES[what]} on {file} and did not acknowledge its break: {end}"
            + (f"; {_waiters(case, waiting)} waited for it." if len(waiting) else "."),
            f"break notification in frame {event.frames[0]} at {clock(event.time)}, acknowledged by TCP; "
            + _given_up(answer)
            + (f"; {asked_for(waiting)} answered {_statuses(waiting)}" if len(waiting) else ""),
            (*event.frames, *_frames(waiting)),
            event.time + held,
        )


def _oplock_holder_dead(case: Case) -> Iterator[Found]:
    """The notification itself was never acknowledged by TCP."""
    for event in case.timeline.of(Kind.OPLOCK_BREAK, Kind.LEASE_BREAK):
        if event.connection is None or not _is_dead(case, event):
            continue
        waiting = _waiting(case, event)
        holder, _ = ends(case, event.connection)
        what = "oplock" if event.kind is Kind.OPLOCK_BREAK else "lease"
        yield _found(
            case,
            event,
            f"The holder of the {what} on {_file(event)}, {holder}, is gone: nothing came from it after the break "
            f"notification"
            + (f", so {_waiters(case, waiting)} had to wait until the server gave it up." if len(waiting) else "."),
            f"notification in frame {event.frames[0]} at {clock(event.time)}: not acknowledged by TCP, or its "
            f"connection was closed by the server meanwhile",
            (*event.frames, *_frames(waiting)),
        )


def _late_break_ack(case: Case) -> Iterator[Found]:
    """TIME-03: the server has taken it away already, and says so."""
    for event in case.timeline.of(Kind.OPLOCK_ACK, Kind.LEASE_ACK):
        late = event.details["status"] in {"STATUS_INVALID_DEVICE_STATE", "STATUS_UNSUCCESSFUL"}
        length = event.details["length_ns"]
        if not late or not isinstance(length, int) or length < case.limit("OplockBreakWait", event.connection or 0):
            continue
        yield _found(
            case,
            event,
            f"{ends(case, event.connection or 0)[0]} acknowledged the break for {_file(event)} after "
            f"{seconds(length / NANOSECONDS)}, when the server had taken it away.",
            f"acknowledgment at {clock(event.time)}, answered {event.details['status']}",
            event.frames,
        )


def _durable_handle_lost(case: Case) -> Iterator[Found]:
    for event in case.timeline.of(Kind.HANDLE_LOST):
        away = _away(case, event)
        again = _taken_up(case, event)
        since = f" {seconds(away / NANOSECONDS)} after its connection was lost" if away is not None else ""
        yield _found(
            case,
            event,
            f"{ends(case, event.connection or 0)[0]} could not take up its durable handle of {_file(event)} again"
            f"{since}: " + ("asked differently, the server gave it." if again else "the server had closed it."),
            f"CREATE with a reconnect context answered {event.details['status']} at {clock(event.time)}; "
            f"{_retention(case, event)}",
            event.frames,
            confidence=Confidence.CERTAIN if away is not None else Confidence.LIKELY,
            severity=Severity.INFO if again or away is None else None,
        )


def _credit_starvation(case: Case) -> Iterator[Found]:
    rows = case.evidence.credits.exhaustions
    for number in sorted(set(rows["connection"].tolist())):
        mine = rows[rows["connection"] == number]
        over = case.evidence.decoded.connections[number].closed_time or case.end
        spans = [(int(row["start"]), int(row["end"]) or over, row) for row in mine]
        long = [span for span in spans if span[1] - span[0] >= _STARVED]
        if not long:
            continue
        client, server = ends(case, number)
        begin, end, first = long[0]
        spent = sum(until - since for since, until, _ in long)
        frames = (int(first["start_frame"]), int(first["end_frame"]))
        yield Found(
            begin,
            f"{client} had no credits left for {seconds(spent / NANOSECONDS)}: {server} granted none, so the client "
            f"could not even ask.",
            f"{count(len(long), 'time')} without a credit, the first from {clock(begin)} to {clock(end)}; "
            f"{count(int(first['outstanding']), 'request')} without an answer then",
            tuple(frame for frame in frames if frame),
            case.last_session_id(number),
            number,
            long[-1][1],
            Confidence.POSSIBLE if case.has_gap(number) else Confidence.CERTAIN,
        )


def _answer(case: Case, event: Event, kind: Kind) -> Event | None:
    """The acknowledgment of a notification, or the CLOSE in its place."""
    answers = (each for each in case.timeline.of(kind) if event.frames and event.frames[0] in each.frames[:1])
    return next(answers, None)


def _held(case: Case, event: Event, answer: Event | None, waiting: pd.DataFrame) -> int:
    """Nanoseconds from the notification until it was settled, as far as the capture shows it."""
    times = waiting["response_time"].dropna().to_numpy("M8[ns]").view("i8")
    if len(times):
        return int(times.max()) - event.time
    if answer is not None:
        return answer.time - event.time
    closed = case.evidence.decoded.connections[event.connection or 0].closed_time
    unanswered = waiting["response_time"].isna().any()
    return min(closed or case.end, case.end) - event.time if unanswered else 0


def _waiting(case: Case, event: Event) -> pd.DataFrame:
    """Requests of others that were held up by the break: asked shortly before it, PENDING, answered after it."""
    pending = case.pending
    asked = pending["request_time"].to_numpy("M8[ns]").view("i8")
    answered = pending["response_time"].to_numpy("M8[ns]").view("i8")
    while_asked = (asked <= event.time + _MOMENT) & (asked > event.time - _MOMENT)
    after = (answered < 0) | (answered > event.time)
    chosen: pd.DataFrame = pending[while_asked & after & (pending["command"] != "CHANGE_NOTIFY").to_numpy()]
    return chosen


def _is_dead(case: Case, event: Event) -> bool:
    """Whether the holder's TCP never acknowledged the notification although there was time for it."""
    tcp, connection = case.evidence.tcp, event.connection
    if connection is None or case.near_end(event.time):
        return False
    if _dropped_by_server(case, connection, event.time):
        return True
    delivered = tcp.delivered_at(connection, SERVER, event.time)
    return delivered is None or delivered - event.time >= _FELT


def _dropped_by_server(case: Case, connection: int, time: int) -> bool:
    """Whether the server closed the holder's connection while it waited for the acknowledgment."""
    marks = case.evidence.tcp.marks_of(connection, Mark.FIN, Mark.RST, since=time)
    limit = time + case.limit("OplockBreakWait", connection)
    return len(marks) > 0 and marks["sender"][0] == SERVER and marks["time"][0] < limit


def _given_up(answer: Event | None) -> str:
    if answer is None:
        return "no acknowledgment"
    if answer.details["by"] == "close":
        return f"the file was closed at {clock(answer.time)} instead"
    return f"acknowledgment in frame {answer.frames[1]} at {clock(answer.time)}"


def _waiters(case: Case, waiting: pd.DataFrame) -> str:
    clients = sorted({ends(case, int(number))[0] for number in waiting["connection"]})
    return f"{asked_for(waiting)} of {', '.join(clients)}"


def _statuses(waiting: pd.DataFrame) -> str:
    row = waiting.iloc[0]
    if pd.isna(row["response_time"]):
        return "never"
    spent = (row["response_time"] - row["request_time"]).value
    return f"after {seconds(spent / NANOSECONDS)} ({row['status']})"


def _frames(waiting: pd.DataFrame) -> tuple[int, ...]:
    frames = [*waiting["request_frame"].dropna().tolist()[:2], *waiting["response_frame"].dropna().tolist()[:2]]
    return tuple(int(frame) for frame in frames)


def _file(event: Event) -> str:
    name = event.details.get("file")
    return f"'{printable(str(name))}'" if name else "a file"


def _away(case: Case, event: Event) -> int | None:
    """Nanoseconds since the connection of the handle was lost."""
    row = _granted(case, event)
    if row is None:
        return None
    closed = case.evidence.decoded.connections[int(row["connection"])].closed_time
    return None if closed is None or closed > event.time else event.time - closed


def _retention(case: Case, event: Event) -> str:
    row = _granted(case, event)
    granted = 0 if row is None else int(row["granted_timeout"])
    if granted:
        return f"the server had promised to keep it for {seconds(granted / 1000)}"
    version = event.details.get("version")
    name = "DurableTimeout" if version == 1 else "DurableHandleV2TimeoutInSeconds"
    return f"by default it is kept for {case.told(name, event.connection or 0)}"


def _asking(case: Case, event: Event) -> npt.NDArray[Any]:
    """The CREATE that an event is about: one row of `HANDLE`, or none."""
    rows = case.evidence.handles.creates
    frames = set(event.frames)
    return rows[[int(frame) in frames for frame in rows["response_frame"].tolist()]][:1]


def _taken_up(case: Case, event: Event) -> bool:
    """Whether the client's next tries for the same handle, or its session's next one, were good."""
    rows, wanted = case.evidence.handles.creates, _asking(case, event)
    if len(wanted) == 0:
        return False
    good = (rows["reconnect_version"] > 0) & (rows["status"] == ntstatus.STATUS_SUCCESS)
    soon = (rows["response_time"] > event.time) & (rows["response_time"] - event.time <= _RETRY)
    guid = wanted["create_guid"][0].tobytes()
    same = rows["reconnect_persistent"] == wanted["reconnect_persistent"][0]
    same |= np.array([row.tobytes() == guid for row in rows["create_guid"]], np.bool_)
    return bool((good & soon & same & (rows["session"] == wanted["session"][0])).any())


def _granted(case: Case, event: Event) -> pd.Series | None:
    """The CREATE that was granted the handle which this one wants back."""
    rows, wanted = case.evidence.handles.creates, _asking(case, event)
    if len(wanted) == 0:
        return None
    same = rows[
        (rows["file_persistent"] == wanted[0]["reconnect_persistent"])
        & (rows["granted_version"] > 0)
        & (rows["status"] == ntstatus.STATUS_SUCCESS)
        & (rows["response_time"] < event.time)
    ]
    return pd.Series({name: same[-1][name] for name in rows.dtype.names or ()}) if len(same) else None


def _found(
    case: Case,
    event: Event,
    cause: str,
    evidence: str,
    frames: tuple[int, ...],
    end: int | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    severity: Severity | None = None,
) -> Found:
    session = case.session(event)
    if event.connection is not None and case.has_gap(event.connection):
        confidence = Confidence.POSSIBLE
    session_id = None if session is None else session.session_id
    return Found(event.time, cause, evidence, frames, session_id, event.connection, end, confidence, severity)


RULES = (
    Rule(
        "oplock_break_timeout",
        "an oplock break that nobody acknowledged",
        Severity.ERROR,
        Party.OTHER_CLIENT,
        "MS-SMB2 3.3.2.1, 3.3.6.1",
        "Another client holds an oplock on the file. The server asked it to give it up, its TCP received that, and its "
        "SMB client did not answer; everybody who wants the file waits until the server's patience ends. Neither the "
        "network nor the server is slow.",
        "Look at the client that holds the oplock: a hung program, a sleeping or overloaded machine. The wait is "
        r"OplockBreakWait (HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters, 35 s); smb.conf: oplocks = "
        "no or veto oplock files for files that are shared by such clients.",
        _oplock_break_timeout,
        ("TIME-03", "TIME-04"),
    ),
    Rule(
        "lease_break_timeout",
        "a lease break that nobody acknowledged",
        Severity.ERROR,
        Party.OTHER_CLIENT,
        "MS-SMB2 3.3.2.5, 3.3.6.5",
        "The same for a lease: another client caches the file, was asked to give that up, and did not answer.",
        "Look at the client that holds the lease. The wait is 35 s and more for persistent handles; smb.conf: smb2 "
        "leases = no; Set-SmbServerConfiguration -EnableLeasing $false.",
        _lease_break_timeout,
        ("TIME-03", "TIME-04"),
    ),
    Rule(
        "oplock_holder_dead",
        "the holder of an oplock or lease is gone",
        Severity.ERROR,
        Party.OTHER_CLIENT,
        "MS-SMB2 3.3.4.6, 3.3.4.7",
        "The break notification was never acknowledged by TCP, or the server dropped the connection of its holder: "
        "that machine is off or cut off, or the server has found that out by itself.",
        "Look at that machine and the path to it; smb.conf: socket options = SO_KEEPALIVE, keepalive, so that dead "
        "connections are noticed sooner.",
        _oplock_holder_dead,
        ("TIME-04",),
    ),
    Rule(
        "late_break_ack",
        "an acknowledgment after the server's patience",
        Severity.WARNING,
        Party.OTHER_CLIENT,
        "MS-SMB2 3.3.5.22",
        "The oplock or lease had been taken away when its holder acknowledged the break.",
        "Look at that client: it was away for more than half a minute.",
        _late_break_ack,
        ("TIME-03",),
    ),
    Rule(
        "durable_handle_lost",
        "a durable handle could not be taken up again",
        Severity.WARNING,
        Party.SERVER,
        "MS-SMB2 3.3.5.9.7, 3.3.5.9.12",
        "A client came back after its connection was lost and wanted its open again. The server keeps it for a limited "
        "time only, and not at all if another client needed the file.",
        "Find out why the connection was away for so long; the time is granted in the CREATE response "
        r"(DurableHandleV2TimeoutInSeconds, HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters; 300 s at "
        "most).",
        _durable_handle_lost,
        ("TIME-05",),
    ),
    Rule(
        "credit_starvation",
        "the client ran out of credits",
        Severity.WARNING,
        Party.SERVER,
        "MS-SMB2 3.3.1.2",
        "Every request costs credits that the server grants. Without any, the client has to wait, even for ECHO.",
        "Smb2CreditsMin and Smb2CreditsMax (LanmanServer\\Parameters); smb.conf: smb2 max credits; look why the "
        "requests that hold the credits are not answered.",
        _credit_starvation,
    ),
)
