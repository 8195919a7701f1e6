"""The messages between client and service: AP-REQ, AP-REP (RFC 4120 5.5) and KRB-ERROR (5.9).

Each `parse` takes the element that `parsers.gss.der.parse` gives; each `build` writes all of the message.
"""

from dataclasses import dataclass
from typing import NamedTuple

from parsers.errors import ParseError
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
    build_maybe,
    build_octets,
    build_text,
    build_time,
    check_version,
    flags,
    integer,
    list_of,
    microseconds,
    octets,
    text,
    time,
)
from parsers.gss.kerberos.names import ApOptions, ChecksumType, ErrorCode, GssFlags, MessageType
from parsers.gss.kerberos.tickets import AuthorizationEntry, Ticket, build_authorization_data
from parsers.layout import U32, Bytes16, Layout

__all__ = ["ApRep", "ApReq", "Authenticator", "Checksum", "EncApRepPart", "GssChecksum", "KrbError", "check_type"]

_AUTHENTICATOR, _ENC_AP_REP_PART = 2, 27  # APPLICATION tags
_MICROSECOND_NS = 1000


def check_type(fields: Fields, number: int, expected: MessageType) -> None:
    """Raise ParseError unless field [number], msg-type, is the one that the message's tag says."""
    found = fields.need(number, integer)
    if found != expected:
        raise ParseError(f"msg-type {found} in a message with the tag of {expected.name}")


@dataclass(frozen=True, slots=True)
class ApReq:
    """KRB_AP_REQ (RFC 4120 5.5.1): the ticket, and the client's proof that it knows the key inside."""

    ap_options: ApOptions
    ticket: Ticket
    authenticator: EncryptedData

    @classmethod
    def parse(cls, element: Element) -> "ApReq":
        """The message in [APPLICATION 14]."""
        fields = application(element, MessageType.AP_REQ, "AP-REQ")
        check_version(fields, 0)
        check_type(fields, 1, MessageType.AP_REQ)
        return cls(ApOptions(fields.need(2, flags)), fields.need(3, Ticket.parse), fields.need(4, EncryptedData.parse))

    def build(self) -> bytes:
        """[APPLICATION 14]."""
        return build_application(
            MessageType.AP_REQ,
            (0, build_integer(PVNO)),
            (1, build_integer(MessageType.AP_REQ)),
            (2, build_flags(self.ap_options)),
            (3, self.ticket.build()),
            (4, self.authenticator.build()),
        )


@dataclass(frozen=True, slots=True)
class Checksum:
    """RFC 4120 5.2.9."""

    cksumtype: ChecksumType
    checksum: bytes

    @classmethod
    def parse(cls, element: Element) -> "Checksum":
        """The checksum in a SEQUENCE."""
        fields = Fields(element, "Checksum")
        return cls(ChecksumType(fields.need(0, integer)), fields.need(1, octets))

    def build(self) -> bytes:
        """The SEQUENCE."""
        return build_fields((0, build_integer(self.cksumtype)), (1, build_octets(self.checksum)))


class _GssChecksumFixed(NamedTuple):
    lgth: U32
    bnd: Bytes16
    flags: U32


_GSS_CHECKSUM = Layout(_GssChecksumFixed)


@dataclass(frozen=True, slots=True)
class GssChecksum:
    """The "checksum" 0x8003 of GSS, which carries flags and channel bindings (RFC 4121 4.1.1).

    `rest` is what follows: a delegated credential, and extensions.
    """

    bindings: bytes
    flags: GssFlags
    rest: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> "GssChecksum":
        """The octets of the checksum.

        Raises:
            ParseError: cut off, or bindings of another length than 16.
        """
        fixed = _GSS_CHECKSUM.parse(data)
        if fixed.lgth != len(fixed.bnd):
            raise ParseError(f"channel bindings of {fixed.lgth} bytes in a GSS checksum")
        return cls(fixed.bnd, GssFlags(fixed.flags), data[_GSS_CHECKSUM.size :])

    def build(self) -> bytes:
        """The octets of the checksum."""
        return _GSS_CHECKSUM.build(_GssChecksumFixed(16, self.bindings, self.flags)) + self.rest


@dataclass(frozen=True, slots=True)
class Authenticator:
    """RFC 4120 5.5.1, the plaintext of an AP-REQ's authenticator. `ctime` in nanoseconds, whole seconds."""

    crealm: str
    cname: PrincipalName
    cksum: Checksum | None
    cusec: int
    ctime: int
    subkey: EncryptionKey | None = None
    seq_number: int | None = None
    authorization_data: tuple[AuthorizationEntry, ...] = ()

    @classmethod
    def parse(cls, element: Element) -> "Authenticator":
        """The plaintext, [APPLICATION 2]."""
        fields = application(element, _AUTHENTICATOR, "Authenticator")
        check_version(fields, 0)
        return cls(
            fields.need(1, text),
            fields.need(2, PrincipalName.parse),
            fields.maybe(3, Checksum.parse),
            fields.need(4, microseconds),
            fields.need(5, time),
            fields.maybe(6, EncryptionKey.parse),
            fields.maybe(7, integer),
            fields.maybe(8, list_of(AuthorizationEntry.parse)) or (),
        )

    def build(self) -> bytes:
        """[APPLICATION 2]."""
        entries = self.authorization_data
        return build_application(
            _AUTHENTICATOR,
            (0, build_integer(PVNO)),
            (1, build_text(self.crealm)),
            (2, self.cname.build()),
            (3, build_maybe(Checksum.build, self.cksum)),
            (4, build_integer(self.cusec)),
            (5, build_time(self.ctime)),
            (6, build_maybe(EncryptionKey.build, self.subkey)),
            (7, build_maybe(build_integer, self.seq_number)),
            (8, build_authorization_data(entries) if entries else None),
        )

    @property
    def time(self) -> int:
        """The client's clock, nanoseconds since 1970."""
        return self.ctime + self.cusec * _MICROSECOND_NS

    @property
    def gss_flags(self) -> GssFlags | None:
        """What the client asks of the GSS context; None without such a checksum.

        Raises:
            ParseError: the checksum is malformed.
        """
        if self.cksum is None or self.cksum.cksumtype != ChecksumType.GSS:
            return None
        return GssChecksum.parse(self.cksum.checksum).flags


@dataclass(frozen=True, slots=True)
class ApRep:
    """KRB_AP_REP (RFC 4120 5.5.2)."""

    enc_part: EncryptedData

    @classmethod
    def parse(cls, element: Element) -> "ApRep":
        """The message in [APPLICATION 15]."""
        fields = application(element, MessageType.AP_REP, "AP-REP")
        check_version(fields, 0)
        check_type(fields, 1, MessageType.AP_REP)
        return cls(fields.need(2, EncryptedData.parse))

    def build(self) -> bytes:
        """[APPLICATION 15]."""
        return build_application(
            MessageType.AP_REP,
            (0, build_integer(PVNO)),
            (1, build_integer(MessageType.AP_REP)),
            (2, self.enc_part.build()),
        )


@dataclass(frozen=True, slots=True)
class EncApRepPart:
    """RFC 4120 5.5.2, the plaintext of an AP-REP: the authenticator's time again, and the server's own key."""

    ctime: int
    cusec: int
    subkey: EncryptionKey | None = None
    seq_number: int | None = None

    @classmethod
    def parse(cls, element: Element) -> "EncApRepPart":
        """The plaintext, [APPLICATION 27]."""
        fields = application(element, _ENC_AP_REP_PART, "EncAPRepPart")
        return cls(
            fields.need(0, time),
            fields.need(1, microseconds),
            fields.maybe(2, EncryptionKey.parse),
            fields.maybe(3, integer),
        )

    def build(self) -> bytes:
        """[APPLICATION 27]."""
        return build_application(
            _ENC_AP_REP_PART,
            (0, build_time(self.ctime)),
            (1, build_integer(self.cusec)),
            (2, build_maybe(EncryptionKey.build, self.subkey)),
            (3, build_maybe(build_integer, self.seq_number)),
        )

    @property
    def time(self) -> int:
        """The client's clock as the authenticator had it, nanoseconds since 1970."""
        return self.ctime + self.cusec * _MICROSECOND_NS


@dataclass(frozen=True, slots=True)
class KrbError:
    """KRB-ERROR (RFC 4120 5.9.1). `stime` is the server's clock: what a client corrects its own by."""

    stime: int
    susec: int
    error_code: ErrorCode
    realm: str
    sname: PrincipalName
    ctime: int | None = None
    cusec: int | None = None
    crealm: str | None = None
    cname: PrincipalName | None = None
    e_text: str | None = None
    e_data: bytes | None = None

    @classmethod
    def parse(cls, element: Element) -> "KrbError":
        """The message in [APPLICATION 30]."""
        fields = application(element, MessageType.KRB_ERROR, "KRB-ERROR")
        check_version(fields, 0)
        check_type(fields, 1, MessageType.KRB_ERROR)
        return cls(
            stime=fields.need(4, time),
            susec=fields.need(5, microseconds),
            error_code=ErrorCode(fields.need(6, integer)),
            realm=fields.need(9, text),
            sname=fields.need(10, PrincipalName.parse),
            ctime=fields.maybe(2, time),
            cusec=fields.maybe(3, microseconds),
            crealm=fields.maybe(7, text),
            cname=fields.maybe(8, PrincipalName.parse),
            e_text=fields.maybe(11, text),
            e_data=fields.maybe(12, octets),
        )

    def build(self) -> bytes:
        """[APPLICATION 30]."""
        return build_application(
            MessageType.KRB_ERROR,
            (0, build_integer(PVNO)),
            (1, build_integer(MessageType.KRB_ERROR)),
            (2, build_maybe(build_time, self.ctime)),
            (3, build_maybe(build_integer, self.cusec)),
            (4, build_time(self.stime)),
            (5, build_integer(self.susec)),
            (6, build_integer(self.error_code)),
            (7, build_maybe(build_text, self.crealm)),
            (8, build_maybe(PrincipalName.build, self.cname)),
            (9, build_text(self.realm)),
            (10, self.sname.build()),
            (11, build_maybe(build_text, self.e_text)),
            (12, build_maybe(build_octets, self.e_data)),
        )

    @property
    def server_time(self) -> int:
        """The server's clock, nanoseconds since 1970."""
        return self.stime + self.susec * _MICROSECOND_NS
