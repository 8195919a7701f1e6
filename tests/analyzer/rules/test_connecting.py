"""Why a client got no connection: each rule trips where that was planted, and on a healthy capture stays silent."""

import pytest

from analyzer.rules import connecting
from tests.analyzer.rules.real import HEALTHY, found_in

TRIPS = {
    "connection_refused": "srv_connection_refused",
    "connect_timeout": "net_syn_unanswered",
    "server_refuses_connections": "srv_max_processes_refused",
    "client_address_refused": "srv_hosts_deny",
    "dialect_mismatch": "auth_dialect_mismatch",
}


@pytest.mark.parametrize(("rule", "capture"), TRIPS.items())
def test_what_was_planted_trips_its_rule(rule: str, capture: str) -> None:
    assert rule in found_in(capture)


@pytest.mark.parametrize("rule", [rule.id for rule in connecting.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)
