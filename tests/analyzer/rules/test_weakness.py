"""What is weaker than it could be: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import weakness
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "weak_dialect": "cli_smbprotocol_202_sign",
    "guest_session": "auth_guest_bad_user",
    "anonymous_session": "auth_anonymous",
    "unencrypted_session": "auth_wrong_password",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in weakness.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
