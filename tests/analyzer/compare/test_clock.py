"""Clocks from delays in both directions."""

import numpy as np
import pytest

from analyzer.compare.clock import estimate

MS, S = 1_000_000, 1_000_000_000


def differences(offset: int, delay: int, times: np.ndarray, towards: np.ndarray, queue: int = MS) -> np.ndarray:
    waiting = np.random.default_rng(7).integers(0, queue, len(times))
    waiting[:4] = 0
    return offset + np.where(towards, 1, -1) * (delay + waiting)


@pytest.mark.parametrize("offset", [0, 3_217 * MS, -40 * S])
def test_the_offset_is_half_the_difference_of_the_shortest(offset: int) -> None:
    times = np.arange(1000) * MS
    towards = np.arange(1000) % 2 == 0
    clock = estimate(times, differences(offset, 15 * MS, times, towards), towards)
    assert clock.offset == offset
    assert (clock.earliest, clock.latest) == (offset - 15 * MS, offset + 15 * MS)
    assert clock.drift == 0
    assert clock.ahead(times[:2]).tolist() == [offset, offset]


def test_one_direction_alone_bounds_the_offset_from_one_side() -> None:
    times = np.arange(100) * MS
    towards = np.ones(100, np.bool_)
    clock = estimate(times, differences(S, 15 * MS, times, towards), towards)
    assert (clock.earliest, clock.latest) == (None, S + 15 * MS)
    assert clock.offset == S + 15 * MS


def test_drift_of_a_long_capture_is_seen_and_taken_out() -> None:
    times = np.arange(100_000) * 36 * MS  # an hour
    towards = np.arange(100_000) % 2 == 0
    drifting = 30_000 * (times // S)  # 30 ppm
    clock = estimate(times, differences(S, 15 * MS, times, towards, 20 * MS) + drifting, towards)
    assert clock.drift == pytest.approx(30_000, rel=0.05)
    assert clock.ahead(times[-1:]) == pytest.approx(S + 108 * MS, abs=2 * MS)


def test_drift_is_not_guessed_from_a_few_segments() -> None:
    times = np.array([0, 1, 2, 3]) * 1000 * S
    towards = np.array([True, False, True, False])
    assert estimate(times, differences(0, MS, times, towards), towards).drift == 0
