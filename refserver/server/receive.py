"""From bytes to requests: framing, encryption, compression, compounds (MS-SMB2 3.3.5.2, 3.3.5.2.1 to 3.3.5.2.3).

What cannot be answered ends the connection, as the specification asks.
"""

from typing import TYPE_CHECKING

from parsers.errors import ParseError
from parsers.smb2.compression import decompress
from parsers.smb2.crypto import Decryptor, TagError
from parsers.smb2.header import HEADER_SIZE, PROTOCOL_ID, Command, parse_header
from parsers.smb2.multiprotocol import SMB1_PROTOCOL_ID
from parsers.smb2.transform import (
    COMPRESSION_PROTOCOL_ID,
    TRANSFORM_ENCRYPTED,
    TRANSFORM_HEADER,
    TRANSFORM_PROTOCOL_ID,
    parse_transform_header,
)
from refserver.server import credits as credit_window
from refserver.server import dispatch, negotiate
from refserver.server.requests import Request
from refserver.server.state import Connection, Session

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["receive"]

_PREFIX = 4
_SESSION_MESSAGE, _KEEP_ALIVE = 0x00, 0x85  # RFC 1002 4.3.1; Direct TCP knows only the first
_OVERHEAD = 256 + HEADER_SIZE  # what a message may have beside its payload (3.3.5.2, 3.3.5.2.1.2)
_SMALLEST_LIMIT = 65536  # before the sizes are negotiated, tokens of this size must pass


def receive(server: "Server", connection: Connection, data: bytes, now: int) -> None:
    """Take what came on a connection and handle every message that is complete."""
    connection.received += data
    while not connection.closed and len(connection.received) >= _PREFIX:
        length = int.from_bytes(connection.received[1:_PREFIX], "big")
        kind = connection.received[0]
        if kind not in (_SESSION_MESSAGE, _KEEP_ALIVE) or length > _limit(connection) + TRANSFORM_HEADER.size:
            server.drop(connection, now)
            return
        if len(connection.received) < _PREFIX + length:
            return
        message = bytes(connection.received[_PREFIX : _PREFIX + length])
        del connection.received[: _PREFIX + length]
        if kind == _SESSION_MESSAGE:
            _message(server, connection, message, now)


def _limit(connection: Connection) -> int:
    """The longest plain message that is allowed."""
    sizes = connection.max_transact_size, connection.max_read_size, connection.max_write_size, _SMALLEST_LIMIT
    return max(sizes) + _OVERHEAD


def _message(server: "Server", connection: Connection, message: bytes, now: int) -> None:
    """One message of the transport; whatever is no message that can be answered ends the connection."""
    try:
        requests = _requests(server, connection, message, now)
    except (ParseError, TagError):
        server.drop(connection, now)
        return
    dispatch.process(server, connection, requests, now)


def _requests(server: "Server", connection: Connection, message: bytes, now: int) -> list[Request]:
    protocol = message[:4]
    if protocol == SMB1_PROTOCOL_ID:
        negotiate.multi_protocol(server, connection, memoryview(message), now)
        return []
    sealed_by = None
    if protocol == TRANSFORM_PROTOCOL_ID:
        sealed_by, message = _decrypt(connection, memoryview(message))
        protocol = message[:4]
    if protocol == COMPRESSION_PROTOCOL_ID:
        message = _decompress(connection, memoryview(message))
        protocol = message[:4]
    if protocol != PROTOCOL_ID:
        raise ParseError(f"ProtocolId is {protocol.hex()}")
    requests = _split(connection, memoryview(message), now)
    for request in requests:
        _admit(connection, request, sealed_by)
    return requests


def _decrypt(connection: Connection, message: memoryview) -> tuple[Session, bytes]:
    """Session and content of an encrypted message (3.3.5.2.1.1)."""
    header = parse_transform_header(message)
    session = connection.session_table.get(header.session_id)
    if header.flags != TRANSFORM_ENCRYPTED or session is None or session.decryption_key is None:
        raise ParseError("encrypted for no session that has a key")
    if session.decryptor is None:
        session.decryptor = Decryptor(cipher=session.cipher_id, key=session.decryption_key)
    plain = session.decryptor.decrypt(message)
    if header.original_message_size != len(plain):
        raise ParseError(f"OriginalMessageSize is {header.original_message_size}, not {len(plain)}")
    return session, plain


def _decompress(connection: Connection, message: memoryview) -> bytes:
    """The content of a compressed message (3.3.5.2.1.2)."""
    if not connection.compression_ids:
        raise ParseError("compressed without having negotiated it")
    return decompress(message, limit=_limit(connection))


def _split(connection: Connection, message: memoryview, now: int) -> list[Request]:
    """The requests of a compound, or the single one (3.3.5.2.7)."""
    requests: list[Request] = []
    while True:
        header = parse_header(message)
        step = header.next_command
        if step and (step < HEADER_SIZE or step % 8 or step + HEADER_SIZE > len(message)):
            raise ParseError(f"NextCommand {step} leaves the message or is not aligned")
        requests.append(Request(message[:step] if step else message, header, connection, now, place=len(requests)))
        if not step:
            return requests
        message = message[step:]


def _admit(connection: Connection, request: Request, sealed_by: Session | None) -> None:
    """What ends the connection if it is not so: a known request, in order, whose MessageId was granted."""
    header = request.header
    if header.is_response or (header.command > Command.OPLOCK_BREAK and not request.place):
        raise ParseError("no request of a client")
    if connection.dialect == 0 and header.command != Command.NEGOTIATE:
        raise ParseError("the first request is NEGOTIATE (3.3.5.2.2)")
    if header.command != Command.CANCEL and not credit_window.take(connection, header):
        raise ParseError("a MessageId that was not granted (3.3.5.2.3)")
    request.sealed_by = sealed_by
    if sealed_by is not None and not request.place and header.session_id != sealed_by.session_id:
        raise ParseError("SessionId is not that of the transform header (3.3.5.2.1.1)")
