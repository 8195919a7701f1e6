"""One Kerberos authentication as captured: for which service, and the session key, if a key is proved to fit.

Without a key only the service and the encryption of its ticket show; the client's name is encrypted. What a key opens
is proved by its checksum, and an AP-REP by the client's time that it repeats.
"""

from collections.abc import Iterable

from parsers.errors import ParseError, UnsupportedError
from parsers.gss import der
from parsers.gss.kerberos import crypto, opening, token
from parsers.gss.kerberos.asn1 import EncryptedData, EncryptionKey
from parsers.gss.kerberos.crypto import TagError
from parsers.gss.kerberos.messages import ApRep, ApReq, Authenticator, EncApRepPart, KrbError
from parsers.gss.kerberos.names import ApOptions, Etype, GssFlags, KeyUsage
from parsers.gss.kerberos.opening import CachedTicket, OpenedTicket, ServiceKey
from parsers.gss.ntlm.exchange import Proven, Unproven
from parsers.layout import Buffer
from parsers.verdicts import Decryption

__all__ = ["KerberosExchange"]

_SESSION_KEY_SIZES = (16, 32)


class KerberosExchange:
    """The messages of one Kerberos authentication.

    Args:
        ap_req: what the client sent last.
        answer: what the server sent last; None if that is not in the capture.
        mechanism: object identifier in the frame of `ap_req`, None without a frame.
    """

    def __init__(self, ap_req: ApReq, answer: ApRep | KrbError | None = None, mechanism: str | None = None) -> None:
        self.ap_req = ap_req
        self.answer = answer
        self.mechanism = mechanism

    @classmethod
    def from_tokens(cls, tokens: Iterable[Buffer]) -> "KerberosExchange | None":
        """The exchange among these mechanism tokens, those of the client before those of the server.

        A client that is refused for its clock sends a second AP-REQ, so a later one replaces an earlier, and an AP-REP
        an error. Other mechanisms' tokens are passed over. None if there is no AP-REQ.

        Raises:
            ParseError: one of the messages is malformed.
        """
        request: tuple[ApReq, str | None] | None = None
        answer: ApRep | KrbError | None = None
        for data in tokens:
            if not token.is_kerberos(data):
                continue
            found = token.parse(data)
            match found.message():
                case ApReq() as message:
                    request = message, found.mechanism
                case ApRep() as message:
                    answer = message
                case KrbError() as message if not isinstance(answer, ApRep):
                    answer = message
        return None if request is None else cls(request[0], answer, request[1])

    @property
    def service(self) -> str:
        """The service's name as the client asked for it, e.g. `cifs/server.example.com`."""
        return str(self.ap_req.ticket.sname)

    @property
    def realm(self) -> str:
        """The service's realm."""
        return self.ap_req.ticket.realm

    @property
    def service_principal(self) -> str:
        """`service@REALM`."""
        return opening.service_principal(self.ap_req)

    @property
    def etype(self) -> Etype:
        """What the ticket is encrypted with."""
        return self.ap_req.ticket.enc_part.etype

    @property
    def kvno(self) -> int | None:
        """The number of the key which the ticket is encrypted with."""
        return self.ap_req.ticket.enc_part.kvno

    @property
    def is_user_to_user(self) -> bool:
        """Whether the ticket is encrypted with a session key of the server, not its long-term key (RFC 4120 3.7)."""
        return opening.is_user_to_user(self.ap_req)

    @property
    def error(self) -> KrbError | None:
        """Why the server refused, if it did so in words of Kerberos."""
        return self.answer if isinstance(self.answer, KrbError) else None

    # ------------------------------------------------------------------------------------ keys

    def open_ticket(self, keytab: Iterable[ServiceKey], ccache: Iterable[CachedTicket] = ()) -> OpenedTicket | Unproven:
        """Client, times and groups, which the ticket has (see `parsers.gss.kerberos.opening`)."""
        return opening.open_ticket(self.ap_req, keytab, ccache)

    def session_key(self, keytab: Iterable[ServiceKey], ccache: Iterable[CachedTicket] = ()) -> Proven | Unproven:
        """The key of the GSS context, 16 or 32 bytes, if one of the keys opens the ticket; else why not."""
        ticket = self.open_ticket(keytab, ccache)
        return ticket if isinstance(ticket, Unproven) else self.session_key_of(ticket)

    def session_key_of(self, ticket: OpenedTicket) -> Proven | Unproven:
        """The key of the GSS context under an opened ticket."""
        try:
            return self._session_key(ticket)
        except UnsupportedError as error:
            return Unproven(Decryption.UNSUPPORTED, f"the Kerberos logon of {ticket.principal}: {error}")
        except (ParseError, TagError) as error:
            return Unproven(Decryption.DAMAGED, f"the ticket of {ticket.principal} is open, but {error}")

    def _session_key(self, ticket: OpenedTicket) -> Proven | Unproven:
        """AP-REP subkey if present, else authenticator subkey, else ticket session key (MS-KILE 3.1.1.2)."""
        usage = KeyUsage.AP_REQ_AUTHENTICATOR
        plain = _decrypt(self.ap_req.authenticator, ticket.session_key, usage, "the authenticator")
        authenticator = Authenticator.parse(der.parse(plain))
        candidates = [("authenticator subkey", authenticator.subkey), ("ticket session key", ticket.session_key)]
        proof = "authenticator"
        if isinstance(self.answer, KrbError):
            reason = f"the server refused the ticket of {ticket.principal}: {self.answer.error_code.name}"
            return Unproven(Decryption.NO_HANDSHAKE, reason)
        if isinstance(self.answer, ApRep):
            candidates.insert(0, ("AP-REP subkey", self._reply(self.answer, ticket, authenticator).subkey))
            proof = "authenticator and AP-REP"
        elif self._needs_answer(authenticator, ticket):
            reason = f"the server's AP-REP to {ticket.principal}, which has its part of the key, is not in the capture"
            return Unproven(Decryption.NO_HANDSHAKE, reason)
        name, key = next((name, key) for name, key in candidates if key is not None)
        if len(key.keyvalue) not in _SESSION_KEY_SIZES:
            raise ParseError(f"the {name} has {len(key.keyvalue)} bytes")
        where = f"Kerberos logon of {ticket.principal} to {self.service_principal} with {ticket.provenance} ({name})"
        return Proven(key.keyvalue, where, proof, ticket.source)

    def _reply(self, answer: ApRep, ticket: OpenedTicket, authenticator: Authenticator) -> EncApRepPart:
        plain = _decrypt(answer.enc_part, ticket.session_key, KeyUsage.AP_REP, "the AP-REP")
        reply = EncApRepPart.parse(der.parse(plain))
        if reply.time != authenticator.time:
            raise ParseError("the AP-REP answers another AP-REQ")
        return reply

    def _needs_answer(self, authenticator: Authenticator, ticket: OpenedTicket) -> bool:
        """Whether the server chooses the key.

        So it is in mutual authentication, but for RC4, where it repeats the client's (MS-KILE 3.1.1.2).
        """
        gss_flags = authenticator.gss_flags or GssFlags(0)
        mutual = self.ap_req.ap_options & ApOptions.MUTUAL_REQUIRED or gss_flags & GssFlags.MUTUAL
        return bool(mutual) and (authenticator.subkey or ticket.session_key).keytype != Etype.RC4_HMAC


def _decrypt(part: EncryptedData, key: EncryptionKey, usage: KeyUsage, what: str) -> bytes:
    try:
        return crypto.decrypt(etype=part.etype, key=key.keyvalue, usage=usage, data=part.cipher)
    except TagError:
        raise TagError(f"its session key does not open {what}") from None
