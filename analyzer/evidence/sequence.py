"""MessageIds and the window that the server grants (MS-SMB2 3.3.1.1, 3.3.5.2.3): outside of it, or used twice."""

from dataclasses import dataclass, field
from enum import IntEnum, auto
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.flows import stable_order
from analyzer.evidence.headers import Headers
from parsers.growing import GrowingTable
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import UNSOLICITED
from parsers.smb2.header import Command, Flags

__all__ = ["MISNUMBERED", "Misnumbering", "SequenceEvidence"]

Column = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[Any]


class Misnumbering(IntEnum):
    """What is wrong with a MessageId."""

    OUTSIDE = auto()  # of the window: more than all credits together allow
    REUSED = auto()


MISNUMBERED = np.dtype(
    [
        ("kind", "u1"), ("connection", "i4"), ("session", "i4"), ("frame", "i8"), ("time", "i8"), ("command", "u2"),
        ("message_id", "u8"), ("charge", "u2"), ("granted", "u8"), ("signed", "?"),
    ]
)  # fmt: skip
"""A request; `granted` is the first MessageId behind the window at that time."""

_LARGEST = 1 << 40  # MessageIds that are looked at as numbers; no connection lives so long
_MOST_HOLES = 1 << 14  # numbers of a connection that were passed over; a server grants fewer credits
_KEPT = 50  # of a connection


@dataclass(slots=True)
class _Window:
    granted: int = 1  # a connection begins with MessageId 0
    end: int = 0  # behind the highest number that was used
    holes: set[int] = field(default_factory=set)
    kept: int = 0


class _Grants:
    """What the server grants on one connection in a block, and had granted before it."""

    def __init__(self, answers: Column, mine: Mask, credits_: Rows, granted: int) -> None:
        self._answers, self._mine, self._credits, self._granted = answers, mine, credits_, granted
        self._rows: Column | None = None
        self._sums: Column | None = None

    def outside(self, rows: Column, ends: Column) -> Mask:
        """Which requests reach behind what had been granted when they came."""
        places, sums = self._in_order()
        found: Mask = ends > sums[np.searchsorted(places, rows)]
        return found

    def before(self, row: int) -> int:
        """What had been granted before a message."""
        places, sums = self._in_order()
        return int(sums[np.searchsorted(places, row)])

    def _in_order(self) -> tuple[Column, Column]:
        if self._rows is None or self._sums is None:
            self._rows = self._answers[self._mine]
            self._sums = self._granted + np.append(0, np.cumsum(self._credits[self._mine].astype(np.int64)))
        return self._rows, self._sums


@dataclass(slots=True)
class SequenceEvidence:
    """Feed it what a sink of `parsers.pipeline.decode` gets.

    The rows mean something for connections in `CreditEvidence.known`, whose messages were all read from the first on.
    """

    _windows: dict[int, _Window] = field(default_factory=dict)
    _rows: GrowingTable = field(default_factory=lambda: GrowingTable(MISNUMBERED))

    def take(self, batch: Batch, headers: Headers) -> None:
        """Take one block."""
        messages, header = batch.messages, batch.messages.header
        unsolicited = headers.message_id == UNSOLICITED
        rows = np.flatnonzero(headers.request & (headers.command != Command.CANCEL) & ~unsolicited)
        answers = np.flatnonzero(headers.response & ~unsolicited)
        places = batch.units.connection[messages.unit[answers]]
        credits_ = header["credits"][answers]
        connection = batch.units.connection[messages.unit[rows]]
        order = stable_order(connection) if len(rows) else rows
        rows, connection = rows[order], connection[order]
        charge = np.maximum(header["credit_charge"][rows], 1).astype(np.int64)
        numbers = np.minimum(headers.message_id[rows], _LARGEST).astype(np.int64)
        edges = np.append(np.flatnonzero(np.diff(connection, prepend=-1)), len(rows)).tolist()
        for first, last in pairwise(edges):
            number, part = int(connection[first]), slice(first, last)
            window = self._windows.setdefault(number, _Window())
            mine = _Grants(answers, places == number, credits_, window.granted)
            self._follow(batch, window, rows[part], numbers[part], charge[part], mine)
        if len(answers):
            totals = np.bincount(places, credits_)
            for number in np.flatnonzero(totals).tolist():
                self._windows.setdefault(number, _Window()).granted += int(totals[number])

    @property
    def rows(self) -> Rows:
        """Rows of `MISNUMBERED`, in order of frames."""
        rows = self._rows.rows
        return rows[np.argsort(rows["frame"], kind="stable")]

    def _follow(
        self, batch: Batch, window: _Window, rows: Column, numbers: Column, charge: Column, grants: _Grants
    ) -> None:
        """The requests of one connection in a block. Those that simply follow one another are done in columns."""
        ends = numbers + charge
        late = grants.outside(rows, ends)
        if bool((numbers == np.append(window.end, ends[:-1])).all()) and not late.any():
            window.end = int(ends[-1])
            return
        self._step(batch, window, rows, numbers, ends, late, grants)

    def _step(
        self, batch: Batch, window: _Window, rows: Column, numbers: Column, ends: Column, late: Mask, grants: _Grants
    ) -> None:
        """The same one by one from the first that does not follow."""
        steps = zip(rows.tolist(), numbers.tolist(), ends.tolist(), late.tolist(), strict=True)
        for row, number, end, outside in steps:
            if outside:
                self._note(batch, window, Misnumbering.OUTSIDE, row, grants.before(row))
            elif number >= window.end:
                if number > window.end and len(window.holes) < _MOST_HOLES:
                    window.holes.update(range(window.end, number))
                window.end = end
            elif number in window.holes:
                window.holes.difference_update(range(number, end))
            else:
                self._note(batch, window, Misnumbering.REUSED, row, grants.before(row))

    def _note(self, batch: Batch, window: _Window, kind: Misnumbering, row: int, granted: int) -> None:
        window.kept += 1
        if window.kept > _KEPT:
            return
        messages, units = batch.messages, batch.units
        header, unit = messages.header[row], int(messages.unit[row])
        signed = bool(int(header["flags"]) & Flags.SIGNED) and not messages.encrypted[row]
        found = (
            kind, units.connection[unit], messages.session[row], units.last_frame[unit], units.last_time[unit],
            header["command"], header["message_id"], header["credit_charge"], granted, signed,
        )  # fmt: skip
        self._rows.append(np.array([found], MISNUMBERED))
