"""The SMB2 messages of one block in columns: framed units -> headers, compounds taken apart (MS-SMB2 2.2.1, 3.3.5.2.7).

A *unit* is what one transport frame carries: a message, a compound of them, or an encrypted or compressed one. All
bytes lie in one buffer, the arena: first what was on the wire, behind it what was decrypted.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.layout import everywhere, join_tables, take_rows
from parsers.smb2.header import HEADER, HEADER_SIZE
from parsers.verdicts import Decryption, Signature

__all__ = ["DECRYPTIONS", "SIGNATURES", "Fault", "Messages", "Units", "split_units"]

DECRYPTIONS = tuple(Decryption)
SIGNATURES = tuple(Signature)

_NEXT_COMMAND = Struct("<I").unpack_from
_NEXT_COMMAND_OFFSET = 20
_MAX_COMPOUND = 1 << 14  # messages in a unit; a unit of 16 MiB filled with the smallest useful requests has fewer

Column = npt.NDArray[np.int64]


@dataclass(slots=True)
class Units:
    """Framed units of a block, ordered by the frame that completes them. Columns int64 of shape (n,).

    `start` is an arena offset, `length` what the frame prefix declares, `present` how much of it was captured;
    `protocol` the first byte of the protocol id: 0xFE SMB2, 0xFD encrypted, 0xFC compressed, 0xFF SMB1.
    `connection` is a connection number, `sender` 0 for its client and 1 for its server.
    """

    start: Column
    length: Column
    present: Column
    position: Column
    first_frame: Column
    first_time: Column
    last_frame: Column
    last_time: Column
    connection: Column
    sender: Column
    protocol: Column

    def __len__(self) -> int:
        return len(self.start)

    @property
    def incomplete(self) -> npt.NDArray[np.bool_]:
        """Units of which the end is missing."""
        return self.present < self.length


@dataclass(frozen=True, slots=True)
class Fault:
    """Bytes of a unit that are no SMB2 message, and why."""

    unit: int
    offset: int  # in the arena
    length: int
    reason: str


@dataclass(slots=True)
class Messages:
    """Messages in order of completion. Columns of shape (n,).

    `header` is a structured array of `HEADER`; where `known` is false (a unit that could not be opened) only its
    session_id means something. `offset` and `end` are arena offsets of the message; `unit` is a row of `Units`.
    `decryption` and `signature` are indices into `DECRYPTIONS` and `SIGNATURES`; `session` a session number, -1
    for none; `name` a number of the name table, -1 for none.
    """

    header: npt.NDArray[Any]
    known: npt.NDArray[np.bool_]
    unit: Column
    offset: Column
    end: Column
    encrypted: npt.NDArray[np.bool_]
    decryption: npt.NDArray[np.uint8]
    signature: npt.NDArray[np.uint8]
    session: Column
    name: Column
    compressed: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.unit)

    def take(self, rows: Column) -> "Messages":
        """The given rows, in the given order."""
        return Messages(take_rows(self.header, rows), *(getattr(self, name)[rows] for name in Messages.__slots__[1:]))

    @staticmethod
    def concatenate(parts: "list[Messages]") -> "Messages":
        """All rows of all parts."""
        return Messages(
            join_tables([part.header for part in parts]),
            *(np.concatenate([getattr(part, name) for part in parts]) for name in Messages.__slots__[1:]),
        )

    @staticmethod
    def of_headers(arena: memoryview, unit: Column, offset: Column, end: Column, *, encrypted: bool) -> "Messages":
        """Messages whose headers stand at `offset`; each was plain or has been decrypted."""
        count = len(unit)
        verdict = Decryption.DECRYPTED if encrypted else Decryption.PLAINTEXT
        signature = Signature.NOT_COVERED if encrypted else Signature.UNSIGNED
        return Messages(
            HEADER.gather(arena, offset),
            np.ones(count, np.bool_),
            unit,
            offset,
            end,
            np.full(count, encrypted),
            np.full(count, DECRYPTIONS.index(verdict), np.uint8),
            np.full(count, SIGNATURES.index(signature), np.uint8),
            np.full(count, -1, np.int64),
            np.full(count, -1, np.int64),
            np.zeros(count, np.bool_),
        )

    @staticmethod
    def unopened(unit: Column, start: Column, end: Column, session_id: Column, verdict: Column) -> "Messages":
        """One row for each unit that could not be opened; `verdict` says why (indices into `DECRYPTIONS`)."""
        count = len(unit)
        header = np.zeros(count, HEADER.dtype)
        header["session_id"] = session_id
        return Messages(
            header,
            np.zeros(count, np.bool_),
            unit,
            start,
            end,
            np.ones(count, np.bool_),
            verdict.astype(np.uint8),
            np.full(count, SIGNATURES.index(Signature.NOT_COVERED), np.uint8),
            np.full(count, -1, np.int64),
            np.full(count, -1, np.int64),
            np.zeros(count, np.bool_),
        )


def split_units(
    arena: memoryview, units: Column, starts: Column, ends: Column, least: Column | int = HEADER_SIZE
) -> tuple[Column, Column, Column, list[Fault]]:
    """Take compounds apart: (unit, offset, end) of every message, in order, and what is no message.

    Args:
        arena: holds the bytes.
        units: number of each unit, for the answer.
        starts: where each unit's first header stands.
        ends: where each unit ends.
        least: bytes of a header that must be there for a message.
    """
    long_enough = ends - starts >= least
    faults = [
        Fault(number, first, last - first, "shorter than an SMB2 header")
        for number, first, last in _rows(units, starts, ends, ~long_enough)
    ]
    units, starts, ends = units[long_enough], starts[long_enough], ends[long_enough]
    following = everywhere(arena, "<u4")[starts + _NEXT_COMMAND_OFFSET]
    single = following == 0
    if bool(single.all()):
        return units, starts, ends, faults
    parts: list[tuple[int, int, int]] = []
    for number, first, last in _rows(units, starts, ends, ~single):
        parts += _split(arena, number, first, last, faults)
    compound = np.array(parts, np.int64).reshape(-1, 3)
    unit = np.concatenate([units[single], compound[:, 0]])
    order = np.argsort(unit, kind="stable")
    offsets = np.concatenate([starts[single], compound[:, 1]])
    message_ends = np.concatenate([ends[single], compound[:, 2]])
    return unit[order], offsets[order], message_ends[order], faults


def _rows(units: Column, starts: Column, ends: Column, chosen: npt.NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    return list(zip(units[chosen].tolist(), starts[chosen].tolist(), ends[chosen].tolist(), strict=True))


def _split(arena: memoryview, unit: int, start: int, end: int, faults: list[Fault]) -> list[tuple[int, int, int]]:
    """Follow NextCommand through one compound (MS-SMB2 2.2.1.2)."""
    parts = []
    while True:
        step = _NEXT_COMMAND(arena, start + _NEXT_COMMAND_OFFSET)[0]
        if step == 0:
            parts.append((unit, start, end))
            return parts
        if step < HEADER_SIZE or start + step + HEADER_SIZE > end or len(parts) == _MAX_COMPOUND:
            parts.append((unit, start, end))
            faults.append(Fault(unit, start, 0, f"NextCommand {step} leaves the compound"))
            return parts
        parts.append((unit, start, start + step))
        start += step
