"""How conformance rules tell what they find: one finding a connection and session, milder where packets are missing."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Severity
from analyzer.rules.words import clock, count
from parsers.smb2.header import Command

__all__ = ["answered", "command_name", "grouped", "is_partial", "session_id", "tell", "tell_of_rows", "tell_of_setup"]

Rows = npt.NDArray[Any]

_SHOWN = 5  # frames of one finding


def tell(
    case: Case,
    time: int,
    connection: int,
    session: int | None,
    frames: Sequence[int],
    cause: str,
    evidence: str,
    *,
    severity: Severity | None = None,
    confidence: Confidence = Confidence.CERTAIN,
    end: int | None = None,
) -> Found:
    """A finding; where bytes of the connection are missing from the capture, it is info and no more than possible.

    `session` is a session's number, None or -1 for none.
    """
    if is_partial(case, connection):
        severity, confidence = Severity.INFO, Confidence.POSSIBLE
        evidence += "; bytes of this connection are missing from the capture"
    number = session_id(case, session)
    return Found(time, cause, evidence, tuple(frames), number, connection, end, confidence, severity)


def tell_of_rows(
    case: Case, rows: Rows, cause: str, evidence: str, *, severity: Severity | None = None, total: int | None = None
) -> Found:
    """A finding about rows of one connection and session, with columns connection, session, frame and time.

    `evidence` is followed by how many messages there were, and when; `total` is their number where not all are there.
    """
    number = max(len(rows), total or 0)
    first, last = int(rows["time"][0]), int(rows["time"][-1])
    when = f"at {clock(first)}" if len(rows) == 1 else f"from {clock(first)} on"
    return tell(
        case,
        first,
        int(rows["connection"][0]),
        int(rows["session"][0]),
        rows["frame"][:_SHOWN].tolist(),
        cause,
        f"{evidence}; {count(number, 'message')}, {when}",
        severity=severity,
        end=last if len(rows) > 1 else None,
    )


def tell_of_setup(
    case: Case, exchange: LogonExchange, cause: str, evidence: str, *, severity: Severity | None = None
) -> Found:
    """A finding about a NEGOTIATE, SESSION_SETUP or TREE_CONNECT."""
    return tell(
        case,
        exchange.first.time,
        exchange.connection,
        exchange.session,
        exchange.frames,
        cause,
        evidence,
        severity=severity,
    )


def grouped(rows: Rows) -> Iterator[Rows]:
    """The rows of each connection and session, in order of frames."""
    for connection in np.unique(rows["connection"]).tolist():
        mine = rows[rows["connection"] == connection]
        for session in np.unique(mine["session"]).tolist():
            chosen = mine[mine["session"] == session]
            yield chosen[np.argsort(chosen["frame"], kind="stable")]


def is_partial(case: Case, connection: int) -> bool:
    """Whether the capture misses some of a connection: lost, or cut off by its snap length."""
    accounts = case.evidence.decoded.accounts
    return case.has_gap(connection) or any(one.connection == connection and one.snapped for one in accounts)


def session_id(case: Case, number: int | None) -> int | None:
    """SessionId of a session by its number."""
    if number is None or number < 0:
        return None
    return case.evidence.decoded.smb2.tracker.sessions[number].session_id


def answered(case: Case, rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    """The `grouped` requests, each group with the status name of each one's answer, dtype object; "" for no answer."""
    statuses = _answers(case, rows) if len(rows) else {}
    for mine in grouped(rows):
        keys = zip(mine["connection"].tolist(), mine["message_id"].tolist(), strict=True)
        yield mine, np.array([statuses.get(key, "") for key in keys], np.object_)


def _answers(case: Case, rows: Rows) -> dict[tuple[int, int], str]:
    """Status of the answers to some requests, by connection and MessageId; what has no answer is left out."""
    frame = case.exchanges
    asked = frame[frame["message_id"].isin(rows["message_id"]) & frame["connection"].isin(rows["connection"])]
    asked = asked[asked["response_frame"].notna()]
    keys = zip(asked["connection"].tolist(), asked["message_id"].tolist(), strict=True)
    return dict(zip(((int(a), int(b)) for a, b in keys), asked["status"].astype(str).tolist(), strict=True))


def command_name(number: int) -> str:
    """`CREATE`; a number that is no command is named by its value."""
    return Command(number).name
