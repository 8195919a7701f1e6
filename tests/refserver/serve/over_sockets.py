"""The client of this project on a real socket, one step at a time."""

import os
import socket
import time

from refserver.client.client import Client
from refserver.client.config import ClientConfig
from refserver.client.script import Steps, T
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.timers import Timers

__all__ = ["ALICE", "SocketClient"]

ALICE = NtlmCredential("alice", "", "Passw0rd!")


class SocketClient:
    """Connects; `run` plays a script to its end."""

    def __init__(self, port: int, **settings: object) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        config = ClientConfig(client_guid=os.urandom(16), **settings)  # type: ignore[arg-type]
        self.client = Client(config, random=os.urandom, timers=Timers(time.time_ns()))

    def run(self, steps: Steps[T]) -> T:
        script = self.client.run(steps)
        self._send()
        while not script.done:
            data = self.socket.recv(1 << 16)
            if data:
                self.client.received(data, time.time_ns())
            else:
                self.client.disconnected(time.time_ns())
            self._send()
        return script.result

    def close(self) -> None:
        self.socket.close()

    def _send(self) -> None:
        while self.client.outgoing:
            data = self.client.outgoing.popleft()
            if data is None:
                self.socket.shutdown(socket.SHUT_WR)
            else:
                self.socket.sendall(data)
