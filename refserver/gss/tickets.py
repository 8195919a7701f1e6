"""Kerberos service tickets without a KDC: who has a service's key can make them, as the KDC does (RFC 4120 5.3).

What a KDC would vouch for, user, groups and times, is the caller's to say here.
"""

from dataclasses import dataclass, field

from parsers.gss import der
from parsers.gss.kerberos import crypto
from parsers.gss.kerberos.asn1 import EncryptedData, EncryptionKey, PrincipalName, build_integer, build_octets
from parsers.gss.kerberos.names import AdType, Etype, KeyUsage, NameType, TicketFlags
from parsers.gss.kerberos.tickets import AuthorizationEntry, EncTicketPart, Ticket, build_authorization_data
from parsers.keys.ccache import CcacheCredential
from parsers.keys.keytab import KeytabEntry
from parsers.secret import Secret
from refserver.gss.initiator import Random

__all__ = ["ClientTicket", "from_ccache", "mint"]

_DOMAIN_X500_COMPRESS = 1  # tr-type (RFC 4120 3.3.3.2); the contents are empty: no realm was crossed
_FLAGS = (
    TicketFlags.FORWARDABLE | TicketFlags.RENEWABLE | TicketFlags.PRE_AUTHENT | TicketFlags.OK_AS_DELEGATE
)  # what Active Directory sets in a service ticket


@dataclass(frozen=True, slots=True)
class ClientTicket(Secret):
    """A ticket and what its client knows of it. `client` has its components joined by "/"; time in nanoseconds."""

    client: str
    realm: str
    ticket: Ticket
    session_key: EncryptionKey = field(repr=False)
    endtime: int


def mint(
    service: KeytabEntry,
    *,
    client: str,
    authtime: int,
    endtime: int,
    random: Random,
    realm: str | None = None,
    etype: int | None = None,
    pac: bytes | None = None,
) -> ClientTicket:
    """A ticket for the service that has this key.

    Args:
        service: principal, realm and key of the service.
        client: who the ticket says its client is.
        authtime: when the user logged on, nanoseconds since 1970; the ticket is valid from then on.
        endtime: when it ends; both are cut to whole seconds.
        random: gives the session key.
        realm: of the client; the service's without.
        etype: of the session key; that of the service's key without.
        pac: goes into the authorization data as MS-KILE 3.3.5.6.4 wants it.

    Raises:
        UnsupportedError: an encryption type that is not supported.
    """
    keytype = service.etype if etype is None else etype
    key = EncryptionKey(Etype(keytype), random(crypto.key_size(keytype)))
    part = EncTicketPart(
        _FLAGS,
        key,
        realm or service.realm,
        PrincipalName(NameType.PRINCIPAL, tuple(client.split("/"))),
        _transited(),
        authtime,
        authtime,
        endtime,
        authorization_data=() if pac is None else _authorization(pac),
    )
    cipher = crypto.encrypt(
        etype=service.etype,
        key=service.key,
        usage=KeyUsage.TICKET,
        plaintext=part.build(),
        confounder=random(crypto.confounder_size(service.etype)),
    )
    sname = PrincipalName(NameType.SRV_INST, tuple(service.principal.split("/")))
    ticket = Ticket(service.realm, sname, EncryptedData(Etype(service.etype), service.kvno, cipher))
    return ClientTicket(client, realm or service.realm, ticket, key, endtime)


def from_ccache(credential: CcacheCredential) -> ClientTicket:
    """The ticket that a credentials cache holds.

    Raises:
        ParseError: it is malformed.
    """
    ticket = Ticket.parse(der.parse(credential.ticket))
    key = EncryptionKey(Etype(credential.etype), credential.key)
    return ClientTicket(credential.client, credential.client_realm, ticket, key, credential.endtime or 0)


def _transited() -> bytes:
    """The content of TransitedEncoding (RFC 4120 5.3)."""
    return der.build(der.context(0), build_integer(_DOMAIN_X500_COMPRESS)) + der.build(
        der.context(1), build_octets(b"")
    )


def _authorization(pac: bytes) -> tuple[AuthorizationEntry, ...]:
    inner = build_authorization_data((AuthorizationEntry(AdType.WIN2K_PAC, pac),))
    return (AuthorizationEntry(AdType.IF_RELEVANT, inner),)
