"""Who logs on with the tokens of a SESSION_SETUP run, and with which key."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from parsers.errors import ParseError
from parsers.gss.ntlm.exchange import NtlmCredential, NtlmExchange, Proven, Unproven
from parsers.gss.spnego import Mechanism, mechanism_name, mechanism_of, mechanism_tokens
from parsers.smb2.session import Authentication
from parsers.verdicts import Decryption

__all__ = ["Logon"]


@dataclass(frozen=True, slots=True)
class Logon:
    """What the tokens show without a key. `problem` says why they show less than they could."""

    mechanism: str | None = None
    exchange: NtlmExchange | None = None
    problem: str | None = None

    @classmethod
    def of(cls, authentication: Authentication) -> "Logon":
        """Read the GSS tokens of one authentication (MS-SMB2 3.3.5.5.3, MS-SPNG)."""
        client, server = authentication.client_tokens, authentication.server_tokens
        try:
            mechanism = mechanism_of(client, server)
            exchange = NtlmExchange.from_tokens(chain(mechanism_tokens(client), mechanism_tokens(server)))
        except ParseError as error:
            return cls(problem=f"the logon's tokens cannot be read: {error.reason}")
        if exchange is not None:
            return cls(exchange.version, exchange)
        return cls(None if mechanism is None else mechanism_name(mechanism))

    @property
    def user(self) -> str | None:
        """The user as the client sent it; empty for an anonymous logon, None where no token shows it."""
        return None if self.exchange is None else self.exchange.user

    @property
    def domain(self) -> str | None:
        """The domain as the client sent it."""
        return None if self.exchange is None else self.exchange.domain

    @property
    def workstation(self) -> str | None:
        """The client's name as it sent it."""
        return None if self.exchange is None else self.exchange.workstation

    def session_key(self, credentials: Iterable[NtlmCredential]) -> Proven | Unproven:
        """The session key, if one of the credentials is proved to be the client's; else why not."""
        if self.exchange is not None:
            return self.exchange.session_key(credentials)
        if self.problem is not None:
            return Unproven(Decryption.DAMAGED, self.problem)
        if self.mechanism in _KERBEROS:
            return Unproven(Decryption.NO_KEY, "Kerberos logon: give its session key (keytabs are not supported yet)")
        if self.mechanism is None or self.mechanism == mechanism_name(Mechanism.NTLM):
            return Unproven(Decryption.NO_HANDSHAKE, "the logon is not whole in the capture")
        return Unproven(Decryption.UNSUPPORTED, f"{self.mechanism} logon: give its session key")


_KERBEROS = tuple(mechanism_name(m) for m in (Mechanism.KERBEROS, Mechanism.MS_KERBEROS, Mechanism.IAKERB))
