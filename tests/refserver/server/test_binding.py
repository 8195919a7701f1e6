"""Binding: one session over two connections, and every reason for refusing it (MS-SMB2 3.3.5.5)."""

import pytest

from parsers import ntstatus
from parsers.smb2.crypto import Signer
from parsers.smb2.session_setup import SessionSetupFlags
from refserver.gss.ntlm_initiator import NtlmCredential
from tests.refserver.server.peer import SECOND, START, Peer, logged_on, server_with
from tests.refserver.server.test_session_setup import initiator_token


def second_connection(first: Peer, *dialects: int, **offer: object) -> Peer:
    peer = Peer(first.server, 2, first.now)
    assert peer.negotiate(*dialects, **offer).status == 0  # type: ignore[arg-type]  # passed on
    return peer


def status_of_binding(first: Peer, second: Peer, *, signer: Signer | None = None) -> int:
    assert first.keys is not None
    second.session_id = first.session_id
    signer = signer or Signer(algorithm=first.signing_algorithm, key=first.keys.signing)
    return second.setup(initiator_token(), flags=SessionSetupFlags.BINDING, signer=signer).status


def test_a_session_works_over_both_connections_each_with_its_own_signing_key() -> None:
    for dialect in (0x0300, 0x0302, 0x0311):
        first = logged_on(server_with(), dialect)
        second = second_connection(first, dialect)
        answer = second.bind_to(first)
        assert answer.status == ntstatus.STATUS_SUCCESS
        assert first.signer is not None
        assert second.signer is not None
        assert second.signer.verify(answer.message)
        assert not first.signer.verify(answer.message)
        assert second.tree_connect().status == ntstatus.STATUS_SUCCESS
        second.encrypt = True
        assert second.tree_connect().encrypted
        first.tree_id = second.tree_id
        assert first.echo().status == ntstatus.STATUS_SUCCESS


def test_the_loss_of_one_channel_leaves_the_session_to_the_other() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    second.bind_to(first)
    tree = first.tree_connect().header.tree_id
    first.server.disconnected(1, START)
    session = first.server.global_session_table[first.session_id]
    assert session.connection.number == 2
    assert [channel.connection.number for channel in session.channel_list] == [2]
    second.tree_id = tree or 0
    assert second.echo().status == ntstatus.STATUS_SUCCESS
    first.server.disconnected(2, START)
    assert first.server.global_session_table == {}


def test_a_logoff_ends_the_session_on_every_channel() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    second.bind_to(first)
    assert second.log_off().status == ntstatus.STATUS_SUCCESS
    assert first.tree_connect().status == ntstatus.STATUS_USER_SESSION_DELETED


def test_a_session_that_nobody_has() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    first.session_id += 256
    assert status_of_binding(first, second) == ntstatus.STATUS_USER_SESSION_DELETED


def test_a_dialect_without_channels() -> None:
    first = logged_on(server_with(), 0x0210)
    second = second_connection(first, 0x0210)
    assert status_of_binding(first, second) == ntstatus.STATUS_REQUEST_NOT_ACCEPTED


def test_a_server_without_channels() -> None:
    first = logged_on(server_with(multichannel=False))
    second = second_connection(first)
    assert status_of_binding(first, second) == ntstatus.STATUS_REQUEST_NOT_ACCEPTED


def test_another_dialect_than_the_session_has() -> None:
    first = logged_on(server_with(), 0x0302)
    second = second_connection(first, 0x0300)
    assert status_of_binding(first, second) == ntstatus.STATUS_INVALID_PARAMETER


def test_a_binding_that_is_not_signed() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    second.session_id = first.session_id
    answer = second.setup(initiator_token(), flags=SessionSetupFlags.BINDING)
    assert answer.status == ntstatus.STATUS_INVALID_PARAMETER


def test_another_client_guid_is_no_reason_as_in_windows() -> None:
    first = logged_on(server_with())
    second = second_connection(first, guid=b"another client!!")
    assert second.bind_to(first).status == ntstatus.STATUS_SUCCESS


def test_more_channels_than_a_session_may_have() -> None:
    first = logged_on(server_with(max_channels=2))
    assert second_connection(first).bind_to(first).status == ntstatus.STATUS_SUCCESS
    third = Peer(first.server, 3)
    third.negotiate()
    assert status_of_binding(first, third) == ntstatus.STATUS_INSUFFICIENT_RESOURCES


def test_a_session_that_lives_elsewhere_signs_the_refusal() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    second.session_id, second.signer = first.session_id, first.signer
    refused = second.tree_connect()
    assert refused.status == ntstatus.STATUS_USER_SESSION_DELETED
    assert first.signer is not None
    assert first.signer.verify(refused.message)


def test_a_session_in_progress_has_no_key_to_bind_with() -> None:
    server = server_with()
    first = Peer(server)
    first.negotiate()
    session_id = first.setup(initiator_token()).header.session_id
    second = Peer(server, 2)
    second.negotiate()
    second.session_id = session_id
    signer = Signer(algorithm=second.signing_algorithm, key=bytes(16))
    answer = second.setup(initiator_token(), flags=SessionSetupFlags.BINDING, signer=signer)
    assert answer.status == ntstatus.STATUS_REQUEST_NOT_ACCEPTED


def test_an_expired_session() -> None:
    first = logged_on(server_with(session_lifetime=SECOND))
    second = second_connection(first)
    first.server.timers.fire(START + 45 * SECOND)
    assert status_of_binding(first, second) == ntstatus.STATUS_NETWORK_SESSION_EXPIRED


def test_a_session_that_is_on_this_connection_already() -> None:
    first = logged_on(server_with())
    assert status_of_binding(first, first) == ntstatus.STATUS_REQUEST_NOT_ACCEPTED


def test_a_signature_by_another_key() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    wrong = Signer(algorithm=second.signing_algorithm, key=bytes(16))
    assert status_of_binding(first, second, signer=wrong) == ntstatus.STATUS_ACCESS_DENIED


def test_another_cipher_than_the_session_has() -> None:
    first = logged_on(server_with())
    second = second_connection(first, ciphers=(1,))
    assert status_of_binding(first, second) == ntstatus.STATUS_INVALID_PARAMETER


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (1, 2, ntstatus.STATUS_NOT_SUPPORTED),
        (0, 2, ntstatus.STATUS_NOT_SUPPORTED),
        (2, 1, ntstatus.STATUS_REQUEST_OUT_OF_SEQUENCE),
        (2, 0, ntstatus.STATUS_REQUEST_OUT_OF_SEQUENCE),
    ],
)
def test_gmac_goes_with_no_other_signing_algorithm(old: int, new: int, status: int) -> None:
    first = logged_on(server_with(), signing=(old,))  # type: ignore[arg-type]  # passed on
    second = second_connection(first, signing=(new,))
    assert status_of_binding(first, second) == status


@pytest.mark.parametrize(("old", "new"), [(0, 1), (1, 0), (2, 2)])
def test_the_others_go_together_each_with_its_own_algorithm(old: int, new: int) -> None:
    first = logged_on(server_with(), signing=(old,))  # type: ignore[arg-type]  # passed on
    second = second_connection(first, signing=(new,))
    assert second.bind_to(first).status == ntstatus.STATUS_SUCCESS
    assert second.tree_connect().status == ntstatus.STATUS_SUCCESS


@pytest.mark.parametrize("flags", [SessionSetupFlags(0), SessionSetupFlags.BINDING])
def test_a_channel_of_another_algorithm_is_good_for_no_further_session_setup(flags: SessionSetupFlags) -> None:
    first = logged_on(server_with(), signing=(1,))  # type: ignore[arg-type]  # passed on
    second = second_connection(first, signing=(0,))
    second.bind_to(first)
    assert second.setup(initiator_token(), flags=flags, signer=second.signer).status == ntstatus.STATUS_ACCESS_DENIED
    assert second.echo().status == ntstatus.STATUS_SUCCESS


def test_a_channel_of_the_same_algorithm_may_reauthenticate_the_session() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    second.bind_to(first)
    answer = second.setup(initiator_token(), signer=second.signer)
    assert answer.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED
    assert second.signer is not None
    assert second.signer.verify(answer.message)


def test_another_user_and_a_guest() -> None:
    server = server_with(guest=True)
    first = logged_on(server)
    for number, user in ((2, "stranger"), (3, "alice2")):
        other = Peer(server, number)
        other.negotiate()
        refused = other.bind_to(first, NtlmCredential(user, "", "x"))
        assert refused.status == ntstatus.STATUS_NOT_SUPPORTED
    assert first.echo().status == ntstatus.STATUS_SUCCESS


def test_a_guest_session_cannot_be_bound() -> None:
    server = server_with(guest=True)
    first = Peer(server)
    first.negotiate()
    first.log_on(NtlmCredential("stranger", "", "x"))
    second = second_connection(first)
    second.session_id = first.session_id
    signer = Signer(algorithm=second.signing_algorithm, key=bytes(16))
    answer = second.setup(initiator_token(), flags=SessionSetupFlags.BINDING, signer=signer)
    assert answer.status == ntstatus.STATUS_NOT_SUPPORTED


def test_a_wrong_password_fails_the_binding_and_not_the_session() -> None:
    first = logged_on(server_with())
    second = second_connection(first)
    assert second.bind_to(first, NtlmCredential("alice", "", "wrong")).status == ntstatus.STATUS_LOGON_FAILURE
    assert first.echo().status == ntstatus.STATUS_SUCCESS
    assert second.bind_to(first).status == ntstatus.STATUS_SUCCESS
