"""From the bytes of one transport message to SMB2 messages: decryption, decompression, compounds (MS-SMB2 3.2.5.1)."""

from collections.abc import Mapping
from typing import NamedTuple

from parsers.errors import ParseError
from parsers.smb2.compression import decompress
from parsers.smb2.crypto import TagError
from parsers.smb2.header import HEADER_SIZE, HeaderFixed, parse_header
from parsers.smb2.transform import COMPRESSION_PROTOCOL_ID, TRANSFORM_PROTOCOL_ID, parse_transform_header
from refserver.client.state import Session

__all__ = ["Received", "open_unit"]


class Received(NamedTuple):
    """One message; `bytes_` begins with its header and ends with its padding."""

    header: HeaderFixed
    bytes_: memoryview
    encrypted: bool


def open_unit(unit: bytes, sessions: Mapping[int, Session], limit: int) -> list[Received]:
    """The messages in `unit`, in order.

    Args:
        unit: all of it but the transport's four bytes.
        sessions: those of the connection, by SessionId, for their keys.
        limit: the most plain bytes of a compressed message (3.2.5.1.10).

    Raises:
        ParseError: malformed, of an unknown session, or the tag of the encryption does not fit.
    """
    encrypted = unit[:4] == TRANSFORM_PROTOCOL_ID
    if encrypted:
        unit = _decrypt(unit, sessions)
    if unit[:4] == COMPRESSION_PROTOCOL_ID:
        unit = decompress(memoryview(unit), limit=limit)
    return _split(memoryview(unit), encrypted=encrypted)


def _decrypt(unit: bytes, sessions: Mapping[int, Session]) -> bytes:
    header = parse_transform_header(unit)
    session = sessions.get(header.session_id)
    if session is None or session.decryptor is None:
        raise ParseError(f"an encrypted message for session {header.session_id:#x}, which has no keys here")
    try:
        return session.decryptor.decrypt(memoryview(unit))
    except TagError:
        raise ParseError("the tag of an encrypted message does not fit") from None


def _split(unit: memoryview, *, encrypted: bool) -> list[Received]:
    messages = []
    while True:
        header = parse_header(unit)
        step = header.next_command
        if step and (step < HEADER_SIZE or step + HEADER_SIZE > len(unit)):
            raise ParseError(f"NextCommand {step} leaves the compound")
        messages.append(Received(header, unit[:step] if step else unit, encrypted))
        if not step:
            return messages
        unit = unit[step:]
