"""Where many rows wait until the capture has been read: in memory, in a temporary file, or nowhere.

They wait because the last packet may still change what is known of the first: keys that are proved late.
Rows are columns of the fields of one dtype: tables are made of columns, and a column alone is copied fastest.
"""

import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from parsers.smb2.rows import Columns

__all__ = ["MemoryRows", "NoRows", "RowStore", "Spool"]

_MANY = 1 << 16  # rows: from here on there is room for many more, so that they need not be moved again
_ROOM = 1 << 22  # rows: memory that is never written to costs nothing
_IN_MEMORY = 32 << 20  # bytes that a spool holds before it begins a file: most captures never need one


class RowStore(Protocol):
    """Takes rows in order and gives them back in order, as often as asked. What it gives must not be changed."""

    def append(self, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Add rows at the end: a column for each field of the dtype."""
        ...

    def whole(self) -> Columns:
        """All rows."""
        ...

    def pieces(self, size: int) -> Iterator[Columns]:
        """All rows, at most `size` at once; at least one piece, which may be empty."""
        ...


class NoRows:
    """Keeps nothing: for tables that do not show them."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype

    def append(self, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Forget the rows."""

    def whole(self) -> Columns:
        """No rows."""
        return _columns(self._dtype, 0)

    def pieces(self, size: int) -> Iterator[Columns]:  # noqa: ARG002
        """No rows."""
        yield self.whole()


class MemoryRows:
    """Keeps the rows in memory, in columns with spare room that tables can use as they are."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._columns = _columns(dtype, 0)
        self._room = self._size = 0

    def append(self, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Add rows at the end."""
        needed = self._size + _count(rows)
        if needed > self._room:
            self._grow(needed if needed < _MANY else max(2 * needed, _ROOM))
        for name, column in self._columns.items():
            column[self._size : needed] = rows[name]
        self._size = needed

    def _grow(self, room: int) -> None:
        for name, column in self._columns.items():
            self._columns[name] = np.empty(room, column.dtype)
            self._columns[name][: self._size] = column[: self._size]
        self._room = room

    def whole(self) -> Columns:
        """All rows."""
        return {name: column[: self._size] for name, column in self._columns.items()}

    def pieces(self, size: int) -> Iterator[Columns]:
        """All rows, at most `size` at once."""
        return _cut(self.whole(), size)


class Spool:
    """Keeps the rows in a temporary file that has no name, so that memory does not grow with the capture.

    A context manager: the file is gone when the block ends.
    """

    def __init__(self, dtype: np.dtype[Any], folder: str | None = None) -> None:
        """Begin without rows.

        Args:
            dtype: of the rows.
            folder: where the file is made once it is needed; None is the system's place for such files.
        """
        self._dtype = dtype
        self._counts: list[int] = []  # rows of each `append`, which stand one column behind the other
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=folder)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        """Add rows at the end."""
        self._counts.append(_count(rows))
        for name in self._dtype.names or ():
            self._file.write(np.ascontiguousarray(rows[name], self._dtype[name]).data)

    def whole(self) -> Columns:
        """All rows."""
        parts = list(self._parts())
        return {name: np.concatenate([part[name] for part in parts]) for name in self._dtype.names or ()}

    def pieces(self, size: int) -> Iterator[Columns]:
        """All rows, at most `size` at once."""
        for part in self._parts():
            yield from _cut(part, size)

    def _parts(self) -> Iterator[Columns]:
        """What was appended; first a part without rows, so that there is one."""
        yield _columns(self._dtype, 0)
        self._file.seek(0)
        for count in self._counts:
            part = _columns(self._dtype, count)
            for column in part.values():
                self._file.readinto(column.data)
            yield part


def _columns(dtype: np.dtype[Any], count: int) -> Columns:
    return {name: np.empty(count, dtype[name]) for name in dtype.names or ()}


def _count(rows: Mapping[str, npt.NDArray[Any]]) -> int:
    return len(next(iter(rows.values())))


def _cut(rows: Columns, size: int) -> Iterator[Columns]:
    for start in range(0, max(_count(rows), 1), size):
        yield {name: column[start : start + size] for name, column in rows.items()}
