"""Ranges against a set of numbers."""

from hypothesis import given
from hypothesis import strategies as st

from analyzer.export import byte_ranges
from analyzer.export.byte_ranges import ByteRanges

RANGE = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair)))


def ranges(*pairs: tuple[int, int]) -> ByteRanges:
    made = ByteRanges()
    for start, end in pairs:
        made.add(start, end)
    return made


def test_what_comes_in_order_is_one_range() -> None:
    made = ranges(*((number * 10, number * 10 + 10) for number in range(100_000)))
    assert (made.size, made.end, list(made.missing(1_000_000))) == (1_000_000, 1_000_000, [])


def test_missing_ranges_are_told_in_order_up_to_the_size() -> None:
    made = ranges((50, 60), (10, 20), (15, 30))
    assert list(made.missing(100)) == [(0, 10), (30, 50), (60, 100)]
    assert list(made.missing(55)) == [(0, 10), (30, 50)]
    assert list(made.missing(40)) == [(0, 10), (30, 40)]
    assert list(made.missing(5)) == [(0, 5)]
    assert list(made.missing(0)) == []
    assert (made.size, made.end) == (30, 60)


def test_nothing_is_missing_of_nothing() -> None:
    assert list(ByteRanges().missing(0)) == []
    assert list(ByteRanges().missing(2**64 - 1)) == [(0, 2**64 - 1)]
    assert (ByteRanges().size, ByteRanges().end) == (0, 0)


@given(st.lists(RANGE, max_size=30), st.integers(0, 80), st.integers(1, 5))
def test_ranges_in_any_order_are_the_bytes_that_they_cover(pairs: list[tuple[int, int]], size: int, few: int) -> None:
    made = ranges()
    made._limit = few  # so that they are merged on the way
    for start, end in pairs:
        made.add(start, end)
    there = {byte for start, end in pairs for byte in range(start, end)}
    assert made.size == len(there)
    missing = [byte for start, end in made.missing(size) for byte in range(start, end)]
    assert missing == sorted(set(range(size)) - there)
    assert all(start < end for start, end in made.missing(size))


def test_memory_is_bounded_by_the_ranges_that_are_apart() -> None:
    made = ranges(*((number % 7 * 10, number % 7 * 10 + 5) for number in range(20 * byte_ranges._FEW)))
    assert len(made._ranges) <= byte_ranges._FEW
    assert made.size == 35
