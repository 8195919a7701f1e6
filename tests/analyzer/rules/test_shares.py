"""Shares that were refused: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import shares
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "share_unavailable": "srv_share_misconfigured_signed",
    "access_refused": "auth_guest_bad_user",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in shares.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
