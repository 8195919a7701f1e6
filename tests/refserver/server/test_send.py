"""What goes out: signatures, nonces, compression, unsolicited messages (MS-SMB2 3.3.4.1)."""

import pytest

from parsers import ntstatus
from parsers.smb2.compression import decompress
from parsers.smb2.crypto import Decryptor
from parsers.smb2.error import ErrorResponse
from parsers.smb2.header import Command, Flags, build_header, parse_header
from parsers.smb2.negotiate_contexts import CompressionCapabilities, CompressionFlags
from parsers.smb2.read_write import ReadFlags
from parsers.smb2.simple import SimpleBody
from parsers.smb2.transform import CompressionAlgorithm, parse_transform_header
from refserver.errors import StatusError
from refserver.server import dispatch
from refserver.server.requests import Reply, Request
from refserver.server.send import error_reply
from refserver.server.server import Server
from refserver.server.state import Connection
from tests.refserver.server.peer import START, Peer, logged_on, server_with


def test_an_unsigned_request_has_an_unsigned_answer_where_nobody_demands_more() -> None:
    peer = logged_on(server_with(), 0x0302)
    peer.sign = False
    assert not peer.tree_connect().header.flags & Flags.SIGNED


def test_no_nonce_comes_twice_over_all_channels() -> None:
    server = server_with(encrypt_data=True)
    first = logged_on(server)
    second = Peer(server, 2)
    second.negotiate()
    second.bind_to(first)
    session = server.global_session_table[first.session_id]
    for _ in range(3):
        for connection in server.connections.values():
            server.notify(session, connection, Command.OPLOCK_BREAK, bytes(24), START)
    headers = [parse_transform_header(data[4:]) for _, data in server.outgoing if data is not None]
    assert len({header.nonce for header in headers}) == len(headers) == 6


def test_an_encrypted_share_encrypts_its_answers_and_refuses_plain_requests() -> None:
    server = server_with()
    server.shares["ipc$"].encrypt_data = True
    peer = logged_on(server)
    connected = peer.tree_connect()
    assert not connected.encrypted
    refused = peer.ask(Command.TREE_DISCONNECT, SimpleBody().build())
    assert (refused.status, refused.encrypted) == (ntstatus.STATUS_ACCESS_DENIED, True)
    peer.encrypt = True
    done = peer.ask(Command.TREE_DISCONNECT, SimpleBody().build())
    assert (done.status, done.encrypted) == (ntstatus.STATUS_SUCCESS, True)


@pytest.mark.parametrize("encrypt", [True, False])
def test_a_notification_is_unsigned_and_encrypted_where_the_session_is(*, encrypt: bool) -> None:
    server = server_with(encrypt_data=encrypt)
    peer = logged_on(server)
    session = server.global_session_table[peer.session_id]
    server.notify(session, server.connections[1], Command.OPLOCK_BREAK, bytes(24), START)
    ((_, data),) = server.outgoing
    assert data is not None
    message = data[4:]
    if encrypt:
        assert peer.keys is not None
        assert peer.keys.server_to_client is not None
        assert parse_transform_header(message).session_id == peer.session_id
        message = Decryptor(cipher=peer.cipher, key=peer.keys.server_to_client).decrypt(memoryview(message))
    header = parse_header(message)
    assert header.message_id == (1 << 64) - 1
    assert header.session_id == (peer.session_id if encrypt else 0)
    assert (header.flags, header.credits, header.tree_id) == (Flags.SERVER_TO_REDIR, 0, 0)


def test_a_notification_takes_another_channel_where_its_own_is_lost() -> None:
    server = server_with()
    first = logged_on(server)
    second = Peer(server, 2)
    second.negotiate()
    second.bind_to(first)
    session, lost = server.global_session_table[first.session_id], server.connections[1]
    server.disconnected(1, START)
    server.notify(session, lost, Command.OPLOCK_BREAK, bytes(24), START)
    assert [number for number, _ in server.outgoing] == [2]
    server.outgoing.clear()
    server.disconnected(2, START)
    server.notify(session, lost, Command.OPLOCK_BREAK, bytes(24), START)
    assert not server.outgoing


def test_error_data_of_3_1_1_stands_in_a_context() -> None:
    for dialect, contexts in ((0x0302, 0), (0x0311, 1)):
        connection = Connection(1, 0, dialect=dialect)
        request = Request(memoryview(b""), parse_header(build_header(0, 0)), connection, 0)
        reply = error_reply(request, StatusError(ntstatus.STATUS_BUFFER_TOO_SMALL, b"\x10\0\0\0"))
        error = ErrorResponse.parse(memoryview(bytes(64) + reply.body))
        assert (len(error.contexts), error.default_data) == (contexts, b"\x10\0\0\0")


def reading(server: Server, request: Request) -> Reply:  # the signature of handlers
    return Reply(0, b"\x11\0\x50\0" + bytes(12) + b"abc" * 4000)


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("asked", [True, False])
def test_a_read_is_compressed_if_the_client_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, *, asked: bool, chained: bool
) -> None:
    monkeypatch.setattr(dispatch, "HANDLERS", {**dispatch.HANDLERS, Command.READ: reading})
    peer = Peer(server_with())
    flags = CompressionFlags.CHAINED if chained else CompressionFlags(0)
    peer.negotiate(contexts=(CompressionCapabilities(flags, (CompressionAlgorithm.LZ77_HUFFMAN,)),))
    peer.log_on()
    peer.tree_connect()
    body = b"\x31\0\x50" + bytes([ReadFlags.REQUEST_COMPRESSED if asked else 0]) + bytes(45)
    peer.put(peer.signed(peer.request(Command.READ, body)))
    ((_, data),) = peer.server.outgoing
    assert data is not None
    message = data[4:]
    assert (message[:4] == b"\xfcSMB") is asked
    if asked:
        assert len(message) < 2000
        message = decompress(memoryview(message), limit=1 << 20)
    assert message.endswith(b"abc" * 4000)
    assert peer.signer is not None
    assert peer.signer.verify(message)
