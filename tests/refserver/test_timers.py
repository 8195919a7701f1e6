"""Timers: order, cancelling, and what one makes due for the next."""

from refserver.timers import Timers


def test_timers_fire_in_order_of_time_and_then_of_making() -> None:
    timers, fired = Timers(), []
    for name, at in (("late", 30), ("first", 10), ("second", 10)):
        timers.at(at, lambda now, name=name: fired.append((name, now)))
    assert timers.next() == 10
    timers.fire(20)
    assert fired == [("first", 10), ("second", 10)]
    timers.fire(30)
    assert fired[-1] == ("late", 30)
    assert timers.next() is None


def test_a_cancelled_timer_never_fires() -> None:
    timers, fired = Timers(), []
    timers.at(10, fired.append).cancel()
    kept = timers.at(20, fired.append)
    assert timers.next() == 20
    timers.fire(100)
    kept.cancel()  # after it has fired: nothing happens
    assert fired == [20]


def test_what_a_timer_makes_due_fires_too() -> None:
    timers, fired = Timers(), []
    timers.at(10, lambda now: timers.at(now + 5, fired.append))
    timers.fire(15)
    assert fired == [15]


def test_the_clock_shows_the_time_of_what_fires_and_never_goes_back() -> None:
    timers, seen = Timers(5), []
    timers.at(10, lambda _now: seen.append(timers.now))
    timers.at(20, lambda _now: seen.append(timers.now))
    timers.fire(15)
    assert (seen, timers.now) == ([10], 15)
    timers.now = 30  # somebody has brought later news
    timers.fire(25)
    assert (seen, timers.now) == ([10, 30], 30)
