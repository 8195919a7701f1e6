"""Kerberos messages in what the transports deliver: behind their length in a TCP stream, alone in a UDP datagram.

RFC 4120 7.2.1 and 7.2.2. A message is told by its bytes: the tag of a request, an answer or an error, and DER lengths
that fill the message exactly.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos.names import MessageType
from parsers.layout import Buffer, everywhere
from parsers.transport.streams import Pieces
from parsers.transport.udp import Datagrams

__all__ = ["MAX_MESSAGE", "PREFIX", "Record", "RecordStream", "Skipped", "begins_message", "find_datagrams"]

PREFIX = 4
"""Bytes of the length before a message in a stream."""

MAX_MESSAGE = 1 << 20
"""The longest message that is waited for; tickets with the largest PAC have a tenth of it."""

_TYPES = (
    MessageType.AS_REQ, MessageType.AS_REP, MessageType.TGS_REQ, MessageType.TGS_REP, MessageType.KRB_ERROR,
)  # fmt: skip
_TAGS = tuple(der.application(kind) for kind in _TYPES)
_HEAD = 16  # the headers of the message and of the SEQUENCE in it have 12 bytes at most


class Record(NamedTuple):
    """One message as it was captured. Times in nanoseconds; `position` is that of its first byte in the stream.

    `length` counts what was captured with the prefix, `missing` what the snap length cut off.
    """

    data: bytes
    position: int
    length: int
    missing: int
    first_frame: int
    last_frame: int
    first_time: int
    last_time: int


class Skipped(NamedTuple):
    """Bytes of a stream that are no message, and why."""

    position: int
    length: int
    frame: int
    reason: str


def begins_message(head: Buffer, size: int) -> bool | None:
    """Whether a message of `size` bytes may begin with these; None if they are too few to tell."""
    view = memoryview(head)
    if len(view) == 0:
        return None
    if view[0] not in _TAGS:
        return False
    try:
        announced = der.announced_size(view)
        if announced is None:
            return None
        inside = 2 + (view[1] & 0x7F if view[1] & 0x80 else 0)
        inner = der.announced_size(view[inside:])
    except ParseError:
        return False
    if announced != size or view[inside : inside + 1] not in (b"", bytes([der.SEQUENCE])):
        return False
    return None if inner is None else inner == size - inside


class RecordStream:
    """Cuts one direction of a TCP stream into messages.

    Where no message begins, the rest of the direction is passed over, until bytes were lost: behind a gap a message
    may begin again.

    Attributes:
        skipped: what was passed over so far.
    """

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self._data = bytearray()  # from `_position` on
        self._position = 0
        self._lost = False
        self._ends: list[int] = []  # where each piece in `_data` ends, and its frame and time
        self._frames: list[int] = []
        self._times: list[int] = []

    def feed(self, pieces: Pieces) -> Iterator[Record]:
        """The messages that end in these bytes."""
        for run in pieces.runs():
            if int(run.position[0]) != self._position + len(self._data):
                self._give_up("the end of the message was lost")
                self._position, self._lost = int(run.position[0]), False
            self._append(run)
            yield from self._cut()

    def finish(self) -> None:
        """Nothing more will come."""
        self._give_up("the end of the message is not in the capture")

    def _append(self, run: Pieces) -> None:
        start = len(self._data)
        self._data.extend(bytes(run.size))
        run.copy_into(memoryview(self._data), start)
        self._ends += (run.position + run.length).tolist()
        self._frames += run.frame.tolist()
        self._times += run.time.tolist()

    def _cut(self) -> Iterator[Record]:
        while not self._lost and len(self._data) >= PREFIX:
            size = int.from_bytes(self._data[:PREFIX], "big")
            if size > MAX_MESSAGE or begins_message(self._data[PREFIX : PREFIX + _HEAD], size) is False:
                self._lost = True
            elif len(self._data) < PREFIX + size:
                return
            else:
                yield self._record(PREFIX + size)
        if self._lost:
            self._give_up("no Kerberos message begins here")

    def _record(self, length: int) -> Record:
        first, last = 0, bisect_left(self._ends, self._position + length)
        record = Record(
            bytes(self._data[PREFIX:length]), self._position, length, 0,
            self._frames[first], self._frames[last], self._times[first], self._times[last],
        )  # fmt: skip
        self._drop(length)
        return record

    def _give_up(self, reason: str) -> None:
        if self._data:
            self.skipped.append(Skipped(self._position, len(self._data), self._frames[-1], reason))
            self._drop(len(self._data))

    def _drop(self, length: int) -> None:
        del self._data[:length]
        self._position += length
        done = bisect_left(self._ends, self._position + 1)
        del self._ends[:done], self._frames[:done], self._times[:done]


def find_datagrams(tables: Sequence[Datagrams]) -> list[tuple[Datagrams, int, Record]]:
    """The datagrams that are messages, in order of frames: the table, the row in it, and the message.

    Of a message that the snap length cut, `data` is what was captured.
    """
    found = []
    for table in tables:
        tags = everywhere(table.buffer, "u1")[np.where(table.length > 0, table.offset, 0)]
        for row in np.flatnonzero((table.length > 0) & np.isin(tags, _TAGS)).tolist():
            start, length, missing = int(table.offset[row]), int(table.length[row]), int(table.missing[row])
            payload = memoryview(table.buffer)[start : start + length]
            if begins_message(payload[:_HEAD], length + missing):
                frame, time = int(table.frame[row]), int(table.time[row])
                found.append((table, row, Record(bytes(payload), 0, length, missing, frame, frame, time, time)))
    return sorted(found, key=lambda entry: entry[2].last_frame)
