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
_STRIDE = 32  # requests that are taken together; clients have more credits than that in hand


@dataclass(slots=True)
class _Window:
    granted: int = 1  # a connection begins with MessageId 0
    end: int = 0  # behind the highest number that was used
    holes: set[int] = field(default_factory=set)
    kept: int = 0


class _Grants:
    """What the server has granted on one connection before each of its responses, and behind the last one."""

    def __init__(self, rows: Column, credits_: Column, granted: int) -> None:
        self._rows = rows
        self._sums = np.empty(len(rows) + 1, np.int64)
        self._sums[0] = granted
        np.cumsum(credits_, out=self._sums[1:])
        self._sums[1:] += granted

    @property
    def total(self) -> int:
        """When the block is over."""
        return int(self._sums[-1])

    def outside(self, rows: Column, ends: Column) -> Mask:
        """Which requests reach behind what had been granted when they came."""
        found: Mask = ends > self._sums[np.searchsorted(self._rows, rows)]
        return found

    def before(self, row: int) -> int:
        """What had been granted before a message."""
        return int(self._sums[np.searchsorted(self._rows, row)])


@dataclass(slots=True)
class SequenceEvidence:
    """Feed it what a sink of `parsers.pipeline.decode` gets.

    The rows mean something for connections in `CreditEvidence.known`, whose messages were all read from the first on.
    """

    _windows: dict[int, _Window] = field(default_factory=dict)
    _rows: GrowingTable = field(default_factory=lambda: GrowingTable(MISNUMBERED))

    def take(self, batch: Batch, headers: Headers) -> None:
        """Take one block."""
        header = batch.messages.header
        unsolicited = headers.message_id == UNSOLICITED
        asked, requests = _by_connection(
            batch, np.flatnonzero(headers.request & (headers.command != Command.CANCEL) & ~unsolicited)
        )
        answered, answers = _by_connection(batch, np.flatnonzero(headers.response & ~unsolicited))
        credits_ = header["credits"][answers].astype(np.int64)
        charge = np.maximum(header["credit_charge"][requests], 1).astype(np.int64)
        numbers = np.minimum(headers.message_id[requests], _LARGEST).astype(np.int64)
        for number in asked.keys() | answered.keys():
            window = self._windows.setdefault(number, _Window())
            given = answered.get(number, slice(0, 0))
            grants = _Grants(answers[given], credits_[given], window.granted)
            part = asked.get(number)
            if part is not None:
                self._follow(batch, window, requests[part], numbers[part], charge[part], grants)
            window.granted = grants.total

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
        in_order = numbers[0] == window.end and bool((numbers[1:] == ends[:-1]).all())
        # Where all follow one another, a look at some of them tells most times that none is outside.
        last = np.append(ends[_STRIDE - 1 :: _STRIDE], ends[-1:])
        first = rows[::_STRIDE]
        if in_order and not grants.outside(first, last[: len(first)]).any():
            window.end = int(ends[-1])
            return
        self._step(batch, window, rows, numbers, ends, grants.outside(rows, ends), grants)

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


def _by_connection(batch: Batch, rows: Column) -> tuple[dict[int, slice], Column]:
    """Rows of messages ordered by connection, and where those of each connection stand."""
    if len(rows) == 0:
        return {}, rows
    connection = batch.units.connection[batch.messages.unit[rows]]
    order = stable_order(connection)
    connection = connection[order]
    edges = [0, *(np.flatnonzero(connection[1:] != connection[:-1]) + 1).tolist(), len(rows)]
    return {int(connection[first]): slice(first, last) for first, last in pairwise(edges)}, rows[order]
