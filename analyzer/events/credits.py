"""Events of credits: the client could ask nothing more, and could again."""

from collections.abc import Iterator

from analyzer.events.event import Detail, Event, seconds
from analyzer.events.kinds import Kind
from analyzer.evidence import Evidence

__all__ = ["credit_events"]


def credit_events(evidence: Evidence) -> Iterator[Event]:
    """Two for each time that the credits ran out for long enough to matter."""
    for row in evidence.credits.exhaustions:
        start, end, connection = int(row["start"]), int(row["end"]), int(row["connection"])
        waiting = int(row["outstanding"])
        length = end - start if end else None
        details: dict[str, Detail] = {"outstanding": waiting, "length_ns": length}
        span = "and got none" if length is None else f"for {seconds(length)}"
        text = f"the client had no credits left {span}, with {waiting} requests outstanding"
        yield Event(start, Kind.CREDITS_EXHAUSTED, text, connection, None, (int(row["start_frame"]),), details)
        if end:
            text = f"the client got credits again after {seconds(end - start)}"
            yield Event(end, Kind.CREDITS_REFILLED, text, connection, None, (int(row["end_frame"]),), details)
