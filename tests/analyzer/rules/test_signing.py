"""Signatures that are wrong, missing, or should not be there."""

from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.create import OplockLevel
from parsers.smb2.crypto import SigningAlgorithm
from parsers.smb2.header import Command, Flags
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import settled, wait
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import (
    answers,
    cause,
    found,
    generated,
    played,
    tamper,
    with_flag,
    with_status,
    without_flag,
)

RULES = [f"SIGN-0{n}" for n in range(1, 9)]
DENIED = ntstatus.STATUS_ACCESS_DENIED


def signing(config) -> None:
    config.require_message_signing = True


@pytest.mark.parametrize("options", [{}, {"dialect": "2.1"}, {"dialect": "3.0.2"}, {"cipher": "aes-128-gcm"}])
def test_ordinary_work_breaks_no_rule(tmp_path: Path, options: dict[str, str]) -> None:
    analysis = generated(tmp_path, "normal", **options)
    assert [rule for rule in RULES if found(analysis, rule)] == []


@pytest.mark.parametrize(
    "name",
    ["samba/ntlm_311_sign_aes-128-gmac.pcapng", "samba/krb5_210_signed.pcapng", "samba/ntlm_311_mixed_sessions.pcapng"],
)
def test_samba_breaks_no_rule(shared: Path, name: str) -> None:
    assert [rule for rule in RULES if found(analyzed(shared, name), rule)] == []


def test_an_unsigned_end_of_a_logon(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper(server, answers(Command.SESSION_SETUP, 0), without_flag(Flags.SIGNED))
        yield settled(link.client.run(stage.log_on(link)))

    analysis = played(tmp_path, work)
    assert found(analysis, "SIGN-01") == ["security"]
    assert "accepted" not in cause(analysis, "SIGN-01")  # the client dropped it


@pytest.mark.parametrize(("served", "severity"), [(False, "warning"), (True, "security")])
def test_an_unsigned_request(tmp_path: Path, served: bool, severity: str) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        if served:
            tamper(server, answers(Command.READ, DENIED), with_status(0))
        with client.deviating(Deviation(signed=False)):
            call = client.read(file, 0, 10)
        yield settled(call)

    analysis = played(tmp_path, work, change=signing, drop_on_bad_signature=False)
    assert found(analysis, "SIGN-02") == [severity]


def test_an_unsigned_response(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "unsigned_response")
    assert found(analysis, "SIGN-03") == ["warning"]
    assert "first a READ" in cause(analysis, "SIGN-03")


def test_a_signed_interim_response(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        folder = yield client.create(tree, "")
        tamper(server, answers(Command.CHANGE_NOTIFY, ntstatus.STATUS_PENDING), with_flag(Flags.SIGNED))
        notify = client.change_notify(folder)
        yield wait(seconds=1)
        client.cancel(notify)
        yield settled(notify)

    analysis = played(tmp_path, work, change=signing, drop_on_bad_signature=False)
    assert found(analysis, "SIGN-03") == ["info"]


def test_an_unprotected_tree_connect(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        yield link.client.negotiate()
        session = yield link.client.session_setup(stage.ntlm())
        with link.client.deviating(Deviation(signed=False)):
            call = link.client.tree_connect(session, "data")
        yield settled(call)

    assert found(played(tmp_path, work), "SIGN-04") == ["security"]


@pytest.mark.parametrize("which", ["request", "response"])
def test_a_wrong_signature(tmp_path: Path, which: str) -> None:
    analysis = generated(tmp_path, "wrong_signature", which=which)
    assert found(analysis, "SIGN-05") == ["security"]
    assert f"READ {which}" in cause(analysis, "SIGN-05")


def test_nothing_is_wrong_with_signatures_that_were_not_touched(tmp_path: Path) -> None:
    assert found(generated(tmp_path, "wrong_signature", which="none"), "SIGN-05") == []


def test_a_signed_break_notification(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        yield client.create(tree, "report.txt", access=READ_WRITE_DELETE, oplock=OplockLevel.BATCH)
        tamper(server, lambda header: header.command == Command.OPLOCK_BREAK, with_flag(Flags.SIGNED))
        other = stage.client().connect(server)
        second, tree = yield from stage.log_on(other)
        yield settled(second.create(tree, "report.txt", access=READ_WRITE_DELETE))

    assert found(played(tmp_path, work), "SIGN-06") == ["warning"]


def test_an_unsigned_validation(tmp_path: Path) -> None:
    def work(stage, server, link):
        yield link.established
        yield link.client.negotiate()
        session = yield link.client.session_setup(stage.ntlm())
        tree = yield link.client.tree_connect(session, "data")
        with link.client.deviating(Deviation(signed=False)):
            call = link.client.validate_negotiate(tree)
        yield settled(call)

    assert found(played(tmp_path, work, dialects=(0x0302,)), "SIGN-07") == ["security"]


def test_a_message_id_that_is_no_nonce(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.deviating(Deviation(message_id=0)):
            call = client.create(tree, "report.txt")
        yield settled(call)

    analysis = played(tmp_path, work, change=signing, signing_algorithms=(SigningAlgorithm.AES_GMAC,))
    assert "MessageId 0x0, which is no nonce" in " ".join(
        analysis.findings.loc[analysis.findings["rule"] == "SIGN-08", "cause"]
    )


@pytest.mark.parametrize(
    ("algorithm", "severities"), [(SigningAlgorithm.AES_GMAC, ["security"]), (SigningAlgorithm.AES_CMAC, [])]
)
def test_one_nonce_for_two_requests(tmp_path: Path, algorithm: SigningAlgorithm, severities: list[str]) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        with client.deviating(Deviation(message_id=3)):
            call = client.create(tree, "report.txt")
        yield settled(call)

    assert found(played(tmp_path, work, change=signing, signing_algorithms=(algorithm,)), "SIGN-08") == severities


def test_a_replay_is_no_fault_of_the_nonce(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "replayed_message", encrypted=False)
    assert found(analysis, "SIGN-08") == []
    assert found(analysis, "CRED-01") == ["error"]
