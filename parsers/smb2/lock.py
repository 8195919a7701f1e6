"""SMB2 LOCK (MS-SMB2 2.2.26, 2.2.27)."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from parsers.enums import OpenFlag
from parsers.layout import U16, U32, U64, Layout
from parsers.smb2.body import parse_body, payload
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE

__all__ = [
    "LOCK_ELEMENT",
    "LOCK_REQUEST",
    "LOCK_RESPONSE",
    "LockElement",
    "LockElementFixed",
    "LockFlags",
    "LockRequest",
    "LockRequestFixed",
    "LockResponse",
    "LockResponseFixed",
]

_SEQUENCE_NUMBER_BITS = 4


class LockFlags(OpenFlag):
    """MS-SMB2 2.2.26.1, Flags."""

    SHARED_LOCK = 0x00000001
    EXCLUSIVE_LOCK = 0x00000002
    UNLOCK = 0x00000004
    FAIL_IMMEDIATELY = 0x00000010


class LockRequestFixed(NamedTuple):
    """MS-SMB2 2.2.26 up to Locks; `lock_sequence` is reserved in 2.0.2."""

    structure_size: U16
    lock_count: U16
    lock_sequence: U32
    persistent: U64
    volatile: U64


class LockElementFixed(NamedTuple):
    """MS-SMB2 2.2.26.1."""

    offset: U64
    length: U64
    flags: U32
    reserved: U32


class LockResponseFixed(NamedTuple):
    """MS-SMB2 2.2.27."""

    structure_size: U16
    reserved: U16


LOCK_REQUEST = Layout(LockRequestFixed)
LOCK_ELEMENT = Layout(LockElementFixed)
LOCK_RESPONSE = Layout(LockResponseFixed)


@dataclass(frozen=True, slots=True)
class LockElement:
    """MS-SMB2 2.2.26.1: one range, in bytes."""

    offset: int
    length: int
    flags: LockFlags


@dataclass(frozen=True, slots=True)
class LockRequest:
    """MS-SMB2 2.2.26.

    The index (0 to 64; 0 is none) names a slot in which the server keeps the number of the last request, so that it
    recognises one that was repeated after a reconnect (3.3.5.14).
    """

    lock_sequence_number: int
    lock_sequence_index: int
    file_id: FileId
    locks: tuple[LockElement, ...]

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header. No locks at all are against the rules, but readable.

        Raises:
            ParseError: too short for LockCount elements, or another StructureSize.
        """
        fixed = parse_body(LOCK_REQUEST, 48, message)
        size = fixed.lock_count * LOCK_ELEMENT.size
        elements = payload(message, HEADER_SIZE + LOCK_REQUEST.size, size, "Locks")
        raw = [LOCK_ELEMENT.parse(elements, start) for start in range(0, size, LOCK_ELEMENT.size)]
        return cls(
            fixed.lock_sequence & ((1 << _SEQUENCE_NUMBER_BITS) - 1),
            fixed.lock_sequence >> _SEQUENCE_NUMBER_BITS,
            FileId(fixed.persistent, fixed.volatile),
            tuple(LockElement(element.offset, element.length, LockFlags(element.flags)) for element in raw),
        )

    def build(self) -> bytes:
        """The body."""
        sequence = self.lock_sequence_index << _SEQUENCE_NUMBER_BITS | self.lock_sequence_number
        fixed = LOCK_REQUEST.build(LockRequestFixed(48, len(self.locks), sequence, *self.file_id))
        elements = (LockElementFixed(lock.offset, lock.length, lock.flags, 0) for lock in self.locks)
        return fixed + b"".join(map(LOCK_ELEMENT.build, elements))


@dataclass(frozen=True, slots=True)
class LockResponse:
    """MS-SMB2 2.2.27: says only that it happened."""

    @classmethod
    def parse(cls, message: memoryview) -> Self:
        """Read `message`, which begins with its header.

        Raises:
            ParseError: too short, or another StructureSize.
        """
        parse_body(LOCK_RESPONSE, 4, message)
        return cls()

    def build(self) -> bytes:
        """The body."""
        return LOCK_RESPONSE.build(LockResponseFixed(4, 0))
