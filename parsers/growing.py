"""A table that grows: one structured array with spare room behind its last row."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["GrowingTable"]


class GrowingTable:
    """Rows of one dtype; appending costs the same however many there are. `rows` is a view, to read and to change."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._storage = np.empty(64, dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def rows(self) -> npt.NDArray[Any]:
        """All rows so far. A later `append` may move them: do not keep this."""
        return self._storage[: self._size]

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows at the end."""
        needed = self._size + len(rows)
        if needed > len(self._storage):
            grown = np.empty(max(needed, len(self._storage) * 4), self._storage.dtype)
            _copy(self.rows, grown[: self._size])
            self._storage = grown
        _copy(rows, self._storage[self._size : needed])
        self._size = needed


def _copy(source: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
    """Copy structures as they are: numpy would go field by field."""
    item = (np.void, source.dtype.itemsize)
    target.view(item)[:] = source.view(item)
