"""Events of sessions that expire and are authenticated again (MS-SMB2 3.3.5.2.9, 3.2.5.1.6)."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

from analyzer.events.event import Detail, Event, seconds, status_name
from analyzer.events.kinds import Kind
from analyzer.events.logon import LogonRun, account
from analyzer.evidence import Evidence
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.session import Session

__all__ = ["expiry_events"]


def expiry_events(evidence: Evidence, runs: list[LogonRun]) -> Iterator[Event]:
    """Session by session: expired, and authenticated again; also re-authentications of sessions that had not expired.

    Args:
        evidence: of the capture.
        runs: all runs of SESSION_SETUP legs.
    """
    again: dict[int, list[LogonRun]] = defaultdict(list)
    ends = {run.session: run.expires for run in runs if run.purpose == "logon" and run.succeeded}
    for run in runs:
        if run.purpose == "reauthentication" and run.session is not None:
            again[run.session].append(run)
    refused = _refused(evidence)
    for number in sorted({*again, *refused}):
        session = evidence.decoded.smb2.tracker.sessions[number]
        yield from _session(session, refused.get(number, []), again[number], ends.get(number))


def _refused(evidence: Evidence) -> dict[int, list[Any]]:
    """Exchanges answered with STATUS_NETWORK_SESSION_EXPIRED, by session, in order of time."""
    rows = evidence.operations.watched
    rows = rows[(rows["status"] == ntstatus.STATUS_NETWORK_SESSION_EXPIRED) & (rows["response_frame"] != 0)]
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows[np.argsort(rows["response_time"], kind="stable")]:
        if row["session"] >= 0:
            found[int(row["session"])].append(row)
    return found


def _session(session: Session, refused: list[Any], runs: list[LogonRun], since: int | None) -> Iterator[Event]:
    """Refusals up to a re-authentication that succeeds belong to one expiry; `since`: when the first ticket ends."""
    expires = since
    for run in runs:
        before = [row for row in refused if run.end is None or row["response_time"] < run.end]
        first = before[0] if before else None
        if run.succeeded:
            refused = refused[len(before) :]
            if first is not None:
                yield _expired(session, before, expires)
            expires = run.expires
        yield from _again(session, run, first, len(before))
    if refused:
        yield _expired(session, refused, expires)


def _expired(session: Session, refused: list[Any], end: int | None) -> Event:
    first, last = refused[0], refused[-1]
    commands = Counter(Command(int(row["command"])).name for row in refused)
    time = int(first["response_time"])
    listed = ", ".join(f"{count} {name}" for name, count in commands.most_common())
    details: dict[str, Detail] = {
        "refused": len(refused),
        "commands": listed,
        "last_refused": int(last["response_time"]),
        "expiration_time": end,
        "after_expiration_ns": None if end is None else time - end,
    }
    since = "" if end is None else f", {seconds(abs(time - end))} {'after' if time >= end else 'before'} its end"
    text = f"the session of {account(session)} had expired{since}: {listed} refused"
    frames = tuple(dict.fromkeys((int(first["request_frame"]), int(first["response_frame"]))))
    connection = int(first["connection"])
    return Event(time, Kind.SESSION_EXPIRED, text, connection, session.number, tuple(f for f in frames if f), details)


def _again(session: Session, run: LogonRun, first: Any, refused: int) -> Iterator[Event]:
    """A re-authentication: its beginning and its end. `first` is the first refusal since the session was valid."""
    who, expired = account(session, run.identity), first is not None
    start: dict[str, Detail] = {"expired": expired}
    text = f"{who} authenticates the {'expired' if expired else 'valid'} session again"
    frames = run.legs[0].frames[:1]
    yield Event(run.start, Kind.REAUTH_STARTED, text, run.connection, session.number, frames, start)
    if run.end is None or run.outcome in {None, ntstatus.STATUS_MORE_PROCESSING_REQUIRED}:
        return
    details: dict[str, Detail] = {
        "expired": expired,
        "length_ns": run.end - run.start,
        "legs": len(run.legs),
        "status": status_name(run.outcome),
        "refused": refused,
        "stall_ns": run.end - int(first["response_time"]) if expired else None,
    }
    if run.succeeded:
        stall = f", {seconds(int(details['stall_ns'] or 0))} after the first refusal" if expired else ""
        text, kind = f"{who} was authenticated again in {seconds(run.end - run.start)}{stall}", Kind.REAUTH_SUCCEEDED
    else:
        text, kind = f"{who} was refused the re-authentication ({details['status']})", Kind.REAUTH_FAILED
    yield Event(run.end, kind, text, run.connection, session.number, run.frames, details)
