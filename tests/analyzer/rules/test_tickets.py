"""Tickets that were refused: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import tickets
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "spn_wrong_account": "ad_krb5_spn_wrong_account",
    "spn_missing": "ad_ntlm_fallback_spn_unknown",
    "kerberos_error": "ad_krb5_bad_password_disabled_unknown",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in tickets.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
