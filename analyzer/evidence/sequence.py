"""MessageIds and the window that the server grants (MS-SMB2 3.3.1.1, 3.3.5.2.3): outside of it, or used twice."""

from dataclasses import dataclass, field
from enum import IntEnum, auto
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.flows import stable_order
from parsers.capture.packets import PacketBlock
from parsers.growing import GrowingTable
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import UNSOLICITED
from parsers.smb2.header import Command, Flags
from parsers.transport.ip import Segments

__all__ = ["MISNUMBERED", "Misnumbering", "SequenceEvidence"]

Column = npt.NDArray[np.int64]
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


@dataclass(slots=True)
class SequenceEvidence:
    """Feed it as a sink of `parsers.pipeline.decode`.

    The rows mean something for connections in `CreditEvidence.known`, whose messages were all read from the first on.
    """

    _windows: dict[int, _Window] = field(default_factory=dict)
    _rows: GrowingTable = field(default_factory=lambda: GrowingTable(MISNUMBERED))

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        messages, header = batch.messages, batch.messages.header
        command, message_id = header["command"], header["message_id"]
        rows = np.flatnonzero(messages.known & (command != Command.CANCEL) & (message_id != UNSOLICITED))
        if len(rows) == 0:
            return
        connection = batch.units.connection[messages.unit[rows]]
        order = stable_order(connection)
        rows, connection = rows[order], connection[order]
        response = (header["flags"][rows] & Flags.SERVER_TO_REDIR.value) != 0
        charge = np.maximum(header["credit_charge"][rows], 1).astype(np.int64)
        numbers = np.minimum(message_id[rows], _LARGEST).astype(np.int64)
        credits_ = np.where(response, header["credits"][rows], 0).astype(np.int64)
        edges = np.append(np.flatnonzero(np.diff(connection, prepend=-1)), len(rows)).tolist()
        for first, last in pairwise(edges):
            window = self._windows.setdefault(int(connection[first]), _Window())
            part = slice(first, last)
            granted = window.granted + np.cumsum(credits_[part])
            asked = np.flatnonzero(~response[part])
            self._follow(batch, window, rows[part][asked], numbers[part][asked], charge[part][asked], granted[asked])
            window.granted = int(granted[-1])

    @property
    def rows(self) -> Rows:
        """Rows of `MISNUMBERED`, in order of frames."""
        rows = self._rows.rows
        return rows[np.argsort(rows["frame"], kind="stable")]

    def _follow(
        self, batch: Batch, window: _Window, rows: Column, numbers: Column, charge: Column, granted: Column
    ) -> None:
        """The requests of one connection in a block. Those that simply follow one another are done in columns."""
        if len(rows) == 0:
            return
        ends = numbers + charge
        outside = ends > granted
        reach = np.maximum.accumulate(np.where(outside, 0, ends))
        expected = np.append(window.end, np.maximum(reach[:-1], window.end))
        for index in np.flatnonzero(outside | (numbers != expected)).tolist():
            number = int(numbers[index])
            if outside[index]:
                self._note(batch, window, Misnumbering.OUTSIDE, int(rows[index]), int(granted[index]))
            elif number >= expected[index]:
                if len(window.holes) < _MOST_HOLES:
                    window.holes.update(range(int(expected[index]), number))
            elif number in window.holes:
                window.holes.difference_update(range(number, int(ends[index])))
            else:
                self._note(batch, window, Misnumbering.REUSED, int(rows[index]), int(granted[index]))
        window.end = max(window.end, int(reach[-1]))

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
