"""Opens the ticket of an AP-REQ with a key of the service (keytab), or finds its session key in a credentials cache.

Every decryption is proved by its checksum. Why a ticket stays closed is said in words that a user can act on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.kerberos import crypto
from parsers.gss.kerberos.asn1 import EncryptionKey
from parsers.gss.kerberos.crypto import TagError
from parsers.gss.kerberos.messages import ApReq
from parsers.gss.kerberos.names import ApOptions, Etype, KeyUsage, TicketFlags, etype_name
from parsers.gss.kerberos.pac import Pac, find_pac
from parsers.gss.kerberos.tickets import EncTicketPart, Ticket
from parsers.gss.ntlm.exchange import Unproven
from parsers.secret import Secret
from parsers.verdicts import Decryption, Signature

__all__ = [
    "CachedTicket",
    "OpenedTicket",
    "ServiceKey",
    "find_ticket",
    "is_user_to_user",
    "open_ticket",
    "service_principal",
]


class ServiceKey(Protocol):
    """A long-term key: what a keytab has for a service."""

    @property
    def principal(self) -> str:
        """The name, its components joined by "/", without realm."""

    @property
    def realm(self) -> str:
        """The realm."""

    @property
    def kvno(self) -> int:
        """The number of the key."""

    @property
    def etype(self) -> int:
        """What it encrypts with."""

    @property
    def key(self) -> bytes:
        """The key itself."""

    @property
    def provenance(self) -> str:
        """Where it comes from, in words."""


class CachedTicket(Protocol):
    """A ticket whose session key is known: what a client's credentials cache has. Times in nanoseconds."""

    @property
    def client(self) -> str:
        """The client's name without realm."""

    @property
    def client_realm(self) -> str:
        """The client's realm."""

    @property
    def server(self) -> str:
        """The service's name without realm."""

    @property
    def server_realm(self) -> str:
        """The service's realm."""

    @property
    def etype(self) -> int:
        """Of the session key."""

    @property
    def key(self) -> bytes:
        """The session key."""

    @property
    def flags(self) -> int:
        """Of the ticket."""

    @property
    def authtime(self) -> int | None:
        """When the client authenticated first."""

    @property
    def starttime(self) -> int | None:
        """From when the ticket is valid; None is `authtime`."""

    @property
    def endtime(self) -> int | None:
        """Until when it is valid."""

    @property
    def renew_till(self) -> int | None:
        """Until when it may be renewed."""

    @property
    def ticket(self) -> bytes:
        """The ticket in DER."""

    @property
    def provenance(self) -> str:
        """Where it comes from, in words."""


@dataclass(frozen=True, slots=True)
class OpenedTicket(Secret):
    """What the ticket says of the client. Times in nanoseconds; a session ends at `endtime` (MS-KILE 3.3.1).

    `pac` is there only where the ticket itself was opened; `pac_problem` says why one that is in the ticket is not.
    `provenance` names file, principal, number and type of the key that did it; `source` is that key, or the ticket of
    the credentials cache.
    """

    client: str
    client_realm: str
    flags: TicketFlags
    authtime: int | None
    starttime: int | None
    endtime: int | None
    renew_till: int | None
    session_key: EncryptionKey
    provenance: str
    pac: Pac | None = None
    pac_signature: Signature = Signature.NO_KEY
    pac_problem: str | None = None
    source: object = field(default=None, repr=False)

    @property
    def principal(self) -> str:
        """The client, `user@REALM`."""
        return f"{self.client}@{self.client_realm}"


def open_ticket(
    ap_req: ApReq, keytab: Iterable[ServiceKey], ccache: Iterable[CachedTicket] = ()
) -> OpenedTicket | Unproven:
    """What the ticket of an AP-REQ says, by the first key that opens it, or by the cache that has this very ticket.

    Names and numbers of keys only say which to try first: accounts have aliases, so every key of the ticket's
    encryption type is tried.
    """
    keys, cached = tuple(keytab), tuple(ccache)
    try:
        opened = find_ticket(ap_req.ticket, () if is_user_to_user(ap_req) else keys, cached)
    except ParseError as error:
        return Unproven(
            Decryption.DAMAGED, f"the ticket for {service_principal(ap_req)} cannot be read: {error.reason}"
        )
    return opened or _why_closed(ap_req, keys, cached)


def find_ticket(
    ticket: Ticket, keytab: Sequence[ServiceKey], ccache: Sequence[CachedTicket] = ()
) -> OpenedTicket | None:
    """What a ticket says, by the first key that opens it, or by the cache that has it; None where nothing does.

    Raises:
        ParseError: a key opens it, and it is malformed.
    """
    return _with_service_key(ticket, keytab) or _with_cache(ticket, ccache)


def service_principal(ap_req: ApReq) -> str:
    """For whom the ticket is, `service@REALM`."""
    return _principal(ap_req.ticket)


def _principal(ticket: Ticket) -> str:
    return f"{ticket.sname}@{ticket.realm}"


def is_user_to_user(ap_req: ApReq) -> bool:
    """Whether the ticket is encrypted with a session key of the server, not its long-term key (RFC 4120 3.7)."""
    return bool(ap_req.ap_options & ApOptions.USE_SESSION_KEY)


def _with_service_key(ticket: Ticket, keytab: Sequence[ServiceKey]) -> OpenedTicket | None:
    part = ticket.enc_part
    if not crypto.is_supported(part.etype):
        return None
    size = crypto.key_size(part.etype)
    keys = [entry for entry in keytab if entry.etype == part.etype and len(entry.key) == size]
    for entry in sorted(keys, key=lambda entry: (not _is_of_service(ticket, entry), entry.kvno != part.kvno)):
        try:
            plain = crypto.decrypt(etype=part.etype, key=entry.key, usage=KeyUsage.TICKET, data=part.cipher)
        except TagError:
            continue
        return _opened(EncTicketPart.parse(der.parse(plain)), entry)
    return None


def _is_of_service(ticket: Ticket, entry: ServiceKey) -> bool:
    """Whether a key is the service's by name, whose case Windows does not mind."""
    return f"{entry.principal}@{entry.realm}".casefold() == _principal(ticket).casefold()


def _opened(part: EncTicketPart, entry: ServiceKey) -> OpenedTicket:
    pac, signature, problem = None, Signature.UNSIGNED, None
    try:
        data = find_pac(part.authorization_data)
        if data is not None:
            pac = Pac.parse(data)
            signature = pac.server_signature(entry.key)
    except ParseError as error:
        problem = f"the PAC cannot be read: {error.reason}"
    return OpenedTicket(
        str(part.cname),
        part.crealm,
        part.flags,
        part.authtime,
        part.authtime if part.starttime is None else part.starttime,
        part.endtime,
        part.renew_till,
        part.key,
        f"{entry.principal}@{entry.realm} kvno {entry.kvno} {etype_name(entry.etype)} of {entry.provenance}",
        pac,
        signature,
        problem,
        entry,
    )


def _with_cache(ticket: Ticket, ccache: Sequence[CachedTicket]) -> OpenedTicket | None:
    cipher = ticket.enc_part.cipher
    for entry in ccache:
        if cipher and entry.ticket.endswith(cipher):  # which is the last field of a ticket
            return OpenedTicket(
                entry.client,
                entry.client_realm,
                TicketFlags(entry.flags),
                entry.authtime,
                entry.starttime,
                entry.endtime,
                entry.renew_till,
                EncryptionKey(Etype(entry.etype), entry.key),
                f"{entry.server}@{entry.server_realm} {etype_name(entry.etype)} of {entry.provenance}",
                source=entry,
            )
    return None


def _why_closed(ap_req: ApReq, keytab: Sequence[ServiceKey], ccache: Sequence[CachedTicket]) -> Unproven:
    part, service = ap_req.ticket.enc_part, service_principal(ap_req)
    other_ticket = any(f"{entry.server}@{entry.server_realm}".casefold() == service.casefold() for entry in ccache)
    cache = f"; the credentials cache has {'another' if other_ticket else 'no'} ticket for it" if ccache else ""
    if not crypto.is_supported(part.etype):
        reason = f"the ticket for {service} is encrypted with {etype_name(part.etype)}, which is not supported"
        return Unproven(Decryption.UNSUPPORTED, reason + cache)
    if is_user_to_user(ap_req):
        reason = f"user-to-user ticket for {service}: no keytab opens it; give the client's credentials cache"
        return Unproven(Decryption.NO_KEY, reason + cache)
    if not keytab:
        missing = "the service's keytab" if ccache else "the service's keytab or the client's credentials cache"
        reason = f"Kerberos logon to {service}: give {missing}"
        return Unproven(Decryption.NO_KEY, reason + cache)
    verdict, reason = _why_keytab_does_not_fit(ap_req, keytab)
    return Unproven(verdict, reason + cache)


def _why_keytab_does_not_fit(ap_req: ApReq, keytab: Sequence[ServiceKey]) -> tuple[Decryption, str]:
    part, service = ap_req.ticket.enc_part, service_principal(ap_req)
    own = [entry for entry in keytab if _is_of_service(ap_req.ticket, entry)]
    of_etype = [entry for entry in own if entry.etype == part.etype]
    numbers = sorted({entry.kvno for entry in of_etype})
    if not own:
        return Decryption.NO_KEY, f"no key for {service} in the keytab, and no other one fits"
    if not of_etype:
        has = ", ".join(sorted({etype_name(entry.etype) for entry in own}))
        return (
            Decryption.NO_KEY,
            f"the ticket for {service} needs a key of {etype_name(part.etype)}, the keytab has {has}",
        )
    if part.kvno is not None and part.kvno not in numbers:
        listed = ", ".join(map(str, numbers))
        return Decryption.NO_KEY, f"the ticket for {service} has kvno {part.kvno}, the keytab has {listed}"
    number = "" if part.kvno is None else f" with kvno {part.kvno}"
    return (
        Decryption.WRONG_KEY,
        f"the key for {service}{number} in {of_etype[0].provenance} does not open the ticket: the keytab is of another "
        "account or database, or the service's name is registered on another account",
    )
