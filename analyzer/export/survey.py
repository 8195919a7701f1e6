"""The first pass of the export: what has to be known of a connection before its first packet can be written anew.

That is whether anything of it can be decrypted, how its packets travel, and what becomes whole only when the capture
ends: a message that was cut off belongs before the packets that follow it, not at the end of the file.
"""

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from analyzer.export.plain_tcp import Route
from analyzer.export.plain_units import ENCRYPTED, PlainUnit, opened_units, plain_units
from analyzer.export.tcp_builder import TcpPath
from parsers.capture.open import Captures
from parsers.capture.packets import PacketBlock
from parsers.keys.store import KeyStore
from parsers.pipeline import Decoded, decode
from parsers.smb2.decoder import Batch
from parsers.transport.connections import CLIENT, SERVER, Connection, Endpoint
from parsers.transport.ip import Segments

__all__ = ["Plan", "Survey", "survey"]

_ETHERNET, _RAW = 1, 101  # LINKTYPE_ values
_MACS = 12  # bytes of the two addresses


class Plan(NamedTuple):
    """A connection that is to be written anew."""

    client: Endpoint
    routes: tuple[Route, Route]  # of client and server


@dataclass(frozen=True, slots=True)
class Survey:
    """What the first pass found.

    `interfaces` are link type and name of the inputs' interfaces, under their numbers, and of those without link layer
    behind them. `late` are the units that only the end of the capture brought, in the order of their frames.
    """

    interfaces: list[tuple[int, str]]
    plans: dict[int, Plan]  # by connection number
    late: list[PlainUnit]
    units_decrypted: int
    units_left: int


def survey(captures: Captures, keys: KeyStore) -> Survey:
    """Decode the captures once."""
    surveyor = _Surveyor()
    decoded = decode(captures, keys, [surveyor.sink])
    interfaces = [(interface.linktype, interface.name) for interface in captures.interfaces]
    plans = {
        connection.number: Plan(connection.client, surveyor.routes(decoded, connection, interfaces))
        for connection in decoded.connections
        if connection.number in surveyor.decrypted
    }
    late = sorted((unit for unit in surveyor.late if unit.connection in plans), key=lambda unit: unit.frame)
    return Survey(interfaces, plans, late, surveyor.decrypted.total(), surveyor.encrypted - surveyor.decrypted.total())


class _First(NamedTuple):
    """The first packet of a direction: `macs` is empty without Ethernet."""

    macs: bytes
    interface: int
    sequence: int
    acknowledgment: int


@dataclass(slots=True)
class _Surveyor:
    decrypted: Counter[int] = field(default_factory=Counter)  # units, by connection number
    encrypted: int = 0
    late: list[PlainUnit] = field(default_factory=list)
    _firsts: dict[tuple[int, Endpoint], _First] = field(default_factory=dict)
    _units: Counter[tuple[int, int]] = field(default_factory=Counter)  # by connection and sender
    _latest: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)  # frame and time of the last unit

    def sink(self, block: PacketBlock | None, segments: Segments | None, batch: Batch) -> None:
        """See `parsers.pipeline.Sink`."""
        units = batch.units
        ways = list(zip(units.connection.tolist(), units.sender.tolist(), strict=True))
        self._units.update(ways)
        if block is None or segments is None:
            self._keep(plain_units(batch))
        else:
            self._meet(block, segments)
            completed = zip(units.last_frame.tolist(), units.last_time.tolist(), strict=True)
            self._latest.update(zip(ways, completed, strict=True))
        self.encrypted += int(np.count_nonzero(units.protocol == ENCRYPTED))
        self.decrypted.update(units.connection[opened_units(batch)[0]].tolist())

    def routes(
        self, decoded: Decoded, connection: Connection, interfaces: list[tuple[int, str]]
    ) -> tuple[Route, Route]:
        """How both directions of a connection are to be written; an interface without link layer is added if needed."""
        ends = (connection.client, connection.server)
        client, server = (self._firsts.get((connection.number, end)) for end in ends)
        sights = (client or _mirrored(server), server or _mirrored(client))
        addresses = [ipaddress.ip_address(decoded.book.text(end.address)).packed for end in ends]

        def route(sender: int, receiver: int) -> Route:
            first, direction = sights[sender], connection.directions[sender]
            syn = direction.initial_sequence
            return Route(
                TcpPath(first.macs, addresses[sender], addresses[receiver], ends[sender].port, ends[receiver].port),
                first.interface if first.macs else _without_link(first.interface, interfaces),
                syn,
                first.sequence if syn is None else syn + 1,
                self._units[connection.number, sender],
                lossy=direction.gaps + direction.snapped > 0,
            )

        return route(CLIENT, SERVER), route(SERVER, CLIENT)

    def _keep(self, units: list[PlainUnit]) -> None:
        """Units that come at the end stay behind those that their direction has sent before."""
        for unit in sorted(units, key=lambda unit: unit.position):
            way = (unit.connection, unit.sender)
            before = self._latest.get(way, (unit.frame, unit.time))
            frame, time = max(unit.frame, before[0]), max(unit.time, before[1])
            self._latest[way] = (frame, time)
            self.late.append(unit._replace(frame=frame, time=time, data=bytes(unit.data)))

    def _meet(self, block: PacketBlock, segments: Segments) -> None:
        """Note the first packet of each direction of each connection."""
        source = segments.source << 16 | segments.source_port
        forward = source < (segments.destination << 16 | segments.destination_port)
        _, rows = np.unique(segments.connection * 2 + forward, return_index=True)
        for row in rows.tolist():
            key = (int(segments.connection[row]), Endpoint(int(segments.source[row]), int(segments.source_port[row])))
            if key in self._firsts:
                continue
            packet = int(np.searchsorted(block.frame, segments.frame[row]))
            start = int(block.offset[packet])
            macs = block.buffer[start : start + _MACS] if block.linktype[packet] == _ETHERNET else b""
            numbers = (block.interface[packet], segments.sequence[row], segments.acknowledgment[row])
            self._firsts[key] = _First(bytes(macs), *map(int, numbers))


def _mirrored(first: _First | None) -> _First:
    """What the packets of one direction tell of the other, of which there are none."""
    assert first is not None  # at least one direction of a connection has packets
    return _First(first.macs[6:] + first.macs[:6], first.interface, first.acknowledgment, first.sequence)


def _without_link(interface: int, interfaces: list[tuple[int, str]]) -> int:
    """The interface of the same name whose packets begin with the IP header."""
    raw = (_RAW, interfaces[interface][1])
    if raw not in interfaces:
        interfaces.append(raw)
    return interfaces.index(raw)
