"""Breaks that are acknowledged in time, late, never, or that nobody hears."""

import pytest

from refserver.scenarios.breaking import HOLDER_DEAD, LEASE_BREAK, OPLOCK_BREAK
from refserver.scenarios.scenario import Scenario
from tests.refserver.scenarios.played import expected, kinds, played, seconds_between

BOTH = pytest.mark.parametrize(("scenario", "what"), [(OPLOCK_BREAK, "oplock"), (LEASE_BREAK, "lease")])


@BOTH
def test_a_break_that_is_never_acknowledged_ends_after_35_seconds(scenario: Scenario, what: str) -> None:
    truth = played(scenario, delay=0)
    assert expected(truth) == [
        (f"{what}_break", f"{what}_break_timeout"), (f"{what}_break", "TIME-03"), ("async_done", "TIME-04"),
    ]  # fmt: skip
    assert f"{what}_ack" not in kinds(truth)
    assert seconds_between(truth, f"{what}_break", "async_done") == pytest.approx(35, abs=0.1)
    assert seconds_between(truth, f"{what}_break", f"{what}_timeout") == pytest.approx(35, abs=0.1)


@BOTH
def test_a_break_that_is_acknowledged_at_once_is_no_finding(scenario: Scenario, what: str) -> None:
    truth = played(scenario, delay=0.1)
    assert expected(truth) == []
    assert seconds_between(truth, f"{what}_break", f"{what}_ack") == pytest.approx(0.1, abs=0.01)


@BOTH
def test_a_break_that_is_acknowledged_late_but_in_time_is_felt(scenario: Scenario, what: str) -> None:
    assert expected(played(scenario, delay=20)) == [(f"{what}_break", f"{what}_break_timeout")]


@BOTH
def test_an_acknowledgment_may_come_too_late(scenario: Scenario, what: str) -> None:
    truth = played(scenario, delay=50)
    assert expected(truth)[-1] == (f"{what}_ack", "late_break_ack")
    assert len(expected(truth)) == 4


def test_a_holder_that_is_cut_off_hears_of_nothing() -> None:
    truth = played(HOLDER_DEAD)
    assert set(expected(truth)) == {("oplock_break", "oplock_holder_dead"), ("async_done", "TIME-04")}
    (notice,) = (event for event in truth["events"] if event["kind"] == "oplock_break")
    assert len(notice["frames"]) > 3  # it is sent again and again
    assert seconds_between(truth, "oplock_break", "async_done") == pytest.approx(35, abs=0.1)
