"""What kind of software the peers are, as far as a capture shows it: their timers differ.

The NTLM messages of a logon carry the version of who wrote them (MS-NLMP 2.2.2.10), "for debugging". Windows gives its
build, Samba always 6.1 without one, the Linux kernel its own version. A host that shows none is unknown.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from analyzer.policy import Peer, Side
from parsers.errors import ParseError
from parsers.gss import spnego
from parsers.gss.ntlm.messages import Authenticate, Challenge, MessageType, Negotiate, Version, message_type
from parsers.smb2.header import Command
from parsers.smb2.session_setup import SessionSetupRequest, SessionSetupResponse

if TYPE_CHECKING:
    from analyzer.rules.case import Case

__all__ = ["peer_of_version", "peers_of"]

_SMALLEST_WINDOWS_BUILD = 2600  # Windows XP; those of the kernel's client are below 100
_MESSAGES: dict[int, tuple[type[Negotiate | Challenge | Authenticate], Side]] = {
    MessageType.NEGOTIATE: (Negotiate, Side.CLIENT),
    MessageType.CHALLENGE: (Challenge, Side.SERVER),
    MessageType.AUTHENTICATE: (Authenticate, Side.CLIENT),
}


def peers_of(case: "Case") -> dict[tuple[Side, str], Peer]:
    """The kind of each client and server, by its address."""
    found: dict[tuple[Side, str], Peer] = {}
    for side, connection, version in _versions(case):
        address = case.connections.iloc[connection]["client_ip" if side is Side.CLIENT else "server_ip"]
        found.setdefault((side, str(address)), peer_of_version(version))
    return found


def peer_of_version(version: Version) -> Peer:
    """The software that gives this version of itself."""
    number = version.product_major_version, version.product_minor_version
    if version.product_build >= _SMALLEST_WINDOWS_BUILD:
        return Peer.WINDOWS_7 if number in {(6, 0), (6, 1)} else Peer.WINDOWS
    if number == (6, 1) and version.product_build == 0:
        return Peer.SAMBA
    return Peer.LINUX if version.product_major_version >= 3 else Peer.UNKNOWN


def _versions(case: "Case") -> Iterator[tuple[Side, int, Version]]:
    for exchange in case.evidence.logons:
        if exchange.command != Command.SESSION_SETUP:
            continue
        for message in (exchange.request, exchange.response):
            body = None if message is None else message.body
            if isinstance(body, SessionSetupRequest | SessionSetupResponse) and body.security_buffer:
                yield from ((side, exchange.connection, version) for side, version in _version_in(body.security_buffer))


def _version_in(buffer: bytes) -> Iterator[tuple[Side, Version]]:
    """The version in a security buffer, if an NTLM message with one is in there."""
    try:
        for token in spnego.mechanism_tokens([buffer]):
            if token.startswith(b"NTLMSSP\x00") and message_type(token) in _MESSAGES:
                message, side = _MESSAGES[message_type(token)]
                version = message.parse(token).version
                if version is not None:
                    yield side, version
    except ParseError:
        return  # the logon says so itself
