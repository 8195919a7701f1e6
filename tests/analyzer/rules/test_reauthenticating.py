"""Re-authentications and bindings that break a rule, and those that do not."""

from dataclasses import replace
from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.crypto import Cipher
from parsers.smb2.header import Command, Flags
from refserver.client.script import settled, wait
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import (
    STATUS,
    answers,
    cause,
    found,
    generated,
    played,
    tamper,
    tamper_with_client,
    with_status,
    without_flag,
)

SETUP = answers(Command.SESSION_SETUP)
RULES = ["REAU-01", "REAU-02", "REAU-03", "REAU-04", *(f"BIND-0{n}" for n in range(1, 7))]


def signing(config) -> None:
    config.require_message_signing = True


def second_connection(stage, server, link, **settings):
    """A further connection of the same client, which has negotiated."""
    machine = stage.client()
    machine.config = replace(link.client.config, **settings)
    second = machine.connect(server)
    yield second.established
    yield second.client.negotiate()
    return second.client


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reauth_valid", {}),
        ("expiry_renewed", {"encrypted": True}),
        ("channel_lost", {}),
        ("channel_lost", {"encrypted": True}),
        ("channel_lost", {"lost": False}),
    ],
)
def test_what_is_right_breaks_no_rule(tmp_path: Path, name: str, options: dict[str, bool]) -> None:
    analysis = generated(tmp_path, name, **options)
    assert [rule for rule in RULES if found(analysis, rule)] == []


@pytest.mark.parametrize(
    "name",
    ["faults/ok_reauth_ntlm_signed.pcapng", "samba/krb5_torture_reauth.pcapng", "samba/krb5_torture_bind.pcapng"],
)
def test_samba_breaks_no_rule(shared: Path, name: str) -> None:
    analysis = analyzed(shared, name)
    assert [rule for rule in RULES if set(found(analysis, rule)) - {"info"}] == []


@pytest.mark.parametrize(
    ("violation", "severity"), [("flags", "error"), ("security_mode", "info"), ("previous_session_id", "error")]
)
def test_wrong_fields(tmp_path: Path, violation: str, severity: str) -> None:
    assert found(generated(tmp_path, "reauth_violation", violation=violation), "REAU-01") == [severity]


def test_new_keys_after_a_re_authentication(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.reauthenticate(tree.session, new_keys=True)
        yield settled(client.read(file, 0, 10))

    analysis = played(tmp_path, work, change=signing, drop_on_bad_signature=False)
    assert found(analysis, "REAU-02") == ["error"]
    assert found(analysis, "SIGN-05") == ["security"]


def test_a_server_that_does_not_want_a_valid_session_again(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        tamper(server, SETUP, with_status(ntstatus.STATUS_REQUEST_NOT_ACCEPTED))
        yield settled(client.reauthenticate(tree.session))

    assert found(played(tmp_path, work), "REAU-03") == ["warning"]


def test_an_encrypted_session_authenticated_again_in_plain_text(tmp_path: Path) -> None:
    assert found(generated(tmp_path, "reauth_violation", violation="plaintext"), "REAU-04") == ["warning"]


def test_a_binding_with_another_guid(tmp_path: Path) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        second = yield from second_connection(stage, server, link, client_guid=b"another machine!")
        yield settled(second.bind(tree.session))

    analysis = played(tmp_path, work)
    assert set(found(analysis, "BIND-01")) <= {"warning", "error"}
    assert "the ClientGuid is another one" in cause(analysis, "BIND-01")


def test_a_binding_with_another_dialect(tmp_path: Path) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        second = yield from second_connection(stage, server, link, dialects=(0x0300,))
        yield settled(second.bind(tree.session))

    analysis = played(tmp_path, work)
    assert "the dialect is 3.0 here and 3.1.1 there" in cause(analysis, "BIND-01")
    assert found(analysis, "BIND-04") == []  # the server says STATUS_INVALID_PARAMETER, as it must


@pytest.mark.parametrize(
    ("status", "severity", "answered"), [(None, "warning", []), (ntstatus.STATUS_ACCESS_DENIED, "warning", ["info"])]
)
def test_an_unsigned_binding(tmp_path: Path, status: int | None, severity: str, answered: list[str]) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        second = yield from second_connection(stage, server, link)
        if status is not None:
            tamper(server, SETUP, with_status(status))
        with second.deviating(Deviation(signed=False)):
            call = second.bind(tree.session)
        yield settled(call)

    analysis = played(tmp_path, work)
    assert found(analysis, "BIND-02") == [severity]
    assert found(analysis, "BIND-04") == answered


def test_an_unsigned_answer_to_a_binding(tmp_path: Path) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        second = yield from second_connection(stage, server, link)
        tamper(server, SETUP, without_flag(Flags.SIGNED))
        yield settled(second.bind(tree.session))

    analysis = played(tmp_path, work)
    assert found(analysis, "BIND-03") == ["security"]
    assert "is not signed" in cause(analysis, "BIND-03")


def test_channels_with_two_ciphers(tmp_path: Path) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        second = yield from second_connection(stage, server, link, ciphers=(Cipher.AES_256_CCM,))
        call = yield settled(second.bind(tree.session))
        if call.succeeded:
            yield settled(second.echo(tree.session))
        bound.append(call.succeeded)

    bound: list[bool] = []
    analysis = played(tmp_path, work)
    assert found(analysis, "BIND-05") == (["error"] if bound == [True] else [])


def test_a_lost_channel_that_the_client_does_not_count(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        second = yield from second_connection(stage, server, link)
        yield second.bind(tree.session)
        numbers = [number for number in range(1, 9) if number in server._endpoints]  # of the bound one
        server.endpoint(numbers[-1]).abort()

        def old(message: bytearray) -> None:
            message[STATUS] = bytes(4)

        tamper_with_client(link, lambda header: header.command == Command.READ, old)
        yield wait(seconds=5)
        yield settled(client.read(file, 0, 10))

    analysis = played(tmp_path, work)
    assert found(analysis, "channel_lost") == ["info"]
    assert found(analysis, "BIND-06") == ["warning"]
