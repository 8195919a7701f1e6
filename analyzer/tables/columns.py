"""numpy columns -> pandas columns of the declared types, without a Python step per row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.tables.schema import TIME, Table
from analyzer.tables.text import encodable

__all__ = [
    "Codes",
    "Mask",
    "coded",
    "enumerated",
    "from_values",
    "masked",
    "named",
    "split_fields",
    "tabulate",
    "times",
]

Codes: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = npt.NDArray[Any]

_PIECE = 4096  # rows copied at once: they stay in the cache while each of their fields is taken


def tabulate(table: Table, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A DataFrame with the declared columns in the declared order; the arrays are used as they are, not copied."""
    return pd.DataFrame({name: columns[name] for name in table.names}, copy=False)


def split_fields(parts: Sequence[Rows], dtype: np.dtype[Any]) -> dict[str, npt.NDArray[Any]]:
    """The fields of structured rows, each as one contiguous array over all parts.

    Taking a field of all rows at once would walk through all of the memory for each field again.
    """
    names = dtype.names or ()
    columns = {name: np.empty(sum(map(len, parts)), dtype[name]) for name in names}
    at = 0
    for part in parts:
        for start in range(0, len(part), _PIECE):
            piece = part[start : start + _PIECE]
            for name in names:
                columns[name][at : at + len(piece)] = piece[name]
            at += len(piece)
    return columns


def times(nanoseconds: npt.NDArray[np.int64]) -> Any:
    """UTC times of nanoseconds since 1970; 0 is NaT."""
    shown = np.where(nanoseconds == 0, np.iinfo(np.int64).min, nanoseconds)
    return pd.DatetimeIndex(shown.view("M8[ns]")).tz_localize("UTC")


def masked(values: npt.NDArray[Any], missing: Mask) -> Any:
    """Nullable integers: NA where `missing`. The values are used as they are, not copied."""
    return pd.arrays.IntegerArray(values, missing)


def coded(values: Codes, name: Callable[[int], str], missing: Mask | None = None) -> Any:
    """Categories of integer codes, in the order of the codes; only those that occur. NA where `missing`."""
    unique = np.unique(values if missing is None else values[~missing])
    places = np.searchsorted(unique, values)
    if missing is not None:
        places[missing] = -1
    return _categorical(places, [name(value) for value in unique.tolist()])


def enumerated(places: npt.NDArray[Any], members: Iterable[str]) -> Any:
    """Categories of indices into `members`."""
    return _categorical(places, [str(member) for member in members])


def named(numbers: npt.NDArray[np.int32], names: Sequence[str]) -> Any:
    """Categories of numbers of a name table, only the names that occur; a negative number is NA."""
    used = np.zeros(len(names), np.bool_)
    used[numbers[numbers >= 0]] = True
    places = np.append(np.cumsum(used) - 1, -1)[np.where(numbers >= 0, numbers, len(names))]
    texts = [encodable(names[number]) for number in np.flatnonzero(used).tolist()]
    if len(set(texts)) < len(texts):  # names that differ only in what no text file can hold
        merged, unique = pd.factorize(np.array(texts, np.object_))
        places, texts = np.append(merged, -1)[places], unique.tolist()
    return _categorical(places, texts)


def from_values(values: Sequence[Any], dtype: str) -> Any:
    """A column of the named type from Python values, of which None is NA: for tables of objects, which are few."""
    missing = np.array([value is None for value in values], np.bool_)
    if dtype == TIME:
        return times(np.array([value or 0 for value in values], np.int64))
    if dtype == "category":
        texts = sorted({encodable(value) for value in values if value is not None})
        places = {text: place for place, text in enumerate(texts)}
        codes = [-1 if value is None else places[encodable(value)] for value in values]
        return _categorical(np.array(codes, np.int64), texts)
    if dtype == "string":
        return pd.array([None if v is None else encodable(v) for v in values], dtype=pd.StringDtype("pyarrow"))
    if dtype == "boolean":
        return pd.arrays.BooleanArray(np.array([bool(value) for value in values], np.bool_), missing)
    # Through float a 64-bit identifier would lose its last digits, so the values never go there.
    filled = np.array([0 if value is None else value for value in values], np.dtype(dtype.lower()))
    return masked(filled, missing) if dtype[0].isupper() else filled


def _categorical(places: npt.NDArray[Any], categories: list[str]) -> Any:
    index = pd.Index(categories, dtype="str")
    return pd.Categorical.from_codes(places, dtype=pd.CategoricalDtype(index), validate=False)
