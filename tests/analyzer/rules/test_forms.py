"""The form of messages and compounds, trees, channel sequences."""

from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.header import Command, Flags, build_header
from parsers.smb2.simple import SimpleBody
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import settled, wait
from refserver.client.state import Deviation, Request, related
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import (
    STATUS,
    answers,
    cause,
    found,
    framed,
    generated,
    played,
    requests,
    tamper,
    tamper_with_client,
    with_status,
)

RULES = ["TREE-01", "CHSQ-01", "CMPD-01", "FMT-01", "SZ-01"]
ECHO_BODY = b"\x04\x00\x00\x00"


@pytest.mark.parametrize("name", ["normal", "channel_lost", "durable_reconnect", "expiry_renewed"])
def test_what_is_right_breaks_no_rule(tmp_path: Path, name: str) -> None:
    analysis = generated(tmp_path, name)
    assert [rule for rule in RULES if found(analysis, rule)] == []


@pytest.mark.parametrize("name", ["samba/ntlm_311_mixed_sessions.pcapng", "samba/torture_replay.pcapng"])
def test_samba_breaks_no_rule(shared: Path, name: str) -> None:
    analysis = analyzed(shared, name)
    assert [rule for rule in RULES if set(found(analysis, rule)) - {"info"}] == []


def test_smbtorture_puts_compounds_together_wrongly_on_purpose(shared: Path) -> None:
    analysis = analyzed(shared, "samba/torture_compound_enc_8k.pcapng")
    assert set(found(analysis, "CMPD-01")) == {"warning"}
    assert found(analysis, "FMT-01") == ["error"]  # command 0xff


def test_a_related_compound_is_right(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.compound(related=True):
            client.create(tree, "report.txt")
            client.read(related(tree), 0, 10)
            last = client.close_file(related(tree))
        yield settled(last)

    assert [rule for rule in RULES if found(played(tmp_path, work), rule)] == []


@pytest.mark.parametrize(("served", "severities"), [(False, []), (True, ["error"])])
def test_a_tree_that_was_never_connected(tmp_path: Path, served: bool, severities: list[str]) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        if served:
            tamper(server, answers(Command.READ, ntstatus.STATUS_NETWORK_NAME_DELETED), with_status(0))
        with client.deviating(Deviation(tree_id=0x777)):
            call = client.read(file, 0, 10)
        yield settled(call)

    assert found(played(tmp_path, work), "TREE-01") == severities


def test_a_tree_that_was_disconnected(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.tree_disconnect(tree)
        yield wait(seconds=1)
        tamper(server, answers(Command.READ, ntstatus.STATUS_NETWORK_NAME_DELETED), with_status(0))
        yield settled(client.read(file, 0, 10))

    analysis = played(tmp_path, work)
    assert found(analysis, "TREE-01") == ["error"]
    assert "which it had disconnected" in cause(analysis, "TREE-01")


@pytest.mark.parametrize(("served", "severities"), [(False, []), (True, ["error"])])
def test_a_stale_write(tmp_path: Path, served: bool, severities: list[str]) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt", access=READ_WRITE_DELETE)
        sequences = iter((2, 1))

        def numbered(message: bytearray) -> None:
            message[STATUS] = next(sequences).to_bytes(4, "little")

        tamper_with_client(link, requests(Command.WRITE), numbered)
        yield settled(client.write(file, 0, b"new"))
        if served:
            tamper(server, answers(Command.WRITE, ntstatus.STATUS_FILE_NOT_AVAILABLE), with_status(0))
        yield settled(client.write(file, 0, b"old"))

    assert found(played(tmp_path, work), "CHSQ-01") == severities


def test_a_single_request_that_is_related(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.deviating(Deviation(flags=Flags.RELATED_OPERATIONS)):
            call = client.create(tree, "report.txt")
        yield settled(call)

    analysis = played(tmp_path, work)
    assert found(analysis, "CMPD-01") == ["warning"]
    assert "nothing goes before" in cause(analysis, "CMPD-01")


def test_a_compound_that_is_not_aligned(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        number, session_id = client.next_message_id, tree.session.session_id
        first = build_header(Command.ECHO, number, next_command=68, session_id=session_id) + ECHO_BODY
        second = build_header(Command.ECHO, number + 1, session_id=session_id) + ECHO_BODY
        link.endpoint.send(framed(first + second))
        yield wait(seconds=1)

    analysis = played(tmp_path, work)
    assert found(analysis, "CMPD-01") == ["warning"]
    assert "multiple of eight" in cause(analysis, "CMPD-01")


def test_an_unknown_command(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        header = build_header(0x77, client.next_message_id, session_id=tree.session.session_id)
        link.endpoint.send(framed(header + ECHO_BODY))
        yield wait(seconds=1)

    analysis = played(tmp_path, work)
    assert found(analysis, "FMT-01") == ["error"]
    assert "0x77" in cause(analysis, "FMT-01")


def test_bytes_that_are_no_message(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        message = build_header(Command.ECHO, client.next_message_id, session_id=tree.session.session_id) + ECHO_BODY
        link.endpoint.send(framed(message[:4] + b"\x20\x00" + message[6:]))
        yield wait(seconds=1)

    analysis = played(tmp_path, work)
    assert found(analysis, "FMT-01") == ["error"]
    assert "another ProtocolId or StructureSize" in cause(analysis, "FMT-01")


@pytest.mark.parametrize(("size", "severities"), [(1000, []), (80 * 1024, ["error"])])
def test_a_request_of_one_credit_that_is_too_large(tmp_path: Path, size: int, severities: list[str]) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        body = SimpleBody().build() + bytes(size)
        call = client.submit(Request(Command.FLUSH, body, SimpleBody.parse, session=tree.session))
        yield settled(call)

    assert found(played(tmp_path, work), "SZ-01") == severities
