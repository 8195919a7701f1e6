"""The three NTLM messages (MS-NLMP 2.2.1), their AV pairs (2.2.2.1) and the NTLMv2 response (2.2.2.8).

Old peers leave out the last fields of a message. A field is there if the message reaches that far and no payload
begins before its end; what is missing reads as zero.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from parsers.enums import OpenEnum, OpenFlag
from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, U64, Buffer, Bytes3, Bytes8, Bytes16, Layout
from parsers.reader import Reader

__all__ = [
    "MIC_OFFSET",
    "SIGNATURE",
    "Authenticate",
    "AvFlags",
    "AvId",
    "AvPair",
    "Challenge",
    "MessageType",
    "Negotiate",
    "NegotiateFlags",
    "NtlmV2Response",
    "Version",
    "build_av_pairs",
    "message_type",
    "parse_av_pairs",
]

SIGNATURE = b"NTLMSSP\x00"
MIC_OFFSET = 72
"""Where the 16 bytes of the MIC stand in an AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3)."""


class MessageType(OpenEnum):
    """MS-NLMP 2.2.1."""

    NEGOTIATE = 1
    CHALLENGE = 2
    AUTHENTICATE = 3


class NegotiateFlags(OpenFlag):
    """MS-NLMP 2.2.2.5."""

    UNICODE = 0x00000001
    OEM = 0x00000002
    REQUEST_TARGET = 0x00000004
    SIGN = 0x00000010
    SEAL = 0x00000020
    DATAGRAM = 0x00000040
    LM_KEY = 0x00000080
    NTLM = 0x00000200
    ANONYMOUS = 0x00000800
    OEM_DOMAIN_SUPPLIED = 0x00001000
    OEM_WORKSTATION_SUPPLIED = 0x00002000
    ALWAYS_SIGN = 0x00008000
    TARGET_TYPE_DOMAIN = 0x00010000
    TARGET_TYPE_SERVER = 0x00020000
    EXTENDED_SESSIONSECURITY = 0x00080000
    IDENTIFY = 0x00100000
    REQUEST_NON_NT_SESSION_KEY = 0x00400000
    TARGET_INFO = 0x00800000
    VERSION = 0x02000000
    NEGOTIATE_128 = 0x20000000
    KEY_EXCH = 0x40000000
    NEGOTIATE_56 = 0x80000000


class AvId(OpenEnum):
    """MS-NLMP 2.2.2.1."""

    EOL = 0
    NB_COMPUTER_NAME = 1
    NB_DOMAIN_NAME = 2
    DNS_COMPUTER_NAME = 3
    DNS_DOMAIN_NAME = 4
    DNS_TREE_NAME = 5
    FLAGS = 6
    TIMESTAMP = 7
    SINGLE_HOST = 8
    TARGET_NAME = 9
    CHANNEL_BINDINGS = 10


class AvFlags(OpenFlag):
    """MS-NLMP 2.2.2.1, MsvAvFlags."""

    CONSTRAINED = 0x1
    MIC_PRESENT = 0x2
    UNTRUSTED_SPN = 0x4


class AvPair(NamedTuple):
    """One AV_PAIR; the names among them are UTF-16LE whatever the flags say."""

    av_id: AvId
    value: bytes

    @property
    def text(self) -> str:
        """The value as a name."""
        return _text(self.value, "utf-16-le")


class Version(NamedTuple):
    """MS-NLMP 2.2.2.10: 8 bytes, for debugging only, as the specification says."""

    product_major_version: U8
    product_minor_version: U8
    product_build: U16
    reserved: Bytes3 = bytes(3)
    ntlm_revision_current: U8 = 15

    def __str__(self) -> str:
        return f"{self.product_major_version}.{self.product_minor_version}.{self.product_build}"


class _NegotiateFixed(NamedTuple):
    signature: Bytes8
    message_type: U32
    flags: U32
    domain_len: U16
    domain_max_len: U16
    domain_offset: U32
    workstation_len: U16
    workstation_max_len: U16
    workstation_offset: U32


class _ChallengeFixed(NamedTuple):
    signature: Bytes8
    message_type: U32
    target_name_len: U16
    target_name_max_len: U16
    target_name_offset: U32
    flags: U32
    server_challenge: Bytes8
    reserved: Bytes8
    target_info_len: U16
    target_info_max_len: U16
    target_info_offset: U32


class _AuthenticateFixed(NamedTuple):
    signature: Bytes8
    message_type: U32
    lm_len: U16
    lm_max_len: U16
    lm_offset: U32
    nt_len: U16
    nt_max_len: U16
    nt_offset: U32
    domain_len: U16
    domain_max_len: U16
    domain_offset: U32
    user_len: U16
    user_max_len: U16
    user_offset: U32
    workstation_len: U16
    workstation_max_len: U16
    workstation_offset: U32
    session_key_len: U16
    session_key_max_len: U16
    session_key_offset: U32
    flags: U32


class _NtlmV2ResponseFixed(NamedTuple):
    """NTProofStr, then NTLMv2_CLIENT_CHALLENGE (MS-NLMP 2.2.2.7) up to its AV pairs."""

    nt_proof_str: Bytes16
    resp_type: U8
    hi_resp_type: U8
    reserved1: U16
    reserved2: U32
    time_stamp: U64
    challenge_from_client: Bytes8
    reserved3: U32


_VERSION = Layout(Version)
_NEGOTIATE = Layout(_NegotiateFixed)
_CHALLENGE = Layout(_ChallengeFixed)
_AUTHENTICATE = Layout(_AuthenticateFixed)
_NTLMV2_RESPONSE = Layout(_NtlmV2ResponseFixed)


@dataclass(frozen=True, slots=True)
class Negotiate:
    """NEGOTIATE_MESSAGE (MS-NLMP 2.2.1.1); its two names are OEM strings."""

    flags: NegotiateFlags
    domain: str = ""
    workstation: str = ""
    version: Version | None = None

    @classmethod
    def parse(cls, data: Buffer) -> "Negotiate":
        """Read a whole message.

        Raises:
            ParseError: not this message, cut off, or a name outside of it.
        """
        view = _opened(data, MessageType.NEGOTIATE, 16)
        fixed = _NEGOTIATE.parse(_padded(view, _NEGOTIATE.size))
        reader = Reader(view)
        flags = NegotiateFlags(fixed.flags)
        payloads = []
        domain = workstation = b""
        if flags & NegotiateFlags.OEM_DOMAIN_SUPPLIED:
            domain = _payload(reader, fixed.domain_len, fixed.domain_offset, 32, "DomainName")
            payloads.append((fixed.domain_len, fixed.domain_offset))
        if flags & NegotiateFlags.OEM_WORKSTATION_SUPPLIED:
            workstation = _payload(reader, fixed.workstation_len, fixed.workstation_offset, 32, "Workstation")
            payloads.append((fixed.workstation_len, fixed.workstation_offset))
        version = _version(view, flags, 32, payloads)
        return cls(flags, _text(domain, _OEM), _text(workstation, _OEM), version)

    def build(self) -> bytes:
        """The whole message; the flags that announce names and version are the caller's to set."""
        payload = _Payload(40)
        fixed = _NegotiateFixed(
            SIGNATURE,
            MessageType.NEGOTIATE,
            self.flags,
            *payload.add(self.domain.encode(_OEM)),
            *payload.add(self.workstation.encode(_OEM)),
        )
        return _NEGOTIATE.build(fixed) + _build_version(self.version) + payload.data


@dataclass(frozen=True, slots=True)
class Challenge:
    """CHALLENGE_MESSAGE (MS-NLMP 2.2.1.2)."""

    flags: NegotiateFlags
    server_challenge: bytes
    target_name: str = ""
    target_info: tuple[AvPair, ...] = ()
    version: Version | None = None

    @classmethod
    def parse(cls, data: Buffer) -> "Challenge":
        """Read a whole message.

        Raises:
            ParseError: not this message, cut off, or a payload outside of it.
        """
        view = _opened(data, MessageType.CHALLENGE, 32)
        fixed = _CHALLENGE.parse(_padded(view, _CHALLENGE.size))
        reader = Reader(view)
        flags = NegotiateFlags(fixed.flags)
        target_name = _payload(reader, fixed.target_name_len, fixed.target_name_offset, 32, "TargetName")
        payloads = [(fixed.target_name_len, fixed.target_name_offset)]
        target_info = b""
        if flags & NegotiateFlags.TARGET_INFO:
            target_info = _payload(reader, fixed.target_info_len, fixed.target_info_offset, 40, "TargetInfo")
            payloads.append((fixed.target_info_len, fixed.target_info_offset))
        return cls(
            flags,
            fixed.server_challenge,
            _text(target_name, _encoding(flags)),
            parse_av_pairs(target_info),
            _version(view, flags, 48, payloads),
        )

    def build(self) -> bytes:
        """The whole message."""
        payload = _Payload(56)
        fixed = _ChallengeFixed(
            SIGNATURE,
            MessageType.CHALLENGE,
            *payload.add(self.target_name.encode(_encoding(self.flags))),
            self.flags,
            self.server_challenge,
            bytes(8),
            *payload.add(build_av_pairs(self.target_info) if self.target_info else b""),
        )
        return _CHALLENGE.build(fixed) + _build_version(self.version) + payload.data


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE_MESSAGE (MS-NLMP 2.2.1.3). `mic` is None unless the response says that one is there."""

    flags: NegotiateFlags
    lm_response: bytes
    nt_response: bytes
    domain: str
    user: str
    workstation: str
    encrypted_random_session_key: bytes = b""
    version: Version | None = None
    mic: bytes | None = None

    @classmethod
    def parse(cls, data: Buffer) -> "Authenticate":
        """Read a whole message.

        Raises:
            ParseError: not this message, cut off, a payload outside of it, or a malformed NTLMv2 response.
        """
        view = _opened(data, MessageType.AUTHENTICATE, 52)
        fixed = _AUTHENTICATE.parse(_padded(view, _AUTHENTICATE.size))
        payloads = [
            (fixed.lm_len, fixed.lm_offset),
            (fixed.nt_len, fixed.nt_offset),
            (fixed.domain_len, fixed.domain_offset),
            (fixed.user_len, fixed.user_offset),
            (fixed.workstation_len, fixed.workstation_offset),
        ]
        session_key = (0, 0)
        flags = NegotiateFlags(0)
        if _has_room(view, 64, payloads):
            session_key = (fixed.session_key_len, fixed.session_key_offset)
            flags = NegotiateFlags(fixed.flags)
            payloads.append(session_key)
        reader = Reader(view)
        names = ("LmChallengeResponse", "NtChallengeResponse", "DomainName", "UserName", "Workstation")
        lm, nt, domain, user, workstation = (
            _payload(reader, length, offset, 52, name)
            for name, (length, offset) in zip(names, payloads[:5], strict=True)
        )
        encoding = _encoding(flags)
        has_mic = _has_room(view, MIC_OFFSET + 16, payloads) and _announces_mic(nt)
        return cls(
            flags,
            lm,
            nt,
            _text(domain, encoding),
            _text(user, encoding),
            _text(workstation, encoding),
            _payload(reader, *session_key, 64, "EncryptedRandomSessionKey"),
            _version(view, flags, 64, payloads),
            bytes(view[MIC_OFFSET : MIC_OFFSET + 16]) if has_mic else None,
        )

    def build(self) -> bytes:
        """The whole message, names first as Windows orders them."""
        encoding = _encoding(self.flags)
        payload = _Payload(MIC_OFFSET if self.mic is None else MIC_OFFSET + 16)
        domain = payload.add(self.domain.encode(encoding))
        user = payload.add(self.user.encode(encoding))
        workstation = payload.add(self.workstation.encode(encoding))
        fixed = _AuthenticateFixed(
            SIGNATURE,
            MessageType.AUTHENTICATE,
            *payload.add(self.lm_response),
            *payload.add(self.nt_response),
            *domain,
            *user,
            *workstation,
            *payload.add(self.encrypted_random_session_key),
            self.flags,
        )
        return _AUTHENTICATE.build(fixed) + _build_version(self.version) + (self.mic or b"") + payload.data


@dataclass(frozen=True, slots=True)
class NtlmV2Response:
    """NTLMv2_RESPONSE (MS-NLMP 2.2.2.8). `temp` is what NTProofStr covers besides the server's challenge."""

    nt_proof_str: bytes
    time_stamp: int
    challenge_from_client: bytes
    av_pairs: tuple[AvPair, ...]
    temp: bytes

    @classmethod
    def parse(cls, data: Buffer) -> "NtlmV2Response":
        """Read NtChallengeResponse.

        Raises:
            ParseError: too short, or malformed AV pairs.
        """
        fixed = _NTLMV2_RESPONSE.parse(data)
        return cls(
            fixed.nt_proof_str,
            fixed.time_stamp,
            fixed.challenge_from_client,
            parse_av_pairs(data[_NTLMV2_RESPONSE.size :]),
            bytes(data[16:]),
        )

    @property
    def flags(self) -> AvFlags:
        """MsvAvFlags, none if absent."""
        values = [pair.value for pair in self.av_pairs if pair.av_id == AvId.FLAGS]
        return AvFlags(int.from_bytes(values[0][:4], "little") if values else 0)


def message_type(data: Buffer) -> MessageType:
    """The type of an NTLM message.

    Raises:
        ParseError: it is none.
    """
    if bytes(data[:8]) != SIGNATURE or len(data) < 12:
        raise ParseError("not an NTLM message")
    return MessageType(int.from_bytes(data[8:12], "little"))


def parse_av_pairs(data: Buffer) -> tuple[AvPair, ...]:
    """The AV pairs up to MsvAvEOL, which is not among them, or up to the end: some peers omit it (MS-NLMP 2.2.2.1).

    Raises:
        ParseError: a pair is cut off.
    """
    reader = Reader(data)
    pairs = []
    while reader.remaining:
        av_id = AvId(reader.u16("AvId"))
        value = bytes(reader.take(reader.u16("AvLen"), "AV pair"))
        if av_id == AvId.EOL:
            break
        pairs.append(AvPair(av_id, value))
    return tuple(pairs)


def build_av_pairs(pairs: Iterable[AvPair]) -> bytes:
    """The bytes of these pairs, MsvAvEOL added."""
    out = [int(pair.av_id).to_bytes(2, "little") + len(pair.value).to_bytes(2, "little") + pair.value for pair in pairs]
    return b"".join(out) + bytes(4)


class _Payload:
    """Collects the variable parts behind a fixed part of `start` bytes."""

    def __init__(self, start: int) -> None:
        self._start = start
        self.data = b""

    def add(self, value: bytes) -> tuple[int, int, int]:
        """Len, MaxLen and BufferOffset of `value`, which is appended."""
        offset = self._start + len(self.data)
        self.data += value
        return len(value), len(value), offset


# Names in OEM encoding are in some code page of the client; the ASCII half is common to all, 437 leaves no byte out.
_OEM = "cp437"


def _encoding(flags: NegotiateFlags) -> str:
    return "utf-16-le" if flags & NegotiateFlags.UNICODE else _OEM


def _text(data: bytes, encoding: str) -> str:
    return data.decode(encoding, "replace")


def _opened(data: Buffer, expected: MessageType, least: int) -> memoryview:
    found = message_type(data)
    if found != expected:
        raise ParseError(f"NTLM message {found.name} where {expected.name} was expected", 8)
    if len(data) < least:
        raise ParseError(f"NTLM {expected.name} needs {least} bytes, {len(data)} are here")
    return memoryview(data)


def _padded(view: memoryview, size: int) -> bytes:
    return bytes(view[:size]).ljust(size, b"\x00")


def _payload(reader: Reader, length: int, offset: int, least: int, what: str) -> bytes:
    """A variable part; `least` is the size of the shortest fixed part, before which none can begin."""
    if length and offset < least:
        raise ParseError(f"{what} begins at {offset}, inside of the fixed fields", offset)
    return bytes(reader.at(offset, length, what))


def _has_room(view: memoryview, end: int, payloads: list[tuple[int, int]]) -> bool:
    """Whether the fixed part can reach to `end`."""
    return len(view) >= end and all(offset >= end for length, offset in payloads if length)


def _version(view: memoryview, flags: NegotiateFlags, offset: int, payloads: list[tuple[int, int]]) -> Version | None:
    if flags & NegotiateFlags.VERSION and _has_room(view, offset + _VERSION.size, payloads):
        return _VERSION.parse(view, offset)
    return None


def _build_version(version: Version | None) -> bytes:
    return bytes(_VERSION.size) if version is None else _VERSION.build(version)


def _announces_mic(nt_response: bytes) -> bool:
    """Whether the client's AV pairs carry the flag for a MIC (MS-NLMP 3.1.5.1.2)."""
    if len(nt_response) < _NTLMV2_RESPONSE.size:
        return False
    return bool(NtlmV2Response.parse(nt_response).flags & AvFlags.MIC_PRESENT)
