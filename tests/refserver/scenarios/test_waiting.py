"""Requests that wait: who is to blame for it, and when nobody is."""

import pytest

from refserver.scenarios.waiting import LATE, LONG_WAITS, PENDING, TIMEOUT
from tests.refserver.scenarios.played import expected, kinds, played, seconds_between

GIVEN_UP = [("request", "server_stalled"), ("request", "request_timeout"), ("request", "TIME-01")]


@pytest.mark.parametrize(("delay", "findings"), [(20, [("request", "server_stalled")]), (0.5, [])])
def test_a_late_answer_is_a_finding_where_somebody_noticed(delay: float, findings: list[tuple[str, str]]) -> None:
    truth = played(LATE, delay=delay)
    assert expected(truth) == findings
    assert seconds_between(truth, "request", "close") == pytest.approx(delay, abs=0.1)


def test_a_server_that_answers_others_meanwhile_is_slow_and_has_not_stopped() -> None:
    assert expected(played(LATE, others=True)) == [("request", "server_slow")]


@pytest.mark.parametrize(("scan", "patience"), [(0, 60), (30, 89)])
def test_the_client_leaves_when_its_time_is_over(scan: int, patience: float) -> None:
    truth = played(TIMEOUT, scan=scan)
    assert expected(truth) == GIVEN_UP
    (request,) = (event for event in truth["events"] if event["kind"] == "request")
    left = next(event for event in truth["events"] if event["kind"] == "tcp_close")
    assert (left["time"] - request["time"]) / 1e9 == pytest.approx(patience, abs=0.1)
    assert kinds(truth).count("auth_succeeded") == 2


def test_an_answer_may_come_when_nobody_waits_for_it() -> None:
    truth = played(TIMEOUT, answered=75)
    assert expected(truth) == [*GIVEN_UP, ("request", "late_answer")]
    asked, answer = (event for event in truth["events"] if event["kind"] == "request")
    assert (answer["time"] - asked["time"]) / 1e9 == pytest.approx(75, abs=0.1)
    assert "tcp_reset" in kinds(truth, without="?")


def test_a_promise_makes_the_client_wait_four_times_as_long() -> None:
    truth = played(PENDING)
    assert expected(truth) == [("request", "request_timeout"), ("request", "TIME-01")]
    assert seconds_between(truth, "request", "tcp_close") == pytest.approx(240, abs=0.1)


def test_a_promise_that_is_kept_is_no_finding() -> None:
    truth = played(PENDING, answered=200)
    assert expected(truth) == []
    assert seconds_between(truth, "async_pending", "async_done") == pytest.approx(200, abs=0.1)


def test_notifications_and_locks_may_wait_for_an_hour() -> None:
    truth = played(LONG_WAITS)
    assert expected(truth) == []
    assert kinds(truth).count("async_pending") == kinds(truth).count("async_done") == 2
    assert seconds_between(truth, "async_pending", "async_done") == pytest.approx(3600, abs=1)
