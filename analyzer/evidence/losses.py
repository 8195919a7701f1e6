"""Holes in the streams, and what becomes of them: retransmission, reordering, or loss of the capture itself.

A segment that lies below the highest position seen has been sent again, or was overtaken. What had been captured
before was sent again. What fills a hole was overtaken if its sender had no time to learn of the hole: before one
round trip to the sender has passed, it cannot know. Where both packets carry a counted IPv4 identification, the
order in which they left is certain.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from analyzer.evidence.marks import Mark
from parsers.layout import Buffer

__all__ = ["Hole", "Holes", "Late", "identification"]

_MAX_HOLES = 1 << 12  # of one direction; a receive window of segments has fewer
_LEAST_ROUND_TRIP = 3_000_000  # ns; where the round trip is not known, or shorter than what a capture can order
_COUNTED = 1 << 10  # identifications that lie closer are of one counter; random ones seldom do
_TCP = 6


@dataclass(slots=True)
class Hole:
    """Positions `start` to `end` that were not captured when something behind them was, at `frame` and `time`."""

    start: int
    end: int
    frame: int
    time: int
    identification: int


@dataclass(frozen=True, slots=True)
class Late:
    """A segment below the highest position. `confirmed` is what its receiver had acknowledged by then."""

    position: int
    end: int
    time: int
    identification: int
    confirmed: int


class Holes:
    """The open holes of every direction, by connection and side."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], list[Hole]] = defaultdict(list)

    def open(self, way: tuple[int, int], hole: Hole) -> None:
        """Something was captured behind bytes that were not."""
        holes = self._open[way]
        if len(holes) == _MAX_HOLES:
            del holes[0]
        holes.append(hole)

    def judge(self, way: tuple[int, int], late: Late, round_trip: int | None) -> tuple[Mark, int]:
        """What a late segment is, and when the hole opened that it fills (0 for none).

        Args:
            way: connection and side of its sender.
            late: the segment.
            round_trip: shortest time from the place of the capture to the sender and back, nanoseconds; None: unknown.
        """
        filled = self._fill(way, late)
        if filled is None:
            return (Mark.NEEDLESS if late.confirmed >= late.end else Mark.RETRANSMISSION), 0
        if late.confirmed >= late.end:  # it had arrived: only the capture shows it late
            return Mark.REORDERED, filled.time
        order = _order(filled.identification, late.identification)
        soon = late.time - filled.time < max(round_trip or 0, _LEAST_ROUND_TRIP)
        overtaken = soon if order is None else order < 0
        return (Mark.REORDERED if overtaken else Mark.RETRANSMISSION), filled.time

    def left(self) -> Iterator[tuple[tuple[int, int], Hole]]:
        """Every hole that nothing has filled, with its connection and side."""
        for way, holes in self._open.items():
            yield from ((way, hole) for hole in holes)

    def _fill(self, way: tuple[int, int], late: Late) -> Hole | None:
        """Take the segment's bytes out of the holes; returns the first hole that it fills."""
        holes = self._open.get(way)
        if not holes:
            return None
        first, rest = None, []
        for hole in holes:
            if late.end <= hole.start or late.position >= hole.end:
                rest.append(hole)
                continue
            first = first or hole
            for start, end in ((hole.start, late.position), (late.end, hole.end)):
                if start < end:
                    rest.append(Hole(start, end, hole.frame, hole.time, hole.identification))
        if first is not None:
            self._open[way] = rest
        return first


def identification(buffer: Buffer, payload: int, ports: bytes) -> int:
    """The Identification of the IPv4 header before a TCP segment (RFC 791 3.1); 0 where there is none.

    Args:
        buffer: holds the packet.
        payload: where the payload of the segment begins.
        ports: its source and destination port, as on the wire.
    """
    for size in range(20, 64, 4):
        start = payload - size
        if start < 20:
            return 0
        if buffer[start + 12] >> 4 == size // 4 and buffer[start : start + 4] == ports:
            header = start - 20  # without options, as nearly all are
            if buffer[header] == 0x45 and buffer[header + 9] == _TCP:
                return int.from_bytes(buffer[header + 4 : header + 6], "big")
            return 0
    return 0


def _order(earlier: int, later: int) -> int | None:
    """Below 0 where `later` was numbered before `earlier`; None where the numbers do not tell."""
    distance = ((later - earlier + 0x8000) & 0xFFFF) - 0x8000
    return distance if earlier and later and distance and abs(distance) < _COUNTED else None
