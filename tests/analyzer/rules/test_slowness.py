"""Servers that are slow again and again, long ways, and clocks that differ."""

from pathlib import Path
from typing import Any

import pytest

from analyzer.rules import slowness
from parsers.smb2.header import Command
from refserver.client.script import Steps
from refserver.network.client_process import ClientLink
from refserver.network.server_process import ServerProcess
from refserver.scenarios.stage import Stage
from tests.analyzer.rules.plays import answers, cause, found, generated, played, tamper
from tests.analyzer.rules.real import HEALTHY, found_in

SYSTEM_TIME = slice(4 + 64 + 40, 4 + 64 + 48)  # of a NEGOTIATE response with its prefix
MINUTES = 60 * 10_000_000  # of FILETIME
SECOND = 1_000_000_000


@pytest.mark.parametrize("rule", [rule.id for rule in slowness.RULES])
def test_a_healthy_capture_does_not(rule: str) -> None:
    assert rule not in found_in(HEALTHY)


@pytest.mark.parametrize(("service", "severities"), [(SECOND, ["warning"]), (SECOND // 10, [])])
def test_a_server_that_needs_a_second_for_everything_is_slow(
    tmp_path: Path, service: int, severities: list[str]
) -> None:
    def work(stage: Stage, server: ServerProcess, link: ClientLink) -> Steps[Any]:
        server.service_time = lambda _message: service
        client, tree = yield from stage.log_on(link)
        for _ in range(12):
            yield client.echo()
        yield from stage.log_off(client, tree)

    assert found(played(tmp_path, work), "server_slow") == severities


@pytest.mark.parametrize(("milliseconds", "severities"), [(300.0, ["info"]), (1.0, [])])
def test_a_long_way_is_not_a_slow_server(tmp_path: Path, milliseconds: float, severities: list[str]) -> None:
    analysis = generated(tmp_path, "normal", latency=milliseconds)
    assert found(analysis, "server_slow") == []
    assert found(analysis, "far_away") == severities


@pytest.mark.parametrize(("minutes", "severities"), [(7, ["warning"]), (-1, ["info"]), (0, [])])
def test_a_clock_that_is_wrong(tmp_path: Path, minutes: int, severities: list[str]) -> None:
    def later(message: bytearray) -> None:
        time = int.from_bytes(message[SYSTEM_TIME], "little") + minutes * MINUTES
        message[SYSTEM_TIME] = time.to_bytes(8, "little")

    def work(stage: Stage, server: ServerProcess, link: ClientLink) -> Steps[Any]:
        tamper(server, answers(Command.NEGOTIATE), later)
        yield stage.client_of(link).negotiate()

    analysis = played(tmp_path, work)
    assert found(analysis, "clock_skew") == severities
    if minutes == 7:
        assert "is 420 s ahead of that of the machine that captured" in cause(analysis, "clock_skew")
