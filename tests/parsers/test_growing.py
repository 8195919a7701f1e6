"""A growing table against a list of the same rows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from parsers.growing import GrowingTable

ROW = np.dtype([("name", "S3"), ("value", "<i8"), ("flag", "?")])  # 12 bytes, unaligned


def rows(first: int, count: int) -> np.ndarray:
    return np.array([(b"%d" % (n % 100), n * 1_000_003, n % 3 == 0) for n in range(first, first + count)], ROW)


@given(st.lists(st.integers(0, 150), max_size=20))
def test_it_holds_what_was_appended_in_order(sizes):
    table, total = GrowingTable(ROW), 0
    for size in sizes:
        table.append(rows(total, size))
        total += size
        assert len(table) == len(table.rows) == total
    assert table.rows.dtype == ROW
    assert table.rows.tolist() == rows(0, total).tolist()


def test_rows_with_spaces_between_them_are_appended():
    table = GrowingTable(ROW)
    table.append(rows(0, 20)[::2])
    table.append(rows(0, 20)[::-3])
    assert table.rows.tolist() == rows(0, 20).tolist()[::2] + rows(0, 20).tolist()[::-3]


def test_what_is_changed_in_the_rows_stays_changed():
    table = GrowingTable(ROW)
    table.append(rows(0, 3))
    table.rows["value"][1] = -7
    table.append(rows(3, 500))
    assert table.rows["value"][:4].tolist() == [0, -7, 2_000_006, 3_000_009]


def test_appending_one_by_one_moves_the_rows_seldom():
    table, moves, place = GrowingTable(ROW), 0, 0
    for number in range(10_000):
        table.append(rows(number, 1))
        now = table.rows.__array_interface__["data"][0]
        moves, place = moves + (now != place), now
    assert moves < 20
    assert table.rows["value"].tolist() == [number * 1_000_003 for number in range(10_000)]
