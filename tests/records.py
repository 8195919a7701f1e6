"""Columns as records, which tests compare and index more easily."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["columns", "records"]


def records(rows: Mapping[str, np.ndarray[Any, Any]], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """A structured array of the columns that the dtype names."""
    names: Sequence[str] = dtype.names or ()
    made = np.empty(len(rows[names[0]]), dtype)
    for name in names:
        made[name] = rows[name]
    return made


def columns(rows: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """The fields of a structured array, each an array of its own."""
    return {name: rows[name].copy() for name in rows.dtype.names or ()}
