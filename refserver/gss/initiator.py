"""The client's side of an authentication: SPNEGO around one mechanism (RFC 4178, MS-SPNG 3.2).

The client offers a single mechanism and sends its first token with the offer, so the exchange of mechListMICs may be
left out (RFC 4178 5); a mechanism that can make one sends it all the same, as Windows does.
"""

from collections.abc import Callable
from typing import Protocol

from parsers.errors import ParseError
from parsers.gss import der, spnego
from parsers.gss.spnego import NegTokenInit, NegTokenResp, RawToken

__all__ = ["Credential", "GssMechanism", "Initiator", "Random"]

Random = Callable[[int], bytes]


class GssMechanism(Protocol):
    """One authentication of one mechanism."""

    @property
    def oid(self) -> str:
        """Its object identifier."""

    @property
    def session_key(self) -> bytes | None:
        """The key of the context once it is known; None before, and where nobody is authenticated."""

    def step(self, token: bytes) -> bytes:
        """What to answer to the server's `token`, which is empty at first.

        Raises:
            ParseError: the token is malformed, or not the one that belongs there.
        """

    def mic(self, message: bytes) -> bytes | None:
        """The signature of the list of mechanisms, None if it is not to be sent."""


class Credential(Protocol):
    """What a user proves an identity with; every logon and every re-authentication begins a new mechanism."""

    def begin(self, random: Random, now: int) -> GssMechanism:
        """A mechanism at its first step; `now` in nanoseconds since 1970."""


class Initiator:
    """One authentication, as the tokens of SESSION_SETUP carry it."""

    def __init__(self, mechanism: GssMechanism) -> None:
        self._mechanism = mechanism
        self._list = der.build(der.SEQUENCE, der.build_oid(mechanism.oid))  # MechTypeList, which a MIC covers

    @property
    def session_key(self) -> bytes | None:
        """The key of the context once it is known."""
        return self._mechanism.session_key

    def first(self) -> bytes:
        """The first token (RFC 4178 4.2.1)."""
        return NegTokenInit((self._mechanism.oid,), mech_token=self._mechanism.step(b"")).build()

    def answer(self, buffer: bytes) -> bytes:
        """The token that answers a server which wants more.

        Raises:
            ParseError: what the server sent is malformed or does not belong there.
        """
        token = self._token_in(buffer)
        if token is None:  # the server's own MIC, or nothing: the mechanism has no more to say
            return NegTokenResp().build()
        inner = self._mechanism.step(token)
        return NegTokenResp(response_token=inner or None, mech_list_mic=self._mechanism.mic(self._list)).build()

    def finish(self, buffer: bytes) -> None:
        """Take what came with the server's success.

        Raises:
            ParseError: as `answer`.
        """
        token = self._token_in(buffer) if buffer else None
        if token is not None:
            self._mechanism.step(token)

    @staticmethod
    def _token_in(buffer: bytes) -> bytes | None:
        match spnego.parse(buffer):
            case NegTokenResp(response_token=token) | NegTokenInit(mech_token=token) | RawToken(token=token):
                return token or None
        raise ParseError("no token of SPNEGO")
