"""SMB2 SESSION_SETUP (MS-SMB2 2.2.5, 2.2.6)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U8, U16, U32, U64, Layout
from parsers.smb2.body import parse_body, payload
from parsers.smb2.header import HEADER_SIZE
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode

__all__ = [
    "SESSION_SETUP_REQUEST",
    "SESSION_SETUP_RESPONSE",
    "SessionFlags",
    "SessionSetupFlags",
    "SessionSetupRequest",
    "SessionSetupRequestFixed",
    "SessionSetupResponse",
    "SessionSetupResponseFixed",
]

_REQUEST_SIZE = 25
_RESPONSE_SIZE = 9


class SessionSetupFlags(OpenFlag):
    """MS-SMB2 2.2.5, Flags."""

    BINDING = 0x01


class SessionFlags(OpenFlag):
    """MS-SMB2 2.2.6, SessionFlags."""

    IS_GUEST = 0x0001
    IS_NULL = 0x0002
    ENCRYPT_DATA = 0x0004


class SessionSetupRequestFixed(NamedTuple):
    """MS-SMB2 2.2.5."""

    structure_size: U16
    flags: U8
    security_mode: U8
    capabilities: U32
    channel: U32
    security_buffer_offset: U16
    security_buffer_length: U16
    previous_session_id: U64


class SessionSetupResponseFixed(NamedTuple):
    """MS-SMB2 2.2.6."""

    structure_size: U16
    session_flags: U16
    security_buffer_offset: U16
    security_buffer_length: U16


SESSION_SETUP_REQUEST = Layout(SessionSetupRequestFixed)
SESSION_SETUP_RESPONSE = Layout(SessionSetupResponseFixed)


@dataclass(frozen=True, slots=True)
class SessionSetupRequest:
    """MS-SMB2 2.2.5; `security_buffer` is the GSS token."""

    flags: SessionSetupFlags
    security_mode: SecurityMode
    capabilities: GlobalCapabilities
    previous_session_id: int
    security_buffer: bytes

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, or a buffer outside of the message.
        """
        fixed = parse_body(SESSION_SETUP_REQUEST, _REQUEST_SIZE, message)
        buffer = payload(message, fixed.security_buffer_offset, fixed.security_buffer_length, "security buffer")
        return cls(
            SessionSetupFlags(fixed.flags),
            SecurityMode(fixed.security_mode),
            GlobalCapabilities(fixed.capabilities),
            fixed.previous_session_id,
            bytes(buffer),
        )

    def build(self) -> bytes:
        """The body."""
        offset = HEADER_SIZE + SESSION_SETUP_REQUEST.size
        fixed = SessionSetupRequestFixed(
            _REQUEST_SIZE,
            self.flags,
            self.security_mode,
            self.capabilities,
            0,
            offset,
            len(self.security_buffer),
            self.previous_session_id,
        )
        return SESSION_SETUP_REQUEST.build(fixed) + self.security_buffer


@dataclass(frozen=True, slots=True)
class SessionSetupResponse:
    """MS-SMB2 2.2.6; `security_buffer` is the GSS token, empty where authentication needed no last leg."""

    session_flags: SessionFlags
    security_buffer: bytes

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read the body of `message`.

        Raises:
            ParseError: too short, another StructureSize, or a buffer outside of the message.
        """
        fixed = parse_body(SESSION_SETUP_RESPONSE, _RESPONSE_SIZE, message)
        buffer = payload(message, fixed.security_buffer_offset, fixed.security_buffer_length, "security buffer")
        return cls(SessionFlags(fixed.session_flags), bytes(buffer))

    def build(self) -> bytes:
        """The body."""
        offset = HEADER_SIZE + SESSION_SETUP_RESPONSE.size
        fixed = SessionSetupResponseFixed(_RESPONSE_SIZE, self.session_flags, offset, len(self.security_buffer))
        return SESSION_SETUP_RESPONSE.build(fixed) + self.security_buffer
