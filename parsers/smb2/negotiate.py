"""SMB2 NEGOTIATE (MS-SMB2 2.2.3, 2.2.4)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U16, U32, U64, Bytes16, Layout
from parsers.smb2.body import decode_u16s, encode_u16s, pad8, parse_body, payload
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import HEADER_SIZE
from parsers.smb2.negotiate_contexts import NegotiateContext, build_negotiate_contexts, parse_negotiate_contexts

__all__ = [
    "NEGOTIATE_REQUEST",
    "NEGOTIATE_RESPONSE",
    "GlobalCapabilities",
    "NegotiateRequest",
    "NegotiateRequestFixed",
    "NegotiateResponse",
    "NegotiateResponseFixed",
    "SecurityMode",
]

_REQUEST_SIZE = 36
_RESPONSE_SIZE = 65


class SecurityMode(OpenFlag):
    """MS-SMB2 2.2.3, SecurityMode."""

    SIGNING_ENABLED = 0x0001
    SIGNING_REQUIRED = 0x0002


class GlobalCapabilities(OpenFlag):
    """MS-SMB2 2.2.3, Capabilities."""

    DFS = 0x00000001
    LEASING = 0x00000002
    LARGE_MTU = 0x00000004
    MULTI_CHANNEL = 0x00000008
    PERSISTENT_HANDLES = 0x00000010
    DIRECTORY_LEASING = 0x00000020
    ENCRYPTION = 0x00000040
    NOTIFICATIONS = 0x00000080


class NegotiateRequestFixed(NamedTuple):
    """MS-SMB2 2.2.3; the last three fields are ClientStartTime, reserved, where 3.1.1 is not among the dialects."""

    structure_size: U16
    dialect_count: U16
    security_mode: U16
    reserved: U16
    capabilities: U32
    client_guid: Bytes16
    negotiate_context_offset: U32
    negotiate_context_count: U16
    reserved2: U16


class NegotiateResponseFixed(NamedTuple):
    """MS-SMB2 2.2.4; the two context fields are reserved before 3.1.1."""

    structure_size: U16
    security_mode: U16
    dialect_revision: U16
    negotiate_context_count: U16
    server_guid: Bytes16
    capabilities: U32
    max_transact_size: U32
    max_read_size: U32
    max_write_size: U32
    system_time: U64
    server_start_time: U64
    security_buffer_offset: U16
    security_buffer_length: U16
    negotiate_context_offset: U32


NEGOTIATE_REQUEST = Layout(NegotiateRequestFixed)
NEGOTIATE_RESPONSE = Layout(NegotiateResponseFixed)


@dataclass(frozen=True, slots=True)
class NegotiateRequest:
    """MS-SMB2 2.2.3; `contexts` exist only where 3.1.1 is among the dialects."""

    security_mode: SecurityMode
    capabilities: GlobalCapabilities
    client_guid: bytes
    dialects: tuple[Dialect, ...]
    contexts: tuple[NegotiateContext, ...] = ()

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, or a dialect or context outside of the message.
        """
        fixed = parse_body(NEGOTIATE_REQUEST, _REQUEST_SIZE, message)
        wire = payload(message, HEADER_SIZE + NEGOTIATE_REQUEST.size, 2 * fixed.dialect_count, "dialects")
        dialects = tuple(Dialect(value) for value in decode_u16s(wire))
        contexts: tuple[NegotiateContext, ...] = ()
        if Dialect.SMB_3_1_1 in dialects:
            contexts = parse_negotiate_contexts(message, fixed.negotiate_context_offset, fixed.negotiate_context_count)
        return cls(
            SecurityMode(fixed.security_mode),
            GlobalCapabilities(fixed.capabilities),
            fixed.client_guid,
            dialects,
            contexts,
        )

    def build(self) -> bytes:
        """The body."""
        dialects = encode_u16s(self.dialects)
        end = HEADER_SIZE + NEGOTIATE_REQUEST.size + len(dialects)
        padding = pad8(end) if self.contexts else b""
        fixed = NegotiateRequestFixed(
            _REQUEST_SIZE,
            len(self.dialects),
            self.security_mode,
            0,
            self.capabilities,
            self.client_guid,
            end + len(padding) if self.contexts else 0,
            len(self.contexts),
            0,
        )
        return NEGOTIATE_REQUEST.build(fixed) + dialects + padding + build_negotiate_contexts(self.contexts)


@dataclass(frozen=True, slots=True)
class NegotiateResponse:
    """MS-SMB2 2.2.4; both times are FILETIME, `security_buffer` is the GSS token of NegTokenInit2."""

    security_mode: SecurityMode
    dialect_revision: Dialect
    server_guid: bytes
    capabilities: GlobalCapabilities
    max_transact_size: int
    max_read_size: int
    max_write_size: int
    system_time: int
    server_start_time: int
    security_buffer: bytes
    contexts: tuple[NegotiateContext, ...] = ()

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, or a buffer or context outside of the message.
        """
        fixed = parse_body(NEGOTIATE_RESPONSE, _RESPONSE_SIZE, message)
        buffer = payload(message, fixed.security_buffer_offset, fixed.security_buffer_length, "security buffer")
        contexts: tuple[NegotiateContext, ...] = ()
        if fixed.dialect_revision == Dialect.SMB_3_1_1:
            contexts = parse_negotiate_contexts(message, fixed.negotiate_context_offset, fixed.negotiate_context_count)
        return cls(
            SecurityMode(fixed.security_mode),
            Dialect(fixed.dialect_revision),
            fixed.server_guid,
            GlobalCapabilities(fixed.capabilities),
            fixed.max_transact_size,
            fixed.max_read_size,
            fixed.max_write_size,
            fixed.system_time,
            fixed.server_start_time,
            bytes(buffer),
            contexts,
        )

    def build(self) -> bytes:
        """The body."""
        offset = HEADER_SIZE + NEGOTIATE_RESPONSE.size
        end = offset + len(self.security_buffer)
        padding = pad8(end) if self.contexts else b""
        fixed = NegotiateResponseFixed(
            _RESPONSE_SIZE,
            self.security_mode,
            self.dialect_revision,
            len(self.contexts),
            self.server_guid,
            self.capabilities,
            self.max_transact_size,
            self.max_read_size,
            self.max_write_size,
            self.system_time,
            self.server_start_time,
            offset,
            len(self.security_buffer),
            end + len(padding) if self.contexts else 0,
        )
        built = NEGOTIATE_RESPONSE.build(fixed) + self.security_buffer + padding
        return built + build_negotiate_contexts(self.contexts)
