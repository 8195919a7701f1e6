"""The TCP segments of one capture, reduced to what finds them again in another capture of the same traffic."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.capture.open import Source, open_captures
from parsers.growing import GrowingTable
from parsers.transport.addresses import AddressBook
from parsers.transport.connections import CLIENT, Connection, ConnectionTracker, Endpoint
from parsers.transport.ip import ACK, FIN, RST, SYN, SegmentDecoder, Segments

__all__ = ["SEGMENT", "Trace", "collect", "mix"]

Rows = npt.NDArray[Any]
Column = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

SEGMENT = np.dtype(
    [
        ("packet", "u8"), ("content", "u8"), ("time", "i8"), ("frame", "i4"), ("connection", "i4"), ("sequence", "u4"),
        ("length", "i4"), ("flags", "u1"), ("sender", "u1"), ("counted", "?"),
    ]
)  # fmt: skip
"""One segment, 43 bytes.

`content` is a hash of what it says: sequence and acknowledgment numbers, length, SYN, FIN, RST, ACK. `packet` also has
what tells one transmission of it from the next: IPv4 identification, window, TCP options. Neither holds addresses or
ports, which a NAT changes. `counted`: it has an identification, so that the same `packet` twice is one packet that was
captured twice. `sender` is CLIENT or SERVER of `parsers.transport.connections`.
"""

_STEADY = FIN | SYN | RST | ACK  # PSH, ECE and CWR are changed on the way, by offloading and by routers
_TCP = 6
_SIZES = (32, 20, *range(24, 64, 4))  # of a TCP header, the common ones first
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@dataclass(slots=True)
class Trace:
    """All segments of one capture.

    Attributes:
        name: of its first file.
        rows: of `SEGMENT`, in order of frames; what was captured twice is there once.
        connections: of the capture, as `rows` number them.
        book: of their addresses.
    """

    name: str
    rows: Rows
    connections: list[Connection]
    book: AddressBook

    def endpoints(self, connection: int) -> tuple[str, str]:
        """Client and server of a connection, as text."""
        ends = self.connections[connection]
        return self._text(ends.client), self._text(ends.server)

    def _text(self, end: Endpoint) -> str:
        address = self.book.text(end.address)
        return f"[{address}]:{end.port}" if ":" in address else f"{address}:{end.port}"


def collect(sources: Iterable[Source]) -> Trace:
    """Read captures once more, no further than to TCP.

    Raises:
        UsageError: one of them cannot be read.
    """
    captures = open_captures(sources)
    decoder = SegmentDecoder()
    tracker = ConnectionTracker(decoder.book)
    table = GrowingTable(SEGMENT)
    for block in captures:
        segments = decoder.decode(block)
        tracker.feed(segments)
        table.append(_rows(segments, tracker.connections))
    rows = _once(table.rows.copy())
    return Trace(captures.files[0].name, rows, tracker.connections, decoder.book)


def mix(values: Keys) -> Keys:
    """Spread 64-bit values over all 64 bits, so that sums of them seldom meet (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_MIX_1)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_MIX_2)
    return values ^ (values >> np.uint64(31))


def _rows(segments: Segments, connections: list[Connection]) -> Rows:
    rows = np.zeros(len(segments), SEGMENT)
    if len(rows) == 0:
        return rows
    length, flags = segments.length + segments.missing, segments.flags & _STEADY
    numbers = (segments.sequence << 32 | segments.acknowledgment).view(np.uint64)
    content = mix(numbers) + mix((length << 8 | flags).view(np.uint64) + np.uint64(_GOLDEN))
    identification, options = _headers(segments)
    options[(flags & SYN) != 0] = 0  # routers lower the segment size that is offered there
    rows["content"] = mix(content)
    rows["packet"] = mix(content + mix((identification << 16 | segments.window).view(np.uint64)) + options)
    rows["counted"] = identification > 0
    rows["length"], rows["flags"], rows["sender"] = length, segments.flags & 0x3F, _sender(segments, connections)
    for name in ("time", "frame", "connection", "sequence"):
        rows[name] = getattr(segments, name)
    return rows


def _sender(segments: Segments, connections: list[Connection]) -> Column:
    numbers, places = np.unique(segments.connection, return_inverse=True)
    clients = np.array([_endpoint(connections[number].client) for number in numbers.tolist()], np.int64)
    source = segments.source << 16 | segments.source_port
    return np.where(source == clients[places], CLIENT, 1 - CLIENT)


def _endpoint(end: Endpoint) -> int:
    return end.address << 16 | end.port


def _headers(segments: Segments) -> tuple[Column, Keys]:
    """IPv4 identification (0 where there is none), and a hash of the TCP options, of every segment."""
    data = np.frombuffer(segments.buffer, np.uint8)
    identification, options = np.zeros(len(segments), np.int64), np.zeros(len(segments), np.uint64)
    for rows, start, size in _header_places(data, segments):
        words = data[(start + 20)[:, None] + np.arange(size - 20)].view(">u4").astype(np.uint64)
        weights = mix(np.arange(1, words.shape[1] + 1, dtype=np.uint64))
        options[rows] = mix((words * weights).sum(axis=1, dtype=np.uint64))
        ip = start - 20  # without options, as nearly all are
        plain = ip >= 0
        ip = np.where(plain, ip, 0)
        plain &= (data[ip] == 0x45) & (data[ip + 9] == _TCP)
        identification[rows] = np.where(plain, data[ip + 4].astype(np.int64) << 8 | data[ip + 5], 0)
    return identification, options


def _header_places(data: npt.NDArray[np.uint8], segments: Segments) -> Iterator[tuple[Column, Column, int]]:
    """Where the TCP headers begin, by size: rows, starts, size. The payload's place and the ports tell."""
    left = np.arange(len(segments))
    for size in _SIZES:
        start = segments.offset[left] - size
        here = (start >= 0) & (start + size <= len(data))
        place = np.where(here, start, 0)
        here &= data[place + 12] >> 4 == size // 4
        for at, ports in ((0, segments.source_port), (2, segments.destination_port)):
            here &= (data[place + at].astype(np.int64) << 8 | data[place + at + 1]) == ports[left]
        if here.any():
            yield left[here], start[here], size
            left = left[~here]
        if len(left) == 0:
            return


def _once(rows: Rows) -> Rows:
    """Without the further copies of a packet that was captured more than once."""
    counted = np.flatnonzero(rows["counted"])
    _, first = np.unique(rows["packet"][counted], return_index=True)
    again = np.ones(len(counted), np.bool_)
    again[first] = False
    keep = np.ones(len(rows), np.bool_)
    keep[counted[again]] = False
    return rows[keep]
