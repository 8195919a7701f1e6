"""Captures -> a pcapng in which what was encrypted is plain.

Connections of which a message was decrypted are written anew (`plain_tcp`), all other packets as they were. Nothing in
the file is secret but the plain text itself: no keys are written, neither those that were given nor those that the
captures hold.

It takes two passes. What a connection's first packet must be depends on whether a later message of it can be
decrypted, and a message that never became whole is found at the end only (`survey`).
"""

import os
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analyzer.export.files import atomic_output, rereadable
from analyzer.export.plain_tcp import PlainConnection
from analyzer.export.plain_units import plain_units
from analyzer.export.survey import Survey, survey
from parsers.capture.open import Captures, Source, open_captures
from parsers.capture.packets import PacketBlock
from parsers.capture.write import PcapngWriter
from parsers.errors import UsageError
from parsers.keys.store import KeyStore
from parsers.layout import Buffer
from parsers.pipeline import Sink, decode
from parsers.smb2.decoder import Batch
from parsers.transport.connections import CLIENT, SERVER, Endpoint
from parsers.transport.ip import FIN, RST, SYN, Segments

__all__ = ["ExportSummary", "write_decrypted"]

_APPLICATION = "sessionscope"


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written.

    `units_decrypted` and `units_left` count encrypted units (a message or a compound) of all connections: those that
    could be opened and those that stay as they were. `packets_written` are all in the file, `packets_passed` those of
    them that are the capture's own.
    """

    path: str
    connections_rewritten: int
    units_decrypted: int
    units_left: int
    packets_written: int
    packets_passed: int


def write_decrypted(
    sources: Source | Iterable[Source], keys: KeyStore, path: str | os.PathLike[str], *, sinks: Iterable[Sink] = ()
) -> ExportSummary:
    """Write the captures with plain SMB2 in place of what can be decrypted.

    The new packets have the addresses of the old ones, valid checksums, the initial sequence numbers of the capture,
    and the times at which their messages were complete. VLAN tags, tunnels and fragmentation are gone from
    them; without Ethernet they begin with the IP header. Messages that cannot be opened stay encrypted. The same
    captures and keys give the same bytes.

    Args:
        sources: captures as for `open_captures`; files or folders, since they are read twice.
        keys: what may open them.
        path: the file to write; it appears when it is complete.
        sinks: see every block of the second pass as well.

    Raises:
        UsageError: a source cannot be read or read twice, or `path` is one of them or cannot be written.
    """
    files = rereadable(sources)
    first = open_captures(files)
    _refuse_overwriting(first, path)
    with atomic_output(path) as file:  # opened before the long work: a path that cannot be written is told at once
        found = survey(first, keys)
        second = open_captures(files)
        rewriter = _Rewriter(PcapngWriter(file, application=_APPLICATION), found)
        decode(second, keys, [rewriter.sink, *sinks])
    return ExportSummary(
        os.fspath(path),
        len(found.plans),
        found.units_decrypted,
        found.units_left,
        rewriter.written,
        rewriter.passed,
    )


def _refuse_overwriting(captures: Captures, path: str | os.PathLike[str]) -> None:
    for file in captures.files:
        if Path(path).exists() and Path(path).samefile(file.name):
            raise UsageError(f"{os.fspath(path)} is one of the captures that are read: name another file to write")


class _Rewriter:
    """The second pass. `written` counts packets, `passed` those that are copies."""

    def __init__(self, writer: PcapngWriter, found: Survey) -> None:
        self.written = 0
        self.passed = 0
        self._writer = writer
        self._late = deque(found.late)
        self._clients: dict[int, Endpoint] = {number: plan.client for number, plan in found.plans.items()}
        self._connections = {number: PlainConnection(self._write, *plan.routes) for number, plan in found.plans.items()}
        for linktype, name in found.interfaces:
            writer.interface(linktype, name=name)

    def sink(self, block: PacketBlock | None, segments: Segments | None, batch: Batch) -> None:
        """See `parsers.pipeline.Sink`."""
        if block is None or segments is None:
            return  # the survey has kept these units, and they are written already
        replaced = np.flatnonzero(np.isin(segments.connection, list(self._connections)))
        passed = np.flatnonzero(~np.isin(block.frame, segments.frame[replaced]))
        units = plain_units(batch, self._connections)
        while self._late and self._late[0].frame <= block.frame[-1]:
            units.append(self._late.popleft())
        unit_frames = np.array([unit.frame for unit in units], np.int64)
        flags = segments.flags[replaced]
        opening = replaced[flags & SYN != 0]
        closing = replaced[(flags & (FIN | RST) != 0) & (flags & SYN == 0)]
        rows = (opening, passed, np.arange(len(units)), closing)  # in the order within a frame
        frames = (segments.frame[opening], block.frame[passed], unit_frames, segments.frame[closing])
        actions: tuple[Callable[[int], None], ...] = (
            lambda row: self._control(segments, row),
            lambda row: self._pass(block, row),
            lambda row: self._connections[units[row].connection].unit(units[row]),
            lambda row: self._control(segments, row),
        )
        kinds = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
        order = np.lexsort((kinds, np.concatenate(frames)))
        for kind, row in zip(kinds[order].tolist(), np.concatenate(rows)[order].tolist(), strict=True):
            actions[kind](row)

    def _pass(self, block: PacketBlock, row: int) -> None:
        start = int(block.offset[row])
        data = memoryview(block.buffer)[start : start + int(block.captured[row])]
        self._write(int(block.time[row]), data, int(block.interface[row]), int(block.length[row]))
        self.passed += 1

    def _control(self, segments: Segments, row: int) -> None:
        number = int(segments.connection[row])
        source = Endpoint(int(segments.source[row]), int(segments.source_port[row]))
        sender = CLIENT if source == self._clients[number] else SERVER
        self._connections[number].control(sender, int(segments.time[row]), int(segments.flags[row]))

    def _write(self, time: int, data: Buffer, interface: int, length: int | None = None) -> None:
        """Write a packet; a clock that stood before 1970, which pcapng cannot say, is written as 1970."""
        self._writer.packet(max(time, 0), data, interface=interface, original_length=length)
        self.written += 1
