"""A client on a simulated host: the TCP connection below a `Client`, and where in its streams each message lies."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from parsers.ntstatus import STATUS_CONNECTION_DISCONNECTED, STATUS_CONNECTION_RESET, STATUS_IO_TIMEOUT
from refserver.client.calls import Call
from refserver.client.connection import Connection
from refserver.network.endpoint import Lost
from refserver.network.frames import Socket
from refserver.network.hosts import Host
from refserver.network.server_process import messages

__all__ = ["ClientLink", "Place"]


class Place(NamedTuple):
    """Bytes `begin` to `end` of what `source` has sent on the network's connection of that number."""

    connection: int
    source: Socket
    begin: int
    end: int


class ClientLink:
    """Connects when it is made.

    Attributes:
        established: ends well when the handshake is complete, or with the NTSTATUS of its failure.
        closed: ends well when the connection is gone, whoever ended it.
        lost_by: why it is gone, if neither end has closed it.
        place: where the message lies that the client is working on.
        drop_with_reset: a client that gives up sends a RST; else a FIN.

    Args:
        host: where the client runs.
        client: what speaks SMB2.
        server: the host to connect to.
        port: TCP port.
    """

    def __init__(self, host: Host, client: Connection, server: Host, port: int = 445) -> None:
        self.client = client
        self.established: Call[None] = Call()
        self.closed: Call[None] = Call()
        self.lost_by: Lost | None = None
        self.place: Place | None = None
        self.drop_with_reset = False
        self._simulation = host.network.simulation
        self._dice = self._simulation.random(f"link {host.address.hex()}")
        self._busy = 0  # until when the client has something else to do
        self._buffer = bytearray()
        self._began = 0  # offset of what lies in the buffer
        client.on_output = self._send
        self.endpoint = host.connect(server, port, self)

    @property
    def next_place(self) -> int:
        """The offset of what the client sends next."""
        return self.endpoint.written

    def own_place(self, begin: int, size: int) -> Place:
        """Where something lies that the client has sent."""
        return Place(self.endpoint.connection, self.endpoint.local, begin, begin + size)

    def connected(self) -> None:
        """For TCP: the handshake is complete."""
        self.established.succeed(None)
        self._send()

    def received(self, data: bytes) -> None:
        """For TCP: bytes of the server."""
        self._buffer += data
        for message in messages(self._buffer):
            end = self._began + len(message)
            place = Place(self.endpoint.connection, self.endpoint.remote, self._began, end)
            self._began = end
            self._react(partial(self._work, message, place))

    def ended(self) -> None:
        """For TCP: the server has sent everything."""
        self.endpoint.close()
        self._react(lambda: self._gone(STATUS_CONNECTION_DISCONNECTED))

    def lost(self, why: Lost) -> None:
        """For TCP: the connection is gone."""
        self.lost_by = why
        status = STATUS_CONNECTION_RESET if why is Lost.RESET else STATUS_IO_TIMEOUT
        self._react(lambda: self._gone(status))

    def _react(self, action: Callable[[], None]) -> None:
        """Do it when the client has got to it, in the order in which things came."""
        self._busy = max(self._busy, self._simulation.now + 20_000 + self._dice.randrange(60_000))
        self._simulation.timers.at(self._busy, lambda _: action())

    def _work(self, message: bytes, place: Place) -> None:
        self.place = place
        self.client.received(message, self._simulation.now)

    def _gone(self, status: int) -> None:
        if not self.established.done:
            self.established.fail(status)
        if not self.closed.done:
            self.client.disconnected(self._simulation.now)
            self.closed.succeed(None)

    def _send(self) -> None:
        while self.client.outgoing and self.established.done:
            data = self.client.outgoing.popleft()
            if data is not None:
                self.endpoint.send(data)
                continue
            (self.endpoint.abort if self.drop_with_reset else self.endpoint.close)()
            self._gone(STATUS_CONNECTION_DISCONNECTED)
