"""Hosts: addresses, ports, and who answers what belongs to nobody."""

from collections.abc import Callable

import pytest

from parsers.errors import UsageError
from parsers.transport.ip import RST
from refserver.network.hosts import Network
from refserver.network.simulation import Simulation
from tests.refserver.network.talkers import Pair, Talker

MakePair = Callable[..., Pair]


def test_an_address_belongs_to_one_host() -> None:
    network = Network(Simulation(1, 0))
    network.host("10.0.0.1")
    with pytest.raises(UsageError, match=r"two hosts cannot both be 10\.0\.0\.1"):
        network.host("10.0.0.1")


def test_ipv6_leaves_less_room_for_data() -> None:
    network = Network(Simulation(1, 0))
    assert [network.host(address).settings.mss for address in ("10.0.0.1", "fd00::1")] == [1460, 1440]


def test_each_connection_has_its_own_port_and_number(make_pair: MakePair) -> None:
    pair = make_pair(10)
    endpoints = [pair.client_host.connect(pair.server_host, 445, Talker()) for _ in range(3)]
    assert [endpoint.connection for endpoint in endpoints] == [0, 1, 2]
    assert len({endpoint.local.port for endpoint in endpoints}) == 3
    pair.run(1)
    assert all(endpoint.open for endpoint in endpoints)


def test_what_comes_for_a_connection_that_is_forgotten_is_reset(make_pair: MakePair) -> None:
    pair = make_pair(10)
    pair.client.on_data = lambda: None
    pair.connect()
    pair.run(1)
    assert pair.server.endpoint is not None
    pair.server.endpoint.vanish()
    pair.endpoint.send(b"anybody there?")
    pair.run(1)
    assert pair.client.lost_by is not None
    assert len(pair.observer.with_flags(0, RST)) == 1
