"""Which protocol a stream carries, told by its bytes and never by its port."""

from collections.abc import Callable

import numpy as np

from parsers.kdc.decoder import KERBEROS
from parsers.kdc.framing import PREFIX, begins_message
from parsers.layout import everywhere
from parsers.smb2.framing import looks_like_message
from parsers.transport.streams import Pieces

__all__ = ["SMB", "UNKNOWN", "Recognised", "recognise"]

SMB = "smb"
UNKNOWN = "unknown"

_SMB_IDS = np.array([0x424D53FE, 0x424D53FD, 0x424D53FC, 0x424D53FF], np.uint32)
_SMB2_ID = 0x424D53FE
_SMB2_FLAGS_OFFSET = 4 + 16
_HEAD = 24
_MAX_LOOKS = 64  # candidates that are looked at one by one, a block
_HTTP_METHODS = (b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE ")

Recognised = tuple[str, bool | None]
"""A protocol, and whether the sender is a server, where the bytes tell."""


def recognise(pieces: Pieces, *, at_start: bool) -> Recognised | None:
    """The protocol of a direction by what it delivers; None if these bytes do not tell.

    Args:
        pieces: bytes in order.
        at_start: whether they begin the stream.
    """
    smb = _segments_that_begin_smb(pieces)
    if smb is not None:
        return smb
    if not at_start:
        return None
    first = pieces.runs()[0].slice(0, _HEAD)
    head = bytearray(first.size)
    first.copy_into(memoryview(head), 0)
    return _by_head(bytes(head[:_HEAD]))


def _segments_that_begin_smb(pieces: Pieces) -> Recognised | None:
    """SMB messages are written one by one, so many begin a segment: look only there, in columns."""
    long_enough = pieces.length >= _HEAD
    sources = [(pieces.buffer, long_enough)]
    if pieces.is_kept is not None:
        sources = [(pieces.buffer, long_enough & ~pieces.is_kept), (pieces.kept, long_enough & pieces.is_kept)]
    for buffer, chosen in sources:
        at = pieces.offset[chosen]
        at = at[np.isin(everywhere(buffer, "<u4")[at + 4], _SMB_IDS)]
        for place in at.tolist()[:_MAX_LOOKS]:
            head = bytes(memoryview(buffer)[place : place + _HEAD])
            if looks_like_message(head):
                is_smb2 = int.from_bytes(head[4:8], "little") == _SMB2_ID
                return SMB, bool(head[_SMB2_FLAGS_OFFSET] & 1) if is_smb2 else None
    return None


def _by_head(head: bytes) -> Recognised | None:
    """The protocol that begins with these bytes."""
    if looks_like_message(head):
        return SMB, None  # split over several segments; its flags may not be here yet
    for protocol, from_server, fits in _BEGINNINGS:
        if fits(head):
            return protocol, from_server
    return (UNKNOWN, None) if head else None


def _is_session_request(head: bytes) -> bool:
    return head[:2] in (b"\x81\x00", b"\x81\x01")  # RFC 1002 4.3.2


def _is_tls(head: bytes) -> bool:
    """A handshake record, or the SSLv2-framed hello of old clients (RFC 8446 5.1, RFC 5246 E.2)."""
    return head[:2] == b"\x16\x03" or (head[:1] == b"\x80" and head[2:4] == b"\x01\x03")


def _is_kerberos(*tags: int) -> Callable[[bytes], bool]:
    """A message of RFC 4120 5.10 behind its length in four bytes (7.2.2)."""
    return lambda head: (
        len(head) > PREFIX
        and head[PREFIX] in tags
        and begins_message(head[PREFIX:], int.from_bytes(head[:PREFIX], "big")) is not False
    )


_BEGINNINGS: tuple[tuple[str, bool | None, Callable[[bytes], bool]], ...] = (
    (SMB, False, _is_session_request),
    ("tls", None, _is_tls),
    ("http", False, lambda head: head.startswith(_HTTP_METHODS)),
    ("http", True, lambda head: head.startswith(b"HTTP/1.")),
    ("ssh", None, lambda head: head.startswith(b"SSH-")),
    (KERBEROS, False, _is_kerberos(0x6A, 0x6C)),  # AS-REQ, TGS-REQ
    (KERBEROS, True, _is_kerberos(0x6B, 0x6D, 0x7E)),  # AS-REP, TGS-REP, KRB-ERROR
)
