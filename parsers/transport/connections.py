"""TCP connections: segments of a block -> what each direction of each connection delivers.

Segments are grouped by their two endpoints in columns. A SYN with another initial sequence number on the same
endpoints is a new connection (port reuse).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from parsers.transport.addresses import AddressBook
from parsers.transport.ip import ACK, FIN, RST, SYN, Segments
from parsers.transport.streams import Pieces
from parsers.transport.tcp import Arrivals, Direction

__all__ = ["CLIENT", "SERVER", "Connection", "ConnectionTracker", "Delivery", "Endpoint"]

CLIENT = 0  # who sends in a direction
SERVER = 1
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_UNNUMBERED = -1  # until all connections that a block begins are known
Column = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, as its number in the address book, and a port."""

    address: int
    port: int


@dataclass(slots=True, eq=False)
class Connection:
    """One TCP connection. Times are integer nanoseconds, frames count from 1; None is "not seen".

    `directions[CLIENT]` is what the client sends. Who is the client is known when a SYN was seen (`oriented`);
    otherwise the higher port is taken to be, until a protocol above knows better and calls `swap`.
    """

    number: int
    client: Endpoint
    server: Endpoint
    first_frame: int
    first_time: int
    oriented: bool = False
    last_frame: int = 0
    last_time: int = 0
    packets: int = 0
    syn_time: int | None = None
    syn_ack_time: int | None = None
    closed_by: str | None = None  # "client FIN", "server FIN", "client RST", "server RST": what came first
    closed_time: int | None = None
    directions: list[Direction] = field(default_factory=lambda: [Direction(), Direction()])

    def swap(self) -> None:
        """Client and server were taken for each other."""
        self.client, self.server = self.server, self.client
        self.directions.reverse()
        if self.closed_by is not None:
            side, _, how = self.closed_by.partition(" ")
            self.closed_by = f"{'server' if side == 'client' else 'client'} {how}"


@dataclass(slots=True)
class Delivery:
    """What one direction of one connection passes on. `sender` is CLIENT or SERVER as of now."""

    connection: Connection
    sender: int
    pieces: Pieces


class ConnectionTracker:
    """All connections of a capture, and the state that reassembly needs between blocks."""

    def __init__(self, book: AddressBook) -> None:
        self.connections: list[Connection] = []
        self._book = book
        self._current: dict[tuple[int, int], Connection] = {}
        self._new: list[Connection] = []

    def feed(self, segments: Segments) -> list[Delivery]:
        """What the segments of one block deliver, in order of connections."""
        parts = [part for key, rows in self._flows(segments) for part in self._incarnations(key, segments, rows)]
        self._number_new()
        parts.sort(key=lambda part: part[0].number)
        return [
            delivery for connection, rows in parts for delivery in self._feed_connection(connection, segments, rows)
        ]

    def _number_new(self) -> None:
        """Connections are numbered by the frames that begin them, however the capture is cut into blocks."""
        for connection in sorted(self._new, key=lambda connection: connection.first_frame):
            connection.number = len(self.connections)
            self.connections.append(connection)
        self._new.clear()

    def finish(self) -> list[Delivery]:
        """The capture ends: everything that waited behind a hole."""
        deliveries = []
        for connection in self.connections:
            for sender, direction in enumerate(connection.directions):
                pieces = direction.finish()
                if pieces is not None:
                    deliveries.append(Delivery(connection, sender, pieces))
        return deliveries

    def _flows(self, segments: Segments) -> Iterator[tuple[tuple[int, int], Column]]:
        """The rows of each pair of endpoints, in order of frames."""
        source = segments.source << 16 | segments.source_port
        destination = segments.destination << 16 | segments.destination_port
        low, high = np.minimum(source, destination), np.maximum(source, destination)
        # Numbers of 16 bits are sorted by counting. Pairs that share one only come in several parts.
        order = np.argsort(_mix(low, high), kind="stable")
        low, high = low[order], high[order]
        edges = np.flatnonzero((low[1:] != low[:-1]) | (high[1:] != high[:-1])) + 1
        flows: dict[tuple[int, int], list[Column]] = {}
        for start, end in pairwise([0, *edges.tolist(), len(order)] if len(order) else []):
            flows.setdefault((int(low[start]), int(high[start])), []).append(order[start:end])
        for key, parts in flows.items():
            yield key, parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _incarnations(
        self, key: tuple[int, int], segments: Segments, rows: Column
    ) -> Iterator[tuple[Connection, Column]]:
        """Cut the rows of one pair of endpoints where a new connection begins."""
        begin = 0
        connection = self._current.get(key)
        for index in np.flatnonzero(segments.flags[rows] & SYN).tolist():
            row = int(rows[index])
            if connection is None or self._is_reuse(connection, segments, row):
                if index > begin:
                    yield connection or self._open(key, segments, int(rows[begin])), rows[begin:index]
                    begin = index
                connection = self._open(key, segments, row)
            self._note_syn(connection, segments, row)
        if begin < len(rows):
            yield connection or self._open(key, segments, int(rows[begin])), rows[begin:]

    def _is_reuse(self, connection: Connection, segments: Segments, row: int) -> bool:
        sender = self._sender(connection, segments, row)
        initial = connection.directions[sender].initial_sequence
        if initial is None:
            # Nothing but a SYN+ACK may follow in a connection whose other side began it.
            return not segments.flags[row] & ACK or connection.directions[sender].started
        return bool(initial != segments.sequence[row])

    def _open(self, key: tuple[int, int], segments: Segments, row: int) -> Connection:
        source = Endpoint(int(segments.source[row]), int(segments.source_port[row]))
        destination = Endpoint(int(segments.destination[row]), int(segments.destination_port[row]))
        flags = int(segments.flags[row])
        from_client = not flags & ACK if flags & SYN else source.port >= destination.port
        client, server = (source, destination) if from_client else (destination, source)
        connection = Connection(
            _UNNUMBERED, client, server, int(segments.frame[row]), int(segments.time[row]), bool(flags & SYN)
        )
        self._new.append(connection)
        self._current[key] = connection
        return connection

    def _note_syn(self, connection: Connection, segments: Segments, row: int) -> None:
        sender = self._sender(connection, segments, row)
        connection.directions[sender].start(int(segments.sequence[row]))
        peer = connection.directions[1 - sender]
        if segments.flags[row] & ACK and not peer.started:  # its SYN was captured later, or not at all
            peer.start((int(segments.acknowledgment[row]) - 1) & 0xFFFF_FFFF)
        time = int(segments.time[row])
        if sender == CLIENT:
            connection.syn_time = connection.syn_time or time
        else:
            connection.syn_ack_time = connection.syn_ack_time or time

    def _sender(self, connection: Connection, segments: Segments, row: int) -> int:
        endpoint = Endpoint(int(segments.source[row]), int(segments.source_port[row]))
        return CLIENT if endpoint == connection.client else SERVER

    def _feed_connection(self, connection: Connection, segments: Segments, rows: Column) -> Iterator[Delivery]:
        segments.connection[rows] = connection.number
        connection.packets += len(rows)
        connection.last_frame = int(segments.frame[rows[-1]])
        connection.last_time = int(segments.time[rows[-1]])
        client = connection.client
        from_client = (segments.source[rows] == client.address) & (segments.source_port[rows] == client.port)
        sides = (rows[from_client], rows[~from_client])
        self._note_end(connection, segments, rows, from_client)
        for sender in (CLIENT, SERVER):
            direction = connection.directions[sender]
            back = sides[1 - sender]
            answers = back[(segments.flags[back] & (ACK | RST)) == ACK]
            arrivals = _arrivals(segments, sides[sender])
            pieces = direction.feed(arrivals, segments.acknowledgment[answers], connection.last_time)
            if pieces is not None:
                yield Delivery(connection, sender, pieces)

    def _note_end(
        self, connection: Connection, segments: Segments, rows: Column, from_client: npt.NDArray[np.bool_]
    ) -> None:
        ends = np.flatnonzero(segments.flags[rows] & (FIN | RST))
        if len(ends) and connection.closed_by is None:
            first = int(ends[0])
            how = "RST" if segments.flags[rows[first]] & RST else "FIN"
            connection.closed_by = f"{'client' if from_client[first] else 'server'} {how}"
            connection.closed_time = int(segments.time[rows[first]])


def _mix(low: Column, high: Column) -> npt.NDArray[np.uint16]:
    """Sixteen bits of a pair of endpoints."""
    mixed = low.view(np.uint64) * _MIX[0] ^ high.view(np.uint64) * _MIX[1]
    return (mixed >> np.uint64(48)).astype(np.uint16)


def _arrivals(segments: Segments, rows: Column) -> Arrivals:
    """The segments that carry payload; the text that some stacks put into a RST belongs to no stream (RFC 9293)."""
    wire_length = segments.length[rows] + segments.missing[rows]
    rows = rows[(wire_length > 0) & (segments.flags[rows] & RST == 0)]
    syn = (segments.flags[rows] & SYN) // SYN  # a SYN occupies the number before its payload (RFC 9293 3.4)
    return Arrivals(
        segments.buffer,
        segments.sequence[rows] + syn,
        segments.offset[rows],
        segments.length[rows],
        segments.missing[rows],
        segments.frame[rows],
        segments.time[rows],
    )
