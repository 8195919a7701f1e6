"""The server as a process on a simulated host, which can be slow, stopped, killed and started again."""

from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum, auto
from ipaddress import ip_address

from refserver.network.endpoint import Endpoint, Lost
from refserver.network.hosts import Host
from refserver.network.simulation import MILLISECOND, Process
from refserver.server.server import Server
from refserver.timers import Timers

__all__ = ["Death", "ServerProcess", "messages"]

_PREFIX = 4
_QUICK = 10 * MILLISECOND


class Death(Enum):
    """How connections end with the process: the kernel says so (FIN, or RST), or the whole host is gone."""

    FIN = auto()
    RESET = auto()
    SILENT = auto()


def messages(buffer: bytearray) -> Iterator[bytes]:
    """Take the complete messages from the front of what a connection has brought, prefix included (MS-SMB2 2.1)."""
    while len(buffer) >= _PREFIX:
        end = _PREFIX + int.from_bytes(buffer[1:_PREFIX], "big")
        if len(buffer) < end:
            return
        yield bytes(buffer[:end])
        del buffer[:end]


class ServerProcess:
    """Listens on a port of a host, and runs a `Server`. Started when it is made.

    Attributes:
        host: where it runs.
        server: the one that runs.
        service_time: how long a message takes from its arrival until it is worked on, nanoseconds; gets the message
            with its prefix. What takes longer than 10 ms is overtaken by the others.
        rewrite: what is sent in place of a message of the server, its prefix included; nothing if it is empty. So a
            server may do what this one never would: leave a signature out, answer with damage, or not at all.

    Args:
        host: where it runs.
        make: gives a server with its shares, when it starts and starts again; gets the timers to use.
        port: TCP port.
    """

    def __init__(self, host: Host, make: Callable[[Timers], Server], port: int = 445) -> None:
        self.host, self._make, self._port = host, make, port
        self._simulation = host.network.simulation
        self._dice = self._simulation.random(f"server {host.address.hex()}:{port}")
        self.service_time: Callable[[bytes], int] = lambda _message: 50_000 + self._dice.randrange(150_000)
        self.rewrite: Callable[[bytes], bytes] = lambda message: message
        self._numbers = 0
        self.start()

    def start(self) -> None:
        """Start, again after `kill`: nothing is known of before, but what the shares hold."""
        timers = Timers(self._simulation.now)
        self.server = self._make(timers)
        self._endpoints: dict[int, Endpoint] = {}
        self._backlog: deque[Callable[[], None]] = deque()
        self._process = Process(timers, self._send)
        self._simulation.add(self._process)
        self.host.reachable = True
        self.host.listen(self._port, self._accept)

    def stop(self) -> None:
        """Freeze (SIGSTOP): TCP still takes what comes, until its buffer is full, and nobody reads it."""
        self._process.stopped = True
        for endpoint in self._endpoints.values():
            endpoint.pause()

    def resume(self) -> None:
        """Go on after `stop`."""
        self._process.stopped = False
        while self._backlog:
            self._backlog.popleft()()
        for endpoint in tuple(self._endpoints.values()):
            endpoint.resume()

    def kill(self, death: Death = Death.RESET) -> None:
        """End: all state is lost, and clients learn of it in the given way."""
        self.host.deaf(self._port)
        self._simulation.remove(self._process)
        self._process.stopped = True  # what is still to be worked on never is
        self._backlog.clear()
        endpoints = tuple(self._endpoints.values())
        self._endpoints.clear()
        self.host.reachable = death is not Death.SILENT
        for endpoint in endpoints:
            endpoint.application = None
            (endpoint.close if death is Death.FIN else endpoint.abort)()

    def delay_next(self, delay: int) -> None:
        """The next message that comes, of whatever client, is worked on `delay` nanoseconds later."""
        usual = self.service_time

        def once(_message: bytes) -> int:
            self.service_time = usual
            return delay

        self.service_time = once

    def endpoint(self, number: int) -> Endpoint:
        """The connection that the server knows by this number."""
        return self._endpoints[number]

    def _accept(self, endpoint: Endpoint) -> "_Connection":
        if self._process.stopped:
            endpoint.pause()
        self._numbers += 1
        self._endpoints[self._numbers] = endpoint
        return _Connection(self, self._process, self._numbers, endpoint)

    def perform(self, process: Process, action: Callable[[], None]) -> None:
        """Do it now, or when the process goes on; never if that process has ended."""
        if process is not self._process:
            return
        if process.stopped:
            self._backlog.append(action)
        else:
            action()

    def connected(self, number: int, endpoint: Endpoint) -> None:
        """A client has connected."""
        self.server.connected(number, self._simulation.now, str(ip_address(endpoint.remote.address)))

    def take(self, process: Process, number: int, message: bytes, not_before: int) -> int:
        """A message has come; returns before what time the next one of the connection is not to be worked on."""
        delay = self.service_time(message)
        at = max(self._simulation.now + delay, not_before)
        work = self._work(number, message)
        self._simulation.timers.at(at, lambda _: self.perform(process, work))
        return at if delay < _QUICK else not_before

    def take_end(self, process: Process, number: int, endpoint: Endpoint, not_before: int) -> None:
        """The client has sent everything; the process sees it behind all that came before."""

        def end() -> None:
            self._send()  # what has just been answered
            endpoint.close()
            self.gone(number)

        self._simulation.timers.at(max(self._simulation.now, not_before), lambda _: self.perform(process, end))

    def gone(self, number: int) -> None:
        """A connection has ended."""
        self._endpoints.pop(number, None)
        self.server.disconnected(number, self._simulation.now)

    def _work(self, number: int, message: bytes) -> Callable[[], None]:
        return lambda: self.server.received(number, message, self._simulation.now)

    def _send(self) -> None:
        """Put what the server has to say on its way."""
        while self.server.outgoing and not self._process.stopped:
            number, data = self.server.outgoing.popleft()
            endpoint = self._endpoints.get(number)
            if endpoint is None:
                continue
            if data is None:
                del self._endpoints[number]
                endpoint.close()
            else:
                endpoint.send(self.rewrite(data))


class _Connection:
    """What TCP tells about one connection, for the process that has accepted it."""

    def __init__(self, owner: ServerProcess, process: Process, number: int, endpoint: Endpoint) -> None:
        self._owner, self._process, self._number, self._endpoint = owner, process, number, endpoint
        self._buffer = bytearray()
        self._not_before = 0

    def connected(self) -> None:
        self._owner.perform(self._process, lambda: self._owner.connected(self._number, self._endpoint))

    def received(self, data: bytes) -> None:
        self._buffer += data
        for message in messages(self._buffer):
            self._not_before = self._owner.take(self._process, self._number, message, self._not_before)

    def ended(self) -> None:
        self._owner.take_end(self._process, self._number, self._endpoint, self._not_before)

    def lost(self, _why: Lost) -> None:
        self._owner.perform(self._process, lambda: self._owner.gone(self._number))
