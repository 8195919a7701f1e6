"""What the clock alone does (MS-SMB2 3.3.6.3): expiration, idle sessions, connections without a logon."""

from parsers import ntstatus
from parsers.smb2.negotiate import GlobalCapabilities
from parsers.smb2.server_notification import NotificationType, ServerNotification
from refserver.server.state import SessionState
from tests.refserver.server.peer import SECOND, START, Peer, logged_on, server_with

MINUTE = 60 * SECOND


def test_a_session_expires_at_the_first_scan_after_its_time() -> None:
    server = server_with(session_lifetime=46 * SECOND)
    peer = logged_on(server)
    session = server.global_session_table[peer.session_id]
    server.timers.fire(START + 89 * SECOND)
    assert session.state == SessionState.VALID
    server.timers.fire(START + 90 * SECOND)
    assert session.state == SessionState.EXPIRED


def test_a_session_without_an_end_never_expires() -> None:
    server = server_with(idle_timeout=None)
    peer = logged_on(server)
    server.timers.fire(START + 30 * 24 * 60 * MINUTE)
    assert server.global_session_table[peer.session_id].state == SessionState.VALID


def test_an_idle_session_is_reaped_and_its_next_request_is_told_so() -> None:
    server = server_with()
    peer = logged_on(server)
    server.timers.fire(START + 14 * MINUTE)
    peer.now = START + 14 * MINUTE
    assert peer.echo().status == ntstatus.STATUS_SUCCESS
    server.timers.fire(START + 28 * MINUTE)
    peer.now = START + 28 * MINUTE
    assert peer.tree_connect().status == ntstatus.STATUS_SUCCESS
    peer.now = START + 44 * MINUTE
    server.timers.fire(peer.now)
    assert peer.tree_connect().status == ntstatus.STATUS_USER_SESSION_DELETED


def test_a_connection_on_which_nobody_logs_on_is_dropped_within_two_scans() -> None:
    server = server_with(unauthenticated_timeout=45 * SECOND)
    silent, unfinished = Peer(server, 1), Peer(server, 2)
    unfinished.negotiate()
    user = logged_on(server, number=3, guid=b"another client!!")  # type: ignore[arg-type]  # passed on
    server.timers.fire(START + 44 * SECOND)
    assert set(server.connections) == {1, 2, 3}
    server.timers.fire(START + 45 * SECOND)
    assert set(server.connections) == {3}
    assert silent.take() == []
    assert silent.closed
    user.now = START + 46 * SECOND
    assert user.echo().status == ntstatus.STATUS_SUCCESS


def test_a_client_that_wants_to_know_is_told_that_its_session_was_closed() -> None:
    server = server_with()
    peer = Peer(server)
    peer.negotiate(capabilities=0xFF)
    assert server.connections[1].server_capabilities & GlobalCapabilities.NOTIFICATIONS
    peer.log_on()
    server.global_session_table[peer.session_id].supports_notification = True
    server.timers.fire(START + 16 * MINUTE)
    (told,) = peer.take()
    assert told.header.session_id == peer.session_id
    assert told.header.message_id == (1 << 64) - 1
    body = ServerNotification.parse(memoryview(told.message))
    assert body.notification_type == NotificationType.SESSION_CLOSED


def test_nothing_is_scanned_for_nobody() -> None:
    server = server_with()
    logged_on(server)
    server.disconnected(1, START)
    server.timers.fire(START + MINUTE)
    assert server.timers.next() is None
    logged_on(server, number=2, now=START + MINUTE)
    assert server.timers.next() == START + MINUTE + 45 * SECOND
