"""The pairing in columns against the same search done row by row."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.smb2.pairing import latest_before


def pair(groups: list[int], order: list[int], sources: list[bool], second: list[int] | None = None) -> list[int]:
    """`latest_before` over lists; `second` is another column of the group."""
    columns = [np.array(groups, np.uint64)]
    if second is not None:
        columns.append(np.array(second, np.int64))
    found = latest_before(tuple(columns), np.array(order, np.int64), np.array(sources, np.bool_))
    assert found.dtype == np.int64
    return found.tolist()


def search(groups: list[int], order: list[int], sources: list[bool]) -> list[int]:
    """What is meant: of the sources of the same group that are not later, the last one."""
    rows = sorted(range(len(groups)), key=lambda row: (order[row], row))
    result = [-1] * len(groups)
    for place, row in enumerate(rows):
        for other in rows[: place + 1]:
            if sources[other] and groups[other] == groups[row]:
                result[row] = other
    return result


@pytest.mark.parametrize(
    ("groups", "order", "sources", "found"),
    [
        ([5, 5], [0, 1], [True, False], [0, 0]),
        ([5, 5], [1, 0], [True, False], [0, -1]),  # what comes before has nothing to answer
        ([5, 6], [0, 1], [True, False], [0, -1]),
        ([5, 5, 5], [0, 1, 2], [True, True, False], [0, 1, 1]),  # the latest
        ([5, 5, 5], [0, 2, 1], [True, True, False], [0, 1, 0]),
        ([5, 5], [3, 3], [True, False], [0, 0]),  # ties: the order of rows
        ([5, 5], [3, 3], [False, True], [-1, 1]),
        ([7, 7], [0, 1], [False, False], [-1, -1]),
        ([0, 2**64 - 1, 2**64 - 1], [0, 1, 2], [True, True, False], [0, 1, 1]),
        ([], [], [], []),
    ],
)
def test_a_row_finds_the_last_source_of_its_group(groups, order, sources, found):
    assert pair(groups, order, sources) == found


def test_all_columns_of_a_group_must_be_equal():
    assert pair([5, 5, 5], [0, 1, 2], [True, True, False], second=[1, 2, 1]) == [0, 1, 0]


rows = st.tuples(st.integers(0, 3), st.integers(0, 5), st.booleans())


@given(st.lists(rows, max_size=12))
def test_it_agrees_with_a_search_row_by_row(drawn):
    groups, order, sources = ([row[place] for row in drawn] for place in range(3))
    assert pair(groups, order, sources) == search(groups, order, sources)


@given(st.lists(rows, max_size=12))
def test_two_columns_are_one_group(drawn):
    groups, order, sources = ([row[place] for row in drawn] for place in range(3))
    halves = [group // 2 for group in groups], [group % 2 for group in groups]
    assert pair(halves[0], order, sources, second=halves[1]) == pair(groups, order, sources)
