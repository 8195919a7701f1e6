"""Breaks, durable handles, credits: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import handles
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "oplock_break_timeout": "break_frozen_holder_enc",
    "lease_break_timeout": "break_lease_timeout_signed",
    "oplock_holder_dead": "break_oplock_batch22b_signed",
    "late_break_ack": "break_lease_timeout_signed",
    "durable_handle_lost": "ok_reconnect_previous_session",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in handles.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
