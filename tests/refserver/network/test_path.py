"""How long a frame takes, and what the path does to it."""

import random

from refserver.network.frames import Segment, Socket
from refserver.network.path import Path, blackout, larger_than
from refserver.network.simulation import MILLISECOND, SECOND

SEGMENT = Segment(Socket(b"\n\0\0\1", 1), Socket(b"\n\0\0\2", 2), 0, 0, 0x10, 0)


def path(**options: float) -> Path:
    return Path(random.Random(1), **options)  # type: ignore[arg-type]


def test_frames_wait_for_those_before_them() -> None:
    slow = path(latency=MILLISECOND, bandwidth=8_000_000)  # a byte takes a microsecond
    assert slow.arrivals(SEGMENT, 1500, 0) == [2_500_000]
    assert slow.arrivals(SEGMENT, 500, 1_000_000) == [3_000_000]
    assert slow.arrivals(SEGMENT, 500, SECOND) == [SECOND + 1_500_000]


def test_a_full_queue_drops() -> None:
    slow = path(bandwidth=8_000_000, queue=3000)
    assert [bool(slow.arrivals(SEGMENT, 1500, 0)) for _ in range(5)] == [True, True, True, False, False]


def test_without_a_limit_only_the_latency_counts() -> None:
    assert path(latency=5, bandwidth=0).arrivals(SEGMENT, 1500, 10) == [15]


def test_loss_disorder_and_duplicates_come_as_often_as_said() -> None:
    fast = path(latency=0, bandwidth=0)
    fast.loss, fast.reorder, fast.duplicate = 0.1, 0.2, 0.3
    found = [fast.arrivals(SEGMENT, 100, 0) for _ in range(10_000)]
    arrived = [times for times in found if times]
    assert 0.08 < 1 - len(arrived) / 10_000 < 0.12
    assert 0.18 < sum(times[0] > 0 for times in arrived) / len(arrived) < 0.22
    assert 0.28 < sum(len(times) == 2 for times in arrived) / len(arrived) < 0.32


def test_faults_take_what_they_are_for() -> None:
    fast = path(latency=0, bandwidth=0)
    fast.faults += [blackout(10, 20), larger_than(1000)]
    assert [bool(fast.arrivals(SEGMENT, 1000, now)) for now in (9, 10, 19, 20)] == [True, False, False, True]
    assert fast.arrivals(SEGMENT, 1001, 0) == []
