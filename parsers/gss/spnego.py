"""SPNEGO tokens (RFC 4178 4.2, MS-SPNG 2.2.1), and the raw NTLM and Kerberos tokens that may stand in their place.

A token that was fragmented (MS-SPNG 3.1.5.6) is put together by the length in its outermost DER header.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from parsers.enums import OpenEnum
from parsers.errors import ParseError
from parsers.gss import der
from parsers.layout import Buffer

__all__ = [
    "MAX_TOKEN",
    "Mechanism",
    "NegState",
    "NegTokenInit",
    "NegTokenResp",
    "RawToken",
    "mechanism_name",
    "mechanism_of",
    "mechanism_tokens",
    "missing_bytes",
    "parse",
]

MAX_TOKEN = 1 << 20
"""Bound of a reassembled token. The largest Kerberos tokens of Windows (MaxTokenSize) have 64 KiB."""

_NTLM_SIGNATURE = b"NTLMSSP\x00"
_INITIAL_CONTEXT_TOKEN = der.application(0)  # RFC 2743 3.1
# Kerberos messages without any frame: AP-REQ, AP-REP, KRB-ERROR (RFC 4120 5.10).
_RAW_KERBEROS = (der.application(14), der.application(15), der.application(30))


class Mechanism(StrEnum):
    """Object identifiers of the mechanisms that SMB meets; others stay plain strings."""

    SPNEGO = "1.3.6.1.5.5.2"
    NTLM = "1.3.6.1.4.1.311.2.2.10"
    KERBEROS = "1.2.840.113554.1.2.2"
    MS_KERBEROS = "1.2.840.48018.1.2.2"
    KERBEROS_USER_TO_USER = "1.2.840.113554.1.2.2.3"
    NEGOEX = "1.3.6.1.4.1.311.2.2.30"
    IAKERB = "1.3.6.1.5.2.5"


_NAMES = {
    Mechanism.SPNEGO: "SPNEGO",
    Mechanism.NTLM: "NTLM",
    Mechanism.KERBEROS: "Kerberos",
    Mechanism.MS_KERBEROS: "MS-Kerberos",
    Mechanism.KERBEROS_USER_TO_USER: "Kerberos user-to-user",
    Mechanism.NEGOEX: "NegoEx",
    Mechanism.IAKERB: "IAKERB",
}


class NegState(OpenEnum):
    """RFC 4178 4.2.2, negState."""

    ACCEPT_COMPLETED = 0
    ACCEPT_INCOMPLETE = 1
    REJECT = 2
    REQUEST_MIC = 3


@dataclass(frozen=True, slots=True)
class NegTokenInit:
    """RFC 4178 4.2.1, and NegTokenInit2 of MS-SPNG 2.2.1, which a server sends first.

    The two differ in [3]: mechListMIC in the one, negHints in the other, where mechListMIC is [4]. `hint_name` and
    `hint_address` are the negHints; `build` writes a NegTokenInit2 if either is there.
    """

    mech_types: tuple[str, ...] = ()
    req_flags: bytes | None = None
    mech_token: bytes | None = None
    hint_name: str | None = None
    hint_address: bytes | None = None
    mech_list_mic: bytes | None = None

    @classmethod
    def parse(cls, sequence: der.Element) -> "NegTokenInit":
        """The fields of the SEQUENCE inside of [0]."""
        fields = _fields(sequence, "NegTokenInit")
        mech_types: tuple[str, ...] = ()
        if 0 in fields:
            listed = fields[0].only(der.SEQUENCE, "mechTypes").children()
            mech_types = tuple(_oid(element) for element in listed)
        hints: dict[int, der.Element] = {}
        mic = fields.get(4)
        if 3 in fields:
            if fields[3].content[:1] == bytes((der.SEQUENCE,)):
                hints = _fields(fields[3].only(der.SEQUENCE, "negHints"), "negHints")
            else:
                mic = fields[3]
        hint_name = hints[0].only(der.GENERAL_STRING, "hintName") if 0 in hints else None
        return cls(
            mech_types,
            bytes(fields[1].only(der.BIT_STRING, "reqFlags").content) if 1 in fields else None,
            _octets(fields.get(2), "mechToken"),
            str(hint_name.content, "ascii", "backslashreplace") if hint_name else None,
            _octets(hints.get(1), "hintAddress"),
            _octets(mic, "mechListMIC"),
        )

    def build(self) -> bytes:
        """The whole token, framed as InitialContextToken (RFC 2743 3.1)."""
        mech_types = der.build(der.SEQUENCE, *(der.build_oid(oid) for oid in self.mech_types))
        fields = [der.build(der.context(0), mech_types)]
        if self.req_flags is not None:
            fields.append(der.build(der.context(1), der.build(der.BIT_STRING, self.req_flags)))
        fields.append(_build_octets(2, self.mech_token))
        mic_number = 3
        if self.hint_name is not None or self.hint_address is not None:
            mic_number = 4
            hints = []
            if self.hint_name is not None:
                name = der.build(der.GENERAL_STRING, self.hint_name.encode("ascii"))
                hints.append(der.build(der.context(0), name))
            hints.append(_build_octets(1, self.hint_address))
            fields.append(der.build(der.context(3), der.build(der.SEQUENCE, *hints)))
        fields.append(_build_octets(mic_number, self.mech_list_mic))
        inner = der.build(der.context(0), der.build(der.SEQUENCE, *fields))
        return der.build(_INITIAL_CONTEXT_TOKEN, der.build_oid(Mechanism.SPNEGO), inner)


@dataclass(frozen=True, slots=True)
class NegTokenResp:
    """RFC 4178 4.2.2: every token after the first, of both sides."""

    neg_state: NegState | None = None
    supported_mech: str | None = None
    response_token: bytes | None = None
    mech_list_mic: bytes | None = None

    @classmethod
    def parse(cls, sequence: der.Element) -> "NegTokenResp":
        """The fields of the SEQUENCE inside of [1]."""
        fields = _fields(sequence, "NegTokenResp")
        neg_state = None
        if 0 in fields:
            state = fields[0].only(der.ENUMERATED, "negState").content
            if len(state) != 1:
                raise ParseError(f"negState has {len(state)} bytes")
            neg_state = NegState(state[0])
        return cls(
            neg_state,
            _oid(fields[1].only(der.OBJECT_IDENTIFIER, "supportedMech")) if 1 in fields else None,
            _octets(fields.get(2), "responseToken"),
            _octets(fields.get(3), "mechListMIC"),
        )

    def build(self) -> bytes:
        """The whole token."""
        fields = []
        if self.neg_state is not None:
            fields.append(der.build(der.context(0), der.build(der.ENUMERATED, bytes((self.neg_state,)))))
        if self.supported_mech is not None:
            fields.append(der.build(der.context(1), der.build_oid(self.supported_mech)))
        fields.append(_build_octets(2, self.response_token))
        fields.append(_build_octets(3, self.mech_list_mic))
        return der.build(der.context(1), der.build(der.SEQUENCE, *fields))


@dataclass(frozen=True, slots=True)
class RawToken:
    """A token of a mechanism without SPNEGO around it. `token` is all of it, GSS frame included where there is one."""

    mechanism: str
    token: bytes


def parse(data: Buffer) -> NegTokenInit | NegTokenResp | RawToken:
    """The GSS token that fills `data` exactly.

    Raises:
        ParseError: incomplete (`missing_bytes` tells how much), followed by other bytes, or nothing known.
    """
    if bytes(data[:8]) == _NTLM_SIGNATURE:
        return RawToken(Mechanism.NTLM, bytes(data))
    token = der.parse(data)
    if token.tag in _RAW_KERBEROS:
        return RawToken(Mechanism.KERBEROS, bytes(data))
    if token.tag == _INITIAL_CONTEXT_TOKEN:
        mechanism, inner_offset = _frame(token)
        if mechanism != Mechanism.SPNEGO:
            return RawToken(mechanism, bytes(data))
        token = der.parse(token.content[inner_offset:])
    if token.tag == der.context(0):
        return NegTokenInit.parse(token.only(der.SEQUENCE, "NegTokenInit"))
    if token.tag == der.context(1):
        return NegTokenResp.parse(token.only(der.SEQUENCE, "NegTokenResp"))
    raise ParseError(f"no GSS token begins with tag 0x{token.tag:02x}")


def missing_bytes(data: Buffer) -> int:
    """How many bytes the token that begins with `data` still lacks, as far as its outermost length tells.

    0 for a complete token, for one without DER around it, and for no token at all.

    Raises:
        ParseError: the outermost header is not DER.
    """
    if len(data) == 0 or _NTLM_SIGNATURE.startswith(bytes(data[:8])):
        return 0
    size = der.announced_size(data)
    return 1 if size is None else max(size - len(data), 0)


def mechanism_tokens(tokens: Iterable[Buffer]) -> Iterator[bytes]:
    """The mechanism's own tokens inside of the security buffers that one side sent, in order, fragments joined.

    Tokens without one (a bare choice of mechanism, or a mechListMIC alone) give nothing.

    Raises:
        ParseError: a token is malformed or longer than `MAX_TOKEN`. The last one being incomplete is no error.
    """
    for token in _whole(tokens):
        match parse(token):
            case NegTokenInit(mech_token=inner) | NegTokenResp(response_token=inner) | RawToken(token=inner):
                if inner:
                    yield inner


def mechanism_of(client_tokens: Iterable[Buffer], server_tokens: Iterable[Buffer]) -> str | None:
    """The object identifier of the mechanism that the two sides use, as far as their tokens show; None if not at all.

    The server's choice counts (RFC 4178 3.2); before it speaks, the client's preferred mechanism is the one used.

    Raises:
        ParseError: as `mechanism_tokens`.
    """
    for token in _whole(server_tokens):
        match parse(token):
            case NegTokenResp(supported_mech=str(chosen)) | RawToken(mechanism=chosen):
                return chosen
    for token in _whole(client_tokens):
        match parse(token):
            case NegTokenInit(mech_types=(preferred, *_)) | RawToken(mechanism=preferred):
                return preferred
    return None


def mechanism_name(oid: str) -> str:
    """What people call a mechanism: "NTLM", "Kerberos", "MS-Kerberos", ...; an unknown one by its identifier."""
    return next((name for mechanism, name in _NAMES.items() if mechanism == oid), oid)


def _whole(tokens: Iterable[Buffer]) -> Iterator[bytes]:
    pending = b""
    for part in tokens:
        pending += part
        if len(pending) > MAX_TOKEN:
            raise ParseError(f"a fragmented GSS token is longer than {MAX_TOKEN} bytes")
        if pending and not missing_bytes(pending):
            yield pending
            pending = b""


def _frame(token: der.Element) -> tuple[str, int]:
    """Mechanism of an InitialContextToken, and where its inner token begins (RFC 2743 3.1).

    What follows the identifier is DER in SPNEGO only, so the content is not read as a list of elements.
    """
    size = der.announced_size(token.content)
    if size is None or size > len(token.content):
        raise ParseError("the mechanism of an InitialContextToken is cut off")
    return _oid(der.parse(token.content[:size])), size


def _fields(sequence: der.Element, what: str) -> dict[int, der.Element]:
    """The [n] elements of a SEQUENCE, by n."""
    fields: dict[int, der.Element] = {}
    for element in sequence.children():
        number = element.tag ^ der.context(0)
        if number > 30 or number in fields:
            raise ParseError(f"{what} has an element of tag 0x{element.tag:02x} that does not belong there")
        fields[number] = element
    return fields


def _oid(element: der.Element) -> str:
    if element.tag != der.OBJECT_IDENTIFIER:
        raise ParseError(f"object identifier expected, found tag 0x{element.tag:02x}")
    return element.oid()


def _octets(field: der.Element | None, what: str) -> bytes | None:
    return None if field is None else bytes(field.only(der.OCTET_STRING, what).content)


def _build_octets(number: int, value: bytes | None) -> bytes:
    return b"" if value is None else der.build(der.context(number), der.build(der.OCTET_STRING, value))
