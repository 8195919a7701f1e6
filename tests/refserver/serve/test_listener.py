"""The server behind real sockets."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analyzer import analyze
from parsers.ntstatus import STATUS_NETWORK_SESSION_EXPIRED
from refserver.client import files
from refserver.client.client import Client
from refserver.client.script import Steps, settled
from refserver.serve.listener import Listener
from refserver.serve.trace import Trace, keys_path
from refserver.server.config import ServerConfig, UserAccount
from refserver.server.server import Server
from refserver.server.state import Share
from refserver.store.memory import MemoryStore
from tests.refserver.serve.over_sockets import ALICE, SocketClient


class Service:
    """A listener in a thread of its own."""

    def __init__(self, config: ServerConfig, trace: Path | None) -> None:
        config.add_user(UserAccount("alice", "Passw0rd!"))
        self.server = Server(config, random=os.urandom)
        self.server.shares["data"] = Share("data", MemoryStore(now=time.time_ns()))
        self.trace = trace
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self) -> None:
        self.listener = Listener(self.server, None if self.trace is None else Trace(self.trace))
        self._loop = asyncio.get_running_loop()
        self.port = (await self.listener.start("127.0.0.1", 0)).port
        self._ready.set()
        await self.listener.stopped.wait()
        await self.listener.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self.listener.stopped.set)
            self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def start(*, trace: Path | None = None, **settings: Any) -> Service:
        services.append(Service(ServerConfig(**settings), trace))
        return services[-1]

    yield start
    for service in services:
        service.stop()


def log_on(client: Client) -> Steps[Any]:
    yield client.negotiate()
    session = yield client.session_setup(ALICE)
    return (yield client.tree_connect(session, "data"))


def put_and_get(client: Client, data: bytes) -> Steps[bytes]:
    tree = yield from log_on(client)
    yield from files.put(client, tree, "a.bin", data)
    return (yield from files.get(client, tree, "a.bin"))


def test_files_go_there_and_back_and_the_trace_shows_it(serve: Callable[..., Service], tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    service = serve(trace=path, encrypt_data=True)
    data = os.urandom(3_000_000)
    client = SocketClient(service.port)
    assert client.run(put_and_get(client.client, data)) == data
    client.close()
    service.stop()
    analysis = analyze(path, keys=keys_path(path))
    (session,) = analysis.sessions.itertuples()
    assert (session.user, session.decryption) == ("alice", "decrypted")
    assert session.encrypted == session.decrypted > 0
    assert int(analysis.opens.bytes_read.sum()) == int(analysis.opens.bytes_written.sum()) == len(data)


def test_timers_fire_without_anything_coming_in(serve: Callable[..., Service]) -> None:
    service = serve(session_lifetime=100_000_000, expiration_scan=100_000_000)
    client = SocketClient(service.port, reauthenticate=False)
    tree = client.run(log_on(client.client))
    time.sleep(0.5)

    def refused(client: Client) -> Steps[int]:
        return (yield settled(client.create(tree, "a.bin"))).status

    assert client.run(refused(client.client)) == STATUS_NETWORK_SESSION_EXPIRED
    client.close()


def test_a_client_that_takes_no_answers_is_not_read_any_further(serve: Callable[..., Service]) -> None:
    service = serve()
    client, size = SocketClient(service.port, credits=512), 8 << 20
    client.run(put_and_get(client.client, bytes(size)))
    tree = next(iter(client.client.sessions.values())).tree_connects.popitem()[1]

    def opened(client: Client) -> Steps[Any]:
        return (yield client.create(tree, "a.bin"))

    file = client.run(opened(client.client))
    while client.client.credits >= size >> 16:
        client.client.read(file, 0, size)
    for data in client.client.outgoing:
        assert data is not None
        client.socket.sendall(data)
    (connection,) = service.listener._connections.values()
    until = time.monotonic() + 5
    while connection._transport.is_reading() and time.monotonic() < until:
        time.sleep(0.01)
    assert not connection._transport.is_reading()
    other = SocketClient(service.port)
    assert other.run(put_and_get(other.client, b"meanwhile")) == b"meanwhile"
    other.close()
    client.close()


def test_garbage_ends_its_connection_and_no_other(serve: Callable[..., Service]) -> None:
    service = serve()
    for garbage in (b"\0\0\0\x40" + bytes(64), b"\xff" * 100, b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\5hello"):
        with socket.create_connection(("127.0.0.1", service.port), timeout=10) as one:
            one.sendall(garbage)
            one.shutdown(socket.SHUT_WR)
            while one.recv(4096):
                pass
    client = SocketClient(service.port)
    assert client.run(put_and_get(client.client, b"still there")) == b"still there"
    client.close()


def test_stopping_ends_connections_that_wait(serve: Callable[..., Service], tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    service = serve(trace=path)
    client = SocketClient(service.port)
    client.run(log_on(client.client))
    service.stop()
    assert client.socket.recv(1) == b""
    client.close()
    assert list(analyze(path).connections.closed_by) == ["server FIN"]


def test_many_clients_work_at_the_same_time(serve: Callable[..., Service]) -> None:
    service = serve()
    clients = [SocketClient(service.port) for _ in range(20)]
    trees = [client.run(log_on(client.client)) for client in clients]

    def work(client: Client, tree: Any, name: str) -> Steps[bytes]:
        yield from files.put(client, tree, name, name.encode() * 100)
        return (yield from files.get(client, tree, name))

    results: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda one=one, tree=tree, name=f"{place}.txt": results.append(one.run(work(one.client, tree, name)))
        )
        for place, (one, tree) in enumerate(zip(clients, trees, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == sorted(f"{place}.txt".encode() * 100 for place in range(20))
    for client in clients:
        client.close()
