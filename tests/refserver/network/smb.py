"""A server process and a client machine on a simulated network, without the frame of a scenario."""

from typing import Any

from refserver.client import files
from refserver.client.client import Client
from refserver.client.config import ClientConfig
from refserver.client.script import Steps, run
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.network.client_process import ClientLink
from refserver.network.hosts import Network
from refserver.network.server_process import ServerProcess
from refserver.network.simulation import SECOND, Simulation
from refserver.server.config import ServerConfig, UserAccount
from refserver.server.server import Server
from refserver.server.state import Share
from refserver.store.memory import MemoryStore
from refserver.timers import Timers

ALICE = NtlmCredential("alice", "", "Passw0rd!")


class Office:
    """One server, one client machine."""

    def __init__(self) -> None:
        self.simulation = Simulation(1, 1_700_000_000 * SECOND)
        self.network = Network(self.simulation)
        self.store = MemoryStore(now=self.simulation.now)
        self.server = ServerProcess(self.network.host("10.0.0.1"), self._make)
        self.machine = self.network.host("10.0.0.10")
        self._random = self.simulation.random("smb").randbytes

    def connect(self, **settings: Any) -> ClientLink:
        config = ClientConfig(client_guid=bytes(range(16)), **settings)
        client = Client(config, random=self._random, timers=self.simulation.timers)
        return ClientLink(self.machine, client, self.server.host)

    def play(self, steps: Steps[Any]) -> Any:
        script = run(steps, self.simulation.timers)
        self.simulation.run_until(lambda: script.done)
        return script.result

    def log_on(self, link: ClientLink) -> Steps[Any]:
        client: Any = link.client
        yield link.established
        yield client.negotiate()
        session = yield client.session_setup(ALICE)
        return (yield client.tree_connect(session, "data"))

    def put(self, link: ClientLink, tree: Any, data: bytes) -> Steps[None]:
        client: Any = link.client
        return (yield from files.put(client, tree, "a.bin", data))

    def _make(self, timers: Timers) -> Server:
        config = ServerConfig()
        config.add_user(UserAccount("alice", "Passw0rd!"))
        server = Server(config, random=self.simulation.random("server").randbytes, timers=timers)
        server.shares["data"] = Share("data", self.store)
        return server
