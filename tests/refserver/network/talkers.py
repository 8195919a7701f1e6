"""A client and a server that only speak TCP, on a network of two hosts."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from parsers.capture.write import PcapngWriter
from refserver.network.endpoint import Endpoint, Lost
from refserver.network.hosts import Network
from refserver.network.observer import Observer
from refserver.network.simulation import SECOND, Simulation

START = 1_700_000_000 * SECOND
REQUEST = b"q" * 100
ADDRESSES = ("10.0.0.10", "10.0.0.1")


class Talker:
    """Keeps what it was told, and answers by `on_data`."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.told: list[tuple[str, int]] = []
        self.lost_by: Lost | None = None
        self.endpoint: Endpoint | None = None
        self.now: Callable[[], int] = lambda: 0
        self.on_connect: Callable[[], None] = lambda: None
        self.on_data: Callable[[], None] = lambda: None
        self.on_end: Callable[[], None] = lambda: None

    def connected(self) -> None:
        self.told.append(("connected", self.now()))
        self.on_connect()

    def received(self, data: bytes) -> None:
        self.got += data
        self.on_data()

    def ended(self) -> None:
        self.told.append(("ended", self.now()))
        self.on_end()

    def lost(self, why: Lost) -> None:
        self.told.append(("lost", self.now()))
        self.lost_by = why


class Pair:
    """A client that sends 100 bytes, gets `answer` for it, and closes; captured at the client and at the server."""

    def __init__(
        self, path: Path, answer: bytes, seed: int = 1, addresses: tuple[str, str] = ("10.0.0.10", "10.0.0.1")
    ):
        self.simulation = Simulation(seed, START)
        self.network = Network(self.simulation)
        self.client_host, self.server_host = map(self.network.host, addresses)
        self.there = self.network.path(self.client_host, self.server_host)
        self.back = self.network.path(self.server_host, self.client_host)
        self.path, self.server_path = path / "client.pcapng", path / "server.pcapng"
        self._files = [path.open("wb") for path in (self.path, self.server_path)]
        self.observer, self.server_observer = (Observer(self.simulation, PcapngWriter(file)) for file in self._files)
        self.client_host.witnesses.append(self.observer)
        self.server_host.witnesses.append(self.server_observer)
        self.answer = answer
        self.client, self.server = Talker(), Talker()
        self.client.now = self.server.now = lambda: self.simulation.now
        self.client.on_connect = lambda: self.endpoint.send(REQUEST)
        self.client.on_data = lambda: self.endpoint.close() if len(self.client.got) == len(answer) else None
        self.server.on_data = lambda: self._answer() if self.server.got == REQUEST else None
        self.server.on_end = lambda: self._server_endpoint().close()
        self.server_host.listen(445, self._accept)

    def connect(self) -> None:
        self.endpoint = self.client_host.connect(self.server_host, 445, self.client)

    def run(self, seconds: float) -> None:
        self.simulation.run(int(seconds * SECOND))

    def close_files(self) -> None:
        for file in self._files:
            file.close()

    def expert(self, tshark: str) -> dict[str, int]:
        """What Wireshark's expert says of the client's capture, how often; checksums are looked at."""
        self.close_files()
        checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
        command = [tshark, "-r", str(self.path), "-q", "-z", "expert", *checks]
        shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        found: dict[str, int] = {}
        for line in shown.splitlines():
            words = line.split(maxsplit=3)
            if len(words) == 4 and words[0].isdecimal():
                found[words[3]] = found.get(words[3], 0) + int(words[0])
        return found

    def _accept(self, endpoint: Endpoint) -> Talker:
        self.server.endpoint = endpoint
        return self.server

    def _server_endpoint(self) -> Endpoint:
        assert self.server.endpoint is not None
        return self.server.endpoint

    def _answer(self) -> None:
        self._server_endpoint().send(self.answer)
