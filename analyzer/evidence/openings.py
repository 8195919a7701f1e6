"""How connections open, and the few other messages whose bodies rules look into: control codes, compression."""

from dataclasses import dataclass, field

import numpy as np

from analyzer.evidence.headers import Headers
from parsers.errors import ParseError
from parsers.layout import everywhere
from parsers.smb2.decoder import Batch
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import HEADER_SIZE, Command, Flags
from parsers.smb2.ioctl import IoctlRequest
from parsers.smb2.transform import COMPRESSION_UNCHAINED

__all__ = ["Compressed", "Control", "First", "OpeningEvidence"]

_CODES = (FsctlCode.VALIDATE_NEGOTIATE_INFO, FsctlCode.LMR_REQUEST_RESILIENCY)
_COMPRESSED = 0xFC


@dataclass(frozen=True, slots=True)
class First:
    """The first message of a connection: `protocol` is the first byte of its id, `command` None if it is not plain."""

    frame: int
    time: int
    sender: int
    protocol: int
    command: int | None


@dataclass(frozen=True, slots=True)
class Control:
    """An IOCTL request with a code that rules look into; `protected` is whether it is signed or encrypted."""

    frame: int
    time: int
    connection: int
    session: int
    message_id: int
    code: FsctlCode
    data: bytes
    protected: bool


@dataclass(frozen=True, slots=True)
class Compressed:
    """The first compressed message of a connection with an algorithm; None where it is chained or was encrypted."""

    connection: int
    sender: int
    algorithm: int | None
    frame: int
    time: int


@dataclass(slots=True)
class OpeningEvidence:
    """Feed it what a sink of `parsers.pipeline.decode` gets. `firsts` is by connection."""

    firsts: dict[int, First] = field(default_factory=dict)
    controls: list[Control] = field(default_factory=list)
    compressed: dict[tuple[int, int | None], Compressed] = field(default_factory=dict)

    def take(self, batch: Batch, headers: Headers) -> None:
        """Take one block."""
        if len(batch.units) == 0:
            return
        self._note_firsts(batch)
        self._note_controls(batch, headers)
        self._note_compressed(batch)

    def _note_firsts(self, batch: Batch) -> None:
        units, messages = batch.units, batch.messages
        known = np.zeros(int(units.connection.max()) + 1, np.bool_)
        known[[number for number in self.firsts if number < len(known)]] = True
        new = np.flatnonzero(~known[units.connection])
        if len(new) == 0:
            return
        for number, place in zip(*np.unique(units.connection[new], return_index=True), strict=True):
            unit = int(new[place])
            row = int(np.searchsorted(messages.unit, unit))
            plain = row < len(messages) and messages.unit[row] == unit and bool(messages.known[row])
            self.firsts[int(number)] = First(
                int(units.last_frame[unit]),
                int(units.last_time[unit]),
                int(units.sender[unit]),
                int(units.protocol[unit]),
                int(messages.header["command"][row]) if plain else None,
            )

    def _note_controls(self, batch: Batch, headers: Headers) -> None:
        messages, units, header = batch.messages, batch.units, batch.messages.header
        rows = np.flatnonzero(headers.request & (headers.command == Command.IOCTL))
        if len(rows) == 0:
            return
        rows = rows[messages.offset[rows] + HEADER_SIZE + 8 <= messages.end[rows]]
        codes = everywhere(batch.arena, "<u4")[messages.offset[rows] + HEADER_SIZE + 4]
        for row in rows[np.isin(codes, _CODES)].tolist():
            try:
                request = IoctlRequest.parse(batch.arena[int(messages.offset[row]) : int(messages.end[row])])
            except ParseError:
                continue
            unit = int(messages.unit[row])
            signed = bool(int(header["flags"][row]) & Flags.SIGNED)
            self.controls.append(
                Control(
                    int(units.last_frame[unit]), int(units.last_time[unit]), int(units.connection[unit]),
                    int(messages.session[row]), int(header["message_id"][row]), request.ctl_code, request.input,
                    signed or bool(messages.encrypted[row]),
                )
            )  # fmt: skip

    def _note_compressed(self, batch: Batch) -> None:
        messages, units = batch.messages, batch.units
        compressed = units.protocol == _COMPRESSED
        if not compressed.any() and not messages.compressed.any():
            return
        outer = np.flatnonzero(compressed & ~units.incomplete & (units.length >= COMPRESSION_UNCHAINED.size))
        header = COMPRESSION_UNCHAINED.gather(batch.arena, units.start[outer])
        algorithm = np.where(header["flags"] == 0, header["compression_algorithm"].astype(np.int64), -1)
        inner = np.unique(messages.unit[messages.compressed & messages.encrypted])
        places = (*zip(outer.tolist(), algorithm.tolist(), strict=True), *((unit, -1) for unit in inner.tolist()))
        for unit, number in places:
            key = int(units.connection[unit]), None if number < 0 else int(number)
            if key not in self.compressed:
                frame, time = int(units.last_frame[unit]), int(units.last_time[unit])
                self.compressed[key] = Compressed(key[0], int(units.sender[unit]), key[1], frame, time)
