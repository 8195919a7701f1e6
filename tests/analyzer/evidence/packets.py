"""TCP segments made by hand, in the columns that the stages before evidence give."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from parsers.transport.addresses import AddressBook
from parsers.transport.connections import Connection, ConnectionTracker
from parsers.transport.ip import ACK, SYN, Segments

MS = 1_000_000


@dataclass
class Wire:
    """A conversation between a client (port 50000) and a server (port 445); each call adds one packet.

    `now` is the time of the next packet, nanoseconds. Sequence numbers are relative to those of the SYNs.
    """

    now: int = 1_000 * MS
    port: int = 50_000
    start: tuple[int, int] = (0xFFFF_FF00, 7_000)  # the client's numbers pass zero after 256 bytes
    rows: list[tuple[int, ...]] = field(default_factory=list)
    _buffer: bytearray = field(default_factory=bytearray)

    def send(
        self, sender: int, at: int, size: int = 0, *, ack: int | None = None, flags: int = ACK, window: int = 500,
        ident: int = 0, later: float = 1,
    ) -> "Wire":  # fmt: skip
        """A packet of `sender` (0: client) with `size` bytes from position `at`; the next comes `later` ms after."""
        addresses, ports = ((0, 1), (self.port, 445)) if sender == 0 else ((1, 0), (445, self.port))
        sequence = (self.start[sender] + 1 + at) & 0xFFFF_FFFF
        if flags & SYN:
            sequence = self.start[sender]
        acknowledgment = 0 if ack is None else (self.start[1 - sender] + 1 + ack) & 0xFFFF_FFFF
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + size, ident, 0, 64, 6, 0, *addresses)
        tcp = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledgment, 0x50, flags, window, 0, 0)
        self._buffer += ip + tcp
        offset = len(self._buffer)
        self._buffer += bytes(size)
        self.rows.append(
            (self.now, *addresses, *ports, sequence, acknowledgment, flags, window, offset, size)
        )  # fmt: skip
        self.now += int(later * MS)
        return self

    def handshake(self) -> "Wire":
        """SYN, its answer 10 ms later, and the third packet."""
        self.send(0, 0, flags=SYN, later=10).send(1, 0, ack=0, flags=SYN | ACK, later=1)
        return self.send(0, 0, ack=0)


@contextmanager
def segments(*wires: Wire, first: int = 0, last: int | None = None) -> Iterator[tuple[Segments, list[Connection]]]:
    """The packets of conversations as one block, in order of time, their connections tracked."""
    yield make(list(wires), first, last, ConnectionTracker(AddressBook()))


def make(
    wires: list[Wire], first: int, last: int | None, tracker: ConnectionTracker
) -> tuple[Segments, list[Connection]]:
    """Rows `first` to `last` of all packets in order of time."""
    buffer = bytearray()
    rows = []
    for wire in wires:
        rows += [(*row[:9], row[9] + len(buffer), row[10]) for row in wire.rows]
        buffer += wire._buffer
    rows.sort(key=lambda row: row[0])
    table = np.array([(number + 1, *row) for number, row in enumerate(rows)], np.int64)[first:last]
    columns = [np.ascontiguousarray(column) for column in table.T]
    frame, time, source, destination, source_port, destination_port, sequence, ack, flags, window, offset, size = (
        columns
    )
    zeros = np.zeros(len(frame), np.int64)
    made = Segments(
        buffer + bytes(256), frame, time, source, destination, source_port, destination_port, sequence, ack, flags,
        window, offset, size, zeros, zeros - 1,
    )  # fmt: skip
    tracker.feed(made)
    return made, tracker.connections
