"""The PAC of Active Directory in a ticket (MS-PAC): who the user is, and in which groups.

What it refuses: more than `MAX_BUFFERS` buffers. Buffers that are not decoded stay in `Pac.buffers` as they are.
"""

import hmac
from dataclasses import dataclass, field
from typing import NamedTuple

from parsers.enums import OpenEnum, OpenFlag
from parsers.errors import ParseError, UnsupportedError
from parsers.gss.kerberos import crypto
from parsers.gss.kerberos.asn1 import EncryptionKey
from parsers.gss.kerberos.logon_info import LogonInfo
from parsers.gss.kerberos.names import AdType, ChecksumType, Etype, KeyUsage, etype_name
from parsers.gss.kerberos.ndr import sid
from parsers.gss.kerberos.tickets import AuthorizationEntry, flatten
from parsers.layout import U16, U32, U64, Layout
from parsers.reader import Reader
from parsers.times import filetime_to_ns, ns_to_filetime
from parsers.verdicts import Signature

__all__ = [
    "MAX_BUFFERS",
    "BufferType",
    "ClientInfo",
    "Pac",
    "PacBuffer",
    "UpnDnsInfo",
    "build",
    "find_pac",
]

MAX_BUFFERS = 64
"""Of PAC_INFO_BUFFERs; MS-PAC 2.4 knows 14 types, each of which stands there once."""


class BufferType(OpenEnum):
    """ulType (MS-PAC 2.4)."""

    LOGON_INFO = 0x01
    CREDENTIALS_INFO = 0x02
    SERVER_CHECKSUM = 0x06
    KDC_CHECKSUM = 0x07
    CLIENT_INFO = 0x0A
    DELEGATION_INFO = 0x0B
    UPN_DNS_INFO = 0x0C
    CLIENT_CLAIMS = 0x0D
    DEVICE_INFO = 0x0E
    DEVICE_CLAIMS = 0x0F
    TICKET_CHECKSUM = 0x10
    ATTRIBUTES_INFO = 0x11
    REQUESTOR_SID = 0x12
    FULL_CHECKSUM = 0x13


class UpnFlags(OpenFlag):
    """UPN_DNS_INFO.Flags (MS-PAC 2.10)."""

    CONSTRUCTED = 0x1
    EXTENDED = 0x2


class _Type(NamedTuple):
    c_buffers: U32
    version: U32


class _InfoBuffer(NamedTuple):
    ul_type: U32
    cb_buffer_size: U32
    offset: U64


class _ClientInfo(NamedTuple):
    client_id: U64
    name_length: U16


class _UpnDnsInfo(NamedTuple):
    upn_length: U16
    upn_offset: U16
    dns_domain_name_length: U16
    dns_domain_name_offset: U16
    flags: U32


class _UpnDnsExtension(NamedTuple):
    sam_name_length: U16
    sam_name_offset: U16
    sid_length: U16
    sid_offset: U16


_TYPE = Layout(_Type)
_INFO_BUFFER = Layout(_InfoBuffer)
_CLIENT_INFO = Layout(_ClientInfo)
_UPN_DNS_INFO = Layout(_UpnDnsInfo)
_UPN_DNS_EXTENSION = Layout(_UpnDnsExtension)


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """PAC_CLIENT_INFO (MS-PAC 2.7): the ticket's authtime in nanoseconds, and the client's name."""

    client_id: int | None
    name: str

    @classmethod
    def parse(cls, data: memoryview) -> "ClientInfo":
        """The structure, which is no NDR."""
        reader = Reader(data)
        fixed = _CLIENT_INFO.parse(reader.take(_CLIENT_INFO.size, "PAC_CLIENT_INFO"))
        name = reader.take(fixed.name_length, "PAC_CLIENT_INFO name")
        return cls(filetime_to_ns(fixed.client_id), _unicode(name))

    def build(self) -> bytes:
        """The structure."""
        name = self.name.encode("utf-16-le")
        client_id = 0 if self.client_id is None else ns_to_filetime(self.client_id)
        return _CLIENT_INFO.build(_ClientInfo(client_id, len(name))) + name


@dataclass(frozen=True, slots=True)
class UpnDnsInfo:
    """UPN_DNS_INFO (MS-PAC 2.10); the last two are there where `flags` say so."""

    upn: str
    dns_domain_name: str
    flags: UpnFlags
    sam_name: str | None = None
    sid: str | None = None

    @classmethod
    def parse(cls, data: memoryview) -> "UpnDnsInfo":
        """The structure; its offsets count from its own start."""
        reader = Reader(data)
        fixed = _UPN_DNS_INFO.parse(data)
        upn = _unicode(reader.at(fixed.upn_offset, fixed.upn_length, "UPN"))
        domain = _unicode(reader.at(fixed.dns_domain_name_offset, fixed.dns_domain_name_length, "DnsDomainName"))
        flags = UpnFlags(fixed.flags)
        if not flags & UpnFlags.EXTENDED:
            return cls(upn, domain, flags)
        more = _UPN_DNS_EXTENSION.parse(data, _UPN_DNS_INFO.size)
        sam_name = _unicode(reader.at(more.sam_name_offset, more.sam_name_length, "SamName"))
        return cls(upn, domain, flags, sam_name, sid(reader.at(more.sid_offset, more.sid_length, "SID")))


class PacBuffer(NamedTuple):
    """One PAC_INFO_BUFFER (MS-PAC 2.4) and where its bytes stand in the PAC."""

    ul_type: BufferType
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Pac:
    """PACTYPE (MS-PAC 2.3). A buffer that is not there is None."""

    data: bytes = field(repr=False)
    buffers: tuple[PacBuffer, ...]
    logon_info: LogonInfo | None = None
    client_info: ClientInfo | None = None
    upn_dns_info: UpnDnsInfo | None = None
    requestor_sid: str | None = None

    @classmethod
    def parse(cls, data: bytes) -> "Pac":
        """The PAC that an AD-WIN2K-PAC entry holds.

        Raises:
            ParseError: it, or one of the buffers that are decoded, is malformed.
        """
        fixed = _TYPE.parse(data)
        if fixed.version != 0 or fixed.c_buffers > MAX_BUFFERS:
            raise ParseError(f"PAC of version {fixed.version} with {fixed.c_buffers} buffers")
        starts = range(_TYPE.size, _TYPE.size + fixed.c_buffers * _INFO_BUFFER.size, _INFO_BUFFER.size)
        infos = [_INFO_BUFFER.parse(data, start) for start in starts]
        buffers = tuple(PacBuffer(BufferType(info.ul_type), info.offset, info.cb_buffer_size) for info in infos)
        reader = Reader(data)
        found = {item.ul_type: reader.at(item.offset, item.size, "PAC buffer") for item in reversed(buffers)}
        logon, client, upn, requestor = (found.get(kind) for kind in _DECODED)
        return cls(
            data,
            buffers,
            None if logon is None else LogonInfo.parse(logon),
            None if client is None else ClientInfo.parse(client),
            None if upn is None else UpnDnsInfo.parse(upn),
            None if requestor is None else sid(requestor),
        )

    def server_signature(self, key: bytes) -> Signature:
        """Whether the KDC made this PAC for the service with this long-term key (MS-PAC 2.8.1).

        `NO_KEY`: a signature is of a kind that is not supported or that this key is not for. `UNSIGNED`: there is none.
        """
        signatures = {item.ul_type: self._signature(item) for item in self.buffers if item.ul_type in _CHECKSUMS}
        if BufferType.SERVER_CHECKSUM not in signatures:
            return Signature.UNSIGNED
        unsigned = bytearray(self.data)
        for signature in signatures.values():
            if signature is None:
                return Signature.NO_KEY
            unsigned[signature.start : signature.start + signature.size] = bytes(signature.size)
        server = signatures[BufferType.SERVER_CHECKSUM]
        assert server is not None  # the loop has seen it
        try:
            expected = crypto.checksum(
                checksum_type=server.kind, key=key, usage=KeyUsage.PAC_SIGNATURE, data=bytes(unsigned)
            )
        except ParseError:  # the key's size
            return Signature.NO_KEY
        fits = hmac.compare_digest(expected, self.data[server.start : server.start + server.size])
        return Signature.VALID if fits else Signature.INVALID

    def _signature(self, item: PacBuffer) -> "_SignatureData | None":
        """The PAC_SIGNATURE_DATA in a buffer (MS-PAC 2.8), whose RODCIdentifier is not part of the Signature."""
        if item.size < 4:
            return None
        kind = int.from_bytes(self.data[item.offset : item.offset + 4], "little", signed=True)
        size = crypto.checksum_size(kind)
        return None if size is None or size > item.size - 4 else _SignatureData(kind, item.offset + 4, size)


class _SignatureData(NamedTuple):
    """A signature's algorithm and its place in the PAC."""

    kind: int
    start: int
    size: int


_DECODED = (BufferType.LOGON_INFO, BufferType.CLIENT_INFO, BufferType.UPN_DNS_INFO, BufferType.REQUESTOR_SID)
_CHECKSUM_TYPES: dict[int, ChecksumType] = {  # MS-PAC 2.8
    Etype.AES128_CTS_HMAC_SHA1_96: ChecksumType.HMAC_SHA1_96_AES128,
    Etype.AES256_CTS_HMAC_SHA1_96: ChecksumType.HMAC_SHA1_96_AES256,
    Etype.AES128_CTS_HMAC_SHA256_128: ChecksumType.HMAC_SHA256_128_AES128,
    Etype.AES256_CTS_HMAC_SHA384_192: ChecksumType.HMAC_SHA384_192_AES256,
    Etype.RC4_HMAC: ChecksumType.HMAC_MD5,
}
_CHECKSUMS = (BufferType.SERVER_CHECKSUM, BufferType.KDC_CHECKSUM)


def build(
    logon_info: LogonInfo, client_info: ClientInfo, *, service_key: EncryptionKey, kdc_key: EncryptionKey
) -> bytes:
    """A PAC with these two buffers and both signatures (MS-PAC 2.8).

    Args:
        logon_info: who the user is.
        client_info: the client's name, and the authtime of the ticket which the PAC goes into.
        service_key: long-term key of the service.
        kdc_key: that of krbtgt; only KDCs check what it signs.

    Raises:
        UnsupportedError: an encryption type that has no checksum here.
    """
    kinds = [_checksum_type(key) for key in (service_key, kdc_key)]
    sizes = [crypto.checksum_size(kind) or 0 for kind in kinds]
    unsigned = [kind.to_bytes(4, "little", signed=True) + bytes(size) for kind, size in zip(kinds, sizes, strict=True)]
    contents = (logon_info.build(), client_info.build(), *unsigned)
    types = (BufferType.LOGON_INFO, BufferType.CLIENT_INFO, *_CHECKSUMS)
    data = bytearray(_TYPE.build(_Type(len(contents), 0)) + bytes(len(contents) * _INFO_BUFFER.size))
    places = []
    for place, (kind, content) in enumerate(zip(types, contents, strict=True)):
        start = _TYPE.size + place * _INFO_BUFFER.size
        data[start : start + _INFO_BUFFER.size] = _INFO_BUFFER.build(_InfoBuffer(kind, len(content), len(data)))
        places.append(len(data) + 4)
        data += content + bytes(-len(content) % 8)
    signed = bytes(data)
    for key, checksum_type, start in zip((service_key, kdc_key), kinds, places[2:], strict=True):
        signed = crypto.checksum(
            checksum_type=checksum_type, key=key.keyvalue, usage=KeyUsage.PAC_SIGNATURE, data=signed
        )
        data[start : start + len(signed)] = signed  # this is what the KDC signs (MS-PAC 2.8.2)
    return bytes(data)


def _checksum_type(key: EncryptionKey) -> ChecksumType:
    if key.keytype not in _CHECKSUM_TYPES:
        raise UnsupportedError(f"no checksum of a PAC is known for {etype_name(key.keytype)}")
    return _CHECKSUM_TYPES[key.keytype]


def find_pac(entries: tuple[AuthorizationEntry, ...]) -> bytes | None:
    """The PAC among the authorization data of a ticket, where it stands in AD-IF-RELEVANT; None without one.

    Raises:
        ParseError: the authorization data is malformed.
    """
    return next((entry.ad_data for entry in flatten(entries) if entry.ad_type == AdType.WIN2K_PAC), None)


def _unicode(data: memoryview) -> str:
    return str(data, "utf-16-le", "backslashreplace")
