"""How sessions end, and what they leave (MS-SMB2 3.3.7.1, 3.3.5.6)."""

from refserver.server import sessions
from refserver.server.state import SecurityContext
from tests.refserver.server.peer import START, Peer, logged_on, server_with
from tests.refserver.server.test_server import on_a_share


def test_session_ids_are_not_given_twice_even_if_chance_repeats_itself() -> None:
    server = server_with()
    numbers = iter([b"\1" * 6, b"\1" * 6, b"\2" * 6])
    server.random = lambda _: next(numbers)
    first = sessions.new_session_id(server)
    session = logged_on(server_with())
    server.global_session_table[first] = session.server.global_session_table[session.session_id]
    assert sessions.new_session_id(server) not in (first, 0, (1 << 64) - 1)


def test_the_opens_of_a_lost_channel_go_over_to_another() -> None:
    peer, found = on_a_share()
    other = Peer(peer.server, 2)
    other.negotiate()
    other.bind_to(peer)
    peer.server.disconnected(1, START)
    assert found.connection is peer.server.connections[2]
    assert other.echo().status == 0


def test_names_of_users_have_no_case() -> None:
    peer = logged_on(server_with())
    session = peer.server.global_session_table[peer.session_id]
    assert sessions.is_same_user(session, SecurityContext("ALICE", "workgroup"))
    assert not sessions.is_same_user(session, SecurityContext("alice", "elsewhere"))
    assert not sessions.is_same_user(session, None)


def test_a_lost_connection_takes_its_sessions_along_finished_or_not() -> None:
    server = server_with()
    peer = logged_on(server)
    unfinished = Peer(server, 2)
    unfinished.negotiate()
    unfinished.session_id = 0
    unfinished.setup(b"NTLMSSP\0\1\0\0\0\x97\x82\x08\xe2" + bytes(24))
    assert len(server.global_session_table) == 2
    server.disconnected(peer.number, START)
    server.disconnected(unfinished.number, START)
    assert server.global_session_table == {}
    assert server.connections == {}
