"""Checks before a command is handled, compounds, and requests that wait (MS-SMB2 3.3.5.2, 3.3.4.2 to 3.3.4.4)."""

from collections.abc import Callable

import pytest

from parsers import ntstatus
from parsers.smb2.body import align8
from parsers.smb2.header import Command, Flags
from parsers.smb2.simple import SimpleBody
from refserver.errors import StatusError
from refserver.server import dispatch
from refserver.server.requests import Pending, Reply, Request
from refserver.server.server import Server
from tests.refserver.server.peer import Peer, logged_on, server_with

ECHO = (Command.ECHO, SimpleBody().build())
WAITING = (Command.CHANGE_NOTIFY, SimpleBody().build())
Handler = Callable[[Server, Request], Reply | Pending]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Every CHANGE_NOTIFY and CREATE waits until it is cancelled or completed; here they are."""
    requests: list[Request] = []

    def wait(server: Server, request: Request) -> Pending:
        def cancel() -> None:
            server.complete(request, StatusError(ntstatus.STATUS_CANCELLED), request.now)

        requests.append(request)
        return Pending(cancel)

    monkeypatch.setattr(dispatch, "HANDLERS", {**dispatch.HANDLERS, Command.CHANGE_NOTIFY: wait, Command.CREATE: wait})
    return requests


def on_a_tree() -> Peer:
    peer = logged_on(server_with())
    assert peer.tree_connect().status == 0
    return peer


def done(peer: Peer, request: Request) -> None:
    peer.server.complete(request, Reply(0, SimpleBody().build()), peer.now)


# ----------------------------------------------------------------------------------------------- checks


def test_a_tree_that_does_not_exist() -> None:
    peer = logged_on(server_with())
    answer = peer.ask(Command.TREE_DISCONNECT, SimpleBody().build(), tree_id=77)
    assert answer.status == ntstatus.STATUS_NETWORK_NAME_DELETED


def test_a_malformed_body_is_an_invalid_parameter() -> None:
    peer = on_a_tree()
    assert peer.ask(Command.TREE_DISCONNECT, b"\x05\x00\x00\x00").status == ntstatus.STATUS_INVALID_PARAMETER


def test_a_signed_request_of_no_session() -> None:
    peer = logged_on(server_with())
    assert peer.echo(session_id=999).status == ntstatus.STATUS_USER_SESSION_DELETED


def test_an_unsigned_echo_needs_no_session_but_one_that_it_names_must_exist() -> None:
    peer = logged_on(server_with())
    peer.sign = False
    assert peer.echo(session_id=0).status == ntstatus.STATUS_SUCCESS
    assert peer.echo(session_id=999).status == ntstatus.STATUS_USER_SESSION_DELETED


# ----------------------------------------------------------------------------------------------- compounds


def test_answers_to_a_compound_come_in_one_message_each_signed_with_its_padding() -> None:
    peer = on_a_tree()
    answers = peer.compound(ECHO, ECHO, ECHO, related=False)
    assert [answer.status for answer in answers] == [0, 0, 0]
    assert peer.signer is not None
    assert all(peer.signer.verify(answer.message) for answer in answers)
    assert [len(answer.message) % 8 for answer in answers] == [0, 0, 0]
    assert answers[-1].header.next_command == 0


def test_a_related_request_takes_session_and_tree_of_the_one_before() -> None:
    peer = logged_on(server_with())
    tree = peer.tree_connect().header.tree_id
    first = peer.request(*ECHO) + bytes(4)
    second = peer.request(
        Command.TREE_DISCONNECT,
        SimpleBody().build(),
        flags=Flags.RELATED_OPERATIONS,
        session_id=(1 << 64) - 1,
        tree_id=(1 << 32) - 1,
    )
    first = peer.signed(first[:20] + len(first).to_bytes(4, "little") + first[24:])
    peer.put(first + peer.signed(second))
    answers = peer.take()
    assert [answer.status for answer in answers] == [0, 0]
    assert (answers[1].header.session_id, answers[1].header.tree_id) == (peer.session_id, tree)


def test_a_first_request_that_says_it_is_related_fails_and_so_does_what_relates_to_it() -> None:
    peer = on_a_tree()
    signer, peer.signer = peer.signer, None
    related = {"session_id": (1 << 64) - 1, "tree_id": (1 << 32) - 1}
    first = peer.request(*ECHO, flags=Flags.RELATED_OPERATIONS, **related) + bytes(4)
    second = peer.request(*ECHO, flags=Flags.RELATED_OPERATIONS, **related) + bytes(4)
    third = peer.request(*ECHO)
    linked = [one[:20] + len(one).to_bytes(4, "little") + one[24:] for one in (first, second)]
    peer.put(b"".join([*linked, third]))
    peer.signer = signer
    invalid = ntstatus.STATUS_INVALID_PARAMETER
    assert [answer.status for answer in peer.take()] == [invalid, invalid, 0]


def test_a_command_that_does_not_exist_fails_within_a_compound() -> None:
    peer = on_a_tree()
    answers = peer.compound(ECHO, (0xFF, SimpleBody().build()), related=False)
    assert [answer.status for answer in answers] == [0, ntstatus.STATUS_INVALID_PARAMETER]


def test_a_related_request_without_a_session_before_it_fails() -> None:
    peer = on_a_tree()
    signer, peer.signer = peer.signer, None
    answers = peer.compound(
        (Command.TREE_DISCONNECT, SimpleBody().build()), ECHO, session_id=(1 << 64) - 1, tree_id=(1 << 32) - 1
    )
    peer.signer = signer
    expected = [ntstatus.STATUS_USER_SESSION_DELETED, ntstatus.STATUS_INVALID_PARAMETER]
    assert [answer.status for answer in answers] == expected


def test_a_compound_of_an_encrypted_session_comes_back_in_one_encrypted_message() -> None:
    peer = on_a_tree()
    peer.encrypt = True
    answers = peer.compound(ECHO, ECHO, related=False)
    assert [(answer.status, answer.encrypted) for answer in answers] == [(0, True), (0, True)]
    assert not any(answer.header.flags & Flags.SIGNED for answer in answers)


def two_requests(peer: Peer, first_flags: int, session_id: int) -> list[tuple[int, bool]]:
    """Status and encryption of the answers to two ECHO requests in one encrypted message, unrelated to each other."""
    first = align8(peer.request(*ECHO, flags=first_flags))
    first = first[:20] + len(first).to_bytes(4, "little") + first[24:]
    command = Command.TREE_DISCONNECT if session_id else Command.ECHO
    answers = peer.send(first + peer.request(command, SimpleBody().build(), session_id=session_id))
    assert not peer.closed
    return [(answer.status, answer.encrypted) for answer in answers]


def test_an_echo_of_no_session_may_follow_in_an_encrypted_compound() -> None:
    peer = on_a_tree()
    peer.encrypt = True
    assert two_requests(peer, 0, 0) == [(0, True), (0, True)]


def test_what_one_session_has_encrypted_cannot_be_a_request_of_another() -> None:
    peer = on_a_tree()
    other = peer.session_id
    peer.session_id, peer.keys = 0, None
    assert peer.log_on().status == 0
    peer.encrypt = True
    deleted = ntstatus.STATUS_USER_SESSION_DELETED
    assert two_requests(peer, 0, other) == [(0, True), (deleted, True)]
    assert two_requests(peer, 0, 77) == [(0, True), (deleted, True)]


def test_an_encrypted_compound_whose_first_request_fails_unseen_is_answered_encrypted() -> None:
    peer = on_a_tree()
    peer.encrypt = True
    answers = two_requests(peer, Flags.RELATED_OPERATIONS, peer.session_id)
    assert answers == [(ntstatus.STATUS_INVALID_PARAMETER, True), (0, True)]


# ----------------------------------------------------------------------------------------------- waiting


def test_a_request_that_waits_gets_an_interim_response_with_the_credits_and_a_final_one_without(
    waiting: list[Request],
) -> None:
    peer = on_a_tree()
    (interim,) = peer.send(peer.request(*WAITING))
    assert interim.status == ntstatus.STATUS_PENDING
    assert interim.header.is_async
    assert interim.header.async_id != 0
    assert interim.header.credits == 16
    assert not interim.header.flags & Flags.SIGNED
    done(peer, waiting[0])
    (final,) = peer.take()
    assert final.status == ntstatus.STATUS_SUCCESS
    assert final.header.is_async
    assert final.header.async_id == interim.header.async_id
    assert final.header.message_id == interim.header.message_id
    assert final.header.credits == 0
    assert peer.signer is not None
    assert peer.signer.verify(final.message)


def test_a_request_is_answered_once(waiting: list[Request]) -> None:
    peer = on_a_tree()
    peer.send(peer.request(*WAITING))
    done(peer, waiting[0])
    done(peer, waiting[0])
    assert len(peer.take()) == 1
    assert peer.server.connections[1].async_command_list == {}
    assert peer.server.connections[1].request_list == {}


@pytest.mark.parametrize("by_async_id", [True, False])
def test_cancel_ends_a_waiting_request_and_has_no_answer_itself(waiting: list[Request], *, by_async_id: bool) -> None:
    peer = on_a_tree()
    (interim,) = peer.send(peer.request(*WAITING))
    flags = Flags.ASYNC_COMMAND if by_async_id else 0
    cancel = peer.request(
        Command.CANCEL,
        SimpleBody().build(),
        flags=flags,
        async_id=interim.header.async_id,
        message_id=0 if by_async_id else interim.header.message_id,
    )
    (final,) = peer.send(cancel)
    assert final.status == ntstatus.STATUS_CANCELLED
    assert final.header.message_id == interim.header.message_id
    assert waiting[0].answered


def test_cancel_of_what_does_not_wait_is_passed_over() -> None:
    peer = on_a_tree()
    assert peer.send(peer.request(Command.CANCEL, SimpleBody().build(), message_id=12)) == []
    assert peer.echo().status == 0


def test_the_last_of_a_compound_may_wait_after_the_others_are_answered(waiting: list[Request]) -> None:
    peer = on_a_tree()
    answers = peer.compound(ECHO, WAITING, related=False)
    assert [answer.status for answer in answers] == [0, ntstatus.STATUS_PENDING]
    done(peer, waiting[0])
    assert [answer.status for answer in peer.take()] == [0]


def test_another_than_the_last_may_not_wait(waiting: list[Request]) -> None:
    peer = on_a_tree()
    answers = peer.compound(WAITING, ECHO, related=False)
    assert [answer.status for answer in answers] == [ntstatus.STATUS_INTERNAL_ERROR, 0]
    assert len(waiting) == 1
    assert peer.take() == []


def test_a_create_may_wait_and_the_rest_of_its_compound_with_it(waiting: list[Request]) -> None:
    peer = on_a_tree()
    (interim,) = peer.compound((Command.CREATE, SimpleBody().build()), ECHO, related=False)
    assert interim.status == ntstatus.STATUS_PENDING
    done(peer, waiting[0])
    answers = peer.take()
    assert [answer.status for answer in answers] == [0, 0]
    assert answers[0].header.async_id == interim.header.async_id


def test_no_more_than_so_many_may_wait_at_once(waiting: list[Request]) -> None:
    peer = on_a_tree()
    peer.server.config.max_async = 2
    statuses = [peer.send(peer.request(*WAITING))[0].status for _ in range(3)]
    assert statuses == [ntstatus.STATUS_PENDING, ntstatus.STATUS_PENDING, ntstatus.STATUS_INSUFFICIENT_RESOURCES]
    assert peer.take() == []
    assert not waiting[0].answered


def test_a_short_wait_needs_no_interim_response_where_one_is_sent_late(waiting: list[Request]) -> None:
    peer = on_a_tree()
    peer.server.config.interim_after = 500_000
    assert peer.send(peer.request(*WAITING)) == []
    done(peer, waiting[0])
    (only,) = peer.take()
    assert not only.header.is_async
    assert peer.send(peer.request(*WAITING)) == []
    peer.server.timers.fire(peer.now + 500_000)
    (interim,) = peer.take()
    assert interim.status == ntstatus.STATUS_PENDING


def test_logoff_ends_what_waits(waiting: list[Request]) -> None:
    peer = on_a_tree()
    peer.send(peer.request(*WAITING))
    cancelled, logoff = peer.send(peer.request(Command.LOGOFF, SimpleBody().build()))
    assert (cancelled.status, logoff.status) == (ntstatus.STATUS_CANCELLED, 0)
    assert waiting[0].answered


def test_a_lost_connection_ends_what_waits_without_an_answer(waiting: list[Request]) -> None:
    peer = on_a_tree()
    peer.send(peer.request(*WAITING))
    peer.server.disconnected(1, peer.now)
    assert waiting[0].answered
    assert peer.take() == []


def test_what_completes_within_its_handler_is_answered_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(server: Server, request: Request) -> Pending:
        server.complete(request, Reply(0, SimpleBody().build()), request.now)
        return Pending(lambda: None)

    monkeypatch.setattr(dispatch, "HANDLERS", {**dispatch.HANDLERS, Command.CHANGE_NOTIFY: at_once})
    peer = on_a_tree()
    answers = peer.compound(WAITING, ECHO, related=False)
    assert [(answer.status, answer.header.is_async) for answer in answers] == [(0, False), (0, False)]
