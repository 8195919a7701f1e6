"""What the server sent, taken apart."""

import pytest

from parsers.errors import ParseError
from parsers.smb2.compression import compress_unchained
from parsers.smb2.crypto import Cipher
from parsers.smb2.header import Command
from parsers.smb2.read_write import ReadResponse
from parsers.smb2.transform import CompressionAlgorithm
from refserver.client.opening import open_unit
from tests.refserver.client.peer import SESSION_ID, Peer

LIMIT = 1 << 20


def padded(message: bytes) -> bytes:
    """The first message of a compound."""
    message += bytes(-len(message) % 8)
    return message[:20] + len(message).to_bytes(4, "little") + message[24:]


def test_a_compound_is_taken_apart() -> None:
    peer = Peer()
    first, second = peer.message(1, Command.ECHO), peer.message(2, Command.LOGOFF)
    received = open_unit(padded(first) + second, {}, LIMIT)
    assert [message.header.message_id for message in received] == [1, 2]
    assert bytes(received[1].bytes_) == second
    assert len(received[0].bytes_) % 8 == 0


@pytest.mark.parametrize("cipher", Cipher.__members__.values())
def test_an_encrypted_message_is_opened_with_the_key_of_its_session(cipher: Cipher) -> None:
    peer = Peer(cipher=cipher)
    calls = [peer.client.echo(peer.session)]
    peer.answer(5, sealed=True)
    assert calls[0].succeeded


def test_a_compressed_message_is_decompressed() -> None:
    peer = Peer()
    plain = peer.message(9, Command.READ, ReadResponse(b"a" * 5000).build())
    (received,) = open_unit(compress_unchained(plain, CompressionAlgorithm.LZ77), {}, LIMIT)
    assert bytes(received.bytes_) == plain
    assert not received.encrypted


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        (b"", "HeaderFixed needs"),
        (b"\xfeSMB" + bytes(60), "StructureSize"),
        (b"\xfdSMB" + bytes(48), "no keys here"),
        (b"\xfcSMB" + bytes(3), "needs 16 bytes"),
    ],
    ids=["nothing", "a damaged header", "an unknown session", "a cut compression header"],
)
def test_bytes_that_are_no_message_are_refused(unit: bytes, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        open_unit(unit, {}, LIMIT)


def test_a_compound_that_leaves_the_message_is_refused() -> None:
    message = Peer().message(1, Command.ECHO)
    with pytest.raises(ParseError, match="leaves the compound"):
        open_unit(message[:20] + (64).to_bytes(4, "little") + message[24:], {}, LIMIT)


def test_a_tag_that_does_not_fit_is_refused() -> None:
    peer = Peer()
    unit = b"\xfdSMB" + bytes(32) + (64).to_bytes(4, "little") + b"\0\0\1\0" + SESSION_ID.to_bytes(8, "little")
    with pytest.raises(ParseError, match="does not fit"):
        open_unit(unit + bytes(64), {SESSION_ID: peer.session}, LIMIT)
