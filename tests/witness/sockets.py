"""Clients on real sockets: a loop that moves bytes and time until a script has ended."""

import random
import select
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from refserver.client.calls import Call
from refserver.client.client import Client
from refserver.client.config import ClientConfig
from refserver.client.script import Steps, run
from refserver.timers import Timers

T = TypeVar("T")


class Network:
    """Connections to one server on the loopback interface, and the clock."""

    def __init__(self, port: int, seed: int = 1) -> None:
        self.timers = Timers(time.time_ns())
        self._port = port
        self._random = random.Random(seed)
        self._sockets: dict[socket.socket, Client] = {}

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_error: object) -> None:
        for connection in self._sockets:
            connection.close()

    def connect(self, config: ClientConfig | None = None) -> Client:
        """A client on a new TCP connection."""
        connection = socket.create_connection(("127.0.0.1", self._port), 10)
        client = Client(config or ClientConfig(), random=self._random.randbytes, timers=self.timers)
        self._sockets[connection] = client
        return client

    def drop(self, client: Client) -> None:
        """Cut a connection as a broken network does."""
        connection = next(connection for connection, owner in self._sockets.items() if owner is client)
        del self._sockets[connection]
        connection.close()
        client.disconnected(time.time_ns())

    def finish(self, call: Call[T], seconds: float = 30) -> T:
        """Run until `call` has ended; its result.

        Raises:
            TimeoutError: it takes longer.
            StatusError: it failed.
        """
        self.until(lambda: call.done, seconds)
        return call.result

    def run(self, steps: Steps[T], seconds: float = 30) -> T:
        """Run a script to its end; its result."""
        return self.finish(run(steps, self.timers), seconds)

    def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Move bytes until `condition` holds."""
        end = time.monotonic() + seconds
        while True:
            self._flush()
            if condition():
                return
            if time.monotonic() > end:
                raise TimeoutError("the call did not end; faults: " + str([c.faults for c in self._sockets.values()]))
            self._wait()
            self.timers.fire(time.time_ns())

    def _flush(self) -> None:
        for connection, client in list(self._sockets.items()):
            while client.outgoing:
                data = client.outgoing.popleft()
                if data is None:
                    connection.close()
                    self._sockets.pop(connection, None)
                    break
                connection.sendall(data)

    def _wait(self) -> None:
        due = self.timers.next()
        pause = 0.2 if due is None else min(max(due - time.time_ns(), 0) / 1e9, 0.2)
        readable: list[Any] = select.select(list(self._sockets), [], [], pause)[0]
        for connection in readable:
            client = self._sockets.get(connection)
            if client is None:
                continue
            try:
                data = connection.recv(1 << 20)
            except ConnectionError:
                data = b""
            if data:
                client.received(data, time.time_ns())
            else:
                connection.close()
                del self._sockets[connection]
                client.disconnected(time.time_ns())
