"""TREE_CONNECT and TREE_DISCONNECT (MS-SMB2 3.3.5.7, 3.3.5.8)."""

from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.simple import SimpleBody
from parsers.smb2.tree import ShareCapabilities, ShareFlags, ShareType, TreeConnectResponse
from refserver.server.state import Share
from refserver.store.memory import MemoryStore
from tests.refserver.server.peer import Answer, Peer, logged_on, server_with


def response_of(answer: Answer) -> TreeConnectResponse:
    return TreeConnectResponse.parse(memoryview(answer.message))


def peer_with(share: Share, *dialects: int) -> Peer:
    server = server_with()
    server.shares[share.name.lower()] = share
    return logged_on(server, *dialects)


def test_a_share_is_found_whatever_the_case_and_the_server_is_called() -> None:
    peer = peer_with(Share("Data", MemoryStore()))
    for name in ("data", "DATA", "Data"):
        answer = peer.tree_connect(name)
        assert answer.status == ntstatus.STATUS_SUCCESS
        assert response_of(answer).share_type == ShareType.DISK
    assert peer.tree_connect("nothing").status == ntstatus.STATUS_BAD_NETWORK_NAME


def test_the_named_pipes_are_always_there() -> None:
    assert response_of(logged_on(server_with()).tree_connect("IPC$")).share_type == ShareType.PIPE


def test_tree_ids_differ_and_each_is_there_until_it_is_disconnected() -> None:
    peer = peer_with(Share("data", MemoryStore()))
    first = peer.tree_connect("data").header.tree_id or 0
    second = peer.tree_connect("data").header.tree_id or 0
    assert first != second
    disconnect = SimpleBody().build()
    assert peer.ask(Command.TREE_DISCONNECT, disconnect, tree_id=first).status == ntstatus.STATUS_SUCCESS
    again = peer.ask(Command.TREE_DISCONNECT, disconnect, tree_id=first)
    assert again.status == ntstatus.STATUS_NETWORK_NAME_DELETED
    assert peer.ask(Command.TREE_DISCONNECT, disconnect, tree_id=second).status == ntstatus.STATUS_SUCCESS


def test_a_share_that_is_read_only_says_so() -> None:
    peer = peer_with(Share("data", MemoryStore(), read_only=True))
    assert response_of(peer.tree_connect("data")).maximal_access == 0x001200A9


def test_what_a_share_demands_and_can_is_in_the_answer() -> None:
    share = Share(
        "data", MemoryStore(), encrypt_data=True, force_level2_oplock=True, continuously_available=True,
        compress_data=True,
    )  # fmt: skip
    response = response_of(peer_with(share).tree_connect("data"))
    assert response.share_flags == (
        ShareFlags.ENCRYPT_DATA | ShareFlags.FORCE_LEVELII_OPLOCK | ShareFlags.COMPRESS_DATA
    )
    assert response.capabilities == ShareCapabilities.CONTINUOUS_AVAILABILITY


def test_an_encrypted_share_is_not_for_who_cannot_encrypt() -> None:
    share = Share("data", MemoryStore(), encrypt_data=True)
    assert peer_with(share, 0x0210).tree_connect("data").status == ntstatus.STATUS_ACCESS_DENIED
    tolerant = peer_with(share, 0x0210)
    tolerant.server.config.reject_unencrypted_access = False
    assert tolerant.tree_connect("data").status == ntstatus.STATUS_SUCCESS


def test_an_unprotected_tree_connect_of_3_1_1_ends_the_connection() -> None:
    peer = logged_on(server_with())
    peer.sign = False
    peer.send(peer.request(Command.TREE_CONNECT, bytes(9)))
    assert peer.closed
    older = logged_on(server_with(), 0x0302)
    older.sign = False
    assert older.tree_connect().status == ntstatus.STATUS_SUCCESS
