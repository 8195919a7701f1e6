"""The receiving half by itself: order, overlap, and the window."""

from itertools import permutations

import pytest

from refserver.network.receiver import Receiver

DATA = bytes(range(100))


def receiver(size: int = 1000) -> Receiver:
    made = Receiver(size, 0)
    made.window()
    return made


@pytest.mark.parametrize("order", [*permutations([(0, 30), (20, 60), (60, 100), (10, 40)])])
def test_pieces_come_together_in_any_order(order: tuple[tuple[int, int], ...]) -> None:
    one = receiver()
    for begin, end in order:
        one.accept(begin, DATA[begin:end], fin=end == 100)
    assert one.take() == DATA
    assert one.finished
    assert one.acknowledged == 101
    assert not one.has_gap


def test_growth_is_told_from_repetition_and_from_what_is_early() -> None:
    one = receiver()
    assert one.accept(0, DATA[:10], fin=False)
    assert not one.accept(0, DATA[:10], fin=False)
    assert not one.accept(20, DATA[20:30], fin=False)
    assert one.has_gap
    assert one.accept(5, DATA[5:20], fin=False)
    assert one.next == 30


def test_a_fin_before_its_data_counts_when_they_are_there() -> None:
    one = receiver()
    assert not one.accept(10, b"", fin=True)
    assert not one.finished
    assert one.accept(0, DATA[:10], fin=False)
    assert one.finished


def test_the_window_shrinks_with_what_nobody_has_read() -> None:
    one = receiver(50)
    one.accept(0, DATA[:30], fin=False)
    assert one.window() == 20
    one.accept(30, DATA[30:60], fin=True)  # the FIN lies behind what is not taken
    assert (one.next, one.window(), one.finished) == (50, 0, False)
    one.take()
    assert one.window() == 50


def test_a_window_is_offered_in_steps_and_nothing_is_taken_once_it_is_closed() -> None:
    one = Receiver(1000, 8)
    assert one.window() == 768
    one.accept(0, bytes(900), fin=False)
    assert one.window() == 0
    assert not one.accept(900, b"x", fin=False)
