"""What networks and busy machines do to a connection: loss, disorder, closed windows, silence, lost large packets."""

from collections.abc import Callable
from dataclasses import replace

from parsers.smb2.create import CreateDisposition
from refserver.client import files
from refserver.client.calls import all_of
from refserver.client.client import Client
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Open, Request, TreeConnect
from refserver.network.client_process import ClientLink
from refserver.network.frames import Segment
from refserver.network.path import blackout, larger_than
from refserver.network.simulation import SECOND
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage

__all__ = ["BLACK_HOLE", "IDLE_PATH", "LOSS", "PATH_DEAD", "REORDERING", "STALL", "ZERO_WINDOW"]

_NOTICED = 2  # seconds: shorter pauses are the everyday life of a network
_FELT = SECOND // 2
_SMALL_BUFFER = 1 << 16
_WRITTEN = 30_000  # bytes


def _read_large(stage: Stage, link: ClientLink) -> Steps[tuple[Client, TreeConnect, Open, Request[bytes]]]:
    """Log on, open the large file, and ask for all of it; the answer is not waited for."""
    client, tree = yield from stage.log_on(link)
    file: Open = yield client.create(tree, "large.bin")
    yield client.read(file, 0, 100)
    yield wait(seconds=1)
    return client, tree, file, client.read(file, 0, int(stage.options["size"]))


def _large_file(stage: Stage) -> dict[str, bytes]:
    return {"large.bin": stage.random_bytes("large")(int(stage.options["size"]))}


def _loss(stage: Stage) -> None:
    """Only a loss that somebody feels is a trouble: a few segments are sent again at once."""
    _transfer(stage, "path_loss", lambda took: took >= _FELT)


def _reordering(stage: Stage) -> None:
    _transfer(stage, "path_reorders", lambda _took: float(stage.options["reorder"]) > 0)


def _transfer(stage: Stage, rule: str, is_bad: Callable[[int], bool]) -> None:
    """Read the large file; `is_bad` says of the time that it took, nanoseconds, whether `rule` has to report it."""
    server = stage.server(files=_large_file(stage))

    def work(link: ClientLink) -> Steps[None]:
        client, tree, file, request = yield from _read_large(stage, link)
        begin = stage.now
        yield request
        findings = (rule,) if is_bad(stage.now - begin) else ()
        stage.note(link, "request", request, session=tree.session, text="READ of the whole file", findings=findings)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client().connect(server)))


def _zero_window(stage: Stage) -> None:
    server = stage.server(files=_large_file(stage))
    machine = stage.client()
    machine.host.settings = replace(machine.host.settings, receive_buffer=_SMALL_BUFFER)
    busy = stage.seconds("busy")

    def work(link: ClientLink) -> Steps[None]:
        client, tree, file, request = yield from _read_large(stage, link)
        link.endpoint.pause()
        stage.simulation.after(busy, lambda _now: link.endpoint.resume())
        yield request
        findings = ("client_slow",) if busy >= _NOTICED * SECOND else ()
        stage.note(link, "request", request, session=tree.session, text="READ of the whole file", findings=findings)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(machine.connect(server)))


def _stall(stage: Stage) -> None:
    server = stage.server()
    frozen = stage.seconds("frozen")

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "table.csv")
        yield client.read(file, 0, 100)
        yield wait(seconds=1)
        server.stop()
        stage.simulation.after(frozen, lambda _now: server.resume())
        requests = [client.read(file, 1000 * place, 1000) for place in range(4)]
        yield all_of(*requests)
        findings = ("server_stalled",) if frozen >= _NOTICED * SECOND else ()
        stage.note(link, "request", requests[0], session=tree.session, text="READ", findings=findings)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client().connect(server)))


def _path_dead(stage: Stage) -> None:
    server, machine = stage.server(), stage.client()
    dead = stage.seconds("dead")

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "table.csv")
        yield client.read(file, 0, 100)
        yield wait(seconds=1)
        for path in stage.paths_between(machine, server):
            path.faults.append(blackout(stage.now, stage.now + dead))
        request = client.read(file, 1000, 1000)
        yield request
        findings = ("path_dead",) if dead >= _NOTICED * SECOND else ()
        stage.note(link, "request", request, session=tree.session, text="READ", findings=findings)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(machine.connect(server)))


def _idle_path(stage: Stage) -> None:
    """Something between the hosts forgets the connection while nothing is said, and lets nothing of it through."""
    server, machine = stage.server(), stage.client()
    minutes = float(stage.options["idle"])

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.read(file, 0, 100)
        yield wait(seconds=60 * minutes)
        if minutes < float(stage.options["remembered"]):
            yield client.read(file, 100, 100)
            yield client.close_file(file)
            yield from stage.log_off(client, tree)
            return
        number = link.endpoint.connection
        for path in stage.paths_between(machine, server):
            path.faults.append(lambda segment, _size, _now: _is_of(segment, number))
        request = client.read(file, 100, 100)
        yield settled(request)
        findings = ("idle_path_dropped", "request_timeout", "TIME-01")
        stage.note(link, "request", request, session=tree.session, text="READ, into nowhere", findings=findings)
        client, again = yield from stage.log_on(machine.connect(server), previous_session_id=tree.session.session_id)
        yield from files.get(client, again, "report.txt")
        yield from stage.log_off(client, again)

    stage.run(work(machine.connect(server)))


def _is_of(segment: Segment, connection: int) -> bool:
    return segment.connection == connection


def _black_hole(stage: Stage) -> None:
    server, machine = stage.server(), stage.client()

    def work(link: ClientLink) -> Steps[None]:
        link.drop_with_reset = True  # a FIN would wait behind what does not get through
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "new.bin", access=READ_WRITE_DELETE, disposition=CreateDisposition.CREATE)
        yield wait(seconds=1)
        stage.paths_between(machine, server)[0].faults.append(larger_than(int(stage.options["mtu"])))
        request = client.write(file, 0, stage.random_bytes("new")(_WRITTEN))
        yield settled(request)
        if request.succeeded:
            yield client.close_file(file)
            yield from stage.log_off(client, tree)
            return
        text, findings = (
            "WRITE, of large packets",
            ("mtu_black_hole", "request_never_sent", "request_timeout", "TIME-01"),
        )
        stage.note(link, "request", request, session=tree.session, text=text, findings=findings)

    stage.run(work(machine.connect(server)))


_SIZE = Option("size", 250_000, "bytes of the file that is read")

LOSS = Scenario(
    "path_loss",
    "the network loses packets, and the answer to a large READ is slow for it",
    _loss,
    (Option("loss", 0.08, "probability that the network loses a packet"), _SIZE),
)
REORDERING = Scenario(
    "path_reorders",
    "packets overtake each other, and the senders repeat what was not lost",
    _reordering,
    (
        Option("reorder", 0.2, "probability that a packet is overtaken"),
        Option("latency", 1.0, "milliseconds that a packet takes, one way; one that is overtaken takes 2 more"),
        _SIZE,
    ),
)
ZERO_WINDOW = Scenario(
    "zero_window",
    "a client does not take the answer that it has asked for: its receive window is closed",
    _zero_window,
    (_SIZE, Option("busy", 20.0, "seconds for which the client does something else")),
)
STALL = Scenario(
    "server_stalled",
    "the server's process is frozen: its TCP acknowledges, and nothing is answered",
    _stall,
    (Option("frozen", 25.0, "seconds, less than 60"),),
)
PATH_DEAD = Scenario(
    "path_dead",
    "nothing comes through in either direction for a while",
    _path_dead,
    (Option("dead", 25.0, "seconds, less than 60"),),
)
IDLE_PATH = Scenario(
    "idle_path_dropped",
    "something between client and server forgets their connection while it is idle",
    _idle_path,
    (
        Option("idle", 30.0, "minutes in which nothing is said"),
        Option("remembered", 10.0, "minutes for which an idle connection is remembered"),
    ),
)
BLACK_HOLE = Scenario(
    "mtu_black_hole",
    "large packets of the client are dropped without a word, small ones come through",
    _black_hole,
    (Option("mtu", 1400, "bytes of the largest packet that comes through; 1500 lets all of them"),),
)
