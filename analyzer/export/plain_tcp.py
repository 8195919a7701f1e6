"""A TCP connection written anew: the same messages in plain, with sequence numbers of their own.

Each message that was framed becomes one or more packets at the time at which the capture had it whole. What the other
side has sent so far is acknowledged by each packet; packets that only acknowledge are not written.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

from analyzer.export.plain_units import PlainUnit
from analyzer.export.tcp_builder import MAX_PAYLOAD, TcpPath
from parsers.smb2.framing import PREFIX
from parsers.transport.ip import ACK, FIN, RST, SYN

__all__ = ["Emit", "PlainConnection", "Route"]

_PUSH = 0x08
_LENGTH = Struct(">I").pack

Emit = Callable[[int, bytes, int], None]
"""Takes a packet: nanoseconds since 1970, its bytes, the interface on which to write it."""


class Route(NamedTuple):
    """What is known of one direction before it is written.

    `sequence` is that of its first byte, `syn_sequence` that of its SYN, None if it was not captured. `units` is how
    many it will send. `lossy`: bytes of it were not captured.
    """

    path: TcpPath
    interface: int
    syn_sequence: int | None
    sequence: int
    units: int
    lossy: bool


@dataclass(slots=True)
class _Direction:
    route: Route
    sequence: int  # of the next byte; grows beyond 32 bits
    units: int  # that are still to come
    position: int = 0  # in the original stream, behind the last unit
    ends: list[tuple[int, int]] = field(default_factory=list)  # time and flags of FINs that wait for units
    fin_sequence: int | None = None


class PlainConnection:
    """One connection, written anew: `emit` takes the packets, `client` and `server` say what they send."""

    def __init__(self, emit: Emit, client: Route, server: Route) -> None:
        self._emit = emit
        self._directions = [_Direction(route, route.sequence, route.units) for route in (client, server)]

    def control(self, sender: int, time: int, flags: int) -> None:
        """Write a packet with SYN, FIN or RST. A FIN waits until all units of its direction are written."""
        flags &= SYN | FIN | RST | ACK
        direction = self._directions[sender]
        if flags & SYN and direction.route.syn_sequence is not None:
            self._send(sender, time, flags, direction.route.syn_sequence)
        elif not flags & FIN:
            self._send(sender, time, flags, direction.sequence)
        else:
            direction.ends.append((time, flags))
            if direction.units == 0:
                self._finish(sender, time)

    def unit(self, unit: PlainUnit) -> None:
        """Write a unit behind those that its direction has sent before.

        Where bytes were lost before it, their number is left out of the sequence numbers: readers see a lost segment
        and go on with this unit. In a direction without losses only session service packets lie between units.
        """
        direction = self._directions[unit.sender]
        if direction.route.lossy:
            direction.sequence += max(unit.position - direction.position, 0)
        direction.position = unit.end
        first = MAX_PAYLOAD - PREFIX
        cuts = range(first, len(unit.data), MAX_PAYLOAD)
        payloads = [_LENGTH(unit.size) + unit.data[:first], *(unit.data[at : at + MAX_PAYLOAD] for at in cuts)]
        for left, payload in zip(range(len(cuts), -1, -1), payloads, strict=True):
            self._send(unit.sender, unit.time, ACK if left else ACK | _PUSH, direction.sequence, payload)
            direction.sequence += len(payload)
        direction.units -= 1
        if direction.units == 0:
            self._finish(unit.sender, unit.time)

    def _finish(self, sender: int, now: int) -> None:
        """Write the FINs that waited; one that is repeated has the number of the first."""
        direction = self._directions[sender]
        for time, flags in direction.ends:
            if direction.fin_sequence is None:
                direction.fin_sequence = direction.sequence
                direction.sequence += 1
            self._send(sender, max(time, now), flags, direction.fin_sequence)
        direction.ends.clear()

    def _send(self, sender: int, time: int, flags: int, sequence: int, payload: memoryview | bytes = b"") -> None:
        route = self._directions[sender].route
        acknowledgment = self._directions[1 - sender].sequence if flags & ACK else 0
        packet = route.path.packet(sequence & 0xFFFF_FFFF, acknowledgment & 0xFFFF_FFFF, flags, payload)
        self._emit(time, packet, route.interface)
