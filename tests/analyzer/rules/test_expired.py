"""Expired sessions: what each side must do then, and what the rules say where it does not."""

from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.header import Command
from refserver.client.script import settled, wait
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import answers, cause, found, generated, played, tamper, with_status

SECOND = 1_000_000_000
EXPIRED = ntstatus.STATUS_NETWORK_SESSION_EXPIRED
OF_EXPIRED = ["EXP-01", "EXP-02", "EXP-05", "EXP-06", "EXP-07", "REAU-05"]


def expired(stage, link):
    """A session with an open file whose ticket ended a minute ago."""
    client, tree = yield from stage.log_on(link, stage.kerberos(600 * SECOND))
    file = yield client.create(tree, "report.txt")
    yield wait(seconds=660)
    yield settled(client.read(file, 0, 10))
    return client, tree, file


@pytest.mark.parametrize("options", [{}, {"encrypted": True}])
def test_an_expiry_that_both_handle_as_they_should_breaks_no_rule(tmp_path: Path, options: dict[str, bool]) -> None:
    analysis = generated(tmp_path, "expiry_renewed", **options)
    assert [rule for rule in OF_EXPIRED if found(analysis, rule)] == []
    assert found(analysis, "session_expired") == ["info"]


def test_smbtorture_breaks_no_rule(shared: Path) -> None:
    analysis = analyzed(shared, "samba/krb5_torture_expire1n.pcapng")
    assert [rule for rule in OF_EXPIRED if "error" in found(analysis, rule)] == []


def test_a_server_that_serves_an_expired_session(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, _, file = yield from expired(stage, link)
        tamper(server, answers(Command.READ, EXPIRED), with_status(0))
        yield settled(client.read(file, 10, 10))

    analysis = played(tmp_path, work, reauthenticate=False)
    assert found(analysis, "EXP-01") == ["warning"]
    assert "first a READ" in cause(analysis, "EXP-01")


def test_a_server_that_refuses_close_in_an_expired_session(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, _, file = yield from expired(stage, link)
        tamper(server, answers(Command.CLOSE, 0), with_status(EXPIRED))
        yield settled(client.close_file(file))

    assert found(played(tmp_path, work, reauthenticate=False), "EXP-02") == ["error"]


def test_a_close_that_is_processed_in_an_expired_session_is_right(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, _, file = yield from expired(stage, link)
        yield client.close_file(file)

    analysis = played(tmp_path, work, reauthenticate=False)
    assert found(analysis, "EXP-01") == found(analysis, "EXP-02") == []


def test_a_session_that_nobody_renews(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "expiry_not_renewed")
    assert found(analysis, "EXP-05") == ["error"]
    assert "never authenticated it again" in cause(analysis, "EXP-05")


def test_a_request_that_is_not_repeated(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "reauth_violation", violation="not_retried")
    assert found(analysis, "EXP-05") == ["warning"]
    assert "did not repeat 1 request" in cause(analysis, "EXP-05")


def test_a_client_that_keeps_asking(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "reauth_violation", violation="new_requests")
    assert found(analysis, "EXP-06") == ["warning"]
    assert found(analysis, "EXP-05") == []  # all of them were repeated


def test_a_session_used_after_its_re_authentication_was_refused(tmp_path: Path) -> None:
    analysis = generated(tmp_path, "reauth_violation", violation="used_after_failure")
    assert found(analysis, "EXP-07") == ["error"]
    assert found(analysis, "REAU-05") == []  # the server refused it


def test_a_session_served_after_its_re_authentication_was_refused(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree, file = yield from expired(stage, link)
        yield settled(client.reauthenticate(tree.session, stage.ntlm(password="wrong")))
        tamper(server, answers(Command.READ, ntstatus.STATUS_USER_SESSION_DELETED), with_status(0))
        tree.session.expired = False
        yield settled(client.read(file, 10, 10))

    analysis = played(tmp_path, work, reauthenticate=False)
    assert found(analysis, "REAU-05") == ["error"]
