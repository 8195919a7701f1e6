"""Framing, encryption and compression of what comes, and what ends the connection (MS-SMB2 3.3.5.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.smb2.compression import compress_chained, compress_unchained
from parsers.smb2.crypto import encrypt
from parsers.smb2.header import Command, Flags, build_header
from parsers.smb2.negotiate_contexts import CompressionCapabilities, CompressionFlags
from parsers.smb2.simple import SimpleBody
from parsers.smb2.transform import CompressionAlgorithm
from tests.refserver.server.peer import START, Peer, logged_on, server_with

ECHO = SimpleBody().build()


def compressing(*, chained: bool) -> Peer:
    """A peer that has negotiated LZ77 and, if chained, patterns."""
    peer = Peer(server_with())
    algorithms = (CompressionAlgorithm.LZ77, CompressionAlgorithm.PATTERN_V1)
    flags = CompressionFlags.CHAINED if chained else CompressionFlags(0)
    peer.negotiate(contexts=(CompressionCapabilities(flags, algorithms),))
    peer.log_on()
    return peer


def test_a_message_may_come_in_any_pieces_and_several_in_one() -> None:
    peer = logged_on(server_with())
    messages = [peer.signed(peer.request(Command.ECHO, ECHO)) for _ in range(3)]
    stream = b"".join(len(message).to_bytes(4, "big") + message for message in messages)
    for place in range(len(stream)):
        peer.server.received(1, stream[place : place + 1], START)
    assert [answer.status for answer in peer.take()] == [0, 0, 0]


def test_a_keep_alive_is_passed_over() -> None:
    peer = logged_on(server_with())
    peer.server.received(1, b"\x85\0\0\0", START)
    assert peer.echo().status == 0


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\0\0\x44" + bytes(68),  # a session request of NetBIOS
        b"\0\xff\xff\xff",
        b"\0\0\0\x40" + bytes(64),
        b"\0\0\0\x04\xfeSMB",
        b"\0\0\0\x40" + build_header(Command.ECHO, 0),  # before NEGOTIATE
        b"\0\0\0\x40" + build_header(Command.NEGOTIATE, 0, flags=Flags.SERVER_TO_REDIR),
        b"\0\0\0\x40" + build_header(0x13, 0),
        b"\0\0\0\x40" + build_header(Command.NEGOTIATE, 1),  # an id that was not granted
        b"\0\0\0\x40\xfdSMB" + bytes(60),
        b"\0\0\0\x40\xfcSMB" + bytes(60),
        b"\0\0\0\x40\xffSMB" + bytes(60),
    ],
)
def test_what_is_no_request_ends_the_connection_without_a_word(frame: bytes) -> None:
    peer = Peer(server_with())
    peer.server.received(1, frame, START)
    assert peer.take() == []
    assert peer.closed
    assert peer.server.connections == {}


def test_what_comes_after_the_end_is_ignored() -> None:
    peer = Peer(server_with())
    peer.put(b"nonsense" * 10)
    peer.server.received(1, b"more", START)
    assert peer.take() == []


def test_an_id_that_was_used_ends_the_connection() -> None:
    peer = logged_on(server_with())
    peer.put(peer.signed(peer.request(Command.ECHO, ECHO, message_id=0)))
    peer.take()
    assert peer.closed


@pytest.mark.parametrize("step", [8, 72, 1 << 20])
def test_a_compound_that_is_not_aligned_or_leaves_the_message_ends_the_connection(step: int) -> None:
    peer = logged_on(server_with())
    message = peer.request(Command.ECHO, ECHO) + bytes(4) + peer.request(Command.ECHO, ECHO)
    peer.put(message[:20] + (step if step != 72 else 68).to_bytes(4, "little") + message[24:])
    peer.take()
    assert peer.closed


def encrypted(peer: Peer, plain: bytes, *, session_id: int | None = None) -> bytes:
    assert peer.keys is not None
    assert peer.keys.client_to_server is not None
    return encrypt(
        cipher=peer.cipher,
        key=peer.keys.client_to_server,
        nonce=b"n" * 12,
        session_id=peer.session_id if session_id is None else session_id,
        plaintext=plain,
    )


def test_an_encrypted_message_of_another_session_or_a_changed_one_ends_the_connection() -> None:
    for change in ("session", "bit", "inner session"):
        peer = logged_on(server_with())
        echo = peer.request(Command.ECHO, ECHO, session_id=9 if change == "inner session" else peer.session_id)
        message = bytearray(encrypted(peer, echo, session_id=9 if change == "session" else None))
        if change == "bit":
            message[-1] ^= 1
        peer.put(bytes(message))
        assert peer.take() == []
        assert peer.closed


def test_nothing_is_encrypted_twice() -> None:
    peer = logged_on(server_with())
    peer.put(encrypted(peer, encrypted(peer, peer.request(Command.ECHO, ECHO))))
    peer.take()
    assert peer.closed


@pytest.mark.parametrize("chained", [True, False])
def test_compressed_messages_are_taken_plain_and_encrypted(*, chained: bool) -> None:
    peer = compressing(chained=chained)
    compress = compress_chained if chained else compress_unchained
    for wrap in (lambda message: message, lambda message: encrypted(peer, message)):
        message = peer.signed(peer.request(Command.ECHO, ECHO + bytes(3000)))
        peer.put(wrap(compress(message, CompressionAlgorithm.LZ77)))
        assert [answer.status for answer in peer.take()] == [0]


def test_compression_that_was_not_negotiated_ends_the_connection() -> None:
    peer = logged_on(server_with())
    peer.put(compress_unchained(peer.signed(peer.request(Command.ECHO, ECHO)), CompressionAlgorithm.LZ77))
    peer.take()
    assert peer.closed


def test_a_few_bytes_that_claim_to_be_very_many_end_the_connection() -> None:
    peer = compressing(chained=True)
    bomb = b"\xfcSMB" + (0xFFFFFFF0).to_bytes(4, "little") + b"\x04\0\x01\0\x08\0\0\0\0\0\0\0\xf0\xff\xff\xff"
    peer.put(bomb)
    peer.take()
    assert peer.closed


@pytest.mark.fuzz
@given(st.data())
def test_damage_never_stops_the_server(data: st.DataObject) -> None:
    server = server_with(guest=True, anonymous=True)
    peer = logged_on(server)
    peer.tree_connect()
    peer.encrypt = data.draw(st.booleans())
    for _ in range(data.draw(st.integers(1, 6))):
        if peer.closed:
            break
        command = data.draw(st.integers(0, 0x12))
        body = bytearray(data.draw(st.binary(max_size=120)))
        if len(body) > 2:
            body[:2] = data.draw(st.sampled_from((4, 9, 17, 24, 25, 31, 32, 33, 36, 41, 48, 49, 57))).to_bytes(
                2, "little"
            )
        flags = data.draw(st.sampled_from((0, 0, 0, Flags.RELATED_OPERATIONS, Flags.ASYNC_COMMAND)))
        peer.send(peer.request(command, bytes(body), flags=flags))
    server.timers.fire(START + 10**12)
    if not peer.closed:
        server.disconnected(1, START)
    other = logged_on(server, number=2)
    assert other.echo().status == 0
