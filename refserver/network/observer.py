"""Capture points: what somebody sees who captures at a host, and which frame carried which bytes.

An observer sees what leaves a host before the network can lose it, and what reaches it. Frame numbers count what it
has written, so they are those of the capture that it makes.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from parsers.capture.write import PcapngWriter
from refserver.network.frames import Segment, Socket
from refserver.network.simulation import Simulation

__all__ = ["Observer", "Seen"]

_ETHERNET = 1  # LINKTYPE_ETHERNET
_BUCKET = 1 << 12  # bytes of stream that one entry of the index stands for
_SECOND_INTERFACE_LATER = 15_000  # ns: how long a frame takes to the next interface


class Seen(NamedTuple):
    """A frame in the capture. `payload` is the size of its payload on the wire, `offset` its place in the stream."""

    frame: int
    time: int
    connection: int
    source: Socket
    flags: int
    window: int
    offset: int
    payload: int


class Observer:
    """Writes what it sees into one capture. `Host.witnesses` is where it goes.

    Args:
        simulation: clock, and dice for what the capture loses.
        writer: of the capture file.
        interfaces: their names; with two of them every frame is captured twice, a little later on the second.
        snaplen: bytes of a frame that are kept; 0 keeps all.
        begin: frames before it are not captured, nanoseconds since 1970.
        end: nor are those from then on.
        loss: probability that the capture misses a frame which the hosts did exchange.
        misses: it also misses the frames for which this says so.
    """

    def __init__(
        self,
        simulation: Simulation,
        writer: PcapngWriter,
        *,
        interfaces: tuple[str, ...] = ("eth0",),
        snaplen: int = 0,
        begin: int = 0,
        end: int = 1 << 63,
        loss: float = 0.0,
        misses: Callable[[Segment, int], bool] | None = None,
    ) -> None:
        self.seen: list[Seen] = []
        self.ends: dict[int, tuple[Socket, Socket]] = {}  # client and server of each connection
        self.missed = 0
        self._simulation, self._writer = simulation, writer
        self._interfaces = [writer.interface(_ETHERNET, name=name, snaplen=snaplen) for name in interfaces]
        self._snaplen, self._begin, self._end = snaplen, begin, end
        self._loss, self._misses = loss, misses
        self._dice = simulation.random("observer " + " ".join(interfaces))
        self._index: dict[tuple[int, Socket, int], list[Seen]] = {}

    def saw(self, segment: Segment, frame: bytes, now: int) -> None:
        """A frame passes by."""
        if segment.connection not in self.ends:  # the client speaks first, also where the capture begins later
            self.ends[segment.connection] = (segment.source, segment.destination)
        if not self._begin <= now < self._end:
            return
        if self._misses_it(segment, now):
            self.missed += 1
            return
        self._record(segment, frame, self._interfaces[0], now)
        for interface in self._interfaces[1:]:
            self._simulation.after(_SECOND_INTERFACE_LATER, partial(self._record, segment, frame, interface))

    def frames_of(self, connection: int, source: Socket, begin: int, end: int) -> tuple[int, ...]:
        """The frames that carry any of the bytes `begin` to `end` of what `source` has sent, retransmissions included.

        Args:
            connection: number of the network.
            source: who sent the bytes.
            begin: offset in the stream.
            end: offset behind the last byte.
        """
        buckets = range(begin // _BUCKET, (max(end, begin + 1) - 1) // _BUCKET + 1)
        entries = (seen for bucket in buckets for seen in self._index.get((connection, source, bucket), ()))
        return tuple(
            sorted({seen.frame for seen in entries if seen.offset < end and begin < seen.offset + seen.payload})
        )

    def with_flags(self, connection: int, flags: int) -> tuple[int, ...]:
        """The frames of a connection that have one of these flags: SYN, FIN, RST."""
        return tuple(seen.frame for seen in self.seen if seen.connection == connection and seen.flags & flags)

    def times(self, frames: Iterable[int]) -> list[int]:
        """When these frames were captured, nanoseconds since 1970."""
        return [self.seen[frame - 1].time for frame in frames]

    def _misses_it(self, segment: Segment, now: int) -> bool:
        if self._misses is not None and self._misses(segment, now):
            return True
        return self._loss > 0 and self._dice.random() < self._loss

    def _record(self, segment: Segment, frame: bytes, interface: int, now: int) -> None:
        kept = frame[: self._snaplen] if self._snaplen else frame
        self._writer.packet(now, kept, interface=interface, original_length=len(frame))
        size = len(segment.payload)
        place = (segment.connection, segment.source, segment.flags, segment.window, segment.offset, size)
        seen = Seen(len(self.seen) + 1, now, *place)
        self.seen.append(seen)
        for bucket in range(segment.offset // _BUCKET, (segment.offset + size - 1) // _BUCKET + 1) if size else ():
            self._index.setdefault((segment.connection, segment.source, bucket), []).append(seen)
