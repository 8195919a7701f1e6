"""Segments that only one of two captures has: lost on the way, missed by a capture, forged, or only cut differently."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.transport.ip import RST
from parsers.transport.tcp import signed_distance

__all__ = ["KINDS", "Fate", "Side", "judge"]

Column = npt.NDArray[np.int64]
Rows = npt.NDArray[Any]


class Fate(StrEnum):
    """What became of a segment that only one capture has."""

    LOST = "lost"  # the capture on its sender's side has it: it did not arrive
    NOT_CAPTURED = "not_captured"  # it arrived, but the capture on its sender's side lacks it
    FORGED_RESET = "forged_reset"  # a RST that arrived and that its sender's side never sent
    RESEGMENTED = "resegmented"  # the other capture has its bytes in other pieces: offloading in a network card
    CAPTURE_EDGE = "capture_edge"  # the other capture had not begun, or had ended


KINDS = tuple(Fate)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two captures as the other sees it.

    Attributes:
        rows: all its segments (`analyzer.compare.trace.SEGMENT`).
        own: which of them the other capture lacks.
        towards: of each of `own`, whether it passed this capture first: its sender is on this side.
        expected: of each of `own`, when the other capture should have it, by its clock.
    """

    rows: Rows
    own: Column
    towards: npt.NDArray[np.bool_]
    expected: Column


def judge(side: Side, other: Side, partner: Column) -> tuple[Column, Column]:
    """What became of the segments that only `side` has.

    Args:
        side: has them.
        other: lacks them.
        partner: the connection of `other` by that of `side`.

    Returns:
        Of each of `side.own`: place in `KINDS`, and bytes of payload that `other` lacks, int64 both.
    """
    rows = side.rows[side.own]
    lacking = _lacking(rows, other.rows[other.own], partner)
    payload = rows["length"].astype(np.int64)
    kind = np.where(side.towards, KINDS.index(Fate.LOST), KINDS.index(Fate.NOT_CAPTURED))
    kind[~side.towards & (rows["flags"] & RST != 0)] = KINDS.index(Fate.FORGED_RESET)
    kind[(payload > 0) & (lacking == 0)] = KINDS.index(Fate.RESEGMENTED)
    times = other.rows["time"]
    outside = (side.expected < times.min()) | (side.expected > times.max())
    kind[outside] = KINDS.index(Fate.CAPTURE_EDGE)
    return kind, lacking


def _lacking(rows: Rows, others: Rows, partner: Column) -> Column:
    """How many bytes of each segment are in none of the other capture's unmatched segments."""
    lacking = rows["length"].astype(np.int64)
    theirs = _by_way(others["connection"].astype(np.int64), others)
    for way, mine in _by_way(partner[rows["connection"]], rows).items():
        if way in theirs:
            zero = int(rows["sequence"][mine[0]])
            start = _positions(rows["sequence"][mine], zero)
            lacking[mine] -= _covered(start, start + lacking[mine], *_union(others[theirs[way]], zero))
    return lacking


def _by_way(connection: Column, rows: Rows) -> dict[int, Column]:
    """The rows that carry payload, by connection and sender."""
    loaded = np.flatnonzero(rows["length"] > 0)
    way = connection[loaded] * 2 + rows["sender"][loaded]
    order = np.argsort(way, kind="stable")
    numbers, begins = np.unique(way[order], return_index=True)
    parts = np.split(loaded[order], begins[1:])
    return dict(zip(numbers.tolist(), parts, strict=False))


def _positions(sequence: npt.NDArray[np.uint32], zero: int) -> Column:
    """Sequence numbers in a row, however often they pass zero: each is near the one before."""
    numbers = sequence.astype(np.int64)
    first = signed_distance(numbers[:1], zero)
    return np.cumsum(np.concatenate([first, signed_distance(numbers[1:] - numbers[:-1], 0)]))


def _union(rows: Rows, zero: int) -> tuple[Column, Column]:
    """The ranges of bytes that segments hold: begins and ends, in order and apart from each other."""
    start = _positions(rows["sequence"], zero)
    end = start + rows["length"]
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order])
    begins = np.append(True, start[1:] > end[:-1])
    return start[begins], end[np.append(begins[1:], True)]


def _covered(start: Column, end: Column, begins: Column, ends: Column) -> Column:
    """How many bytes of each range lie in the given ranges."""
    before = np.append(0, np.cumsum(ends - begins))

    def below(position: Column) -> Column:
        place = np.searchsorted(begins, position, side="right")
        reach = np.minimum(position, np.append(0, ends)[place]) - np.append(0, begins)[place]
        return np.where(place > 0, before[place - 1] + reach, 0)

    return below(end) - below(start)
