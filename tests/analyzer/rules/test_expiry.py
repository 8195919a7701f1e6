"""Sessions that expire: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import expiry
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "session_expired": "ad_krb5_torture_expire1s",
    "session_not_renewed": "ad_krb5_expire_smbclient_enc",
    "reauth_failed": "ok_reauth_ntlm_signed",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in expiry.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
