"""Why nothing moved: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import stalls
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "server_stalled": "srv_stop15_get_signed",
    "path_dead": "net_blackout20_get_signed",
    "idle_path_dropped": "net_idle_then_blackhole_enc",
    "mtu_black_hole": "net_mtu_blackhole_enc",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in stalls.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
