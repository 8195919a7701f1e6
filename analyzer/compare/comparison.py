"""What comes of comparing two captures: tables, and sentences about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["BEFORE_AFTER", "TWO_SIDES", "WITH_TSHARK", "Comparison", "duration", "nanoseconds"]

Value: TypeAlias = pd.Timedelta | float | None

TWO_SIDES = "two sides"
BEFORE_AFTER = "before and after"
WITH_TSHARK = "with tshark"


@dataclass(frozen=True)
class Comparison:
    """Two captures beside each other.

    Attributes:
        mode: `TWO_SIDES`, the same traffic captured in two places; `BEFORE_AFTER`, different traffic; `WITH_TSHARK`,
            one capture read by two programs.
        a: the first capture's name.
        b: the second capture's name, or the other program's.
        sentences: what differs, in words; the most important first.
        tables: DataFrames by name. Also as attributes: `comparison.lost` is `comparison.tables["lost"]`.
        values: single facts by name; also as attributes.
    """

    mode: str
    a: str
    b: str
    sentences: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame]
    values: Mapping[str, Value] = field(default_factory=dict)

    def __getattr__(self, name: str) -> pd.DataFrame | Value:
        for found in (self.__dict__.get("tables", {}), self.__dict__.get("values", {})):
            if name in found:
                value: pd.DataFrame | Value = found[name]
                return value
        raise AttributeError(
            f"there is no {name!r} in this comparison: it is of the mode {self.__dict__.get('mode')!r}"
        )

    def __repr__(self) -> str:
        return f"<Comparison of {self.a} and {self.b}: {self.mode}>"

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{escape(sentence)}</li>" for sentence in self.sentences)
        return f"<p>{escape(self.a)} (A) and {escape(self.b)} (B): {self.mode}</p><ul>{items}</ul>"


def duration(nanoseconds: float) -> str:
    """A time as people say it: `15.012 ms`, `3.217 s`."""
    size = abs(nanoseconds)
    for limit, unit, digits in ((1e3, "ns", 0), (1e6, "us", 1), (1e9, "ms", 3)):
        if size < limit:
            return f"{nanoseconds / (limit / 1e3):.{digits}f} {unit}"
    return f"{nanoseconds / 1e9:.6f} s"


def nanoseconds(column: pd.Series) -> npt.NDArray[np.int64]:
    """Times or durations of a table as integers; the lowest of all is NaT."""
    kind = "datetime64[ns]" if column.dtype.kind == "M" else "timedelta64[ns]"
    return column.to_numpy(dtype=kind).view(np.int64)
