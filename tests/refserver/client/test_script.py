"""Scripts: what a generator gets for what it yields, and when."""

import pytest

from parsers.errors import ParseError
from parsers.ntstatus import STATUS_ACCESS_DENIED, STATUS_INVALID_NETWORK_RESPONSE
from refserver.client.calls import Call
from refserver.client.script import Steps, run, settled, until, wait
from refserver.errors import StatusError
from refserver.timers import Timers

SECOND = 10**9


def test_a_script_gets_results_and_returns_one() -> None:
    one: Call[int] = Call()

    def steps() -> Steps[int]:
        value = yield one
        return value + 1

    script = run(steps(), Timers())
    assert not script.done
    one.succeed(1)
    assert script.result == 2


def test_a_failure_is_raised_where_it_was_yielded() -> None:
    one: Call[int] = Call()

    def steps() -> Steps[int]:
        try:
            yield one
        except StatusError as error:
            return error.status
        return 0

    script = run(steps(), Timers())
    one.fail(STATUS_ACCESS_DENIED)
    assert script.result == STATUS_ACCESS_DENIED


def test_a_settled_call_is_given_itself() -> None:
    one: Call[int] = Call()

    def steps() -> Steps[int | None]:
        call = yield settled(one)
        return call.status

    script = run(steps(), Timers())
    one.fail(STATUS_ACCESS_DENIED)
    assert script.result == STATUS_ACCESS_DENIED


def test_a_failure_that_is_not_caught_ends_the_script_with_it() -> None:
    one: Call[int] = Call()
    one.fail(STATUS_ACCESS_DENIED)

    def steps() -> Steps[None]:
        yield one

    assert run(steps(), Timers()).status == STATUS_ACCESS_DENIED


def test_bytes_that_cannot_be_read_end_the_script() -> None:
    def steps() -> Steps[None]:
        yield wait()
        raise ParseError("nonsense")

    timers = Timers()
    script = run(steps(), timers)
    timers.fire(0)
    assert script.status == STATUS_INVALID_NETWORK_RESPONSE


def test_a_mistake_in_a_script_is_not_swallowed() -> None:
    def steps() -> Steps[None]:
        yield wait(seconds=1)
        raise ZeroDivisionError

    timers = Timers()
    run(steps(), timers)
    with pytest.raises(ZeroDivisionError):
        timers.fire(SECOND)


def test_a_pause_lasts_as_long_as_it_says() -> None:
    timers, seen = Timers(100 * SECOND), []

    def steps() -> Steps[None]:
        yield wait(seconds=1.5)
        seen.append(timers.now)
        yield until(105 * SECOND)
        seen.append(timers.now)
        yield until(0)  # long ago
        yield wait(nanoseconds=3)
        seen.append(timers.now)

    script = run(steps(), timers)
    timers.fire(101 * SECOND)
    assert seen == []
    timers.fire(200 * SECOND)
    assert seen == [101_500_000_000, 105 * SECOND, 105 * SECOND + 3]
    assert script.done


def test_many_calls_that_have_ended_already_need_no_stack() -> None:
    def steps() -> Steps[int]:
        total = 0
        for number in range(5000):
            call: Call[int] = Call()
            call.succeed(number)
            total += yield call
        return total

    assert run(steps(), Timers()).result == sum(range(5000))


def test_a_script_waits_for_another() -> None:
    timers = Timers()

    def inner() -> Steps[str]:
        yield wait(seconds=1)
        return "done"

    def outer() -> Steps[str]:
        return (yield run(inner(), timers)) + " twice"

    script = run(outer(), timers)
    timers.fire(SECOND)
    assert script.result == "done twice"
