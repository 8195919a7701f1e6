"""The table of exchanges, and the rule that says how each ended."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.tables.columns import Mask, coded, enumerated, masked, named, tabulate, times
from analyzer.tables.messages import INHERITED_TREE_ID, command_name, wire_session_ids
from analyzer.tables.schema import TABLES
from parsers import ntstatus
from parsers.pipeline import Decoded
from parsers.smb2.exchanges import NO_AMOUNT
from parsers.smb2.opens import NO_OFFSET
from parsers.smb2.rows import Columns
from parsers.times import NANOSECONDS
from parsers.transport.connections import SERVER, Connection

__all__ = ["EDGE", "Outcome", "exchanges_table", "outcomes"]

Column = npt.NDArray[Any]

EDGE = 5 * NANOSECONDS
"""A request without an answer counts as unanswered if the capture went on for so long after it; a healthy server that
needs longer says so with STATUS_PENDING."""


class Outcome(StrEnum):
    """How an exchange ended, as far as the capture shows."""

    ANSWERED = "answered"
    PENDING = "pending"
    CANCELLED = "cancelled"
    UNANSWERED = "unanswered"
    CAPTURE_EDGE = "capture_edge"


_OUTCOMES = tuple(Outcome)


def exchanges_table(rows: Columns, decoded: Decoded) -> pd.DataFrame:
    """The table `exchanges`.

    Args:
        rows: the fields of `EXCHANGE`.
        decoded: the capture that they come from.
    """
    asked, answered = rows["request_frame"] != 0, rows["response_frame"] != 0
    latency = rows["response_time"] - rows["request_complete"]
    latency[~(asked & answered)] = np.iinfo(np.int64).min
    tree_ids = _tree_ids(rows, decoded.smb2.exchanges.opens.rows)
    columns = {
        "request_frame": masked(rows["request_frame"], ~asked),
        "response_frame": masked(rows["response_frame"], ~answered),
        "session_id": masked(wire_session_ids(rows, decoded.smb2.tracker.sessions), np.zeros(len(asked), np.bool_)),
        # What was answered asynchronously had its TreeId in the request alone (MS-SMB2 2.2.1.1).
        "tree_id": masked(tree_ids, (tree_ids == INHERITED_TREE_ID) | (~asked & (rows["async_id"] != 0))),
        "command": coded(rows["command"], command_name),
        "file_name": named(rows["name"], decoded.smb2.exchanges.names.names),
        "status": coded(rows["status"], ntstatus.name, ~answered),
        "request_time": times(rows["request_time"]),
        "response_time": times(rows["response_time"]),
        "latency": pd.array(latency.view("m8[ns]"), copy=False),
        "outcome": enumerated(outcomes(rows, decoded.connections, decoded.last_time or 0), _OUTCOMES),
        "pending_time": times(rows["pending_time"]),
        "async_id": masked(rows["async_id"], rows["async_id"] == 0),
        "file_offset": masked(rows["file_offset"], rows["file_offset"] == NO_OFFSET),
        "transferred": masked(rows["transferred"], rows["transferred"] == NO_AMOUNT),
    }
    return tabulate(TABLES["exchanges"], rows | columns)


def outcomes(rows: Columns, connections: Sequence[Connection], last_time: int) -> npt.NDArray[np.int8]:
    """How each exchange ended: places in `Outcome`.

    Args:
        rows: the fields of `EXCHANGE`.
        connections: all of the capture, by number.
        last_time: of the capture, nanoseconds since 1970.
    """
    closed = np.array([connection.closed_time is not None for connection in connections], np.bool_)
    # An answer that is not in the capture may have been in a hole of it.
    servers = [connection.directions[SERVER] for connection in connections]
    holes = np.array([server.gaps + server.snapped > 0 for server in servers], np.bool_)
    asked, answered = rows["request_frame"] != 0, rows["response_frame"] != 0
    connection = rows["connection"]
    watched = (closed[connection] | (last_time - rows["request_complete"] >= EDGE)) & ~holes[connection]
    choices: list[tuple[Mask, Outcome]] = [
        (~asked, Outcome.CAPTURE_EDGE),
        (answered & (rows["status"] == ntstatus.STATUS_CANCELLED), Outcome.CANCELLED),
        (answered, Outcome.ANSWERED),
        (rows["pending_time"] != 0, Outcome.PENDING),
        (watched, Outcome.UNANSWERED),
    ]
    places = [np.int8(_OUTCOMES.index(outcome)) for _, outcome in choices]
    return np.select([mask for mask, _ in choices], places, np.int8(_OUTCOMES.index(Outcome.CAPTURE_EDGE)))


def _tree_ids(rows: Columns, opens: Column) -> Column:
    """TreeIds of the requests; a related one, which inherits its own, has that of the file it speaks of."""
    ids = rows["tree_id"]
    inherited = (ids == INHERITED_TREE_ID) & (rows["open"] >= 0)
    if not inherited.any():
        return ids
    return np.where(inherited, opens["tree_id"][rows["open"]], ids)
