"""Reassembly of one direction of a TCP connection, in columns.

Segments that follow one another are passed on as they are. Only when something overlaps, is lost or comes in
disorder are they sorted; then one running maximum of segment ends finds retransmissions, overlaps and holes at once.
Of bytes that were sent twice the first in sequence counts.

A hole is waited for until it cannot be filled any more: the peer has acknowledged what lies in it (so it was lost in
the capture, not in the network), or too much waits behind it, or the capture ends. Then it is a gap.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parsers.layout import Buffer
from parsers.times import NANOSECONDS
from parsers.transport.streams import Pieces

__all__ = ["Arrivals", "Direction", "signed_distance"]

_CAPTURE_DISORDER = 1 * NANOSECONDS  # how much later than its acknowledgment a captured segment may stand
_RETRANSMISSION_LIMIT = 120 * NANOSECONDS  # TCP gives up after about that long (RFC 9293 3.8.3: at least 100 s)
_MAX_WAITING_BYTES = 32 << 20  # more than a receive window holds; bounds the memory of one direction
_MAX_WAITING_SEGMENTS = 1 << 16  # the same bound against floods of tiny segments

Column = npt.NDArray[np.int64]


def signed_distance(sequence: Column, reference: int) -> Column:
    """How far each 32-bit sequence number lies ahead of `reference`: -2**31 to 2**31 - 1 (RFC 9293 3.4)."""
    return ((sequence - reference + 2**31) & 0xFFFF_FFFF) - 2**31


@dataclass(slots=True)
class Arrivals:
    """Segments of one direction in order of frames: the columns of `Segments` that reassembly needs."""

    buffer: Buffer
    sequence: Column
    offset: Column
    length: Column
    missing: Column
    frame: Column
    time: Column


class Direction:
    """One direction of a connection.

    `captured`, `delivered` and `gaps` count bytes: payload seen, payload passed on, and payload known to be missing
    between delivered bytes. `waiting` is payload held back behind a hole. What was captured and is neither delivered
    nor waiting had been there before: `retransmitted`.
    """

    def __init__(self) -> None:
        self.captured = 0
        self.delivered = 0
        self.gaps = 0
        self.snapped = 0
        self.started = False
        self._next = 0  # stream position that must come next
        self._next_sequence = 0  # the 32-bit sequence number of that position
        self._acknowledged = 0  # stream position up to which the peer has acknowledged
        self._waiting: Pieces | None = None
        self._waiting_missing = np.empty(0, np.int64)
        self.initial_sequence: int | None = None

    @property
    def waiting(self) -> int:
        """Bytes held back behind a hole."""
        return 0 if self._waiting is None else self._waiting.size

    @property
    def retransmitted(self) -> int:
        """Bytes that were captured more than once."""
        return self.captured - self.delivered - self.waiting

    def start(self, initial_sequence: int) -> None:
        """The first byte follows this sequence number: that of a SYN. What says the same again changes nothing."""
        if self.initial_sequence == initial_sequence:
            return
        self.initial_sequence = initial_sequence
        self.started = True
        self._next_sequence = (initial_sequence + 1) & 0xFFFF_FFFF

    def feed(self, arrivals: Arrivals, acknowledgments: Column, now: int) -> Pieces | None:
        """Take what a block has of this direction; return what can be passed on now.

        Args:
            arrivals: the segments with payload.
            acknowledgments: what the peer acknowledged meanwhile (32-bit numbers, any order).
            now: time of the connection's last segment in the block, nanoseconds.
        """
        arrived = len(arrivals.sequence) > 0
        if arrived and not self.started:
            self._start_in_mid_stream(arrivals.sequence)
        self._acknowledge(acknowledgments)
        if not arrived and self._waiting is None:
            return None
        self.captured += int(arrivals.length.sum())
        position = self._next + signed_distance(arrivals.sequence, self._next_sequence)
        end = position + arrivals.length + arrivals.missing
        if self._waiting is None and position[0] == self._next and bool(np.all(position[1:] == end[:-1])):
            pieces = Pieces(arrivals.buffer, position, arrivals.offset, arrivals.length, arrivals.frame, arrivals.time)
            self._advance(int(end[-1]))
            return self._deliver(pieces, arrivals.missing)
        return self._feed_sorted(*self._with_waiting(arrivals, position), now)

    def finish(self) -> Pieces | None:
        """Nothing more will come: pass on what waits, the holes in between are gaps."""
        if self._waiting is None:
            return None
        pieces, missing = self._waiting, self._waiting_missing
        self._waiting = None
        return self._cut_overlap(pieces, missing, len(pieces))

    def _start_in_mid_stream(self, sequence: Column) -> None:
        """The capture begins inside: of the first segments the lowest sequence number is position 0."""
        self.started = True
        first = int(sequence[0])
        self._next_sequence = (first + int(signed_distance(sequence[:64], first).min())) & 0xFFFF_FFFF

    def _acknowledge(self, numbers: Column) -> None:
        if self.started and len(numbers):
            distance = signed_distance(numbers, self._next_sequence)
            self._acknowledged = max(self._acknowledged, self._next + int(distance.max()))

    def _advance(self, position: int) -> None:
        self._next_sequence = (self._next_sequence + position - self._next) & 0xFFFF_FFFF
        self._next = position

    def _deliver(self, pieces: Pieces, missing: Column) -> Pieces | None:
        snapped = int(missing.sum())
        if snapped:
            pieces = _take(pieces, np.flatnonzero(pieces.length > 0))
        self.delivered += pieces.size
        self.snapped += snapped
        return pieces if len(pieces) else None

    def _with_waiting(self, arrivals: Arrivals, position: Column) -> tuple[Pieces, Column]:
        """What waited and what has come, ordered by position; of equals the earlier captured first."""
        new = Pieces(arrivals.buffer, position, arrivals.offset, arrivals.length, arrivals.frame, arrivals.time)
        old = self._waiting
        missing: Column = arrivals.missing
        if old is not None:
            missing = np.concatenate([self._waiting_missing, missing])
            new = Pieces(
                arrivals.buffer,
                np.concatenate([old.position, new.position]),
                np.concatenate([old.offset, new.offset]),
                np.concatenate([old.length, new.length]),
                np.concatenate([old.frame, new.frame]),
                np.concatenate([old.time, new.time]),
                old.kept,
                np.arange(len(old) + len(new)) < len(old),
            )
        order = np.argsort(new.position, kind="stable")
        return _take(new, order), missing[order]

    def _feed_sorted(self, pieces: Pieces, missing: Column, now: int) -> Pieces | None:
        end = pieces.position + pieces.length + missing
        covered = np.maximum.accumulate(np.concatenate([np.array([self._next]), end]))[:-1]
        holes = np.flatnonzero(pieces.position > covered)
        ready = self._first_open_hole(pieces, holes, now)
        delivered = self._cut_overlap(pieces, missing, ready)
        self._keep(pieces.slice(ready, len(pieces)), missing[ready:])
        return delivered

    def _first_open_hole(self, pieces: Pieces, holes: Column, now: int) -> int:
        """The row of the first hole that may still be filled; the number of rows where there is none."""
        if len(holes) == 0:
            return len(pieces)
        first_row = int(holes[0])
        behind = len(pieces) - first_row
        if behind > _MAX_WAITING_SEGMENTS or int(pieces.length[first_row:].sum()) > _MAX_WAITING_BYTES:
            return len(pieces)
        age = now - pieces.time[holes]
        acknowledged = pieces.position[holes] <= self._acknowledged
        lost = (acknowledged & (age > _CAPTURE_DISORDER)) | (age > _RETRANSMISSION_LIMIT)
        open_holes = holes[~lost]
        return int(open_holes[0]) if len(open_holes) else len(pieces)

    def _cut_overlap(self, pieces: Pieces, missing: Column, rows: int) -> Pieces | None:
        """Deliver the first `rows` sorted pieces without the bytes that were delivered before."""
        if rows == 0:
            return None
        pieces, missing = pieces.slice(0, rows), missing[:rows]
        captured_end = pieces.position + pieces.length
        end = captured_end + missing
        covered = np.maximum.accumulate(np.concatenate([np.array([self._next]), end]))
        start = np.maximum(pieces.position, covered[:-1])
        self.gaps += int(np.maximum(pieces.position - covered[:-1], 0).sum())
        self._advance(int(covered[-1]))
        pieces.offset += start - pieces.position
        pieces.position = start
        pieces.length = np.maximum(captured_end - start, 0)
        snapped = np.maximum(end - np.maximum(start, captured_end), 0)
        fresh = np.flatnonzero(pieces.length > 0)
        self.snapped += int(snapped.sum())
        if len(fresh) == 0:
            return None
        kept = _take(pieces, fresh)
        self.delivered += kept.size
        return kept

    def _keep(self, pieces: Pieces, missing: Column) -> None:
        """Hold pieces back; their bytes are copied, because the block's buffer will be reused."""
        if len(pieces) == 0:
            self._waiting = None
            return
        copy = bytearray(pieces.size)
        pieces.copy_into(memoryview(copy), 0)
        ends = np.cumsum(pieces.length)
        self._waiting = Pieces(
            b"", pieces.position, ends - pieces.length, pieces.length, pieces.frame, pieces.time, bytes(copy),
            np.ones(len(pieces), np.bool_),
        )  # fmt: skip
        self._waiting_missing = missing


def _take(pieces: Pieces, rows: Column) -> Pieces:
    return Pieces(
        pieces.buffer,
        pieces.position[rows],
        pieces.offset[rows],
        pieces.length[rows],
        pieces.frame[rows],
        pieces.time[rows],
        pieces.kept,
        None if pieces.is_kept is None else pieces.is_kept[rows],
    )
