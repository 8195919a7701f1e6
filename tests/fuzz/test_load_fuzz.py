"""Many clients at once on `sessionscope serve`: no error, the right bytes, and no memory that is never given back.

The server is a process of its own; the clients share the test's. `make test` has a few for ten seconds, `make fuzz` two
hundred for a minute, and reports requests a second.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from refserver.client import files
from refserver.client.client import Client
from refserver.client.config import ClientConfig
from refserver.client.script import Steps
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.timers import Timers

pytestmark = [pytest.mark.fuzz, pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")]

CLIENTS, SECONDS, SETTLED = (200, 60, 10) if settings().max_examples >= 10_000 else (20, 10, 5)
ROUNDS = 10  # of work, before a client logs off and connects again
GROWTH = 0.03  # of what the server has when all are at work: pages that the allocator has not filled again yet
ALICE = NtlmCredential("alice", "", "Passw0rd!")
CONFIGS = ({}, {"require_signing": True}, {"encrypt": True})


class Link(asyncio.Protocol):
    """One connection: what the client has to send goes out as soon as something has come in."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.client.received(data, time.time_ns())
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        self.client.disconnected(time.time_ns())

    def send(self) -> None:
        assert self.transport is not None
        while self.client.outgoing:
            data = self.client.outgoing.popleft()
            assert data is not None, self.client.faults
            self.transport.write(data)


def work(client: Client, folder: str, until: float) -> Steps[int]:
    """A logon and some rounds of small work; how many rounds there were."""
    yield client.negotiate()
    session = yield client.session_setup(ALICE)
    tree = yield client.tree_connect(session, "files")
    rounds = 0
    while rounds < ROUNDS and time.monotonic() < until:
        content = os.urandom(1 + rounds * 1000)
        yield client.run(files.put(client, tree, rf"{folder}\new", content))
        yield client.run(files.rename(client, tree, rf"{folder}\new", rf"{folder}\old"))
        assert (yield client.run(files.get(client, tree, rf"{folder}\old"))) == content
        names = [entry.file_name for entry in (yield client.run(files.list_directory(client, tree, folder)))]
        assert sorted(names) == [".", "..", "old"]
        yield client.run(files.delete(client, tree, rf"{folder}\old"))
        rounds += 1
    yield client.tree_disconnect(tree)
    yield client.logoff(session)
    return rounds


async def one_client(port: int, number: int, until: float) -> int:
    """Connects again and again until the time is over; the rounds of work."""
    loop, rounds = asyncio.get_running_loop(), 0
    while time.monotonic() < until:
        config = ClientConfig(client_guid=os.urandom(16), **CONFIGS[number % len(CONFIGS)])  # type: ignore[arg-type]
        client = Client(config, random=os.urandom, timers=Timers(time.time_ns()))
        transport, link = await loop.create_connection(lambda client=client: Link(client), "127.0.0.1", port)
        ended: asyncio.Future[int] = loop.create_future()
        script = client.run(work(client, str(number), until))
        script.then(lambda call, ended=ended: ended.set_result(call.status or 0))
        link.send()
        assert await asyncio.wait_for(ended, 60) == 0, hex(script.status or 0)
        assert client.faults == []
        rounds += script.result
        transport.close()
    return rounds


async def all_clients(port: int, server: int) -> tuple[int, int, int]:
    """Rounds of work, and the server's memory in KiB after a while and at the end."""
    until = time.monotonic() + SECONDS
    clients = [asyncio.ensure_future(one_client(port, number, until)) for number in range(CLIENTS)]
    await asyncio.sleep(SETTLED)
    settled, highest = memory(server), 0
    while not all(client.done() for client in clients):
        await asyncio.sleep(0.5)
        highest = max(highest, memory(server))
    return sum(await asyncio.gather(*clients)), settled, highest


def memory(process: int) -> int:
    """KiB that the process has in memory."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@contextmanager
def serving(share: Path) -> Iterator[tuple[int, int]]:
    """`sessionscope serve`: its port and its process."""
    command = [sys.executable, "-m", "analyzer.cli", "serve", "--share", f"files={share}", "--port", "0"]
    with subprocess.Popen([*command, "--user", "alice:Passw0rd!"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline().rpartition(":")[2]), process.pid
            assert process.poll() is None
        finally:
            process.terminate()
        assert process.wait(10) == 0


def test_many_clients_work_at_once_without_an_error_and_without_growth(tmp_path: Path) -> None:
    for number in range(CLIENTS):
        (tmp_path / str(number)).mkdir()
    with serving(tmp_path) as (port, server):
        rounds, settled, highest = asyncio.run(all_clients(port, server))
    figures = (
        f"{CLIENTS} clients, {SECONDS} s: {rounds} rounds of 14 requests; memory {settled} KiB, then {highest} KiB"
    )
    sys.stderr.write(figures + "\n")
    assert rounds >= CLIENTS
    assert highest <= settled * (1 + GROWTH), figures
