"""From replies to bytes: headers, compounds, signatures, compression, encryption, framing (MS-SMB2 3.3.4.1).

The order is the one that 3.1.4.3 gives: a message is signed, then compressed, then encrypted.
"""

from typing import TYPE_CHECKING

from parsers import ntstatus
from parsers.smb2.body import align8
from parsers.smb2.compression import compress_chained, compress_unchained
from parsers.smb2.crypto import Cipher, Signer, encrypt, preauth_hash
from parsers.smb2.dialects import Dialect
from parsers.smb2.error import ErrorContext, ErrorId, ErrorResponse
from parsers.smb2.header import HEADER_SIZE, Command, Flags, build_header
from parsers.smb2.read_write import ReadFlags
from parsers.smb2.transform import CompressionAlgorithm
from refserver.errors import StatusError
from refserver.server import credits as credit_window
from refserver.server.requests import Reply, Request
from refserver.server.state import Channel, Connection, Session

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["channel_of", "error_reply", "send_interim", "send_notification", "send_replies", "signer_of"]

_UNSOLICITED = (1 << 64) - 1  # MessageId of what nobody asked for (3.3.4.6)
_SIGNATURE = slice(48, 64)
_READ_FLAGS_AT = HEADER_SIZE + 3  # 2.2.19
_CHAIN_ONLY = (CompressionAlgorithm.PATTERN_V1, CompressionAlgorithm.NONE)


def send_replies(server: "Server", connection: Connection, replies: list[tuple[Request, Reply]]) -> None:
    """Send replies in one message, a compound if there are several (3.3.4.1.3)."""
    encrypted = any(_is_encrypted(request) for request, _ in replies)
    parts: list[bytes] = []
    for place, (request, reply) in enumerate(replies):
        message = _response(server, request, reply)
        if len(replies) > 1:
            message = align8(message)  # the last one as well, as Windows does
        if place + 1 < len(replies):
            message = message[:20] + len(message).to_bytes(4, "little") + message[24:]
        if not encrypted and _is_signed(request, reply):
            message = _sign(request, message)
        parts.append(message)
        if not encrypted:
            _hash(request, reply, message)
    message = b"".join(parts)
    if connection.compression_ids and any(_wants_compression(server, request) for request, _ in replies):
        message = _compress(connection, message)
    if encrypted:
        message = _encrypt(_sealing([request for request, _ in replies]), message)
    _transmit(server, connection, message)


def send_interim(server: "Server", request: Request) -> None:
    """STATUS_PENDING: carries the credits, and is not signed (3.3.4.2)."""
    reply = Reply(ntstatus.STATUS_PENDING, ErrorResponse().build())
    granted = credit_window.grant(request.connection, request, 0, server.config.max_credits)
    message = _build(request, reply, Flags.SERVER_TO_REDIR | Flags.ASYNC_COMMAND, granted)
    if _is_encrypted(request):
        message = _encrypt(_sealing([request]), message)
    _transmit(server, request.connection, message)


def send_notification(server: "Server", session: Session, connection: Connection, command: int, body: bytes) -> None:
    """A message that answers nothing: never signed, encrypted if everything of the session is (3.3.4.6, 3.3.4.1.4).

    Where the connection is lost it goes over another channel of the session, if there is one.
    """
    if connection.closed:
        connection = session.connection
    if connection.closed:
        return
    encrypted = session.encrypt_data and session.encryption_key is not None
    message = build_header(
        command,
        _UNSOLICITED,
        credits_=0,
        flags=Flags.SERVER_TO_REDIR,
        # A break names no session (3.3.4.6); inside of an encrypted message it must be the transform header's.
        session_id=session.session_id if encrypted or command != Command.OPLOCK_BREAK else 0,
    )
    message += body
    if encrypted:
        message = _encrypt(session, message)
    _transmit(server, connection, message)


def error_reply(request: Request, error: StatusError) -> Reply:
    """The ERROR response of a failure (2.2.2); 3.1.1 puts error data into a context (2.2.2.1)."""
    if error.data and request.connection.dialect == Dialect.SMB_3_1_1:
        body = ErrorResponse(contexts=(ErrorContext(ErrorId.DEFAULT, error.data),)).build()
    else:
        body = ErrorResponse(error_data=error.data).build()
    return Reply(error.status, body)


# ----------------------------------------------------------------------------------------------- headers


def _response(server: "Server", request: Request, reply: Reply) -> bytes:
    flags = Flags.SERVER_TO_REDIR
    if request.header.flags & Flags.RELATED_OPERATIONS:
        flags |= Flags.RELATED_OPERATIONS
    if request.async_id:
        return _build(request, reply, flags | Flags.ASYNC_COMMAND, 0)  # the interim response had the credits (3.3.4.3)
    granted = credit_window.grant(request.connection, request, reply.status, server.config.max_credits)
    return _build(request, reply, flags, granted)


def _build(request: Request, reply: Reply, flags: int, granted: int) -> bytes:
    header, session, tree_connect = request.header, request.session, request.tree_connect
    built = build_header(
        header.command,
        header.message_id,
        credit_charge=header.credit_charge if request.connection.supports_multi_credit else 0,
        status=reply.status,
        credits_=granted,
        flags=flags,
        tree_id=(header.tree_id or 0) if tree_connect is None else tree_connect.tree_id,
        async_id=request.async_id,
        session_id=header.session_id if session is None else session.session_id,
    )
    return built + reply.body


# ----------------------------------------------------------------------------------------------- signatures


def channel_of(session: Session, connection: Connection) -> Channel | None:
    """The channel of a session over this connection."""
    return next((channel for channel in session.channel_list if channel.connection is connection), None)


def signer_of(session: Session, connection: Connection) -> Signer | None:
    """What signs and verifies a session's messages on a connection; None where there is no key.

    Where the connection is no channel of the session, which it may be about to become, it is the session's own key
    (3.3.4.1.1).
    """
    channel = channel_of(session, connection)
    if channel is not None and channel.signer is not None:
        return channel.signer
    if session.signing_key is None:
        return None
    return Signer(algorithm=session.signing_algorithm_id, key=session.signing_key)


def _is_signed(request: Request, reply: Reply) -> bool:
    """3.3.4.1.1: whoever signs gets signed answers; the end of a logon is always signed, where there is a key."""
    session = request.session
    if session is None or session.signing_key is None or session.is_guest or session.is_anonymous:
        return False
    if request.header.command == Command.SESSION_SETUP and reply.status == ntstatus.STATUS_SUCCESS:
        return True
    return request.signed or session.signing_required


def _sign(request: Request, message: bytes) -> bytes:
    assert request.session is not None  # _is_signed has seen it
    signer = signer_of(request.session, request.connection)
    assert signer is not None  # the session has a key
    flags = int.from_bytes(message[16:20], "little") | Flags.SIGNED
    signed = bytearray(message)
    signed[16:20] = flags.to_bytes(4, "little")
    signed[_SIGNATURE] = signer.tag(signed)
    return bytes(signed)


def _hash(request: Request, reply: Reply, message: bytes) -> None:
    """Add a response to the preauthentication hash it belongs to (3.3.5.4, 3.3.5.5)."""
    connection, session = request.connection, request.session
    if connection.dialect != Dialect.SMB_3_1_1:
        return
    if request.header.command == Command.NEGOTIATE:
        value = connection.preauth_integrity_hash_value
        connection.preauth_integrity_hash_value = preauth_hash(previous=value, message=message)
    elif request.header.command == Command.SESSION_SETUP and session is not None:
        if reply.status != ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
            return
        hashed = connection.preauth_session_table.get(session.session_id, session)
        hashed.preauth_integrity_hash_value = preauth_hash(
            previous=hashed.preauth_integrity_hash_value, message=message
        )


# ----------------------------------------------------------------------------------------------- transforms


def _is_encrypted(request: Request) -> bool:
    """3.3.4.1.4: the answer to an encrypted request, and everything of an encrypted session or share."""
    session, command = request.session, request.header.command
    if request.encrypted:
        return True
    if session is None or session.encryption_key is None:
        return False
    if command in (Command.NEGOTIATE, Command.SESSION_SETUP):
        return False
    share = None if request.tree_connect is None else request.tree_connect.share
    return session.encrypt_data or (share is not None and share.encrypt_data and command != Command.TREE_CONNECT)


def _sealing(requests: list[Request]) -> Session:
    """Whose keys encrypt the answers: those that the requests came with, else those of a session that wants it."""
    sessions = (request.sealed_by or request.session for request in requests)
    return next(session for session in sessions if session is not None and session.encryption_key is not None)


def _encrypt(session: Session, message: bytes) -> bytes:
    """Nonces count, so that none comes twice with one key (2.2.41); all channels of a session share the count."""
    assert session.encryption_key is not None  # whoever asks has looked
    session.nonces += 1
    size = 11 if session.cipher_id in (Cipher.AES_128_CCM, Cipher.AES_256_CCM) else 12
    return encrypt(
        cipher=session.cipher_id,
        key=session.encryption_key,
        nonce=session.nonces.to_bytes(size, "little"),
        session_id=session.session_id,
        plaintext=message,
    )


def _wants_compression(server: "Server", request: Request) -> bool:
    """3.3.4.1.5: a READ may ask for it, and a share may demand it."""
    if request.header.command in (Command.NEGOTIATE, Command.SESSION_SETUP):
        return False
    if server.config.compress_all:
        return True
    if request.tree_connect is not None and request.tree_connect.share.compress_data:
        return True
    is_read = request.header.command == Command.READ and len(request.message) > _READ_FLAGS_AT
    return is_read and bool(request.message[_READ_FLAGS_AT] & ReadFlags.REQUEST_COMPRESSED)


def _compress(connection: Connection, message: bytes) -> bytes:
    """Compressed with the first algorithm that both sides know, if that makes it shorter (3.1.4.4)."""
    algorithms = [CompressionAlgorithm(number) for number in connection.compression_ids]
    general = next((one for one in algorithms if one not in _CHAIN_ONLY), CompressionAlgorithm.NONE)
    if connection.supports_chained_compression:
        packed = compress_chained(message, general)
    elif general != CompressionAlgorithm.NONE:
        packed = compress_unchained(message, general)
    else:
        return message
    return packed if len(packed) < len(message) else message


def _transmit(server: "Server", connection: Connection, message: bytes) -> None:
    server.outgoing.append((connection.number, len(message).to_bytes(4, "big") + message))
