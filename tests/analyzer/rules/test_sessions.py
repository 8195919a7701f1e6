"""Sessions: what rules find where client or server break them, and that they find nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.session_setup import SessionSetupFlags
from refserver.client.script import settled, wait
from refserver.client.state import Deviation
from tests.analyzer.captures import analyzed
from tests.analyzer.rules.plays import (
    PREFIX,
    SESSION_ID,
    answers,
    cause,
    found,
    generated,
    played,
    requests,
    tamper,
    tamper_with_client,
    with_status,
)

SETUP = answers(Command.SESSION_SETUP)
DELETED = ntstatus.STATUS_USER_SESSION_DELETED
OF_SESSIONS = [f"SESS-0{n}" for n in range(1, 10)] + ["PREV-01", "PREV-02", "PREV-03"]


def use(stage, server, link):
    client, tree = yield from stage.log_on(link)
    yield from stage.log_off(client, tree)


def with_session(number: int):
    def change(message: bytearray) -> None:
        message[SESSION_ID] = number.to_bytes(8, "little")

    return change


@pytest.mark.parametrize("name", ["normal", "wrong_password", "guest_fallback", "expiry_renewed", "channel_lost"])
def test_what_is_right_breaks_no_rule(tmp_path: Path, name: str) -> None:
    analysis = generated(tmp_path, name)
    assert [rule for rule in OF_SESSIONS if found(analysis, rule)] == []


@pytest.mark.parametrize(
    "name", ["faults/ok_reconnect_previous_session.pcapng", "samba/ntlm_311_mixed_sessions.pcapng"]
)
def test_samba_breaks_no_rule(shared: Path, name: str) -> None:
    assert [rule for rule in OF_SESSIONS if found(analyzed(shared, name), rule)] == []


def test_a_session_id_that_means_no_session(tmp_path: Path) -> None:
    def work(stage, server, link):
        tamper(server, SETUP, with_session(0xFFFF_FFFF_FFFF_FFFF))
        yield settled(link.client.run(stage.log_on(link)))

    assert found(played(tmp_path, work), "SESS-01")[:1] == ["error"]


def test_a_session_id_that_another_session_has(tmp_path: Path) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        tamper(server, SETUP, with_session(tree.session.session_id))
        other = stage.client().connect(server)
        yield settled(link.client.run(stage.log_on(other)))

    assert found(played(tmp_path, work), "SESS-01")[:1] == ["error"]


def test_a_logon_that_goes_on_under_another_name(tmp_path: Path) -> None:
    def work(stage, server, link):
        legs = 0

        def second(header) -> bool:
            nonlocal legs
            legs += requests(Command.SESSION_SETUP)(header)
            return legs == 2 and header.command == Command.SESSION_SETUP

        tamper_with_client(link, second, with_session(0x1234))
        yield settled(link.client.run(stage.log_on(link)))

    analysis = played(tmp_path, work)
    assert found(analysis, "SESS-02") == ["error"]
    assert "0x1234" in cause(analysis, "SESS-02")


def test_a_logon_that_nobody_finishes(tmp_path: Path) -> None:
    def work(stage, server, link):
        server.server.config.unauthenticated_timeout = None
        legs = 0

        def second(header) -> bool:
            nonlocal legs
            legs += requests(Command.SESSION_SETUP)(header)
            return legs == 2

        tamper_with_client(link, second, lambda _message: b"")
        link.client.run(stage.log_on(link))
        other = stage.client().connect(server)
        yield wait(seconds=20)
        yield from use(stage, server, other)

    assert found(played(tmp_path, work), "SESS-03") == ["info"]


@pytest.mark.parametrize(("served", "severity"), [(False, "info"), (True, "error")])
def test_a_session_whose_logon_was_refused(tmp_path: Path, served: bool, severity: str) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        refused = []
        client.on_message = lambda message: refused.append(message.header.session_id)
        yield settled(client.session_setup(stage.ntlm(password="wrong")))
        if served:
            tamper(server, answers(Command.CREATE, DELETED), with_status(0))
        with client.deviating(Deviation(session_id=refused[-1])):
            yield settled(client.create(tree, "report.txt"))

    assert found(played(tmp_path, work), "SESS-04") == [severity]


def test_a_session_served_on_a_foreign_connection(tmp_path: Path) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        other = stage.client().connect(server)
        client, elsewhere = yield from stage.log_on(other)
        file = yield client.create(elsewhere, "report.txt")
        tamper(server, answers(Command.READ, DELETED), with_status(0))
        with client.deviating(Deviation(session_id=tree.session.session_id)):
            yield settled(client.read(file, 0, 10))

    assert found(played(tmp_path, work), "SESS-05") == ["error"]


@pytest.mark.parametrize(("served", "severity"), [(False, "warning"), (True, "error")])
def test_a_session_used_before_its_logon_is_done(tmp_path: Path, served: bool, severity: str) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        begun: list[int] = []
        client.on_message = lambda message: begun.append(message.header.session_id)
        tamper_with_client(
            link, lambda header: requests(Command.SESSION_SETUP)(header) and bool(begun), lambda _message: b""
        )
        client.session_setup(stage.ntlm())
        yield wait(seconds=1)
        if served:
            tamper(server, answers(Command.CREATE), with_status(0))
        with client.deviating(Deviation(session_id=begun[-1])):
            yield settled(client.create(tree, "report.txt"))

    assert found(played(tmp_path, work), "SESS-06") == [severity]


def test_session_flags_that_are_unknown(tmp_path: Path) -> None:
    def work(stage, server, link):
        def flags(message: bytearray) -> None:
            message[PREFIX + 66] = 8

        tamper(server, answers(Command.SESSION_SETUP, 0), flags)
        yield settled(link.client.run(stage.log_on(link)))

    assert found(played(tmp_path, work), "SESS-07") == ["error"]


def test_encryption_before_3_0(tmp_path: Path) -> None:
    def work(stage, server, link):
        def flags(message: bytearray) -> None:
            message[PREFIX + 66] = 4

        tamper(server, answers(Command.SESSION_SETUP, 0), flags)
        yield settled(link.client.run(stage.log_on(link)))

    analysis = played(tmp_path, work, dialects=(0x0210,))
    assert "which SMB 2.1 does not have" in cause(analysis, "SESS-07")


@pytest.mark.parametrize("demands", [False, True])
def test_a_client_that_demands_signatures_and_works_as_a_guest(tmp_path: Path, demands: bool) -> None:
    def guests(config) -> None:
        config.guest = True

    def work(stage, server, link):
        def signing_required(message: bytearray) -> None:
            message[PREFIX + 64 + 4] = 2

        if demands:
            tamper_with_client(link, requests(Command.NEGOTIATE), signing_required)
        yield link.established
        yield link.client.negotiate()
        session = yield link.client.session_setup(stage.ntlm("nobody-knows", "x"))
        tree = yield link.client.tree_connect(session, "data")
        yield settled(link.client.create(tree, "report.txt"))

    analysis = played(tmp_path, work, change=guests)
    assert found(analysis, "SESS-08") == (["security"] if demands else [])


def test_a_session_served_after_its_logoff(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.logoff(tree.session)
        tamper(server, answers(Command.READ, DELETED), with_status(0))
        yield settled(client.read(file, 0, 10))

    analysis = played(tmp_path, work)
    assert found(analysis, "SESS-09") == ["error"]
    assert "after its LOGOFF" in cause(analysis, "SESS-09")


def test_a_session_refused_after_its_logoff_is_as_it_should_be(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        yield client.logoff(tree.session)
        yield settled(client.create(tree, "report.txt"))

    assert found(played(tmp_path, work), "SESS-09") == []


def test_a_previous_session_in_a_binding(tmp_path: Path) -> None:
    def work(stage, server, link):
        _, tree = yield from stage.log_on(link)
        other = stage.client(client_guid=link.client.config.client_guid)
        other.config = link.client.config
        second = other.connect(server)
        yield second.established
        yield second.client.negotiate()
        yield settled(second.client.bind(tree.session, change=lambda fields: replace(fields, previous_session_id=0x77)))

    analysis = played(tmp_path, work)
    assert found(analysis, "PREV-01") == ["error"]
    assert "in a binding" in cause(analysis, "PREV-01")


def test_a_session_served_after_it_was_replaced(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        second = stage.client().connect(server)
        yield from stage.log_on(second, previous_session_id=tree.session.session_id)
        tamper(server, answers(Command.READ, DELETED), with_status(0))
        yield settled(client.read(file, 0, 10))

    assert found(played(tmp_path, work), "PREV-02") == ["error"]


def test_a_session_that_is_to_replace_itself(tmp_path: Path) -> None:
    def work(stage, server, link):
        client, tree = yield from stage.log_on(link)
        own = tree.session.session_id
        yield settled(
            client.reauthenticate(tree.session, change=lambda fields: replace(fields, previous_session_id=own))
        )

    assert found(played(tmp_path, work), "PREV-03") == ["warning"]


def test_a_logon_that_becomes_a_binding_half_way(tmp_path: Path) -> None:
    def work(stage, server, link):
        legs = 0

        def second(header) -> bool:
            nonlocal legs
            legs += requests(Command.SESSION_SETUP)(header)
            return legs == 2 and header.command == Command.SESSION_SETUP

        def binding(message: bytearray) -> None:
            message[PREFIX + 64 + 2] = SessionSetupFlags.BINDING

        tamper_with_client(link, second, binding)
        yield settled(link.client.run(stage.log_on(link)))

    assert found(played(tmp_path, work), "SESS-02") == ["error"]
