"""Kerberos as a client speaks it to a service: AP-REQ with mutual authentication, and the AP-REP (RFC 4121 4.1)."""

from collections.abc import Callable
from dataclasses import dataclass

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import crypto, token
from parsers.gss.kerberos.asn1 import EncryptedData, EncryptionKey, PrincipalName
from parsers.gss.kerberos.crypto import TagError
from parsers.gss.kerberos.messages import (
    ApRep,
    ApReq,
    Authenticator,
    Checksum,
    EncApRepPart,
    GssChecksum,
    KrbError,
)
from parsers.gss.kerberos.names import ApOptions, ChecksumType, ErrorCode, GssFlags, KeyUsage, NameType
from parsers.gss.spnego import Mechanism
from parsers.secret import Secret
from parsers.times import NANOSECONDS
from refserver.gss.initiator import Random
from refserver.gss.tickets import ClientTicket

__all__ = ["KerberosCredential", "KerberosInitiator"]

_GSS_FLAGS = GssFlags.MUTUAL | GssFlags.REPLAY | GssFlags.SEQUENCE | GssFlags.CONF | GssFlags.INTEG
_MICROSECOND_NS = 1000


@dataclass(frozen=True, slots=True)
class KerberosCredential(Secret):
    """Where the tickets come from: `ticket(now)` is asked at every logon and every re-authentication."""

    ticket: Callable[[int], ClientTicket]
    mutual: bool = True
    mechanism: str = Mechanism.KERBEROS

    def begin(self, random: Random, now: int) -> "KerberosInitiator":
        """A mechanism at its first step."""
        return KerberosInitiator(self.ticket(now), random, now, mutual=self.mutual, mechanism=self.mechanism)


class KerberosInitiator:
    """One Kerberos authentication. `answer` is what the server sent last, a KRB-ERROR included.

    A server whose clock is another is believed once: the AP-REQ is repeated with its time (MS-KILE 3.2.5.8).
    """

    def __init__(
        self,
        ticket: ClientTicket,
        random: Random,
        now: int,
        *,
        mutual: bool = True,
        mechanism: str = Mechanism.KERBEROS,
    ) -> None:
        self.oid = mechanism
        self.answer: ApRep | KrbError | None = None
        self._ticket = ticket
        self._random = random
        self._mutual = mutual
        keytype = ticket.session_key.keytype
        self._subkey = EncryptionKey(keytype, random(crypto.key_size(keytype)))
        self._time = now // _MICROSECOND_NS * _MICROSECOND_NS
        self._started = False
        self.session_key: bytes | None = None

    def step(self, received: bytes) -> bytes:
        """The AP-REQ at first, and again where the clocks differ; nothing after the AP-REP.

        Raises:
            ParseError: another token than an AP-REP, or one that the ticket's session key does not open.
        """
        if not self._started:
            self._started = True
            if not self._mutual:
                self.session_key = self._subkey.keyvalue
            return token.build(self._request(), Mechanism.KERBEROS)
        message = token.parse(received).message()
        if isinstance(message, KrbError):
            repeated, self.answer = self.answer is not None, message
            if message.error_code == ErrorCode.KRB_AP_ERR_SKEW and not repeated:
                self._time = message.server_time
                return token.build(self._request(), Mechanism.KERBEROS)
            raise ParseError(f"the server answers {message.error_code.name}")
        if not isinstance(message, ApRep):
            raise ParseError("no AP-REP")
        self.answer = message
        # AP-REP subkey, else the one in the authenticator (MS-KILE 3.1.1.2).
        self.session_key = (self._reply(message).subkey or self._subkey).keyvalue
        return b""

    def mic(self, message: bytes) -> bytes | None:  # noqa: ARG002  # the protocol's parameter
        """None: with the offered mechanism taken, SPNEGO needs none (RFC 4178 5)."""
        return None

    def _request(self) -> ApReq:
        key = self._ticket.session_key
        flags = _GSS_FLAGS if self._mutual else _GSS_FLAGS & ~GssFlags.MUTUAL
        authenticator = Authenticator(
            self._ticket.realm,
            PrincipalName(NameType.PRINCIPAL, tuple(self._ticket.client.split("/"))),
            Checksum(ChecksumType.GSS, GssChecksum(bytes(16), flags).build()),
            self._time % NANOSECONDS // _MICROSECOND_NS,
            self._time // NANOSECONDS * NANOSECONDS,
            self._subkey,
            int.from_bytes(self._random(4), "big") & 0x3FFF_FFFF,
        )
        cipher = crypto.encrypt(
            etype=key.keytype,
            key=key.keyvalue,
            usage=KeyUsage.AP_REQ_AUTHENTICATOR,
            plaintext=authenticator.build(),
            confounder=self._random(crypto.confounder_size(key.keytype)),
        )
        options = ApOptions.MUTUAL_REQUIRED if self._mutual else ApOptions(0)
        return ApReq(options, self._ticket.ticket, EncryptedData(key.keytype, None, cipher))

    def _reply(self, message: ApRep) -> EncApRepPart:
        key, part = self._ticket.session_key, message.enc_part
        try:
            plain = crypto.decrypt(etype=part.etype, key=key.keyvalue, usage=KeyUsage.AP_REP, data=part.cipher)
        except TagError:
            raise ParseError("the ticket's session key does not open the AP-REP") from None
        reply = EncApRepPart.parse(der.parse(plain))
        if reply.time != self._time:
            raise ParseError("the AP-REP answers another AP-REQ")
        return reply
