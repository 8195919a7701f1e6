"""Which bytes of a file are there: ranges that come in any order, overlap and repeat, kept apart."""

from collections.abc import Iterator

__all__ = ["ByteRanges"]

_FEW = 1024  # ranges that are kept as they come


class ByteRanges:
    """A set of bytes, as ranges [start, end). Data in order costs one comparison a piece and no memory."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []
        self._limit = _FEW

    def add(self, start: int, end: int) -> None:
        """Bytes from `start` to before `end` are there; `end` is not before `start`."""
        if self._ranges:
            first, last = self._ranges[-1]
            if first <= start <= last:
                self._ranges[-1] = first, max(last, end)
                return
        self._ranges.append((start, end))
        if len(self._ranges) > self._limit:
            self._merge()
            self._limit = max(_FEW, 2 * len(self._ranges))

    @property
    def size(self) -> int:
        """How many bytes are there."""
        self._merge()
        return sum(end - start for start, end in self._ranges)

    @property
    def end(self) -> int:
        """Behind the last of them."""
        return max((end for _, end in self._ranges), default=0)

    def missing(self, size: int) -> Iterator[tuple[int, int]]:
        """The ranges of [0, size) that are not there, in order."""
        self._merge()
        at = 0
        for start, end in self._ranges:
            if at < min(start, size):
                yield at, min(start, size)
            at = end
        if at < size:
            yield at, size

    def _merge(self) -> None:
        merged: list[tuple[int, int]] = []
        for start, end in sorted(self._ranges):
            if merged and start <= merged[-1][1]:
                merged[-1] = merged[-1][0], max(merged[-1][1], end)
            else:
                merged.append((start, end))
        self._ranges = merged
