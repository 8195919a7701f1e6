"""Bytes of one direction in order, with the frame and time of each: what every protocol above TCP reads."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from parsers.layout import Buffer

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
        source = memoryview(self.buffer)
        if self.is_kept is None:
            for at, size in zip(self.offset.tolist(), self.length.tolist(), strict=True):
                end = start + size
                target[start:end] = source[at : at + size]
                start = end
            return
        sources = (source, memoryview(self.kept))
        for at, size, kept in zip(self.offset.tolist(), self.length.tolist(), self.is_kept.tolist(), strict=True):
            end = start + size
            target[start:end] = sources[kept][at : at + size]
            start = end

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
