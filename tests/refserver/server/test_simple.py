"""LOGOFF, ECHO and CANCEL (MS-SMB2 3.3.5.6, 3.3.5.17, 3.3.5.16)."""

from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.simple import SimpleBody
from tests.refserver.server.peer import logged_on, server_with


def test_logoff_is_answered_and_signed_and_then_the_session_is_gone() -> None:
    peer = logged_on(server_with())
    answer = peer.log_off()
    assert answer.status == ntstatus.STATUS_SUCCESS
    assert peer.signer is not None
    assert peer.signer.verify(answer.message)
    assert peer.server.global_session_table == {}
    assert peer.tree_connect().status == ntstatus.STATUS_USER_SESSION_DELETED


def test_logoff_leaves_other_sessions_of_the_connection_alone() -> None:
    peer = logged_on(server_with())
    first, keys, signer = peer.session_id, peer.keys, peer.signer
    peer.session_id, peer.keys, peer.signer = 0, None, None
    assert peer.log_on().status == ntstatus.STATUS_SUCCESS
    assert peer.log_off().status == ntstatus.STATUS_SUCCESS
    peer.session_id, peer.keys, peer.signer = first, keys, signer
    assert peer.tree_connect().status == ntstatus.STATUS_SUCCESS


def test_echo_is_signed_as_it_was_asked() -> None:
    peer = logged_on(server_with())
    answer = peer.echo()
    assert peer.signer is not None
    assert peer.signer.verify(answer.message)


def test_cancel_with_a_wrong_signature_cancels_nothing_and_says_nothing() -> None:
    peer = logged_on(server_with())
    message = bytearray(peer.signed(peer.request(Command.CANCEL, SimpleBody().build())))
    message[50] ^= 1
    peer.put(bytes(message))
    assert peer.take() == []
    assert not peer.closed
