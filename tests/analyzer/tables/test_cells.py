"""Values as programs and people want them."""

import numpy as np
import pandas as pd
import pytest

from analyzer.tables.cells import plain, shown
from analyzer.tables.columns import from_values
from analyzer.tables.schema import DURATION, TIME, Column

NS = 1_700_000_000_123_456_789


@pytest.mark.parametrize(
    ("dtype", "unit", "values", "for_programs", "for_people"),
    [
        (TIME, "UTC", [NS, None], ["2023-11-14T22:13:20.123456789Z", None], ["2023-11-14 22:13:20.123456", "-"]),
        (TIME, "UTC", [-1], ["1969-12-31T23:59:59.999999999Z"], ["1969-12-31 23:59:59.999999"]),
        ("UInt64", "id", [2**64 - 1, None], ["0xffffffffffffffff", None], ["0xffffffffffffffff", "-"]),
        ("UInt32", "bits", [9], ["0x00000009"], ["0x00000009"]),
        ("UInt64", "number", [2**64 - 1], [2**64 - 1], ["18446744073709551615"]),
        ("int64", "bytes", [-3], [-3], ["-3"]),
        ("bool", "", [True, False], [True, False], ["yes", "no"]),
        ("boolean", "", [True, None], [True, None], ["yes", "-"]),
        ("string", "", ["a\x1b", "", None], ["a\x1b", "", None], [r"a\x1b", "", "-"]),
        ("category", "", ["a\x1b", None], ["a\x1b", None], [r"a\x1b", "-"]),
    ],
)
def test_a_value_is_written(
    dtype: str, unit: str, values: list[object], for_programs: list[object], for_people: list[str]
) -> None:
    series, column = pd.Series(from_values(values, dtype)), Column("name", dtype, unit, "")
    assert plain(series, column) == for_programs
    assert shown(series, column) == for_people


def test_durations_are_seconds_for_programs_and_scaled_for_people() -> None:
    nanoseconds = np.array([4_479_705, 35_030_000_000, 850, -2_000_000, np.iinfo(np.int64).min])
    series, column = pd.Series(nanoseconds.view("m8[ns]")), Column("latency", DURATION, "seconds", "")
    assert plain(series, column) == [0.004479705, 35.03, 8.5e-07, -0.002, None]
    assert shown(series, column) == ["4.480 ms", "35.030 s", "0.001 ms", "-2.000 ms", "-"]


def test_a_column_that_is_all_unknown_is_written() -> None:
    series = pd.Series(from_values([None, None], "category"))
    assert shown(series, Column("name", "category", "", "")) == ["-", "-"]
