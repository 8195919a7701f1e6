"""From requests to the bytes of one transport message: headers, signatures, compression, encryption, in this order.

Whether to sign follows MS-SMB2 3.2.4.1.1, whether to encrypt 3.2.4.1.8, the order 3.1.4.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from parsers.smb2.body import pad8
from parsers.smb2.compression import compress_chained, compress_unchained
from parsers.smb2.crypto import Cipher, Signer, encrypt
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags, build_header
from parsers.smb2.transform import CompressionAlgorithm
from refserver.client.state import Request, Session

if TYPE_CHECKING:
    from refserver.client.connection import Connection

__all__ = ["encrypts", "seal"]

_RELATED_ID = 0xFFFF_FFFF_FFFF_FFFF
_RELATED_TREE = 0xFFFF_FFFF
_GENERAL = (CompressionAlgorithm.LZ77_HUFFMAN, CompressionAlgorithm.LZ77, CompressionAlgorithm.LZNT1,
            CompressionAlgorithm.LZ4)  # fmt: skip


def seal(connection: "Connection", group: Sequence[Request[Any]]) -> bytes:
    """The bytes of a message or a compound, without the transport's four; every request gets its `message`.

    The requests have their MessageIds. A deviation of the first one decides about encryption, compression and damage.
    """
    first = group[0]
    encrypted = encrypts(connection, first)
    for place, request in enumerate(group):
        request.message = _message(connection, request, encrypted=encrypted, last=place == len(group) - 1)
    unit = b"".join(request.message for request in group)
    compressed = first.deviation.compressed
    if compressed or (compressed is None and _worth_compressing(connection, first, unit)):
        unit = _compress(connection, unit, always=compressed is True)
    if encrypted:
        assert first.session is not None
        unit = _encrypt(first.session, unit)
    if first.deviation.tamper is not None:
        place = first.deviation.tamper % len(unit)
        unit = unit[:place] + bytes([unit[place] ^ 0xFF]) + unit[place + 1 :]
    return unit


def encrypts(connection: "Connection", request: Request[Any]) -> bool:
    """Whether a request is encrypted (3.2.4.1.8)."""
    session = request.session
    if session is None or session.keys is None or session.keys.client_to_server is None:
        return False
    if request.deviation.encrypted is not None:
        return request.deviation.encrypted
    if request.encrypt is not None:
        return request.encrypt
    of_share = request.tree_connect is not None and request.tree_connect.encrypt_data
    return session.encrypt_data or of_share or connection.config.encrypt


def _message(connection: "Connection", request: Request[Any], *, encrypted: bool, last: bool) -> bytes:
    deviation, session, tree = request.deviation, request.session, request.tree_connect
    assert request.message_id is not None
    signer = None if encrypted and deviation.signed is None else _signer(connection, request)
    flags = Flags.RELATED_OPERATIONS if request.related else Flags(0)
    if request.async_id and request.command == Command.CANCEL:
        flags |= Flags.ASYNC_COMMAND
    if deviation.flags is not None:
        flags = Flags(deviation.flags)
    session_id = session.session_id if session is not None else 0
    tree_id = tree.tree_id if tree is not None else 0
    if request.related:
        session_id, tree_id = _RELATED_ID, _RELATED_TREE
    padding = b"" if last else pad8(len(request.body))
    header = build_header(
        request.command,
        request.message_id,
        credit_charge=connection.credit_charge(request),
        status=_channel_sequence(connection, session),
        credits_=request.credits_asked,
        flags=flags | (Flags.SIGNED if signer is not None else 0),
        next_command=0 if last else 64 + len(request.body) + len(padding),
        tree_id=tree_id if deviation.tree_id is None else deviation.tree_id,
        async_id=request.async_id,
        session_id=session_id if deviation.session_id is None else deviation.session_id,
    )
    message = header + request.body + padding
    return message if signer is None else message[:48] + signer.tag(message) + message[64:]


def _signer(connection: "Connection", request: Request[Any]) -> Signer | None:
    """Who signs, None for nobody (3.2.4.1.1)."""
    deviation, session = request.deviation, request.session
    if deviation.signer is not None:
        return deviation.signer
    channel = session.channels.get(connection) if session is not None else None
    if session is None or channel is None:
        return None
    wanted = session.signing_required if request.sign is None else request.sign
    if not (wanted if deviation.signed is None else deviation.signed):
        return None
    return channel.setup_signer if request.command == Command.SESSION_SETUP else channel.signer


def _channel_sequence(connection: "Connection", session: Session | None) -> int:
    """ChannelSequence, which stands where a response has its status (2.2.1.2); reserved before 3.0."""
    if session is None or connection.dialect < Dialect.SMB_3_0:
        return 0
    return session.channel_sequence & 0xFFFF


def _worth_compressing(connection: "Connection", first: Request[Any], unit: bytes) -> bool:
    """Notes 101 and 124: large messages only, and nothing that the preauthentication hash covers."""
    if not connection.compression_ids or first.command in (Command.NEGOTIATE, Command.SESSION_SETUP):
        return False
    return len(unit) > connection.config.compress_above


def _compress(connection: "Connection", unit: bytes, *, always: bool) -> bytes:
    """The compressed message, or the plain one where that is not longer (3.1.4.4)."""
    general = [algorithm for algorithm in connection.compression_ids if algorithm in _GENERAL]
    algorithm = general[0] if general else CompressionAlgorithm.NONE
    if connection.supports_chained_compression:
        compressed = compress_chained(unit, algorithm)
    elif general:
        compressed = compress_unchained(unit, algorithm)
    else:
        return unit
    return compressed if always or len(compressed) < len(unit) else unit


def _encrypt(session: Session, unit: bytes) -> bytes:
    """The nonce is a counter, which all channels of the session share as they share the key (3.1.4.3)."""
    assert session.keys is not None
    assert session.cipher is not None
    key = session.keys.client_to_server
    assert key is not None
    session.nonces += 1
    size = 12 if session.cipher in (Cipher.AES_128_GCM, Cipher.AES_256_GCM) else 11
    nonce = session.nonces.to_bytes(size, "little")
    return encrypt(cipher=session.cipher, key=key, nonce=nonce, session_id=session.session_id, plaintext=unit)
