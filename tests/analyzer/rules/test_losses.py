"""Sessions that are gone: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import losses
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "idle_session_reaped": "srv_deadtime_idle_disconnect_enc",
    "session_lost": "srv_restart_reconnect_smbprotocol",
    "channel_lost": "mch_bind_enc",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in losses.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
