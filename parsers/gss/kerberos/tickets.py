"""Tickets (RFC 4120 5.3) and the authorization data in them (5.2.6)."""

from dataclasses import dataclass

from parsers.errors import ParseError
from parsers.gss import der
from parsers.gss.der import Element
from parsers.gss.kerberos.asn1 import (
    PVNO,
    EncryptedData,
    EncryptionKey,
    Fields,
    PrincipalName,
    application,
    build_application,
    build_fields,
    build_flags,
    build_integer,
    build_list,
    build_maybe,
    build_octets,
    build_text,
    build_time,
    check_version,
    flags,
    integer,
    list_of,
    octets,
    text,
    time,
)
from parsers.gss.kerberos.names import AdType, TicketFlags

__all__ = ["AuthorizationEntry", "EncTicketPart", "Ticket", "build_authorization_data", "flatten"]

_TICKET, _ENC_TICKET_PART = 1, 3  # APPLICATION tags
_MAX_NESTING = 4  # of AD-IF-RELEVANT; the PAC stands in one


@dataclass(frozen=True, slots=True)
class Ticket:
    """RFC 4120 5.3: for whom it is, and what only that service can read."""

    realm: str
    sname: PrincipalName
    enc_part: EncryptedData

    @classmethod
    def parse(cls, element: Element) -> "Ticket":
        """The ticket in [APPLICATION 1]."""
        fields = application(element, _TICKET, "Ticket")
        check_version(fields, 0)
        return cls(fields.need(1, text), fields.need(2, PrincipalName.parse), fields.need(3, EncryptedData.parse))

    def build(self) -> bytes:
        """[APPLICATION 1]."""
        return build_application(
            _TICKET,
            (0, build_integer(PVNO)),
            (1, build_text(self.realm)),
            (2, self.sname.build()),
            (3, self.enc_part.build()),
        )


@dataclass(frozen=True, slots=True)
class AuthorizationEntry:
    """One entry of AuthorizationData (RFC 4120 5.2.6)."""

    ad_type: AdType
    ad_data: bytes

    @classmethod
    def parse(cls, element: Element) -> "AuthorizationEntry":
        """The entry in a SEQUENCE."""
        fields = Fields(element, "AuthorizationData")
        return cls(AdType(fields.need(0, integer)), fields.need(1, octets))

    def build(self) -> bytes:
        """The SEQUENCE."""
        return build_fields((0, build_integer(self.ad_type)), (1, build_octets(self.ad_data)))


def build_authorization_data(entries: tuple[AuthorizationEntry, ...]) -> bytes:
    """AuthorizationData, which is what AD-IF-RELEVANT holds as well."""
    return build_list(*(entry.build() for entry in entries))


def flatten(entries: tuple[AuthorizationEntry, ...], nesting: int = 0) -> list[AuthorizationEntry]:
    """The entries, those inside of AD-IF-RELEVANT in its place (RFC 4120 5.2.6.1).

    Raises:
        ParseError: such an entry is malformed or nested too deeply.
    """
    if nesting > _MAX_NESTING:
        raise ParseError(f"authorization data is nested deeper than {_MAX_NESTING}")
    flat = []
    for entry in entries:
        if entry.ad_type == AdType.IF_RELEVANT:
            inner = list_of(AuthorizationEntry.parse)(der.parse(entry.ad_data))
            flat.extend(flatten(inner, nesting + 1))
        else:
            flat.append(entry)
    return flat


@dataclass(frozen=True, slots=True)
class EncTicketPart:
    """RFC 4120 5.3: what the KDC tells the service. Times in nanoseconds; `transited` and `caddr` as sent."""

    flags: TicketFlags
    key: EncryptionKey
    crealm: str
    cname: PrincipalName
    transited: bytes
    authtime: int
    starttime: int | None
    endtime: int
    renew_till: int | None = None
    caddr: bytes | None = None
    authorization_data: tuple[AuthorizationEntry, ...] = ()

    @classmethod
    def parse(cls, element: Element) -> "EncTicketPart":
        """The plaintext of a ticket, [APPLICATION 3]."""
        fields = application(element, _ENC_TICKET_PART, "EncTicketPart")
        return cls(
            TicketFlags(fields.need(0, flags)),
            fields.need(1, EncryptionKey.parse),
            fields.need(2, text),
            fields.need(3, PrincipalName.parse),
            fields.need(4, _sequence),
            fields.need(5, time),
            fields.maybe(6, time),
            fields.need(7, time),
            fields.maybe(8, time),
            fields.maybe(9, _sequence),
            fields.maybe(10, list_of(AuthorizationEntry.parse)) or (),
        )

    def build(self) -> bytes:
        """[APPLICATION 3]."""
        entries = self.authorization_data
        return build_application(
            _ENC_TICKET_PART,
            (0, build_flags(self.flags)),
            (1, self.key.build()),
            (2, build_text(self.crealm)),
            (3, self.cname.build()),
            (4, _build_sequence(self.transited)),
            (5, build_time(self.authtime)),
            (6, build_maybe(build_time, self.starttime)),
            (7, build_time(self.endtime)),
            (8, build_maybe(build_time, self.renew_till)),
            (9, build_maybe(_build_sequence, self.caddr)),
            (10, build_authorization_data(entries) if entries else None),
        )


def _sequence(element: Element) -> bytes:
    """The content of a SEQUENCE that nobody here looks into."""
    if element.tag != der.SEQUENCE:
        raise ParseError(f"a SEQUENCE is expected, found tag 0x{element.tag:02x}")
    return bytes(element.content)


def _build_sequence(content: bytes) -> bytes:
    return der.build(der.SEQUENCE, content)
