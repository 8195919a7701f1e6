"""Hosts and the network between them."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol

from parsers.errors import UsageError
from parsers.transport.ip import ACK, RST, SYN
from refserver.network.endpoint import Application, Endpoint
from refserver.network.frames import Segment, Socket, encode, headers_size
from refserver.network.path import Path
from refserver.network.sender import TcpSettings
from refserver.network.simulation import Simulation

__all__ = ["Host", "Network", "Witness"]

_FIRST_EPHEMERAL = 49152  # RFC 6335 6
_ETHERNET_SIZE = 14
_MTU = 1500


class Witness(Protocol):
    """Who sees the frames at a host."""

    def saw(self, segment: Segment, frame: bytes, now: int) -> None:
        """A frame left the host or reached it."""
        ...


class Host:
    """A host with one address. `Network.host` makes it.

    Attributes:
        settings: how its new connections do TCP.
        witnesses: who sees its frames.
        reachable: False as long as it is switched off: it hears nothing and says nothing.
    """

    def __init__(self, network: "Network", address: str, settings: TcpSettings) -> None:
        self.network, self.address, self.settings = network, ip_address(address).packed, settings
        self.witnesses: list[Witness] = []
        self.reachable = True
        self._dice = network.simulation.random(f"host {address}")
        self._listening: dict[int, Callable[[Endpoint], Application]] = {}
        self._endpoints: dict[tuple[int, Socket], Endpoint] = {}
        self._next_port = _FIRST_EPHEMERAL + self._dice.randrange(1000)
        self._identification = self._dice.randrange(1 << 16)

    def listen(self, port: int, accept: Callable[[Endpoint], Application]) -> None:
        """Take connections on `port`; `accept` says who is to use each."""
        self._listening[port] = accept

    def deaf(self, port: int) -> None:
        """Listen no longer: who connects gets a RST."""
        self._listening.pop(port, None)

    def connect(self, host: "Host", port: int, application: Application) -> Endpoint:
        """Begin a connection; the application is told how it went."""
        local = Socket(self.address, self._next_port)
        self._next_port += 1
        endpoint = self._endpoint(local, Socket(host.address, port), self.network.number())
        endpoint.application = application
        endpoint.connect()
        return endpoint

    def send(self, segment: Segment) -> None:
        """Put a segment on the wire."""
        if not self.reachable:
            return
        frame = encode(segment, self._identification)
        self._identification += 1
        self._show(segment, frame)
        self.network.carry(segment, frame)

    def receive(self, segment: Segment, frame: bytes) -> None:
        """A frame has come in."""
        if not self.reachable:
            return
        self._show(segment, frame)
        endpoint = self._endpoints.get((segment.destination.port, segment.source))
        if endpoint is not None:
            endpoint.receive(segment)
        elif segment.flags & SYN and not segment.flags & ACK and segment.destination.port in self._listening:
            self._accept(segment)
        elif not segment.flags & RST:
            self._refuse(segment)

    def _accept(self, segment: Segment) -> None:
        endpoint = self._endpoint(segment.destination, segment.source, segment.connection)
        endpoint.application = self._listening[segment.destination.port](endpoint)
        endpoint.answer(segment)

    def _refuse(self, segment: Segment) -> None:
        """A RST for what belongs to no connection (RFC 9293 3.10.7.1)."""
        if segment.flags & ACK:
            sequence, acknowledgment, flags = segment.acknowledgment, 0, RST
        else:
            length = len(segment.payload) + bool(segment.flags & SYN)
            sequence, acknowledgment, flags = 0, (segment.sequence + length) % (1 << 32), RST | ACK
        self.send(
            Segment(
                segment.destination, segment.source, sequence, acknowledgment, flags, 0, connection=segment.connection
            )
        )

    def _endpoint(self, local: Socket, remote: Socket, connection: int) -> Endpoint:
        initial = self._dice.randrange(1 << 32)
        endpoint = Endpoint(
            self.network.simulation, self.settings, local, remote, connection, initial, self.send, self._forget
        )
        self._endpoints[local.port, remote] = endpoint
        return endpoint

    def _forget(self, endpoint: Endpoint) -> None:
        if self._endpoints.get((endpoint.local.port, endpoint.remote)) is endpoint:
            del self._endpoints[endpoint.local.port, endpoint.remote]

    def _show(self, segment: Segment, frame: bytes) -> None:
        for witness in self.witnesses:
            witness.saw(segment, frame, self.network.simulation.now)


class Network:
    """Every host reaches every other by a path of its own, one for each direction."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self._hosts: dict[bytes, Host] = {}
        self._paths: dict[tuple[bytes, bytes], Path] = {}
        self._connections = 0

    def host(self, address: str, settings: TcpSettings | None = None) -> Host:
        """A new host.

        Raises:
            UsageError: the address is taken.
        """
        packed = ip_address(address).packed
        if packed in self._hosts:
            raise UsageError(f"two hosts cannot both be {address}")
        chosen = TcpSettings(mss=_MTU - headers_size(packed)) if settings is None else settings
        self._hosts[packed] = host = Host(self, address, chosen)
        return host

    def path(self, source: Host, destination: Host) -> Path:
        """The way from one host to another; changing it changes what happens from then on."""
        key = (source.address, destination.address)
        if key not in self._paths:
            names = " ".join(str(ip_address(address)) for address in key)
            self._paths[key] = Path(self.simulation.random(f"path {names}"))
        return self._paths[key]

    def number(self) -> int:
        """The number of a new connection, from 0 on."""
        self._connections += 1
        return self._connections - 1

    def carry(self, segment: Segment, frame: bytes) -> None:
        """Take a frame to its destination."""
        source, destination = self._hosts[segment.source.address], self._hosts[segment.destination.address]
        path = self.path(source, destination)
        for arrival in path.arrivals(segment, len(frame) - _ETHERNET_SIZE, self.simulation.now):
            self.simulation.timers.at(arrival, lambda _: destination.receive(segment, frame))
