"""Why a logon was refused: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import refusals
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "logon_refused": "auth_lockout",
    "account_disabled": "ad_krb5_bad_password_disabled_unknown",
    "account_expired": "auth_account_expired",
    "account_locked": "auth_lockout",
    "logon_hours": "auth_hours",
    "password_must_change": "ad_auth_heidi",
    "ntlmv1_refused": "auth_ntlmv1_refused",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in refusals.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
