"""What the network did: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import network
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "path_loss": "net_delay40_loss2_enc",
    "path_reorders": "net_reorder10_enc",
    "path_slow": "net_slow2mbit_8m_timeout",
    "capture_loss": "ad_krb5_pac_enc_aes128gcm",
    "snaplen_too_short": "dmg_enc_snap96",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in network.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
