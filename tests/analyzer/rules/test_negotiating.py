"""How connections begin: each rule trips over a dialogue that breaks it, and over nothing in one that does not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parsers import ntstatus
from parsers.smb2.crypto import Signer
from parsers.smb2.dialects import Dialect
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.negotiate import NegotiateRequest, NegotiateResponse
from refserver.client.script import settled, wait
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import (
    PREFIX,
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

NEGOTIATE = answers(Command.NEGOTIATE)
OLD = (Dialect.SMB_3_0, Dialect.SMB_3_0_2)
OF_NEGOTIATING = [f"CONN-0{n}" for n in range(1, 5)] + [f"NEG-0{n}" for n in range(1, 9)]


def use(stage, server, link):
    client, tree = yield from stage.log_on(link)
    yield from stage.log_off(client, tree)


def changed_request(**members: Any):
    """Change members of the NEGOTIATE request."""

    def change(message: bytearray) -> bytes:
        request = NegotiateRequest.parse(memoryview(message)[PREFIX:])
        given = {name: value(request) if callable(value) else value for name, value in members.items()}
        return framed(bytes(message[PREFIX : PREFIX + 64]) + replace(request, **given).build())

    return change


def changed_response(**members: Any):
    """Change members of the NEGOTIATE response."""

    def change(message: bytearray) -> bytes:
        response = NegotiateResponse.parse(memoryview(message)[PREFIX:])
        given = {name: value(response) if callable(value) else value for name, value in members.items()}
        return framed(bytes(message[PREFIX : PREFIX + 64]) + replace(response, **given).build())

    return change


@pytest.mark.parametrize("options", [{}, {"dialect": "3.0.2"}, {"cipher": "aes-256-gcm"}, {"auth": "kerberos"}])
def test_ordinary_work_breaks_no_rule(tmp_path: Path, options: dict[str, str]) -> None:
    analysis = generated(tmp_path, "normal", **options)
    assert [rule for rule in OF_NEGOTIATING if found(analysis, rule)] == []


def test_something_before_negotiate(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        link.client.echo()
        yield wait(seconds=2)

    analysis = played(tmp_path, work)
    assert found(analysis, "CONN-01") == ["error"]
    assert "began with ECHO" in cause(analysis, "CONN-01")


def test_a_capture_that_begins_in_the_middle_says_nothing_of_the_first_message(shared: Path) -> None:
    assert found(analyzed(shared, "faults/dmg_enc_snap96.pcapng"), "CONN-01") == []


def test_a_second_negotiate(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        yield link.client.negotiate()
        yield settled(link.client.negotiate())

    analysis = played(tmp_path, work)
    assert found(analysis, "CONN-02") == ["error"]
    assert "3.1.1 had been chosen" in cause(analysis, "CONN-02")


def test_a_connection_without_a_logon_is_scavenged(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        yield link.client.negotiate()
        yield link.closed

    analysis = played(tmp_path, work)
    assert found(analysis, "CONN-03") == ["info"]
    assert found(analysis, "SESS-03") == []


def test_a_signed_negotiate(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        with link.client.deviating(Deviation(signer=Signer(algorithm=1, key=bytes(16)))):
            call = link.client.negotiate()
        yield settled(call)

    assert found(played(tmp_path, work), "CONN-04") == ["error"]


@pytest.mark.parametrize(("status", "severities"), [(None, []), (ntstatus.STATUS_ACCESS_DENIED, ["error"])])
def test_how_a_server_refuses_dialects(tmp_path: Path, status: int | None, severities: list[str]) -> None:
    def work(stage, server, link):
        if status is not None:
            tamper(server, NEGOTIATE, with_status(status))
        yield link.established
        yield settled(link.client.negotiate())

    def modern(config) -> None:
        config.dialects = (Dialect.SMB_3_1_1,)

    assert found(played(tmp_path, work, change=modern, dialects=(Dialect.SMB_2_1,)), "NEG-01") == severities


def test_a_dialect_that_was_not_offered(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper(server, NEGOTIATE, changed_response(dialect_revision=Dialect.SMB_3_0_2))
        yield link.established
        yield settled(link.client.negotiate())

    assert found(played(tmp_path, work, dialects=(Dialect.SMB_2_1, Dialect.SMB_3_0)), "NEG-02") == ["security"]


def test_a_dialect_below_what_both_have(tmp_path: Path) -> None:
    """The request is weakened on its way: the response of another connection shows what the server can do."""

    def work(stage, server, link):
        yield from use(stage, server, link)
        weak = stage.client(dialects=OLD).connect(server)
        tamper(server, NEGOTIATE, changed_response(dialect_revision=Dialect.SMB_3_0))
        yield weak.established
        yield settled(weak.client.negotiate())

    assert found(played(tmp_path, work), "NEG-02") == ["security"]


def test_two_contexts_of_one_kind_in_a_request(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper_with_client(
            link, requests(Command.NEGOTIATE), changed_request(contexts=lambda one: (*one.contexts, one.contexts[0]))
        )
        yield link.established
        yield settled(link.client.negotiate())

    analysis = played(tmp_path, work)
    assert found(analysis, "NEG-03") == ["error"]
    assert found(analysis, "NEG-01") == []  # the server is right to refuse it


def test_contexts_missing_from_a_response(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper(server, NEGOTIATE, changed_response(contexts=lambda one: one.contexts[:1]))
        yield link.established
        yield settled(link.client.negotiate())

    analysis = played(tmp_path, work)
    assert found(analysis, "NEG-04") == ["error"]
    assert "no cipher although some were offered" in cause(analysis, "NEG-04")


def test_the_encryption_capability_of_3_0_in_a_3_1_1_response(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper(server, NEGOTIATE, changed_response(capabilities=lambda one: one.capabilities | 0x40))
        yield link.established
        yield settled(link.client.negotiate())

    assert found(played(tmp_path, work), "NEG-05") == ["warning"]


def test_one_salt_in_two_responses(tmp_path: Path) -> None:
    def work(stage, server, link):
        said: list[bytes] = []

        def repeat(message: bytearray) -> bytes:
            said.append(bytes(message))
            return said[0]

        tamper(server, NEGOTIATE, repeat)
        for each in (link, stage.client().connect(server)):
            yield each.established
            yield settled(each.client.negotiate())

    assert found(played(tmp_path, work), "NEG-06") == ["security"]


def test_a_negotiate_that_was_changed_on_its_way_is_noticed_when_it_is_validated(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper_with_client(
            link, requests(Command.NEGOTIATE), changed_request(capabilities=lambda one: one.capabilities & ~0x40)
        )
        yield link.established
        yield link.client.negotiate()
        session = yield link.client.session_setup(stage.ntlm())
        tree = yield link.client.tree_connect(session, "data")
        yield settled(link.client.validate_negotiate(tree))

    analysis = played(tmp_path, work, dialects=OLD)
    assert found(analysis, "NEG-07") == ["security"]
    assert cause(analysis, "NEG-07").startswith("Capabilities that")


def test_a_negotiate_that_nobody_validates(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        yield link.client.negotiate()
        session = yield link.client.session_setup(stage.ntlm())
        yield link.client.tree_connect(session, "data")

    assert found(played(tmp_path, work, dialects=OLD), "NEG-07") == ["info"]


def test_a_validation_on_3_1_1(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        yield settled(client.ioctl(tree, FsctlCode.VALIDATE_NEGOTIATE_INFO, bytes(24)))

    assert found(played(tmp_path, work), "NEG-07") == ["warning"]


def test_one_client_with_two_dialects(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield from stage.log_on(link)
        machine = stage.client(dialects=OLD, client_guid=link.client.config.client_guid)
        machine.config = replace(machine.config, client_guid=link.client.config.client_guid)
        other = machine.connect(server)
        tamper(
            server,
            answers(Command.SESSION_SETUP, ntstatus.STATUS_USER_SESSION_DELETED),
            with_status(ntstatus.STATUS_SUCCESS),
        )
        yield settled(link.client.run(stage.log_on(other)))

    assert found(played(tmp_path, work), "NEG-08") == ["info"]
