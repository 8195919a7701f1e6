"""A server behind real sockets: asyncio brings the bytes and the time, the server decides.

Buffers are bounded: as long as a client does not take its answers, no more of its requests are read, and credits bound
what was asked before (MS-SMB2 3.3.1.2). A client that lets notifications pile up is thrown out.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

from parsers.errors import UsageError
from refserver.network.frames import Socket
from refserver.serve.trace import Trace
from refserver.server.server import Server
from refserver.server.state import Session

__all__ = ["Listener"]

_HIGH_WATER = 1 << 20
"""Bytes that wait to be sent on a connection before its requests are no longer read."""
_TOO_MUCH = 64 << 20
"""Twice what 512 credits allow to ask for: beyond it the client is not reading at all."""
_NANOSECONDS = 1_000_000_000
_PATIENCE = 2 * _NANOSECONDS  # at the end, with clients that do not take what was sent to them


class Listener:
    """Serves until `stop`.

    Args:
        server: with its shares and users.
        trace: where its connections are written to; None writes nothing.
    """

    def __init__(self, server: Server, trace: Trace | None = None) -> None:
        self.server, self.trace = server, trace
        self.failure: OSError | None = None  # of writing the trace
        self.stopped = asyncio.Event()
        self._began = time.time_ns() - time.monotonic_ns()
        self._connections: dict[int, _Connection] = {}
        self._accepted = 0
        self._wake: asyncio.TimerHandle | None = None
        self._listening: asyncio.Server | None = None
        if trace is not None:
            server.on_keys = self._keep_keys

    async def start(self, address: str, port: int) -> Socket:
        """Listen; returns where, since port 0 chooses one.

        Raises:
            UsageError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(lambda: _Connection(self), address, port, reuse_address=True)
        except OSError as error:
            raise UsageError(f"cannot listen on {address} port {port}: {error.strerror}") from error
        return _socket(self._listening.sockets[0].getsockname())

    async def stop(self) -> None:
        """Listen no longer, end every connection, complete the trace."""
        if self._listening is not None:
            self._listening.close()
        for connection in tuple(self._connections.values()):
            connection.close()
        until = self.now() + _PATIENCE
        while self._connections:
            if self.now() > until:
                for connection in tuple(self._connections.values()):
                    connection.abort()
            await asyncio.sleep(0.01)
        if self._wake is not None:
            self._wake.cancel()
        if self.trace is not None:
            self._tracing(lambda trace: trace.close(self.now()))
            self.trace = None

    def now(self) -> int:
        """Nanoseconds since 1970; a clock that is set does not move it."""
        return self._began + time.monotonic_ns()

    def opened(self, connection: "_Connection", client: Socket, server: Socket) -> int:
        """A client has connected; returns the connection's number."""
        self._accepted += 1
        number, now = self._accepted, self.now()
        self._connections[number] = connection
        self._tracing(lambda trace: trace.opened(number, client, server, now))
        self.server.connected(number, now, str(ip_address(client.address)))
        self._follow(now)
        return number

    def received(self, number: int, data: bytes) -> None:
        """A client has sent something."""
        now = self.now()
        self._tracing(lambda trace: trace.received(number, data, now))
        self.server.received(number, data, now)
        self._follow(now)

    def closed(self, number: int, *, by_client: bool, reset: bool) -> None:
        """A connection is gone."""
        now = self.now()
        del self._connections[number]
        self._tracing(lambda trace: trace.closed(number, now, by_client=by_client, reset=reset))
        self.server.disconnected(number, now)
        self._follow(now)

    def _follow(self, now: int) -> None:
        """Do what the server has left to do, and see to it that its timers fire."""
        while self.server.outgoing:
            number, data = self.server.outgoing.popleft()
            connection = self._connections.get(number)
            if connection is None:
                continue
            if data is None:
                connection.close()
            elif connection.send(data):
                self._tracing(partial(Trace.sent, number=number, data=data, now=now))
        self._set_alarm(now)

    def _set_alarm(self, now: int) -> None:
        due = self.server.timers.next()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if due is not None:
            self._wake = asyncio.get_running_loop().call_later(max(0, due - now) / _NANOSECONDS, self._alarm)

    def _alarm(self) -> None:
        self._wake = None
        now = self.now()
        self.server.timers.fire(now)
        self._follow(now)

    def _keep_keys(self, session: Session) -> None:
        key = session.full_session_key or session.session_key
        self._tracing(lambda trace: trace.keys((session.session_id, key, None, None)))

    def _tracing(self, write: Callable[[Trace], None]) -> None:
        """Write to the trace; a disk that is full ends the service, since the capture would lie from there on."""
        if self.trace is None or self.failure is not None:
            return
        try:
            write(self.trace)
        except OSError as error:
            self.failure = error
            self.stopped.set()


class _Connection(asyncio.Protocol):
    """What asyncio tells about one connection."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._closed_here = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # of a stream socket
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        client, server = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if client is None or server is None:  # gone before it was looked at
            transport.abort()
            return
        self._transport = transport
        self._number = self._listener.opened(self, _socket(client), _socket(server))

    def data_received(self, data: bytes) -> None:
        self._listener.received(self._number, data)

    def pause_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._listener.closed(self._number, by_client=not self._closed_here, reset=exc is not None)

    def send(self, data: bytes) -> bool:
        """Send, unless the connection is on its end; returns whether."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > _TOO_MUCH:
            self.abort()
        return True

    def close(self) -> None:
        """Send what is left, and end the connection."""
        if self._transport is not None and not self._transport.is_closing():
            self._closed_here = True
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once, whatever waits to be sent."""
        if self._transport is not None:
            self._closed_here = True
            self._transport.abort()


def _socket(name: tuple[str, int]) -> Socket:
    """From what the socket module gives: an IPv6 address may have a scope behind it."""
    return Socket(ip_address(name[0].partition("%")[0]).packed, name[1])
