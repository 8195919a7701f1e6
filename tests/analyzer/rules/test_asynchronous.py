"""Asynchronous requests, CANCEL, ECHO and idle connections."""

from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.fsctl import FsctlCode, NetworkResiliencyRequest
from parsers.smb2.header import Command, Flags, build_header
from refserver.client.script import settled, wait
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import (
    ASYNC_ID,
    answers,
    cause,
    found,
    framed,
    generated,
    played,
    tamper,
    with_status,
    without_flag,
)

SECOND = 1_000_000_000
RULES = ["ASYN-01", "ASYN-02", "TIME-06", "TIME-07", "ECHO-01"]
PENDING = ntstatus.STATUS_PENDING
CANCELLED = ntstatus.STATUS_CANCELLED


def notify(stage, link, server, prepare):
    """CHANGE_NOTIFY that is cancelled; `prepare` is called before."""
    client, tree = yield from stage.log_on(link)
    folder = yield client.create(tree, "")
    prepare(client)
    call = client.change_notify(folder)
    yield wait(seconds=1)
    client.cancel(call)
    yield wait(seconds=10)
    yield from somebody_else(stage, server)


def somebody_else(stage, server):
    """Another client, so that the capture goes on."""
    client, tree = yield from stage.log_on(stage.client().connect(server))
    yield from stage.log_off(client, tree)


def with_async_id(number: int):
    def change(message: bytearray) -> None:
        message[ASYNC_ID] = number.to_bytes(8, "little")

    return change


@pytest.mark.parametrize("name", ["normal", "long_waits", "oplock_break", "late_response"])
def test_what_is_right_breaks_no_rule(tmp_path: Path, name: str) -> None:
    analysis = generated(tmp_path, name)
    assert [rule for rule in RULES if found(analysis, rule)] == []


def test_samba_breaks_no_rule(shared: Path) -> None:
    analysis = analyzed(shared, "faults/ok_notify_pending_enc.pcapng")
    assert [rule for rule in RULES if found(analysis, rule)] == []


def test_a_pending_answer_without_an_async_id(tmp_path: Path) -> None:
    def work(stage, server, link):
        def prepare(client) -> None:
            tamper(server, answers(Command.CHANGE_NOTIFY, PENDING), without_flag(Flags.ASYNC_COMMAND))

        yield from notify(stage, link, server, prepare)

    analysis = played(tmp_path, work)
    assert found(analysis, "ASYN-01") == ["error"]
    assert "without an AsyncId" in cause(analysis, "ASYN-01")


def test_a_final_answer_with_another_async_id(tmp_path: Path) -> None:
    def work(stage, server, link):
        def prepare(client) -> None:
            tamper(server, answers(Command.CHANGE_NOTIFY, CANCELLED), with_async_id(0x99))

        yield from notify(stage, link, server, prepare)

    analysis = played(tmp_path, work)
    assert found(analysis, "ASYN-01") == ["error"]
    assert "another AsyncId" in cause(analysis, "ASYN-01")


def test_one_async_id_for_two_requests(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        folder = yield client.create(tree, "")
        tamper(server, answers(Command.CHANGE_NOTIFY, PENDING), with_async_id(0x55))
        client.change_notify(folder)
        client.change_notify(folder)
        yield wait(seconds=1)

    analysis = played(tmp_path, work)
    assert found(analysis, "ASYN-01") == ["error"]
    assert "one AsyncId" in cause(analysis, "ASYN-01")


def test_an_answer_to_cancel(tmp_path: Path) -> None:
    def work(stage, server, link):
        def prepare(client) -> None:
            extra = framed(build_header(Command.CANCEL, 7, flags=Flags.SERVER_TO_REDIR) + b"\x04\x00\x00\x00")
            tamper(server, answers(Command.CHANGE_NOTIFY, CANCELLED), lambda message: bytes(message) + extra)

        yield from notify(stage, link, server, prepare)

    analysis = played(tmp_path, work)
    assert found(analysis, "ASYN-02") == ["error"]
    assert "answered a CANCEL" in cause(analysis, "ASYN-02")


def test_what_was_cancelled_and_never_answered(tmp_path: Path) -> None:
    def work(stage, server, link):
        def prepare(client) -> None:
            tamper(server, answers(Command.CHANGE_NOTIFY, CANCELLED), lambda _message: b"")

        yield from notify(stage, link, server, prepare)

    analysis = played(tmp_path, work)
    assert found(analysis, "ASYN-02") == ["error"]
    assert "never answered the CHANGE_NOTIFY" in cause(analysis, "ASYN-02")


@pytest.mark.parametrize(
    ("timeout", "granted", "severities"),
    [(300_000, False, []), (400_000, False, ["warning"]), (400_000, True, ["error"])],
)
def test_resilience_of_more_than_five_minutes(
    tmp_path: Path, timeout: int, granted: bool, severities: list[str]
) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        if granted:
            tamper(server, answers(Command.IOCTL), with_status(0))
        data = NetworkResiliencyRequest(timeout).build()
        yield settled(client.ioctl(file, FsctlCode.LMR_REQUEST_RESILIENCY, data))

    assert found(played(tmp_path, work), "TIME-06") == severities


@pytest.mark.parametrize(("idle", "severities"), [(1, []), (30, ["info"])])
def test_a_client_that_closes_what_it_does_not_use(tmp_path: Path, idle: int, severities: list[str]) -> None:
    def work(stage, server, link):
        client, _ = yield from stage.log_on(link)
        yield wait(seconds=idle)
        client.close()

    assert found(played(tmp_path, work), "TIME-07") == severities


@pytest.mark.parametrize("answered", [True, False])
def test_an_echo_that_is_not_answered(tmp_path: Path, answered: bool) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        yield client.create(tree, "report.txt")
        if not answered:
            tamper(server, answers(Command.ECHO), lambda _message: b"")
        client.echo(tree.session)
        yield wait(seconds=90)
        yield from somebody_else(stage, server)

    analysis = played(tmp_path, work, session_timeout=200 * SECOND)
    assert found(analysis, "ECHO-01") == ([] if answered else ["warning"])


def test_an_echo_before_any_logon(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        yield link.client.negotiate()
        yield settled(link.client.echo())

    assert found(played(tmp_path, work), "ECHO-01") == ["info"]
