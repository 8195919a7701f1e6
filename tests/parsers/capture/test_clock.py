"""Clock ticks -> nanoseconds, against Python's integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.capture.clock import Clock, nanoseconds

LATEST = 2**63 - 1


@pytest.mark.parametrize(
    ("tsresol", "ticks", "expected"),
    [
        (0, 1_700_000_000, 1_700_000_000 * 10**9),
        (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (10, 17_000_000_001_234_567_899, 1_700_000_000_123_456_789),
        (12, 18_446_744_073_709_551_615, 18_446_744_073_709_551),
        (0x80, 1_700_000_000, 1_700_000_000 * 10**9),
        (0x80 | 10, 1_700_000_000 << 10 | 1, 1_700_000_000_000_976_562),
        (0x80 | 32, 1_700_000_000 << 32 | 0x8000_0001, 1_700_000_000_500_000_000),
    ],
)
def test_known_times(tsresol, ticks, expected):
    assert nanoseconds(np.array([ticks], np.uint64), Clock.of(tsresol, 0)).tolist() == [expected]


@given(
    st.integers(0, 255),
    st.one_of(st.just(0), st.integers(-(2**63), 2**63 - 1)),
    st.lists(st.integers(0, 2**64 - 1), max_size=5),
)
def test_every_resolution_and_offset_is_exact_and_stops_at_what_64_bits_hold(tsresol, tsoffset, ticks):
    per_second = (2 if tsresol & 0x80 else 10) ** (tsresol & 0x7F)
    furthest = LATEST // 10**9
    offset = max(-furthest, min(tsoffset, furthest)) * 10**9
    tick_ns = 1 if 10**9 % per_second else 10**9 // per_second
    latest = (LATEST - max(offset, 0)) // tick_ns * tick_ns
    expected = [min(tick * 10**9 // per_second, latest) + offset for tick in ticks]
    found = nanoseconds(np.array(ticks, np.uint64), Clock.of(tsresol, tsoffset))
    assert (found.dtype, found.tolist()) == (np.int64, expected)
