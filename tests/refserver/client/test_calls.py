"""Calls end once, tell whoever waits, and are put together."""

import pytest

from parsers.ntstatus import STATUS_ACCESS_DENIED, STATUS_CANCELLED, STATUS_SUCCESS
from refserver.client.calls import Call, all_of, first_of
from refserver.errors import StatusError


def test_a_call_has_no_result_before_it_ends() -> None:
    call: Call[int] = Call()
    assert not call.done
    with pytest.raises(RuntimeError, match="not ended"):
        _ = call.result
    call.succeed(5)
    assert (call.done, call.succeeded, call.status, call.result) == (True, True, STATUS_SUCCESS, 5)


def test_the_result_of_a_failed_call_is_its_status_as_an_error() -> None:
    call: Call[int] = Call()
    call.fail(STATUS_ACCESS_DENIED)
    assert not call.succeeded
    with pytest.raises(StatusError) as error:
        _ = call.result
    assert error.value.status == STATUS_ACCESS_DENIED


def test_a_result_may_be_none() -> None:
    call: Call[None] = Call()
    call.succeed(None)
    assert call.result is None


def test_whoever_waits_is_told_in_order_and_a_late_comer_at_once() -> None:
    told: list[str] = []
    call: Call[int] = Call()
    call.then(lambda _call: told.append("first")).then(lambda _call: told.append("second"))
    call.succeed(1)
    call.then(lambda ended: told.append(f"late {ended.result}"))
    assert told == ["first", "second", "late 1"]


def test_a_call_does_not_end_twice() -> None:
    call: Call[int] = Call()
    call.succeed(1)
    with pytest.raises(AssertionError):
        call.fail(STATUS_CANCELLED)


def test_all_of_them_end_with_all_results_in_their_order() -> None:
    one, two = Call[int](), Call[int]()
    together = all_of(one, two)
    two.succeed(2)
    assert not together.done
    one.succeed(1)
    assert together.result == (1, 2)
    assert all_of().result == ()


def test_all_of_them_wait_for_the_others_also_when_one_fails() -> None:
    one, two = Call[int](), Call[int]()
    together = all_of(one, two)
    two.fail(STATUS_CANCELLED)
    assert not together.done
    one.succeed(1)
    assert together.status == STATUS_CANCELLED


def test_the_first_of_them_is_the_result_whatever_came_of_it() -> None:
    one, two = Call[int](), Call[int]()
    first = first_of(one, two)
    two.fail(STATUS_CANCELLED)
    one.succeed(1)
    assert first.result is two
