"""What the NTLM of both of our sides offers, and the Windows version that it names (MS-NLMP 2.2.2.5, 2.2.2.10)."""

from parsers.gss.ntlm.messages import NegotiateFlags, Version

__all__ = ["SUPPORTED_FLAGS", "VERSION"]

SUPPORTED_FLAGS = (
    NegotiateFlags.UNICODE
    | NegotiateFlags.REQUEST_TARGET
    | NegotiateFlags.SIGN
    | NegotiateFlags.SEAL
    | NegotiateFlags.NTLM
    | NegotiateFlags.ALWAYS_SIGN
    | NegotiateFlags.EXTENDED_SESSIONSECURITY
    | NegotiateFlags.VERSION
    | NegotiateFlags.NEGOTIATE_128
    | NegotiateFlags.KEY_EXCH
    | NegotiateFlags.NEGOTIATE_56
)
VERSION = Version(10, 0, 20348)
