"""The first signature of an NTLM context, which SPNEGO puts over its list of mechanisms (MS-NLMP 3.4.4.2, 3.4.5)."""

from parsers.gss.ntlm.legacy import hmac_md5, md5, rc4
from parsers.gss.ntlm.messages import NegotiateFlags

__all__ = ["first_signature"]

_SEQUENCE = bytes(4)
_VERSION = b"\x01\x00\x00\x00"
_DIRECTIONS = (b"client-to-server", b"server-to-client")


def first_signature(*, key: bytes, flags: NegotiateFlags, from_server: bool, message: bytes) -> bytes:
    """NTLMSSP_MESSAGE_SIGNATURE with sequence number 0, for extended session security.

    Args:
        key: ExportedSessionKey.
        flags: negotiated ones.
        from_server: who signs.
        message: what is signed.
    """
    direction = b"session key to " + _DIRECTIONS[from_server]
    signing = md5(key + direction + b" signing key magic constant\x00")
    checksum = hmac_md5(signing, _SEQUENCE + message)[:8]
    if flags & NegotiateFlags.KEY_EXCH:
        sealing = md5(_sealing_base(key, flags) + direction + b" sealing key magic constant\x00")
        checksum = rc4(sealing, checksum)
    return _VERSION + checksum + _SEQUENCE


def _sealing_base(key: bytes, flags: NegotiateFlags) -> bytes:
    """As much of the key as was negotiated: 128, 56 or 40 bits (MS-NLMP 3.4.5.3)."""
    if flags & NegotiateFlags.NEGOTIATE_128:
        return key
    return key[:7] if flags & NegotiateFlags.NEGOTIATE_56 else key[:5]
