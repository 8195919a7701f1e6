"""numpy columns -> pandas columns of the declared types, without a Python step per row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.tables.schema import DURATION, TIME, Table
from analyzer.tables.text import encodable
from parsers.smb2.rows import Columns

__all__ = [
    "Codes",
    "Mask",
    "coded",
    "enumerated",
    "fields",
    "from_values",
    "masked",
    "named",
    "tabulate",
    "times",
]

Codes: TypeAlias = npt.NDArray[Any]
Mask: TypeAlias = npt.NDArray[np.bool_]
Rows: TypeAlias = npt.NDArray[Any]


def tabulate(table: Table, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A DataFrame with the declared columns in the declared order; the arrays are used as they are, not copied."""
    return pd.DataFrame({name: columns[name] for name in table.names}, copy=False)


def fields(rows: Rows) -> Columns:
    """The fields of structured rows, as views."""
    return {name: rows[name] for name in rows.dtype.names or ()}


def times(nanoseconds: npt.NDArray[np.int64]) -> Any:
    """UTC times of nanoseconds since 1970; 0 is NaT."""
    missing = nanoseconds == 0
    if missing.any():
        nanoseconds = np.where(missing, np.iinfo(np.int64).min, nanoseconds)
    # Integers are used as they are; naive times would be copied.
    return pd.DatetimeIndex(nanoseconds, dtype=TIME, copy=False)


def masked(values: npt.NDArray[Any], missing: Mask) -> Any:
    """Nullable integers: NA where `missing`. The values are used as they are, not copied."""
    return pd.arrays.IntegerArray(values, missing)


def coded(values: Codes, name: Callable[[int], str], missing: Mask | None = None) -> Any:
    """Categories of integer codes, in the order of the codes; only those that occur. NA where `missing`."""
    places, codes = pd.factorize(values)
    if missing is not None:
        places[missing] = -1
    occurs = np.zeros(len(codes) + 1, np.bool_)  # one more, which is where -1 leads
    occurs[places] = True
    order = np.argsort(codes)
    order = order[occurs[order]]
    rank = np.full(len(codes) + 1, -1, np.int64)
    rank[order] = np.arange(len(order))
    return _categorical(rank[places], [name(value) for value in codes[order].tolist()])


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
    if dtype == DURATION:
        nanoseconds = [np.iinfo(np.int64).min if value is None else value for value in values]  # which is NaT
        return np.array(nanoseconds, np.int64).view("m8[ns]")
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
