"""How connections ended: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import endings
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "request_timeout": "srv_stop_negotiate_unanswered",
    "late_answer": "srv_stop_echo_keepalive_enc",
    "request_never_sent": "net_slow2mbit_8m_timeout",
    "server_died": "srv_kill9_get_signed",
    "server_restarted": "srv_restart_reconnect_smbprotocol",
    "unknown_session_dropped": "srv_restart_reconnect_smbprotocol",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in endings.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
