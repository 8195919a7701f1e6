"""Where many rows wait until the capture has been read: in memory, in a temporary file, or nowhere.

They wait because the last packet may still change what is known of the first: keys that are proved late.
"""

import tempfile
from collections.abc import Iterator
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["MemoryRows", "NoRows", "RowStore", "Spool"]

Rows: TypeAlias = npt.NDArray[Any]

_IN_MEMORY = 32 << 20  # bytes that a spool holds before it begins a file: most captures never need one


class RowStore(Protocol):
    """Takes rows of one dtype in order and gives them back in order, as often as asked."""

    def append(self, rows: Rows) -> None:
        """Add rows at the end."""
        ...

    def pieces(self, size: int) -> Iterator[Rows]:
        """All rows, at most `size` at once."""
        ...


class NoRows:
    """Keeps nothing: for tables that do not show them."""

    def append(self, rows: Rows) -> None:
        """Forget the rows."""

    def pieces(self, size: int) -> Iterator[Rows]:  # noqa: ARG002
        """No rows."""
        return iter(())


class MemoryRows:
    """Keeps the rows in memory."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []

    def append(self, rows: Rows) -> None:
        """Add rows at the end."""
        self._parts.append(rows)

    def pieces(self, size: int) -> Iterator[Rows]:
        """All rows, at most `size` at once."""
        for part in self._parts:
            for start in range(0, len(part), size):
                yield part[start : start + size]


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
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=folder)  # noqa: SIM115  # closed by __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, rows: Rows) -> None:
        """Add rows at the end."""
        self._file.write(rows.tobytes())

    def pieces(self, size: int) -> Iterator[Rows]:
        """All rows, at most `size` at once."""
        self._file.seek(0)
        while piece := self._file.read(size * self._dtype.itemsize):
            yield np.frombuffer(piece, self._dtype)
