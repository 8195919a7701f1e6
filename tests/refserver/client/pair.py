"""Clients and the reference server in one process, without a network: bytes and time go straight across."""

import random
from collections.abc import Iterable
from typing import Any, TypeVar

from parsers.gss.kerberos.names import Etype
from parsers.keys.keytab import KeytabEntry
from parsers.times import NANOSECONDS
from refserver.client.calls import Call
from refserver.client.client import Client
from refserver.client.config import ClientConfig
from refserver.client.script import Steps, run
from refserver.client.state import Session, TreeConnect
from refserver.gss.initiator import Credential
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.server.config import ServerConfig, UserAccount
from refserver.server.server import Server
from refserver.server.state import Share
from refserver.store.memory import MemoryStore
from refserver.timers import Timers

T = TypeVar("T")

START = 1_790_000_000 * NANOSECONDS
ALICE = NtlmCredential("alice", "CORPUS", "Passw0rd!", workstation="DESK")
SERVICE = KeytabEntry("cifs/server", "LAB.TEST", 3, Etype.AES256_CTS_HMAC_SHA1_96, bytes(range(32)), 0, "a test")


class Pair:
    """A server with one share "share" in memory (and the same encrypted, "sealed"), and the clients that `connect`.

    `sent` and `heard` are what went to the server and came from it: pairs of the number of a connection and bytes.
    """

    def __init__(self, config: ServerConfig | None = None, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.timers = Timers(START)
        self.config = config or ServerConfig()
        self.config.add_user(UserAccount("alice", "Passw0rd!", domain="CORPUS"))
        self.server = Server(self.config, random=self.random.randbytes, timers=self.timers)
        self.store = MemoryStore(now=START)
        self.server.shares["share"] = Share("share", self.store)
        self.server.shares["sealed"] = Share("sealed", self.store, encrypt_data=True)
        self.clients: dict[int, Client] = {}
        self.sent: list[tuple[int, bytes]] = []
        self.heard: list[tuple[int, bytes]] = []

    def connect(self, config: ClientConfig | None = None) -> Client:
        """A client on a new connection."""
        client = Client(config or ClientConfig(), random=self.random.randbytes, timers=self.timers)
        number = len(self.clients) + 1
        self.clients[number] = client
        self.server.connected(number, self.timers.now)
        return client

    def drop(self, client: Client) -> None:
        """Cut a connection; both ends learn of it."""
        number = next(number for number, other in self.clients.items() if other is client)
        self.server.disconnected(number, self.timers.now)
        client.disconnected(self.timers.now)

    def run(self, steps: Steps[T], seconds: float = 3600) -> T:
        """Run a script to its end; its result."""
        return self.finish(run(steps, self.timers), seconds)

    def finish(self, call: Call[T], seconds: float = 3600) -> T:
        """Run until `call` has ended, of virtual time no longer than that; its result."""
        end = self.timers.now + round(seconds * NANOSECONDS)
        self.pump()
        while not call.done:
            due = self.timers.next()
            assert due is not None, "the call waits for nothing"
            assert due <= end, "the call did not end in time"
            self.timers.fire(due)
            self.pump()
        return call.result

    def settle(self, call: Call[Any], seconds: float = 3600) -> int:
        """Run until `call` has ended, however; its status."""
        ended: Call[None] = Call()
        call.then(lambda _call: ended.succeed(None))
        self.finish(ended, seconds)
        assert call.status is not None
        return call.status

    def pass_time(self, seconds: float) -> None:
        """Let time go by."""
        end = self.timers.now + round(seconds * NANOSECONDS)
        while (due := self.timers.next()) is not None and due <= end:
            self.timers.fire(due)
            self.pump()
        self.timers.fire(end)
        self.pump()

    def pump(self) -> None:
        """Move all bytes that wait."""
        while any(client.outgoing for client in self.clients.values()) or self.server.outgoing:
            for number, client in self.clients.items():
                self._to_server(number, client)
            while self.server.outgoing:
                self.to_client(*self.server.outgoing.popleft())

    def _to_server(self, number: int, client: Client) -> None:
        while client.outgoing:
            data = client.outgoing.popleft()
            if data is None:
                self.server.disconnected(number, self.timers.now)
            else:
                self.sent.append((number, data))
                self.server.received(number, data, self.timers.now)

    def to_client(self, number: int, data: bytes | None) -> None:
        """What the server sends to one client, or that it closes the connection."""
        client = self.clients[number]
        if client.closed:
            return
        if data is None:
            self.server.disconnected(number, self.timers.now)
            client.disconnected(self.timers.now)
        else:
            self.heard.append((number, data))
            client.received(data, self.timers.now)

    def requests(self, since: int = 0) -> Iterable[bytes]:
        """What clients have sent, without the transport's four bytes."""
        return [data[4:] for _, data in self.sent[since:]]


def log_on(client: Client, share: str = "share", credential: Credential = ALICE) -> Steps[tuple[Session, TreeConnect]]:
    """Everything up to a share."""
    yield client.negotiate()
    session = yield client.session_setup(credential)
    return session, (yield client.tree_connect(session, share))
