"""Credits of every connection over time: what the client may still ask, and how much it has asked (MS-SMB2 3.3.1.1)."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.flows import stable_order
from parsers import ntstatus
from parsers.capture.packets import PacketBlock
from parsers.growing import GrowingTable
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import UNSOLICITED
from parsers.smb2.header import Command, Flags
from parsers.transport.ip import Segments

__all__ = ["CREDIT", "EXHAUSTION", "CreditEvidence"]

Column = npt.NDArray[np.int64]
Rows = npt.NDArray[Any]

CREDIT = np.dtype(
    [
        ("connection", "i4"), ("frame", "i8"), ("time", "i8"), ("available", "i4"), ("least", "i4"),
        ("outstanding", "i4"),
    ]
)  # fmt: skip
"""After the last message of each tenth of a second: credits left, the least there were in it, requests without answer.

Numbers are exact for connections in `known`; for others they only show changes.
"""

EXHAUSTION = np.dtype(
    [
        ("connection", "i4"), ("start", "i8"), ("start_frame", "i8"), ("end", "i8"), ("end_frame", "i8"),
        ("outstanding", "i4"),
    ]
)  # fmt: skip
"""The client had no credit left from `start`, a request, to `end`, the next response that granted some; 0: none did."""

_BIN = 27  # bits of a nanosecond time: 134 ms
_LEAST_EXHAUSTION = 10_000_000  # ns; a shorter want is that of a client which asks one thing at a time
_FIRST_MESSAGES = 8  # of a connection, which has one credit until it has logged on


@dataclass(slots=True)
class _Balance:
    available: int
    outstanding: int
    seen: int
    exhausted: tuple[int, int, int] | None = None  # time, frame, outstanding


@dataclass(slots=True)
class CreditEvidence:
    """Feed it as a sink of `parsers.pipeline.decode`.

    `known` are the connections whose credits were counted from the first message on, none of them unread.
    """

    known: set[int] = field(default_factory=set)
    _balances: dict[int, _Balance] = field(default_factory=dict)
    _series: GrowingTable = field(default_factory=lambda: GrowingTable(CREDIT))
    _exhaustions: GrowingTable = field(default_factory=lambda: GrowingTable(EXHAUSTION))

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        messages, units = batch.messages, batch.units
        if len(messages) == 0:
            return
        connection = units.connection[messages.unit]
        self.known.difference_update(np.unique(connection[~messages.known]).tolist())
        rows = np.flatnonzero(messages.known & (messages.header["message_id"] != UNSOLICITED))
        if len(rows) == 0:
            return
        rows = rows[stable_order(connection[rows])]
        connection, header = connection[rows], messages.header
        command, flags = header["command"][rows], header["flags"][rows]
        response = (flags & Flags.SERVER_TO_REDIR.value) != 0
        # CANCEL takes no credit (MS-SMB2 3.2.4.24); CreditCharge 0 counts as 1 (3.3.5.2.3).
        charge = np.where(command == Command.CANCEL, 0, np.maximum(header["credit_charge"][rows], 1).astype(np.int64))
        change = np.where(response, header["credits"][rows].astype(np.int64), -charge)
        final = response & (header["status"][rows] != ntstatus.STATUS_PENDING)
        asked = np.where(final, -1, (~response & (command != Command.CANCEL)).astype(np.int64))
        unit = messages.unit[rows]
        frame, time = units.last_frame[unit], units.last_time[unit]
        edges = np.append(np.flatnonzero(np.diff(connection, prepend=-1)), len(rows)).tolist()
        for first, last in pairwise(edges):
            number, part = int(connection[first]), slice(first, last)
            balance = self._balances.get(number)
            if balance is None:
                balance = self._begin(number, int(command[first]), int(header["message_id"][rows[first]]))
                if response[first] and number in self.known:
                    balance.available -= 1  # the SMB1 NEGOTIATE before it took MessageId 0 (MS-SMB2 3.3.5.3)
            self._follow(number, balance, change[part], asked[part], frame[part], time[part])

    @property
    def series(self) -> Rows:
        """Rows of `CREDIT`, by connection, in order of frames."""
        rows = self._series.rows
        return rows[np.lexsort((rows["frame"], rows["connection"]))]

    @property
    def exhaustions(self) -> Rows:
        """Rows of `EXHAUSTION` of the connections in `known`, in order of frames; of 10 ms and more, or without end."""
        open_ones = [
            (number, balance.exhausted[0], balance.exhausted[1], 0, 0, balance.exhausted[2])
            for number, balance in self._balances.items()
            if balance.exhausted is not None and balance.seen >= _FIRST_MESSAGES
        ]
        rows = np.concatenate([self._exhaustions.rows, np.array(open_ones, EXHAUSTION)])
        rows = rows[np.isin(rows["connection"], list(self.known))]
        return rows[np.argsort(rows["start_frame"], kind="stable")]

    def _begin(self, number: int, command: int, message_id: int) -> _Balance:
        """A connection begins with one credit (MS-SMB2 3.3.1.1), if this is where it begins."""
        balance = self._balances[number] = _Balance(0, 0, 0)
        if command == Command.NEGOTIATE and message_id == 0:
            self.known.add(number)
            balance.available = 1
        return balance

    def _follow(
        self, number: int, balance: _Balance, change: Column, asked: Column, frame: Column, time: Column
    ) -> None:
        available = balance.available + np.cumsum(change)
        outstanding = np.maximum(balance.outstanding + np.cumsum(asked), 0)
        place = time >> _BIN
        last = np.append(place[1:] != place[:-1], True)
        starts = np.append(0, np.flatnonzero(last)[:-1] + 1)
        new = np.zeros(int(last.sum()), CREDIT)
        new["connection"], new["frame"], new["time"] = number, frame[last], time[last]
        new["available"], new["outstanding"] = available[last], outstanding[last]
        new["least"] = np.minimum.reduceat(available, starts)
        self._series.append(new)
        if number in self.known:
            self._note_exhaustion(number, balance, available, outstanding, frame, time)
        balance.available, balance.outstanding = int(available[-1]), int(outstanding[-1])
        balance.seen += len(change)

    def _note_exhaustion(
        self, number: int, balance: _Balance, available: Column, outstanding: Column, frame: Column, time: Column
    ) -> None:
        """Where the credits run out, and where there are some again."""
        empty = available <= 0
        turns = np.flatnonzero(np.diff(empty, prepend=balance.exhausted is not None))
        for row in turns.tolist():
            if empty[row]:
                balance.exhausted = int(time[row]), int(frame[row]), int(outstanding[row])
                continue
            assert balance.exhausted is not None  # turns alternate
            start, start_frame, waiting = balance.exhausted
            balance.exhausted = None
            if time[row] - start >= _LEAST_EXHAUSTION and balance.seen + row >= _FIRST_MESSAGES:
                found = (number, start, start_frame, time[row], frame[row], waiting)
                self._exhaustions.append(np.array([found], EXHAUSTION))
