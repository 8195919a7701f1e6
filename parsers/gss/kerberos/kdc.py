"""What the exchanges with a KDC show without any key (RFC 4120 5.4): who asked for a ticket to what, and the answer.

Encrypted parts are read elsewhere; what is in the one for the client is declared here. A message stands alone in a UDP
datagram; over TCP its length goes before it (7.2.2).
"""

from collections.abc import Callable
from dataclasses import dataclass

from parsers.enums import OpenFlag
from parsers.errors import ParseError, UnsupportedError
from parsers.gss import der
from parsers.gss.der import Element
from parsers.gss.kerberos.asn1 import (
    EncryptedData,
    Fields,
    PrincipalName,
    application,
    check_version,
    flags,
    integer,
    list_of,
    octets,
    text,
    time,
    unsigned,
)
from parsers.gss.kerberos.messages import ApRep, ApReq, KrbError, check_type
from parsers.gss.kerberos.names import Etype, MessageType, PaType, TicketFlags
from parsers.gss.kerberos.tickets import Ticket
from parsers.layout import Buffer

__all__ = ["EncKdcRepPart", "EtypeInfo", "KdcOptions", "KdcReply", "KdcRequest", "Message", "PaData", "parse"]

_ENC_AS_REP_PART, _ENC_TGS_REP_PART = 25, 26  # APPLICATION tags


class KdcOptions(OpenFlag):
    """RFC 4120 5.4.1, MS-SFU 2.2.3 for CNAME_IN_ADDL_TKT; bit 0 is the most significant one."""

    FORWARDABLE = 1 << 30
    FORWARDED = 1 << 29
    PROXIABLE = 1 << 28
    PROXY = 1 << 27
    ALLOW_POSTDATE = 1 << 26
    POSTDATED = 1 << 25
    RENEWABLE = 1 << 23
    CNAME_IN_ADDL_TKT = 1 << 17
    CANONICALIZE = 1 << 16
    REQUEST_ANONYMOUS = 1 << 15
    DISABLE_TRANSITED_CHECK = 1 << 5
    RENEWABLE_OK = 1 << 4
    ENC_TKT_IN_SKEY = 1 << 3
    RENEW = 1 << 1
    VALIDATE = 1 << 0


@dataclass(frozen=True, slots=True)
class PaData:
    """RFC 4120 5.2.7."""

    padata_type: PaType
    padata_value: bytes

    @classmethod
    def parse(cls, element: Element) -> "PaData":
        """One element of padata or METHOD-DATA."""
        fields = Fields(element, "PA-DATA")
        return cls(PaType(fields.need(1, integer)), fields.need(2, octets))


@dataclass(frozen=True, slots=True)
class EtypeInfo:
    """One entry of ETYPE-INFO2 (RFC 4120 5.2.7.5): how the client's password becomes a key of this type."""

    etype: Etype
    salt: str | None
    s2kparams: bytes | None

    @classmethod
    def parse(cls, element: Element) -> "EtypeInfo":
        """One element of PA-ETYPE-INFO2."""
        fields = Fields(element, "ETYPE-INFO2-ENTRY")
        return cls(Etype(fields.need(0, integer)), fields.maybe(1, text), fields.maybe(2, octets))


@dataclass(frozen=True, slots=True)
class KdcRequest:
    """AS-REQ or TGS-REQ (RFC 4120 5.4.1), the fields of its KDC-REQ-BODY behind its own. Times in nanoseconds.

    `from_` is the RFC's `from`. With FAST (RFC 6113) the body that counts is encrypted, and this one says little.
    """

    msg_type: MessageType
    padata: tuple[PaData, ...]
    kdc_options: KdcOptions
    cname: PrincipalName | None
    realm: str
    sname: PrincipalName | None
    from_: int | None
    till: int
    rtime: int | None
    nonce: int
    etype: tuple[Etype, ...]
    additional_tickets: tuple[Ticket, ...] = ()

    @classmethod
    def parse(cls, element: Element) -> "KdcRequest":
        """The message in [APPLICATION 10] or [APPLICATION 12]."""
        msg_type = MessageType.AS_REQ if element.tag == der.application(10) else MessageType.TGS_REQ
        fields = application(element, msg_type, "KDC-REQ")
        check_version(fields, 1)
        check_type(fields, 2, msg_type)
        body = fields.need(4, lambda inner: Fields(inner, "KDC-REQ-BODY"))
        return cls(
            msg_type,
            fields.maybe(3, list_of(PaData.parse)) or (),
            KdcOptions(body.need(0, flags)),
            body.maybe(1, PrincipalName.parse),
            body.need(2, text),
            body.maybe(3, PrincipalName.parse),
            body.maybe(4, time),
            body.need(5, time),
            body.maybe(6, time),
            body.need(7, unsigned),
            tuple(Etype(number) for number in body.need(8, list_of(integer))),
            body.maybe(11, list_of(Ticket.parse)) or (),
        )

    @property
    def tgt(self) -> Ticket | None:
        """The ticket that a TGS-REQ shows for itself, in PA-TGS-REQ (RFC 4120 5.2.7.1).

        Raises:
            ParseError: it is malformed.
        """
        for entry in self.padata:
            if entry.padata_type == PaType.TGS_REQ:
                return ApReq.parse(der.parse(entry.padata_value)).ticket
        return None


@dataclass(frozen=True, slots=True)
class KdcReply:
    """AS-REP or TGS-REP (RFC 4120 5.4.2). The name of the client may be that of RFC 6113's anonymous one."""

    msg_type: MessageType
    padata: tuple[PaData, ...]
    crealm: str
    cname: PrincipalName
    ticket: Ticket
    enc_part: EncryptedData

    @classmethod
    def parse(cls, element: Element) -> "KdcReply":
        """The message in [APPLICATION 11] or [APPLICATION 13]."""
        msg_type = MessageType.AS_REP if element.tag == der.application(11) else MessageType.TGS_REP
        fields = application(element, msg_type, "KDC-REP")
        check_version(fields, 0)
        check_type(fields, 1, msg_type)
        return cls(
            msg_type,
            fields.maybe(2, list_of(PaData.parse)) or (),
            fields.need(3, text),
            fields.need(4, PrincipalName.parse),
            fields.need(5, Ticket.parse),
            fields.need(6, EncryptedData.parse),
        )

    @property
    def etype_info(self) -> tuple[EtypeInfo, ...]:
        """What the answer says of the client's password, of an AS-REP one entry at most.

        Raises:
            ParseError: it is malformed.
        """
        for entry in self.padata:
            if entry.padata_type == PaType.ETYPE_INFO2:
                return list_of(EtypeInfo.parse)(der.parse(entry.padata_value))
        return ()


@dataclass(frozen=True, slots=True)
class EncKdcRepPart:
    """What a KDC tells the client of a ticket (RFC 4120 5.4.2), without its session key. Times in nanoseconds."""

    nonce: int
    flags: TicketFlags
    authtime: int
    starttime: int | None
    endtime: int
    renew_till: int | None
    srealm: str
    sname: PrincipalName

    @classmethod
    def parse(cls, element: Element) -> "EncKdcRepPart":
        """The plaintext, [APPLICATION 25] or [APPLICATION 26]: MIT writes the second in an AS-REP, too."""
        is_as = element.tag == der.application(_ENC_AS_REP_PART)
        fields = application(element, _ENC_AS_REP_PART if is_as else _ENC_TGS_REP_PART, "EncKDCRepPart")
        return cls(
            fields.need(2, unsigned),
            TicketFlags(fields.need(4, flags)),
            fields.need(5, time),
            fields.maybe(6, time),
            fields.need(7, time),
            fields.maybe(8, time),
            fields.need(9, text),
            fields.need(10, PrincipalName.parse),
        )


Message = KdcRequest | KdcReply | ApReq | ApRep | KrbError

_PARSERS: dict[int, Callable[[Element], Message]] = {
    der.application(MessageType.AS_REQ): KdcRequest.parse,
    der.application(MessageType.AS_REP): KdcReply.parse,
    der.application(MessageType.TGS_REQ): KdcRequest.parse,
    der.application(MessageType.TGS_REP): KdcReply.parse,
    der.application(MessageType.AP_REQ): ApReq.parse,
    der.application(MessageType.AP_REP): ApRep.parse,
    der.application(MessageType.KRB_ERROR): KrbError.parse,
}
_CLOSED = tuple(der.application(kind) for kind in (MessageType.KRB_SAFE, MessageType.KRB_PRIV, MessageType.KRB_CRED))


def parse(data: Buffer) -> Message:
    """The Kerberos message that fills `data`, by its tag (RFC 4120 5.10).

    Raises:
        ParseError: no such message, or a malformed one.
        UnsupportedError: KRB-SAFE, KRB-PRIV or KRB-CRED.
    """
    element = der.parse(data)
    if element.tag in _CLOSED:
        raise UnsupportedError(f"{MessageType(element.tag & 0x1F).name} is not decoded")
    if element.tag not in _PARSERS:
        raise ParseError(f"no Kerberos message begins with tag 0x{element.tag:02x}")
    return _PARSERS[element.tag](element)
