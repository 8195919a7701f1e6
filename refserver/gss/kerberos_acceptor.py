"""Kerberos as a service speaks it: AP-REQ, AP-REP with the service's own subkey, KRB-ERROR (RFC 4120 3.2, RFC 4121).

A wrong clock or a ticket out of its time is answered with a KRB-ERROR, so that the client may try again (MS-KILE
3.2.5.8); a ticket that no key of the keytab opens fails the logon. The ticket's end is the end of the session.
"""

import hmac
from collections.abc import Callable

from parsers import ntstatus
from parsers.errors import ParseError, UnsupportedError
from parsers.gss import der
from parsers.gss.kerberos import crypto, token
from parsers.gss.kerberos.asn1 import EncryptedData, EncryptionKey
from parsers.gss.kerberos.crypto import TagError
from parsers.gss.kerberos.messages import ApRep, ApReq, Authenticator, EncApRepPart, KrbError
from parsers.gss.kerberos.names import ApOptions, ChecksumType, ErrorCode, Etype, GssFlags, KeyUsage
from parsers.gss.kerberos.opening import OpenedTicket, open_ticket
from parsers.gss.spnego import Mechanism
from parsers.times import NANOSECONDS
from refserver.errors import StatusError
from refserver.gss.accepted import Accepted
from refserver.server.config import ServerConfig
from refserver.server.state import SecurityContext

__all__ = ["KerberosAcceptor"]

_MICROSECOND_NS = 1000
_ACCEPTOR_SIGN, _INITIATOR_SIGN = 23, 25  # key usages (RFC 4121 2)
_MIC_TOKEN = b"\x04\x04"
_SENT_BY_ACCEPTOR, _ACCEPTOR_SUBKEY = 0x01, 0x04  # RFC 4121 4.2.2
_CHECKSUMS = {
    Etype.AES128_CTS_HMAC_SHA1_96: ChecksumType.HMAC_SHA1_96_AES128,
    Etype.AES256_CTS_HMAC_SHA1_96: ChecksumType.HMAC_SHA1_96_AES256,
    Etype.AES128_CTS_HMAC_SHA256_128: ChecksumType.HMAC_SHA256_128_AES128,
    Etype.AES256_CTS_HMAC_SHA384_192: ChecksumType.HMAC_SHA384_192_AES256,
}


class KerberosAcceptor:
    """One Kerberos authentication."""

    def __init__(self, config: ServerConfig, random: Callable[[int], bytes]) -> None:
        self.accepted: Accepted | None = None
        self._config = config
        self._random = random
        self._key: EncryptionKey | None = None
        self._has_subkey = False
        self._sequence = 0

    def step(self, received: bytes, now: int) -> bytes:
        """AP-REP, nothing where the client does not want one, or KRB-ERROR."""
        outer = token.parse(received)
        request = outer.message()
        if not isinstance(request, ApReq):
            raise ParseError("no AP-REQ")
        ticket = open_ticket(request, self._config.keytab)
        if not isinstance(ticket, OpenedTicket):
            raise StatusError(ntstatus.STATUS_LOGON_FAILURE)
        authenticator = self._authenticator(request, ticket)
        error = self._why_not_now(authenticator, ticket, now)
        if error is not None:
            return token.build(_error(request, error, now))
        answer = self._answer(request, ticket, authenticator, outer.mechanism or Mechanism.KERBEROS)
        assert self._key is not None  # _answer has chosen it
        self.accepted = Accepted(_who(ticket), self._key.keyvalue, ticket.endtime)
        return answer

    def mic(self, message: bytes) -> bytes | None:
        """The service's signature; none with RC4, whose form is another and which no client here asks for."""
        if self._key is None or self._key.keytype not in _CHECKSUMS:
            return None
        flags = _SENT_BY_ACCEPTOR | (_ACCEPTOR_SUBKEY if self._has_subkey else 0)
        header = _MIC_TOKEN + bytes((flags,)) + b"\xff" * 5 + self._sequence.to_bytes(8, "big")
        return header + self._checksum(message + header, _ACCEPTOR_SIGN)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether it is the client's signature."""
        if self._key is None or self._key.keytype not in _CHECKSUMS:
            return True
        header, checksum = signature[:16], signature[16:]
        return hmac.compare_digest(self._checksum(message + header, _INITIATOR_SIGN), checksum)

    def _checksum(self, data: bytes, usage: int) -> bytes:
        assert self._key is not None  # whoever asks has looked
        kind = _CHECKSUMS[self._key.keytype]
        return crypto.checksum(checksum_type=kind, key=self._key.keyvalue, usage=usage, data=data)

    def _authenticator(self, request: ApReq, ticket: OpenedTicket) -> Authenticator:
        """What proves that the client knows the ticket's session key, and is the one whom the ticket is for."""
        key = ticket.session_key
        try:
            plain = crypto.decrypt(
                etype=request.authenticator.etype,
                key=key.keyvalue,
                usage=KeyUsage.AP_REQ_AUTHENTICATOR,
                data=request.authenticator.cipher,
            )
        except (TagError, UnsupportedError):
            raise StatusError(ntstatus.STATUS_LOGON_FAILURE) from None
        authenticator = Authenticator.parse(der.parse(plain))
        if (str(authenticator.cname), authenticator.crealm) != (ticket.client, ticket.client_realm):
            raise StatusError(ntstatus.STATUS_LOGON_FAILURE)
        return authenticator

    def _why_not_now(self, authenticator: Authenticator, ticket: OpenedTicket, now: int) -> ErrorCode | None:
        """RFC 4120 3.2.3: clocks may differ by so much, for the ticket as well."""
        skew = self._config.max_clock_skew
        if abs(authenticator.time - now) > skew:
            return ErrorCode.KRB_AP_ERR_SKEW
        if ticket.starttime is not None and ticket.starttime > now + skew:
            return ErrorCode.KRB_AP_ERR_TKT_NYV
        if ticket.endtime is not None and ticket.endtime + skew < now:
            return ErrorCode.KRB_AP_ERR_TKT_EXPIRED
        return None

    def _answer(self, request: ApReq, ticket: OpenedTicket, authenticator: Authenticator, mechanism: str) -> bytes:
        """AP-REP, and the key of the context (MS-KILE 3.1.1.2): with AES the service's own, with RC4 the client's."""
        self._key = authenticator.subkey or ticket.session_key
        flags = authenticator.gss_flags or GssFlags(0)
        if not (request.ap_options & ApOptions.MUTUAL_REQUIRED or flags & GssFlags.MUTUAL):
            return b""
        if self._key.keytype != Etype.RC4_HMAC:
            self._key = EncryptionKey(self._key.keytype, self._random(crypto.key_size(self._key.keytype)))
            self._has_subkey = True
        self._sequence = int.from_bytes(self._random(4), "big") & 0x3FFF_FFFF
        part = EncApRepPart(authenticator.ctime, authenticator.cusec, self._key, self._sequence)
        session_key = ticket.session_key
        cipher = crypto.encrypt(
            etype=session_key.keytype,
            key=session_key.keyvalue,
            usage=KeyUsage.AP_REP,
            plaintext=part.build(),
            confounder=self._random(crypto.confounder_size(session_key.keytype)),
        )
        return token.build(ApRep(EncryptedData(session_key.keytype, None, cipher)), mechanism)


def _error(request: ApReq, code: ErrorCode, now: int) -> KrbError:
    return KrbError(
        stime=now // NANOSECONDS * NANOSECONDS,
        susec=now % NANOSECONDS // _MICROSECOND_NS,
        error_code=code,
        realm=request.ticket.realm,
        sname=request.ticket.sname,
    )


def _who(ticket: OpenedTicket) -> SecurityContext:
    """The client by the names of Windows where the ticket has them (MS-PAC 2.5), else by those of Kerberos."""
    info = ticket.pac.logon_info if ticket.pac is not None else None
    if info is None:
        return SecurityContext(ticket.client, ticket.client_realm)
    groups = tuple(group.sid for group in info.groups if group.sid is not None)
    return SecurityContext(
        info.effective_name or ticket.client,
        info.logon_domain_name or ticket.client_realm,
        groups=groups,
        logon_hours_end=info.kick_off_time or info.logoff_time,
    )
