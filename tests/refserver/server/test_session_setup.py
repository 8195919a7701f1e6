"""SESSION_SETUP: the state machine of MS-SMB2 3.3.5.5, with real tokens and keys."""

import pytest

from parsers import ntstatus
from parsers.smb2.crypto import Signer
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command, Flags
from parsers.smb2.lock import LockElement, LockFlags, LockRequest
from parsers.smb2.negotiate import SecurityMode
from parsers.smb2.session_setup import SessionFlags, SessionSetupResponse
from parsers.smb2.simple import SimpleBody
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.server.state import SessionState
from tests.refserver.server.peer import ALICE, SECOND, START, Answer, Peer, logged_on, server_with

DIALECTS = (0x0202, 0x0210, 0x0300, 0x0302, 0x0311)


def flags_of(answer: Answer) -> SessionFlags:
    return SessionSetupResponse.parse(memoryview(answer.message)).session_flags


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_logon_ends_with_a_signed_success_and_keys_that_both_sides_have(dialect: int) -> None:
    peer = Peer(server_with())
    assert peer.negotiate(dialect).status == 0
    answer = peer.log_on()
    assert answer.status == ntstatus.STATUS_SUCCESS
    assert peer.signer is not None
    assert answer.header.flags & Flags.SIGNED
    assert peer.signer.verify(answer.message)
    connected = peer.tree_connect()
    assert connected.status == ntstatus.STATUS_SUCCESS
    assert peer.signer.verify(connected.message)


@pytest.mark.parametrize("algorithm", [0, 1, 2])
def test_every_signing_algorithm_signs_both_ways(algorithm: int) -> None:
    peer = Peer(server_with())
    peer.negotiate(0x0311, signing=(algorithm,))
    assert peer.signing_algorithm == algorithm
    peer.log_on()
    answer = peer.tree_connect()
    assert peer.signer is not None
    assert peer.signer.verify(answer.message)


@pytest.mark.parametrize("cipher", [1, 2, 3, 4])
def test_every_cipher_encrypts_both_ways(cipher: int) -> None:
    peer = Peer(server_with())
    peer.negotiate(0x0311, ciphers=(cipher,))
    peer.log_on()
    peer.encrypt = True
    answer = peer.tree_connect()
    assert answer.status == ntstatus.STATUS_SUCCESS
    assert answer.encrypted
    assert not answer.header.flags & Flags.SIGNED


def test_a_session_id_is_new_and_neither_of_the_reserved_ones() -> None:
    server = server_with()
    first, second = logged_on(server, number=1), logged_on(server, number=2)
    assert len({first.session_id, second.session_id, 0, (1 << 64) - 1}) == 4


def test_a_session_is_in_progress_until_the_last_leg() -> None:
    server = server_with()
    peer = Peer(server)
    peer.negotiate()
    first = peer.setup(initiator_token())
    assert first.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED
    session = server.global_session_table[first.header.session_id]
    assert session.state == SessionState.IN_PROGRESS
    assert session.session_key is None


def initiator_token() -> bytes:
    """The first token of alice."""
    return NtlmCredential("alice", "", "x").begin(bytes, START).step(b"")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (Command.TREE_CONNECT, ntstatus.SEC_E_UNSUPPORTED_FUNCTION),
        (Command.TREE_DISCONNECT, ntstatus.SEC_E_UNSUPPORTED_FUNCTION),
        (Command.CREATE, ntstatus.SEC_E_UNSUPPORTED_FUNCTION),
        (Command.READ, ntstatus.SEC_E_UNSUPPORTED_FUNCTION),
        (Command.QUERY_INFO, ntstatus.SEC_E_UNSUPPORTED_FUNCTION),
        (Command.OPLOCK_BREAK, ntstatus.SEC_E_UNSUPPORTED_FUNCTION),
        (Command.CLOSE, ntstatus.STATUS_NETWORK_NAME_DELETED),  # goes on to the tree, which does not exist
        (Command.LOCK, ntstatus.STATUS_NETWORK_NAME_DELETED),
        (Command.LOGOFF, ntstatus.STATUS_SUCCESS),
    ],
)
def test_what_a_session_in_progress_may_do(command: Command, status: int) -> None:
    peer = Peer(server_with())
    peer.negotiate()
    peer.session_id = peer.setup(initiator_token()).header.session_id
    assert peer.ask(command, SimpleBody().build()).status == status


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (Command.TREE_CONNECT, ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
        (Command.TREE_DISCONNECT, ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
        (Command.CREATE, ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
        (Command.READ, ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
        (Command.IOCTL, ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
        (Command.OPLOCK_BREAK, ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
        (Command.ECHO, ntstatus.STATUS_SUCCESS),
        (Command.CLOSE, ntstatus.STATUS_NETWORK_NAME_DELETED),
        (Command.LOGOFF, ntstatus.STATUS_SUCCESS),
    ],
)
def test_what_an_expired_session_may_do(command: Command, status: int) -> None:
    assert expired().ask(command, SimpleBody().build()).status == status


def expired() -> Peer:
    """A peer whose session has expired."""
    peer = logged_on(server_with(session_lifetime=60 * SECOND))
    peer.now = START + 100 * SECOND
    peer.server.timers.fire(peer.now)
    return peer


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ((LockFlags.UNLOCK,), ntstatus.STATUS_NETWORK_NAME_DELETED),  # goes on to the tree, which does not exist
        ((LockFlags.UNLOCK, LockFlags.UNLOCK), ntstatus.STATUS_NETWORK_NAME_DELETED),
        ((LockFlags.EXCLUSIVE_LOCK,), ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
        ((LockFlags.UNLOCK, LockFlags.SHARED_LOCK), ntstatus.STATUS_NETWORK_SESSION_EXPIRED),
    ],
)
def test_an_expired_session_may_unlock_but_not_lock(flags: tuple[LockFlags, ...], status: int) -> None:
    locks = tuple(LockElement(0, 1, flag) for flag in flags)
    assert expired().ask(Command.LOCK, LockRequest(0, 0, FileId(1, 1), locks).build()).status == status


def test_an_expired_session_is_valid_again_after_reauthentication_with_its_old_keys() -> None:
    server = server_with(session_lifetime=60 * SECOND)
    peer = logged_on(server)
    session = server.global_session_table[peer.session_id]
    tree = peer.tree_connect().header.tree_id
    keys = session.signing_key, session.encryption_key
    peer.now = START + 100 * SECOND
    server.timers.fire(peer.now)
    assert session.state == SessionState.EXPIRED
    first = peer.setup(initiator_token(), signer=peer.signer)
    assert first.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED
    assert (session.state, session.security_context) == (SessionState.IN_PROGRESS, None)
    session.acceptor = None
    answer = peer.log_on()
    assert answer.status == ntstatus.STATUS_SUCCESS
    assert peer.signer is not None
    assert peer.signer.verify(answer.message)
    assert (session.signing_key, session.encryption_key) == keys
    assert session.expiration_time == peer.now + 60 * SECOND
    assert peer.tree_id == tree
    assert peer.ask(Command.TREE_DISCONNECT, SimpleBody().build()).status == ntstatus.STATUS_SUCCESS


def test_a_valid_session_stays_valid_while_it_is_reauthenticated() -> None:
    server = server_with()
    peer = logged_on(server)
    assert peer.setup(initiator_token()).status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED
    assert server.global_session_table[peer.session_id].state == SessionState.VALID
    assert peer.tree_connect().status == ntstatus.STATUS_SUCCESS


def test_a_failed_reauthentication_destroys_the_session() -> None:
    server = server_with()
    peer = logged_on(server)
    failed = peer.log_on(NtlmCredential("alice", "", "wrong"))
    assert failed.status == ntstatus.STATUS_LOGON_FAILURE
    assert server.global_session_table == {}
    peer.signer = None
    assert peer.tree_connect().status == ntstatus.STATUS_USER_SESSION_DELETED


def test_a_failed_logon_leaves_nothing_behind() -> None:
    server = server_with()
    peer = Peer(server)
    peer.negotiate()
    assert peer.log_on(NtlmCredential("alice", "", "wrong")).status == ntstatus.STATUS_LOGON_FAILURE
    assert server.global_session_table == {}
    assert server.connections[1].session_table == {}
    peer.session_id = 0
    assert peer.log_on().status == ntstatus.STATUS_SUCCESS


def test_a_session_id_that_nobody_has_is_refused() -> None:
    peer = Peer(server_with())
    peer.negotiate()
    peer.session_id = 4711
    assert peer.setup(initiator_token()).status == ntstatus.STATUS_USER_SESSION_DELETED


def test_a_session_of_another_connection_is_none_of_this_one() -> None:
    server = server_with()
    first = logged_on(server)
    other = Peer(server, 2)
    other.negotiate()
    other.session_id = first.session_id
    assert other.setup(initiator_token()).status == ntstatus.STATUS_USER_SESSION_DELETED
    assert first.echo().status == ntstatus.STATUS_SUCCESS


def test_the_previous_session_of_the_same_user_ends() -> None:
    server = server_with()
    old = logged_on(server, number=1)
    new = Peer(server, 2)
    new.negotiate()
    assert new.log_on(previous=old.session_id).status == ntstatus.STATUS_SUCCESS
    assert set(server.global_session_table) == {new.session_id}
    assert old.tree_connect().status == ntstatus.STATUS_USER_SESSION_DELETED


def test_the_previous_session_of_another_user_goes_on() -> None:
    server = server_with(guest=True)
    old = logged_on(server, number=1)
    new = Peer(server, 2)
    new.negotiate()
    assert new.log_on(NtlmCredential("stranger", "", "x"), previous=old.session_id).status == ntstatus.STATUS_SUCCESS
    assert old.tree_connect().status == ntstatus.STATUS_SUCCESS


def test_a_previous_session_that_is_the_session_itself_is_ignored() -> None:
    peer = logged_on(server_with())
    assert peer.log_on(previous=peer.session_id).status == ntstatus.STATUS_SUCCESS
    assert peer.tree_connect().status == ntstatus.STATUS_SUCCESS


def test_a_guest_has_no_keys_and_is_told_so() -> None:
    server = server_with(guest=True)
    peer = Peer(server)
    peer.negotiate()
    answer = peer.log_on(NtlmCredential("stranger", "", "x"))
    assert flags_of(answer) == SessionFlags.IS_GUEST
    assert not answer.header.flags & Flags.SIGNED
    session = server.global_session_table[peer.session_id]
    assert (session.is_guest, session.signing_key, session.signing_required) == (True, None, False)
    peer.signer = None
    assert peer.tree_connect().status == ntstatus.STATUS_SUCCESS


def test_an_anonymous_session_reaches_only_the_named_pipes() -> None:
    peer = Peer(server_with(anonymous=True))
    peer.negotiate()
    answer = peer.log_on(NtlmCredential())
    assert flags_of(answer) == SessionFlags.IS_NULL
    assert peer.tree_connect().status == ntstatus.STATUS_SUCCESS
    peer.server.shares["data"] = peer.server.shares["ipc$"]
    peer.server.shares["data"].name = "data"
    assert peer.tree_connect("data").status == ntstatus.STATUS_ACCESS_DENIED


def test_signing_is_required_if_either_side_says_so() -> None:
    for settings, mode, required in (
        ({}, SecurityMode.SIGNING_ENABLED, False),
        ({}, SecurityMode.SIGNING_REQUIRED, True),
        ({"require_message_signing": True}, SecurityMode.SIGNING_ENABLED, True),
    ):
        server = server_with(**settings)
        peer = Peer(server)
        peer.negotiate(0x0210)
        peer.log_on(mode=mode)
        assert server.global_session_table[peer.session_id].signing_required is required
        peer.sign = False
        status = peer.tree_connect().status
        assert status == (ntstatus.STATUS_ACCESS_DENIED if required else ntstatus.STATUS_SUCCESS)


def test_an_encrypted_session_refuses_what_is_not_encrypted_and_encrypts_the_rest() -> None:
    peer = Peer(server_with(encrypt_data=True))
    peer.negotiate()
    assert flags_of(peer.log_on()) == SessionFlags.ENCRYPT_DATA
    refused = peer.tree_connect()
    assert (refused.status, refused.encrypted) == (ntstatus.STATUS_ACCESS_DENIED, True)
    peer.encrypt = True
    assert peer.tree_connect().encrypted


def test_an_encrypted_session_is_reauthenticated_in_encrypted_messages_only() -> None:
    server = server_with(encrypt_data=True)
    peer = Peer(server)
    peer.negotiate()
    peer.log_on()
    peer.encrypt = True
    answer = peer.log_on()
    assert (answer.status, answer.encrypted) == (ntstatus.STATUS_SUCCESS, True)
    peer.encrypt = False
    assert peer.setup(initiator_token()).status == ntstatus.STATUS_ACCESS_DENIED


@pytest.mark.parametrize("dialect", [0x0210, 0x0300, 0x0311])
def test_who_cannot_encrypt_is_turned_away_where_everything_has_to_be_encrypted(dialect: int) -> None:
    peer = Peer(server_with(encrypt_data=True))
    peer.negotiate(dialect, capabilities=0, ciphers=())
    assert peer.log_on().status == ntstatus.STATUS_ACCESS_DENIED


def test_who_cannot_encrypt_is_let_in_where_that_is_tolerated() -> None:
    peer = Peer(server_with(encrypt_data=True, reject_unencrypted_access=False))
    peer.negotiate(0x0210)
    assert flags_of(peer.log_on()) == SessionFlags(0)
    assert peer.tree_connect().status == ntstatus.STATUS_SUCCESS


def test_one_client_speaks_one_dialect() -> None:
    server = server_with()
    logged_on(server, 0x0302, number=1)
    other = Peer(server, 2)
    other.negotiate(0x0311)
    assert other.log_on().status == ntstatus.STATUS_USER_SESSION_DELETED
    third = Peer(server, 3)
    third.negotiate(0x0311, guid=b"another client!!")
    assert third.log_on().status == ntstatus.STATUS_SUCCESS


def test_a_wrong_signature_is_refused() -> None:
    peer = logged_on(server_with())
    assert peer.keys is not None
    peer.signer = Signer(algorithm=peer.signing_algorithm, key=bytes(16))
    assert peer.tree_connect().status == ntstatus.STATUS_ACCESS_DENIED


def test_logon_hours_end_the_session_when_they_end() -> None:
    server = server_with()
    (account,) = server.config.accounts("", "alice")
    account.logon_hours_end = START + 3600 * SECOND
    peer = logged_on(server)
    server.config.idle_timeout = None
    server.timers.fire(START + 3599 * SECOND)
    assert peer.echo().status == ntstatus.STATUS_SUCCESS
    server.timers.fire(START + 3600 * SECOND)
    assert server.global_session_table == {}
    peer.session_id = 0
    assert peer.log_on(ALICE).status == ntstatus.STATUS_SUCCESS  # by the clock of the peer the hours go on
    peer.now, peer.session_id = START + 3601 * SECOND, 0
    assert peer.log_on(ALICE).status == ntstatus.STATUS_INVALID_LOGON_HOURS
