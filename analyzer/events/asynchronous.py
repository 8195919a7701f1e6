"""Events of requests that wait: interim responses, their final ones, CANCEL; and ECHO."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from analyzer.events.event import Detail, Event, seconds, status_name
from analyzer.events.kinds import Kind
from analyzer.evidence import Evidence
from parsers.smb2.header import Command
from parsers.transport.connections import Connection

__all__ = ["asynchronous_events"]


def asynchronous_events(evidence: Evidence) -> Iterator[Event]:
    """One kind after the other."""
    watched = evidence.operations.watched
    for row in watched[watched["pending_time"] != 0]:
        yield from _pending(row, evidence)
    for row in watched[watched["command"] == Command.ECHO]:
        yield _echo(row, evidence.decoded.connections[row["connection"]])
    targets = {_key(row): row for row in watched if row["async_id"]}
    for row in evidence.operations.codes(Command.CANCEL):
        yield _cancel(row, targets)


def _pending(row: Any, evidence: Evidence) -> Iterator[Event]:
    command = Command(int(row["command"])).name
    name = evidence.name(int(row["name"]))
    what = f"{command} of '{name}'" if name else command
    asked, pending = int(row["request_complete"]), int(row["pending_time"])
    connection, session = int(row["connection"]), _number(row)
    details: dict[str, Detail] = {"command": command, "file": name, "async_id": int(row["async_id"])}
    frames = (int(row["request_frame"]),) if row["request_frame"] else ()
    text = f"{what} takes longer (STATUS_PENDING)"
    yield Event(pending, Kind.ASYNC_PENDING, text, connection, session, frames, details)
    if not row["response_frame"]:
        return
    done = int(row["response_time"])
    status = status_name(int(row["status"]))
    more: dict[str, Detail] = {"status": status, "length_ns": done - asked if asked else None}
    since = f" after {seconds(done - asked)}" if asked else ""
    frames = (*frames, int(row["response_frame"]))
    text = f"{what} was answered{since} ({status})"
    yield Event(done, Kind.ASYNC_DONE, text, connection, session, frames, details | more)


def _echo(row: Any, connection: Connection) -> Event:
    """An answer that comes when the client has closed the connection helps nobody."""
    closed = connection.closed_time if (connection.closed_by or "").startswith("client") else None
    asked, answered = bool(row["request_frame"]), bool(row["response_frame"])
    length = int(row["response_time"] - row["request_complete"]) if asked and answered else None
    text = "ECHO was answered" if answered else "ECHO was not answered"
    if length is not None:
        text = f"{text} in {seconds(length)}"
    late = answered and closed is not None and row["response_time"] > closed
    if late:
        text = f"{text}, when the client had left"
    frames = tuple(int(frame) for frame in (row["request_frame"], row["response_frame"]) if frame)
    time = int(row["request_time"] if asked else row["response_time"])
    details: dict[str, Detail] = {"answered": answered, "length_ns": length, "after_close": bool(late)}
    return Event(time, Kind.ECHO, text, int(row["connection"]), _number(row), frames, details)


def _cancel(row: Any, targets: dict[tuple[int, int], Any]) -> Event:
    target = targets.get(_key(row)) if row["async_id"] else None
    command = None if target is None else Command(int(target["command"])).name
    text = f"the client cancelled its {command}" if command else "the client cancelled a request"
    frames: tuple[int, ...] = (int(row["frame"]),)
    if target is not None and target["request_frame"]:
        frames = (*frames, int(target["request_frame"]))
    details: dict[str, Detail] = {
        "command": command,
        "async_id": int(row["async_id"]) or None,
        "message_id": int(row["message_id"]),
    }
    return Event(int(row["time"]), Kind.CANCEL, text, int(row["connection"]), _number(row), frames, details)


def _key(row: Any) -> tuple[int, int]:
    """AsyncIds are unique on their connection (MS-SMB2 3.3.4.2)."""
    return int(row["connection"]), int(row["async_id"])


def _number(row: Any) -> int | None:
    number = int(np.int64(row["session"]))
    return None if number < 0 else number
