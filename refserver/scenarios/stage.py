"""The stage of a scenario: hosts, a network, servers and clients, the clock, and the record of what happens."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from parsers.errors import UsageError
from parsers.gss.kerberos.names import Etype
from parsers.keys.export import Session as KeyEntry
from parsers.keys.keytab import KeytabEntry
from parsers.ntstatus import name as status_name
from refserver.client.calls import Call
from refserver.client.client import Client
from refserver.client.config import ClientConfig
from refserver.client.script import Script, Steps, run
from refserver.client.state import Request, Session, TreeConnect
from refserver.gss.initiator import Credential
from refserver.gss.kerberos_initiator import KerberosCredential
from refserver.gss.ntlm_initiator import NtlmCredential
from refserver.gss.tickets import ClientTicket, mint
from refserver.network.client_process import ClientLink, Place
from refserver.network.hosts import Host, Network
from refserver.network.observer import Observer
from refserver.network.path import Path
from refserver.network.server_process import ServerProcess
from refserver.network.simulation import MILLISECOND, SECOND, Simulation
from refserver.scenarios.recorder import Recorder
from refserver.scenarios.truth import Event, Truth
from refserver.server.config import ServerConfig, UserAccount
from refserver.server.server import Server
from refserver.server.state import Session as ServerSession
from refserver.server.state import Share
from refserver.store.memory import MemoryStore
from refserver.timers import Timers

__all__ = ["DOMAIN", "PASSWORD", "REALM", "SHARE", "USER", "Machine", "Stage"]

USER, DOMAIN, PASSWORD = "alice", "CORPUS", "Passw0rd!"
REALM = "CORPUS.EXAMPLE"
SHARE = "data"

_SETTLING = 5 * SECOND
_LONGEST = 7 * 24 * 3600 * SECOND
_FILES = {"report.txt": b"quarterly figures\r\n" * 20, "table.csv": b"name,value\r\n" * 500}

T = TypeVar("T")


class Machine:
    """A client's machine; each connection has a `Client` of its own on it.

    Attributes:
        host: its place in the network.
        config: how its next clients are set up.
        links: its connections, in the order in which they were made.
    """

    def __init__(self, stage: "Stage", host: Host, config: ClientConfig) -> None:
        self._stage, self.host, self.config = stage, host, config
        self.links: list[ClientLink] = []
        self._random = stage.random_bytes(f"client {host.address.hex()}")

    def connect(self, server: ServerProcess) -> ClientLink:
        """Begin a connection; `link.established` ends when it stands."""
        timers = self._stage.simulation.timers
        client = Client(self.config, random=self._random, timers=timers)
        link = ClientLink(self.host, client, server.host)
        self._stage.record(link)
        self.links.append(link)
        return link


class Stage:
    """Where one run of a scenario happens.

    Attributes:
        simulation: clock and dice.
        network: hosts and paths.
        truth: the record; clients' messages are noted by themselves.
        options: values of the scenario's options by name.
        keys: of all sessions so far, as a key file has them.
        service_keys: of the servers for which there were tickets: they go into the keytab.
        passwords: of users of `DOMAIN`, for the key file; only they verify the signatures of a second channel.
    """

    def __init__(self, seed: int, begin: int, options: Mapping[str, Any]) -> None:
        self.simulation = Simulation(seed, begin)
        self.network = Network(self.simulation)
        self.truth = Truth()
        self.options = dict(options)
        self.keys: list[KeyEntry] = []
        self._observer: Observer | None = None
        self._observes_server = False
        self._machines = 0
        self._recorders: dict[ClientLink, Recorder] = {}
        self._hosts: list[Host] = []
        self._service_keys: dict[str, KeytabEntry] = {}
        self.service_keys: list[KeytabEntry] = []
        self.passwords: dict[str, str] = {}

    @property
    def now(self) -> int:
        """Nanoseconds since 1970."""
        return self.simulation.now

    def seconds(self, option: str) -> int:
        """An option that counts seconds, in nanoseconds."""
        return round(float(self.options[option]) * SECOND)

    def random_bytes(self, purpose: str) -> Callable[[int], bytes]:
        """Random bytes for one purpose, the same with the same seed."""
        return self.simulation.random(purpose).randbytes

    # ------------------------------------------------------------------------------------ hosts

    def observe(self, observer: Observer, *, at_server: bool) -> None:
        """Capture at every client's host, or at every server's."""
        self._observer, self._observes_server = observer, at_server

    def server(
        self,
        *,
        name: str = "FS1",
        address: str = "10.0.0.1",
        change: Callable[[ServerConfig], None] | None = None,
        shares: Mapping[str, Share] | None = None,
        files: Mapping[str, bytes] = _FILES,
    ) -> ServerProcess:
        """A server that runs, with the share `SHARE` in memory and the user `USER`.

        Args:
            name: its NetBIOS name.
            address: IPv4 or IPv6.
            change: gets the configuration before each start, to set it up otherwise.
            shares: further shares by name.
            files: what lies in `SHARE`, by name.
        """
        host = self._host(address, is_server=True)
        random = self.random_bytes(f"server {address}")
        store = MemoryStore(now=self.now, label=SHARE)
        for path, content in files.items():
            store.create((path,), directory=False, attributes=0x20, now=self.now).write(0, content)
        own = {SHARE: Share(SHARE, store), **(shares or {})}

        def make(timers: Timers) -> Server:
            config = ServerConfig(name=name, domain=DOMAIN, server_guid=random(16), start_time=self.now)
            config.add_user(UserAccount(USER, PASSWORD, domain=DOMAIN))
            config.keytab = (self.service_key(name),)
            if change is not None:
                change(config)
            server = Server(config, random=random, timers=timers)
            server.on_keys = self._keep_keys
            server.shares.update({share.lower(): record for share, record in own.items()})
            return server

        return ServerProcess(host, make)

    def client(self, address: str | None = None, **settings: Any) -> Machine:
        """A client's machine; `settings` are members of `ClientConfig`."""
        self._machines += 1
        host = self._host(address or f"10.0.0.{9 + self._machines}", is_server=False)
        guid = self.random_bytes(f"guid {host.address.hex()}")(16)
        return Machine(self, host, replace(ClientConfig(client_guid=guid, server_name="FS1"), **settings))

    def paths(self) -> list[Path]:
        """All paths between the hosts that exist so far, both directions."""
        return [self.network.path(one, other) for one in self._hosts for other in self._hosts if one is not other]

    def paths_between(self, machine: Machine, server: ServerProcess) -> tuple[Path, Path]:
        """The path from a client to a server, and the one back."""
        one, other = machine.host, server.host
        return self.network.path(one, other), self.network.path(other, one)

    def _host(self, address: str, *, is_server: bool) -> Host:
        host = self.network.host(address)
        self._hosts.append(host)
        if self._observer is not None and is_server == self._observes_server:
            host.witnesses.append(self._observer)
        for other in self._hosts[:-1]:
            for path in (self.network.path(host, other), self.network.path(other, host)):
                self._set_up(path)
        return host

    def _set_up(self, path: Path) -> None:
        path.latency = round(float(self.options["latency"]) * MILLISECOND)
        path.bandwidth = round(float(self.options["bandwidth"]) * 1_000_000)
        path.loss, path.reorder = float(self.options["loss"]), float(self.options["reorder"])
        path.duplicate = float(self.options["duplicate"])

    # ------------------------------------------------------------------------------------ the record

    def record(self, link: ClientLink) -> None:
        """Note what passes over a connection."""
        self._recorders[link] = Recorder(self.truth, link)

    def place_of(self, link: ClientLink, request: Request[Any]) -> Place:
        """Where a request lies that a client has sent on this connection."""
        return self._recorders[link].place_of(request)

    @staticmethod
    def next_answer(link: ClientLink) -> Place:
        """Where what the server sends next on this connection begins."""
        endpoint = link.endpoint
        return Place(endpoint.connection, endpoint.remote, endpoint.delivered, endpoint.delivered + 1)

    def note(
        self,
        link: ClientLink,
        kind: str,
        *requests: Request[Any],
        session: Session | None = None,
        text: str = "",
        findings: Sequence[str] = (),
    ) -> Event:
        """Something has happened on a connection that these requests tell of.

        If there are none, it is the message that the client works on which tells of it, if it works on one.
        """
        places = [self.place_of(link, request) for request in requests]
        if not places and link.place is not None:
            places.append(link.place)
        return self.truth.note(
            kind,
            self.now,
            *places,
            session_id=None if session is None else session.session_id,
            connection=link.endpoint.connection,
            text=text,
            findings=findings,
        )

    def _keep_keys(self, session: ServerSession) -> None:
        self.keys.append((session.session_id, session.full_session_key or session.session_key, None, None))

    # ------------------------------------------------------------------------------------ time

    def run(self, *scripts: Steps[Any], limit: int = _LONGEST) -> tuple[Any, ...]:
        """Let clients work at the same time, until all have done; returns what their scripts return.

        Raises:
            UsageError: a script has failed, or does not come to its end within `limit` nanoseconds.
        """
        running = [run(script, self.simulation.timers) for script in scripts]
        self.simulation.run_until(lambda: all(script.done for script in running), limit=limit)
        return tuple(map(_result, running))

    def start(self, script: Steps[T]) -> Script[T]:
        """Let a script begin, and go on with whatever follows; `run` other scripts for time to pass."""
        return run(script, self.simulation.timers)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.simulation.run(round(seconds * SECOND))

    def settle(self) -> None:
        """Let what is under way arrive."""
        self.simulation.run(_SETTLING)

    # ------------------------------------------------------------------------------------ parts of scripts

    @staticmethod
    def client_of(link: ClientLink) -> Client:
        """The client of a connection that `Machine.connect` has made."""
        assert isinstance(link.client, Client)
        return link.client

    def log_on(
        self, link: ClientLink, credential: Credential | None = None, share: str = SHARE, **settings: Any
    ) -> Steps[tuple[Client, TreeConnect]]:
        """Connect, negotiate, log on as `USER` with NTLM or as `credential`, and connect to a share.

        `settings` are those of `Client.session_setup`. What 3.0 and 3.0.2 do to be sure of NEGOTIATE is done.
        """
        client = self.client_of(link)
        yield link.established
        yield client.negotiate()
        session: Session = yield client.session_setup(credential or self.ntlm(), **settings)
        tree: TreeConnect = yield client.tree_connect(session, share)
        if client.dialect in (0x0300, 0x0302):
            yield client.validate_negotiate(tree)
        return client, tree

    def log_off(self, client: Client, tree: TreeConnect) -> Steps[None]:
        """Leave the share, log off, and close the connection."""
        yield client.tree_disconnect(tree)
        yield client.logoff(tree.session)
        client.close()

    def ntlm(self, user: str = USER, password: str = PASSWORD) -> NtlmCredential:
        """An account of `DOMAIN`."""
        return NtlmCredential(user, DOMAIN, password, workstation="WS1", target_name="cifs/FS1")

    def kerberos(
        self, lifetime: int, *, user: str = USER, server: str = "FS1", renews: bool = True
    ) -> KerberosCredential:
        """Tickets for a server, each for `lifetime` nanoseconds from when it was got.

        Args:
            lifetime: of a ticket.
            user: who it is for.
            server: the name that `server` was given.
            renews: whether there is a new ticket when the first has expired; else it is the first again.
        """
        key, random = self.service_key(server), self.random_bytes(f"tickets {user}")
        if key not in self.service_keys:
            self.service_keys.append(key)
        held: list[ClientTicket] = []

        def ticket(now: int) -> ClientTicket:
            if not held or (renews and now >= held[-1].endtime):
                begin = now // SECOND * SECOND
                made = mint(key, client=user, authtime=begin, endtime=begin + lifetime, random=random)
                held.append(made)
            return held[-1]

        return KerberosCredential(ticket)

    def service_key(self, server: str) -> KeytabEntry:
        """The long-term key of a server."""
        if server not in self._service_keys:
            secret = self.random_bytes(f"service {server}")(32)
            principal = f"cifs/{server.lower()}.{REALM.lower()}"
            etype = Etype.AES256_CTS_HMAC_SHA1_96
            self._service_keys[server] = KeytabEntry(principal, REALM, 3, etype, secret, self.now, "generated")
        return self._service_keys[server]


def _result(script: Call[Any]) -> Any:
    if not script.succeeded:
        assert script.status is not None
        raise UsageError(f"a script of the scenario ended with {status_name(script.status)}")
    return script.result
