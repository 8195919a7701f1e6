"""Bytes of one direction in order, with the frame and time of each: what every protocol above TCP reads."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from parsers.layout import Buffer, everywhere

__all__ = ["Pieces"]

Column = npt.NDArray[np.int64]


@dataclass(slots=True)
class Pieces:
    """What one block adds to one direction: pieces in stream order, none overlapping. Columns of shape (n,).

    `position` counts from the first byte of the direction; where a piece does not begin at the end of the one
    before, bytes are missing (a gap). A piece lies at `offset` in `buffer`, or in `kept` where `is_kept`
    says so (bytes that came out of order in an earlier block).
    """

    buffer: Buffer
    position: Column
    offset: Column
    length: Column
    frame: Column
    time: Column
    kept: bytes = b""
    is_kept: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.position)

    @property
    def size(self) -> int:
        """Bytes in all pieces."""
        return int(self.length.sum())

    def copy_into(self, target: memoryview, start: int) -> None:
        """Write the pieces one behind another into `target` from `start` on."""
        if len(self) == 1 and self.is_kept is None:
            at, size = int(self.offset[0]), int(self.length[0])
            target[start : start + size] = memoryview(self.buffer)[at : at + size]
            return
        ends = np.cumsum(self.length)
        places = ends - self.length + start
        if self.is_kept is None:
            _copy(self.buffer, self.offset, self.length, target, places)
            return
        for source, chosen in ((self.buffer, ~self.is_kept), (self.kept, self.is_kept)):
            _copy(source, self.offset[chosen], self.length[chosen], target, places[chosen])

    def slice(self, first: int, last: int) -> "Pieces":
        """The pieces `first` to `last` (exclusive)."""
        rows = slice(first, last)
        return Pieces(
            self.buffer,
            self.position[rows],
            self.offset[rows],
            self.length[rows],
            self.frame[rows],
            self.time[rows],
            self.kept,
            None if self.is_kept is None else self.is_kept[rows],
        )

    def runs(self) -> "list[Pieces]":
        """Cut at the gaps: each run is contiguous."""
        breaks = np.flatnonzero(self.position[1:] != self.position[:-1] + self.length[:-1]) + 1
        if len(breaks) == 0:
            return [self]
        edges = [0, *breaks.tolist(), len(self)]
        return [self.slice(first, last) for first, last in pairwise(edges)]


_WORTH_A_COLUMN = 24  # pieces of one length from which on copying them as a column is faster than one by one
_COLUMN_BYTES = 1 << 18  # of a column that is copied at once: what lies between stays in the cache


def _copy(source: Buffer, offsets: Column, lengths: Column, target: memoryview, places: Column) -> None:
    """Copy many pieces. Those of a length that is common go as one column of items of that size."""
    if len(offsets) == 0:
        return
    sizes = np.bincount(np.minimum(lengths, _LONGEST_COLUMN))
    common = sizes >= _WORTH_A_COLUMN
    common[0] = common[_LONGEST_COLUMN:] = False
    in_column = common[np.minimum(lengths, len(common) - 1)]
    for size in np.flatnonzero(common).tolist():
        rows = np.flatnonzero(lengths == size)
        item = np.dtype((np.void, size))
        there, here = everywhere(target, item), everywhere(source, item)
        step = max(_COLUMN_BYTES // size, 1)
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            there[places[part]] = here[offsets[part]]
    single = np.flatnonzero(~in_column)
    view = memoryview(source)
    columns = (offsets[single].tolist(), lengths[single].tolist(), places[single].tolist())
    for offset, length, place in zip(*columns, strict=True):
        target[place : place + length] = view[offset : offset + length]


_LONGEST_COLUMN = 9217  # longer segments than a jumbo frame holds are rare enough to copy one by one
