"""Values of a column as Python values, and as text for people; a whole column at once, since columns are long."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pandas as pd

from analyzer.tables.schema import DURATION, TIME, Column
from analyzer.tables.text import printable
from parsers.times import NANOSECONDS

__all__ = ["UNKNOWN", "plain", "shown"]

_NOT_A_TIME = -(2**63)
UNKNOWN = "-"
"""How NA is shown."""

_DIGITS = {"UInt64": 16, "uint64": 16, "UInt32": 8, "uint32": 8}


def plain(series: pd.Series, column: Column) -> list[Any]:
    """For programs: None for NA, ISO 8601 for times, seconds for durations, hexadecimal text for identifiers."""
    if column.dtype == TIME:
        return [None if ns == _NOT_A_TIME else _iso(ns) for ns in _nanoseconds(series)]
    if column.dtype == DURATION:
        return [None if ns == _NOT_A_TIME else ns / NANOSECONDS for ns in _nanoseconds(series)]
    values = _values(series)
    if column.unit in {"id", "bits"}:
        digits = _DIGITS[column.dtype]
        return [None if value is None else f"0x{value:0{digits}x}" for value in values]
    return values


def shown(series: pd.Series, column: Column) -> list[str]:
    """For people: `-` for NA, yes and no, durations in ms, nothing that a terminal would obey."""
    if column.dtype == TIME:
        return [UNKNOWN if ns == _NOT_A_TIME else _iso(ns)[:26].replace("T", " ") for ns in _nanoseconds(series)]
    if column.dtype == DURATION:
        return [UNKNOWN if ns == _NOT_A_TIME else _duration(ns) for ns in _nanoseconds(series)]
    write = _WRITE.get(column.dtype, str)
    return [UNKNOWN if value is None else write(value) for value in plain(series, column)]


_WRITE: dict[str, Callable[[Any], str]] = {
    "bool": lambda value: "yes" if value else "no",
    "boolean": lambda value: "yes" if value else "no",
    "string": printable,
    "category": printable,
}


def _values(series: pd.Series) -> list[Any]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        texts = [*series.cat.categories, None]  # code -1 is NA, and the last one
        return [texts[code] for code in series.cat.codes.tolist()]
    return [None if value is pd.NA else value for value in series.tolist()]


def _nanoseconds(series: pd.Series) -> list[int]:
    kind = "datetime64[ns]" if series.dtype.kind == "M" else "timedelta64[ns]"
    values: list[int] = series.to_numpy(dtype=kind).view("int64").tolist()
    return values


def _iso(ns: int) -> str:
    seconds, rest = divmod(ns, NANOSECONDS)
    return f"{_iso_seconds(seconds)}.{rest:09d}Z"


@lru_cache(maxsize=4096)  # neighbours are of the same second
def _iso_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _duration(ns: int) -> str:
    return f"{ns / 1e6:.3f} ms" if abs(ns) < NANOSECONDS else f"{ns / NANOSECONDS:.3f} s"
