"""Events that there may be millions of, in columns: files that are opened and closed, handles that are granted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.events.kinds import Kind
from analyzer.evidence import Evidence

__all__ = ["EventColumns", "bulk_events"]

Column = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Events of one kind that differ in their file. Columns of shape (n,).

    `verb` and the name of the file are their text. `name` is a number of the name table, -1 for none; `session` a
    session number, -1 for none; `second` a second frame, 0 for none.
    """

    kind: Kind
    verb: str
    name: Column
    time: Column
    connection: Column
    session: Column
    frame: Column
    second: Column

    def __len__(self) -> int:
        return len(self.time)


def bulk_events(evidence: Evidence) -> Iterator[EventColumns]:
    """Opens, closes and granted handles."""
    opens = evidence.decoded.smb2.exchanges.opens.rows
    for kind, verb, time, frame in (
        (Kind.OPEN, "opened", "opened", "opened_frame"),
        (Kind.CLOSE, "closed", "closed", "closed_frame"),
    ):
        chosen = np.flatnonzero(opens[time])
        name, times, connection, session, frames = (  # field by field: few of many are wanted
            opens[field][chosen] for field in ("name", time, "connection", "session", frame)
        )
        yield EventColumns(kind, verb, name, times, connection, session, frames, np.zeros(len(chosen), np.int64))
    creates = evidence.handles.creates
    for what, version in (("durable", False), ("persistent", True)):
        rows = creates[(creates["granted_version"] > 0) & (creates["granted_persistent"] == version)]
        yield EventColumns(
            Kind.HANDLE_GRANTED, f"{what} handle for", rows["name"], rows["response_time"], rows["connection"],
            rows["session"], rows["request_frame"], rows["response_frame"],
        )  # fmt: skip
