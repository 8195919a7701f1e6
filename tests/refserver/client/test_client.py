"""Sessions and trees from end to end against the reference server: what expires, what is taken back, what is told."""

import random
from dataclasses import replace
from typing import Any

import pytest

from parsers.ntstatus import (
    STATUS_BAD_NETWORK_NAME,
    STATUS_LOGON_FAILURE,
    STATUS_NETWORK_NAME_DELETED,
    STATUS_NETWORK_SESSION_EXPIRED,
    STATUS_USER_SESSION_DELETED,
)
from parsers.smb2.create import CreateDisposition, OplockLevel
from parsers.smb2.header import Command, parse_header
from parsers.smb2.lease import LeaseFlags, LeaseState, LeaseV2
from parsers.smb2.simple import SimpleBody
from parsers.times import NANOSECONDS
from refserver.client import files
from refserver.client.calls import all_of
from refserver.client.client import Client
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.config import ClientConfig
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Session, related
from refserver.gss.kerberos_initiator import KerberosCredential
from refserver.gss.tickets import ClientTicket, mint
from refserver.server.config import ServerConfig
from tests.refserver.client.pair import ALICE, SERVICE, Pair, log_on
from tests.refserver.client.peer import Peer

HOUR = 3600


def commands(pair: Pair, since: int = 0) -> list[int]:
    """What was asked for, in order, as far as it was not encrypted."""
    return [parse_header(unit).command for unit in pair.requests(since) if unit[:4] == b"\xfeSMB"]


def test_a_share_is_connected_to_and_left(pair: Pair) -> None:
    client = pair.connect()
    session, tree = pair.run(log_on(client))
    assert session.tree_connects == {tree.tree_id: tree}
    assert not tree.is_pipe
    assert pair.finish(client.tree_connect(session, "IPC$")).is_pipe
    assert pair.settle(client.tree_connect(session, "nothing")) == STATUS_BAD_NETWORK_NAME
    pair.finish(client.tree_disconnect(tree))
    assert tree.tree_id not in session.tree_connects
    assert pair.settle(client.create(tree, "")) == STATUS_NETWORK_NAME_DELETED


def test_an_encrypted_share_is_used_encrypted_only(pair: Pair) -> None:
    client = pair.connect()
    _, tree = pair.run(log_on(client, "sealed"))
    since = len(pair.sent)
    pair.run(files.put(client, tree, "a", b"x"))
    assert {unit[:4] for unit in pair.requests(since)} == {b"\xfdSMB"}


def test_after_logoff_the_session_is_unknown(pair: Pair) -> None:
    client = pair.connect()
    session, tree = pair.run(log_on(client))
    assert pair.finish(client.logoff(session)) == SimpleBody()
    assert session.ended
    assert pair.settle(client.create(tree, "")) == STATUS_USER_SESSION_DELETED


def test_an_echo_needs_no_session(pair: Pair) -> None:
    client = pair.connect()
    session, _ = pair.run(log_on(client))
    assert pair.finish(client.echo()) == pair.finish(client.echo(session)) == SimpleBody()


# ----------------------------------------------------------------------------------------------- expired sessions


class Clock:
    """Tickets of ten minutes, and how many were asked for."""

    def __init__(self, lifetime: int = 600) -> None:
        self.asked: list[int] = []
        self._numbers = random.Random(4)
        self._lifetime = lifetime
        self.credential = KerberosCredential(self.ticket)

    def ticket(self, now: int) -> ClientTicket:
        self.asked.append(now)
        end = now + self._lifetime * NANOSECONDS
        return mint(SERVICE, client="alice", authtime=now, endtime=end, random=self._numbers.randbytes)


@pytest.fixture
def expiring() -> Pair:
    return Pair(ServerConfig(keytab=(SERVICE,), idle_timeout=None))


@pytest.mark.parametrize(
    "options", [{}, {"require_signing": True}, {"encrypt": True}], ids=["plain", "signed", "sealed"]
)
def test_an_expired_session_is_renewed_once_and_everything_repeated_in_order(
    expiring: Pair, options: dict[str, Any]
) -> None:
    client, clock = expiring.connect(ClientConfig(**options)), Clock()

    def work() -> Steps[list[bytes]]:
        _, tree = yield client.run(log_on(client, credential=clock.credential))
        yield client.run(files.put(client, tree, "digits", b"0123456789"))
        file = yield client.create(tree, "digits")
        yield wait(seconds=700)
        calls = [client.read(file, place, 1) for place in range(5)]
        return list((yield all_of(*calls)))

    assert expiring.run(work()) == [b"0", b"1", b"2", b"3", b"4"]
    assert len(clock.asked) == 2
    assert client.faults == []


def test_requests_that_are_made_during_the_renewal_wait_for_it(expiring: Pair) -> None:
    client, clock = expiring.connect(), Clock()
    session, tree = expiring.run(log_on(client, credential=clock.credential))
    expiring.run(files.put(client, tree, "a", b"x"))
    expiring.pass_time(700)
    first = client.create(tree, "a")
    while not session.expired:
        number, data = next((number, c.outgoing.popleft()) for number, c in expiring.clients.items() if c.outgoing)
        assert data is not None
        expiring.server.received(number, data, expiring.timers.now)
        while expiring.server.outgoing:
            _, answer = expiring.server.outgoing.popleft()
            assert answer is not None
            client.received(answer, expiring.timers.now)
    since = len(expiring.sent)
    second = client.create(tree, "a")
    expiring.finish(all_of(first, second))
    asked = commands(expiring, since)
    assert Command.CREATE not in asked[: asked.index(Command.SESSION_SETUP) + 1]
    assert asked.count(Command.CREATE) == 2


def test_a_compound_whose_session_has_expired_is_repeated_as_a_whole(expiring: Pair) -> None:
    client, clock = expiring.connect(), Clock()

    def work() -> Steps[bytes]:
        _, tree = yield client.run(log_on(client, credential=clock.credential))
        yield client.run(files.put(client, tree, "a", b"together"))
        yield wait(seconds=700)
        with client.compound(related=True):
            calls = (client.create(tree, "a"), client.read(related(tree), 0, 100), client.close_file(related(tree)))
        _, content, _ = yield all_of(*calls)
        return content

    assert expiring.run(work()) == b"together"


def test_a_renewal_that_fails_fails_what_waits_for_it(expiring: Pair) -> None:
    client, clock = expiring.connect(), Clock()
    session, tree = expiring.run(log_on(client, credential=clock.credential))
    session.credential = replace(ALICE, password="wrong")
    expiring.pass_time(700)
    calls = client.create(tree, ""), client.create(tree, "")
    assert [expiring.settle(call) for call in calls] == [STATUS_LOGON_FAILURE] * 2
    assert session.ended


def test_a_client_that_never_renews_is_told_that_the_session_has_expired(expiring: Pair) -> None:
    client, clock = expiring.connect(ClientConfig(reauthenticate=False)), Clock()
    _, tree = expiring.run(log_on(client, credential=clock.credential))
    expiring.pass_time(700)
    assert expiring.settle(client.create(tree, "")) == STATUS_NETWORK_SESSION_EXPIRED
    assert len(clock.asked) == 1


def test_a_session_that_expires_again_and_again_is_given_up() -> None:
    peer = Peer()
    call = peer.client.flush(peer.open)
    for _ in range(4):
        peer.session.reauthentication = None
        peer.session.expired = False
        if call.done:
            break
        request = next(iter(peer.client.outstanding.values()))
        assert request.message_id is not None
        peer.session.authenticated_at = peer.timers.now + 1  # somebody has renewed it
        peer.answer(request.message_id, Command.FLUSH, status=STATUS_NETWORK_SESSION_EXPIRED)
    assert call.status == STATUS_NETWORK_SESSION_EXPIRED


def test_an_answer_of_before_the_renewal_only_repeats_the_request() -> None:
    peer = Peer()
    call = peer.client.flush(peer.open)
    peer.take()
    peer.session.authenticated_at = peer.timers.now + 1
    peer.answer(5, Command.FLUSH, status=STATUS_NETWORK_SESSION_EXPIRED)
    assert [header.command for header in peer.headers()] == [Command.FLUSH]
    peer.answer(6, Command.FLUSH)
    assert call.succeeded


def test_parts_of_a_compound_that_are_answered_differently_end_each_for_itself() -> None:
    peer = Peer()
    with peer.client.compound():
        flush, echo = peer.client.flush(peer.open), peer.client.echo()
    peer.answer(5, Command.FLUSH, status=STATUS_NETWORK_SESSION_EXPIRED)
    assert not flush.done
    peer.answer(6)
    assert echo.succeeded
    assert flush.status == STATUS_NETWORK_SESSION_EXPIRED


# ----------------------------------------------------------------------------------------------- breaks


def test_a_lease_is_given_back_when_another_client_comes(pair: Pair) -> None:
    first = pair.connect(ClientConfig(client_guid=b"the first client"))
    second = pair.connect(ClientConfig(client_guid=b"the other client"))
    everything = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING | LeaseState.WRITE_CACHING
    lease = LeaseV2(b"key of the lease", everything, LeaseFlags(0), bytes(16), 0)

    def work(acknowledge: bool) -> Steps[int]:
        _, tree = yield first.run(log_on(first))
        _, other_tree = yield second.run(log_on(second))
        first.acknowledge_breaks = acknowledge
        file = yield first.create(
            tree,
            "leased",
            access=READ_WRITE_DELETE,
            disposition=CreateDisposition.OPEN_IF,
            oplock=OplockLevel.LEASE,
            contexts=(lease,),
        )
        assert file.lease_state == everything
        began = first.timers.now
        opening = second.create(other_tree, "leased", access=READ_WRITE_DELETE)
        broken = yield first.next_break()
        assert broken.open is file
        assert not opening.done
        yield opening
        assert broken.acknowledged is acknowledge
        return first.timers.now - began

    assert pair.run(work(acknowledge=True)) == 0


def log_on_twice(client: Client) -> Steps[tuple[Session, Session]]:
    yield client.negotiate()
    return (yield client.session_setup(ALICE)), (yield client.session_setup(ALICE))


def test_a_connection_may_have_several_sessions(pair: Pair) -> None:
    client = pair.connect(ClientConfig(require_signing=True))
    one, two = pair.run(log_on_twice(client))
    assert one.keys != two.keys
    assert set(client.sessions) == {one.session_id, two.session_id}
    pair.finish(client.tree_connect(one, "share"))
    pair.finish(client.logoff(one))
    pair.finish(client.tree_connect(two, "share"))
    assert client.faults == []


def test_scripts_run_on_the_clients_clock(pair: Pair) -> None:
    client = pair.connect()

    def steps() -> Steps[int]:
        yield wait(seconds=5)
        return client.timers.now

    began = pair.timers.now
    assert pair.finish(client.run(steps())) == began + 5 * NANOSECONDS


def test_a_settled_failure_does_not_end_a_script(pair: Pair) -> None:
    client = pair.connect()

    def steps() -> Steps[int | None]:
        session, _ = yield client.run(log_on(client))
        refused = yield settled(client.tree_connect(session, "nothing"))
        return refused.status

    assert pair.run(steps()) == STATUS_BAD_NETWORK_NAME
