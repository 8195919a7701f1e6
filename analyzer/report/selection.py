"""Which exchanges a report shows: those of findings, the slow and refused ones, and some of the rest.

A capture may hold millions; a page has to open at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.latency import timed

__all__ = ["ORDINARY", "Selection", "refused", "select"]

Rows = npt.NDArray[np.int64]

ORDINARY = (
    "STATUS_SUCCESS", "STATUS_MORE_PROCESSING_REQUIRED", "STATUS_PENDING", "STATUS_NO_MORE_FILES",
    "STATUS_BUFFER_OVERFLOW", "STATUS_END_OF_FILE", "STATUS_NOTIFY_CLEANUP", "STATUS_NOTIFY_ENUM_DIR",
)  # fmt: skip
"""Answers that belong to ordinary work; every other status refuses something."""

_MOST = 4000  # exchanges on a page
_MOST_RELATED = 2400  # of them: those of findings
_MOST_OF_KIND = 400  # of them: the slowest, the refused, the unanswered
_MOST_OF_FINDING = 40
_NEIGHBOURS = 4  # before and after a finding that no exchange overlaps
_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Selection:
    """The exchanges of a report.

    Attributes:
        rows: of the table `exchanges`, in order of time.
        related: for each finding the positions in `rows` of what it is about.
        total: how many exchanges there are.
        parts: how many of `rows` were chosen for what reason; one can have several.
    """

    rows: pd.DataFrame
    related: list[list[int]]
    total: int
    parts: dict[str, int]


def select(exchanges: pd.DataFrame, findings: pd.DataFrame) -> Selection:
    """Choose at most `_MOST` exchanges: what findings are about, the slowest, the refused, and every n-th."""
    index = _Index(exchanges)
    related = _related(index, findings)
    reasons = {
        "findings": np.unique(np.concatenate([*related, np.zeros(0, np.int64)])),
        "slowest": _slowest(exchanges),
        "refused": _evenly(np.flatnonzero(refused(exchanges)), _MOST_OF_KIND),
        "unanswered": _evenly(np.flatnonzero((exchanges["outcome"] == "unanswered").to_numpy()), _MOST_OF_KIND),
    }
    chosen = np.unique(np.concatenate(list(reasons.values())))
    rest = np.setdiff1d(np.arange(len(exchanges)), chosen, assume_unique=True)
    chosen = np.concatenate([chosen, _evenly(rest, _MOST - len(chosen))])
    chosen = chosen[np.argsort(index.start[chosen], kind="stable")]
    place = {row: position for position, row in enumerate(chosen.tolist())}
    return Selection(
        exchanges.iloc[chosen],
        [[place[row] for row in rows.tolist()] for rows in related],
        len(exchanges),
        {name: len(rows) for name, rows in reasons.items()},
    )


def refused(exchanges: pd.DataFrame) -> "npt.NDArray[np.bool_]":
    """Which exchanges were answered with a status that refuses what was asked."""
    status = exchanges["status"]
    return (status.notna() & ~status.isin(ORDINARY)).to_numpy(np.bool_)


class _Index:
    """Exchanges found by frame, and by connection and time."""

    def __init__(self, exchanges: pd.DataFrame) -> None:
        times = [exchanges[name].to_numpy("M8[ns]").view("i8") for name in ("request_time", "response_time")]
        unknown = np.iinfo(np.int64).min  # NaT
        self.start = np.where(times[0] == unknown, times[1], times[0])
        self.end = np.where(times[1] == unknown, _FAR, times[1])
        self.wait = self.end - np.minimum(self.start, self.end)
        self.sessions = exchanges["session_id"].to_numpy(np.uint64, na_value=0)
        connections = exchanges["connection"].to_numpy()
        self._order = np.lexsort((self.start, connections))
        self._connections = connections[self._order]
        self._frames = []
        for name in ("request_frame", "response_frame"):
            frames = exchanges[name].to_numpy(np.int64, na_value=0)
            order = np.argsort(frames, kind="stable")
            self._frames.append((frames[order], order))

    def of_frames(self, frames: Rows) -> Rows:
        """Exchanges with one of these frames."""
        found = [np.zeros(0, np.int64)]
        for known, order in self._frames:
            bounds = zip(np.searchsorted(known, frames), np.searchsorted(known, frames, "right"), strict=True)
            found += [order[low:high] for low, high in bounds]
        return np.unique(np.concatenate(found))

    def of_connection(self, number: int) -> Rows:
        """Exchanges of a connection, in order of time."""
        return self._order[slice(*np.searchsorted(self._connections, [number, number + 1]))]


def _related(index: _Index, findings: pd.DataFrame) -> list[Rows]:
    left = _MOST_RELATED
    found = []
    for frames, connection, session, begin, end in _places(findings):
        rows = _of_finding(index, frames, connection, session, begin, max(begin, end))[: max(left, 0)]
        left -= len(rows)
        found.append(rows)
    return found


def _places(findings: pd.DataFrame) -> Iterator[tuple[Rows, int | None, int | None, int, int]]:
    """Frames, connection, session, begin and end of each finding."""
    texts = findings["frames"].fillna("").tolist()
    columns: list[list[Any]] = [
        [None if value is pd.NA else value for value in findings[name].tolist()]
        for name in ("connection", "session_id")
    ]
    times = [findings[name].to_numpy("M8[ns]").view("i8").tolist() for name in ("time", "end")]
    for text, connection, session, begin, end in zip(texts, *columns, *times, strict=True):
        yield (
            np.array([int(part) for part in text.split(",") if part.strip()], np.int64),
            connection,
            session,
            begin,
            end,
        )


def _of_finding(index: _Index, frames: Rows, connection: int | None, session: int | None, begin: int, end: int) -> Rows:
    """The exchanges of its frames; what was going on at its time, what waited longest first; else what is near it."""
    exact = index.of_frames(frames)[:_MOST_OF_FINDING]
    if connection is None:
        return exact
    near = index.of_connection(connection)
    if session is not None:
        near = near[(index.sessions[near] == session) | (index.sessions[near] == 0)]
    during = near[(index.start[near] <= end) & (index.end[near] >= begin)]
    during = during[np.argsort(-index.wait[during], kind="stable")]
    found = np.concatenate([exact, during[~np.isin(during, exact)]])[:_MOST_OF_FINDING]
    if len(found) == 0:
        place = int(np.searchsorted(index.start[near], begin))
        found = near[max(place - _NEIGHBOURS, 0) : place + _NEIGHBOURS]
    return found[np.argsort(index.start[found], kind="stable")]


def _slowest(exchanges: pd.DataFrame) -> Rows:
    known = np.flatnonzero(timed(exchanges).to_numpy())
    waits = exchanges["latency"].to_numpy("m8[ns]").view("i8")[known]
    return known[np.argsort(-waits, kind="stable")[:_MOST_OF_KIND]]


def _evenly(rows: Rows, most: int) -> Rows:
    """At most so many, spread over them all."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, max(most, 0)).astype(np.int64)]
