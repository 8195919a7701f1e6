"""numpy columns become pandas columns of the declared types."""

import numpy as np
import pandas as pd
import pytest

from analyzer.tables.columns import coded, enumerated, fields, from_values, masked, named, times


def test_fields_of_rows_are_views() -> None:
    rows = np.array([(1, 2), (3, 4)], [("a", "i8"), ("b", "u2")])
    columns = fields(rows)
    assert {name: column.tolist() for name, column in columns.items()} == {"a": [1, 3], "b": [2, 4]}
    columns["b"][0] = 9
    assert rows["b"].tolist() == [9, 4]


def test_times_are_used_as_they_are() -> None:
    column = np.array([1_700_000_000_123_456_789])
    assert np.shares_memory(times(column).asi8, column)


def test_times_are_utc_and_zero_is_none() -> None:
    column = pd.Series(times(np.array([0, 1_700_000_000_123_456_789])))
    assert str(column.dtype) == "datetime64[ns, UTC]"
    assert column.isna().tolist() == [True, False]
    assert column[1].isoformat() == "2023-11-14T22:13:20.123456789+00:00"


def test_codes_are_categories_in_the_order_of_the_codes() -> None:
    missing = np.array([False, False, True, False])
    column = coded(np.array([9, 2, 77, 9], np.uint16), "n{}".format, missing)
    assert column.categories.tolist() == ["n2", "n9"]
    assert column.isna().tolist() == missing.tolist()
    assert [column[0], column[1], column[3]] == ["n9", "n2", "n9"]


def test_codes_that_are_all_missing_have_no_category() -> None:
    column = coded(np.array([5, 6], np.uint16), str, np.array([True, True]))
    assert len(column.categories) == 0
    assert column.isna().all()


def test_enumerated_has_all_members() -> None:
    column = enumerated(np.array([1, 0], np.uint8), ["x", "y", "z"])
    assert column.categories.tolist() == ["x", "y", "z"]
    assert column.tolist() == ["y", "x"]


def test_names_are_categories_of_those_that_occur() -> None:
    column = named(np.array([3, -1, 0, 3], np.int32), ["a", "unused", "b", "c"])
    assert column.categories.tolist() == ["a", "c"]
    assert [column[0], column[2], column[3]] == ["c", "a", "c"]
    assert column.isna().tolist() == [False, True, False, False]


def test_no_name_is_no_category() -> None:
    assert named(np.array([-1, -1], np.int32), []).isna().all()


def test_names_that_no_file_can_hold_are_replaced_and_merged() -> None:
    column = named(np.array([0, 1, 2, -1], np.int32), ["a\ud800", "a\ud801", "b"])
    assert column.categories.tolist() == ["a\ufffd", "b"]
    assert [column[0], column[1], column[2]] == ["a\ufffd", "a\ufffd", "b"]
    assert column.isna().tolist() == [False, False, False, True]


def test_masked_numbers_keep_all_their_digits() -> None:
    column = masked(np.array([2**64 - 1, 0], np.uint64), np.array([False, True]))
    assert column[0] == 2**64 - 1
    assert column[1] is pd.NA


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("UInt64", [2**64 - 1, None]),
        ("UInt32", [7, None]),
        ("int64", [-5, 2**62]),
        ("bool", [True, False]),
        ("boolean", [True, None]),
        ("string", ["a", None]),
        ("category", ["b", None, "a", "b"]),
        ("datetime64[ns, UTC]", [1_700_000_000_000_000_001, None]),
        ("timedelta64[ns]", [1_700_000_001, None, -5, 0]),
    ],
)
def test_python_values_become_the_declared_type(dtype: str, values: list[object]) -> None:
    for chosen in (values, []):
        column = pd.Series(from_values(chosen, dtype))
        assert str(column.dtype) == dtype
        assert column.isna().tolist() == [value is None for value in chosen]
    present = [value for value in pd.Series(from_values(values, dtype)) if not pd.isna(value)]
    if dtype.startswith(("datetime", "timedelta")):
        present = [time.value for time in present]
    assert present == [value for value in values if value is not None]


def test_text_values_can_be_written_to_files() -> None:
    for dtype in ("string", "category"):
        assert pd.Series(from_values(["a\ud800"], dtype)).tolist() == ["a\ufffd"]
