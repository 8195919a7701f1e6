"""The server as its transport and its handlers see it (MS-SMB2 3.3.5.2.7.2, 3.3.5.2.10, 3.3.7.1)."""

import pytest

from parsers import ntstatus
from parsers.smb2.file_id import FILE_ID_RELATED, FileId
from parsers.smb2.header import Command, Flags, build_header, parse_header
from refserver.errors import StatusError
from refserver.server.requests import Request
from refserver.server.server import Server
from refserver.server.state import Open, Share
from refserver.store.memory import MemoryStore
from tests.refserver.server.peer import START, Peer, logged_on, server_with


def on_a_share() -> tuple[Peer, Open]:
    """A peer and an open of it."""
    server = server_with()
    store = MemoryStore()
    server.shares["data"] = Share("data", store)
    peer = logged_on(server)
    peer.tree_connect("data")
    session = server.global_session_table[peer.session_id]
    tree = session.tree_connect_table[peer.tree_id]
    node = store.create(("a",), directory=False, attributes=0x20, now=START)
    found = Open(5, 6, session, tree, server.connections[1], node, 0x1F01FF, 7, 0, "a")
    session.open_table[5] = found
    return peer, found


def request_of(peer: Peer, command: int = Command.READ, *, flags: int = 0, sequence: int = 0, **header: int) -> Request:
    fields = {"session_id": peer.session_id, "tree_id": peer.tree_id} | header
    message = build_header(command, 0, flags=flags, status=sequence, **fields)
    connection = peer.server.connections[1]
    request = Request(memoryview(message), parse_header(message), connection, START)
    request.session = connection.session_table[peer.session_id]
    request.tree_connect = request.session.tree_connect_table[peer.tree_id]
    return request


def failure(server: Server, request: Request, file_id: FileId) -> int:
    with pytest.raises(StatusError) as error:
        server.open_of(request, file_id)
    return error.value.status


def test_an_open_is_found_by_both_halves_of_its_id_on_its_tree() -> None:
    peer, found = on_a_share()
    assert peer.server.open_of(request_of(peer), FileId(6, 5)) is found
    for wrong in (FileId(7, 5), FileId(6, 4), FILE_ID_RELATED):
        assert failure(peer.server, request_of(peer), wrong) == ntstatus.STATUS_FILE_CLOSED
    peer.tree_connect("data")
    assert failure(peer.server, request_of(peer), FileId(6, 5)) == ntstatus.STATUS_FILE_CLOSED


def test_a_related_request_means_the_open_of_the_one_before() -> None:
    peer, found = on_a_share()
    request = request_of(peer, flags=Flags.RELATED_OPERATIONS)
    request.open = found
    assert peer.server.open_of(request, FILE_ID_RELATED) is found
    failed = request_of(peer, flags=Flags.RELATED_OPERATIONS)
    failed.status_before = ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
    assert failure(peer.server, failed, FILE_ID_RELATED) == ntstatus.STATUS_OBJECT_NAME_NOT_FOUND


def test_a_change_over_a_channel_that_was_given_up_is_refused() -> None:
    peer, found = on_a_share()
    file_id = FileId(6, 5)
    assert peer.server.open_of(request_of(peer, sequence=3), file_id) is found
    assert found.channel_sequence == 3
    late = {"sequence": 2}
    assert peer.server.open_of(request_of(peer, **late), file_id) is found
    for command in (Command.WRITE, Command.SET_INFO, Command.IOCTL):
        status = failure(peer.server, request_of(peer, command, **late), file_id)
        assert status == ntstatus.STATUS_FILE_NOT_AVAILABLE
    peer.server.open_of(request_of(peer, Command.WRITE, sequence=3 + 0x7FFF), file_id)
    assert found.channel_sequence == 3 + 0x7FFF


def test_the_sequence_wraps_around() -> None:
    peer, found = on_a_share()
    found.channel_sequence = 0xFFFF
    peer.server.open_of(request_of(peer, Command.WRITE, sequence=1), FileId(6, 5))
    assert found.channel_sequence == 1


def test_drop_closes_once_and_forgets_the_connection() -> None:
    server = server_with()
    peer = logged_on(server)
    connection = server.connections[1]
    server.drop(connection, START)
    server.drop(connection, START)
    assert list(server.outgoing) == [(1, None)]
    assert (server.connections, server.global_session_table) == ({}, {})
    server.received(1, b"late", START)
    server.disconnected(1, START)
    assert peer.take() == []


def test_the_same_events_give_the_same_bytes() -> None:
    def talk() -> list[bytes]:
        peer = logged_on(server_with())
        peer.encrypt = True
        return [peer.tree_connect().message, peer.echo().message, peer.log_off().message]

    assert talk() == talk()
