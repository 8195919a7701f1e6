"""A server that goes down and comes back, dies in the middle of an answer, refuses connections, or is not there."""

from refserver.client import files
from refserver.client.script import Steps, settled, wait
from refserver.network.client_process import ClientLink
from refserver.network.server_process import Death, ServerProcess
from refserver.network.simulation import MILLISECOND
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Machine, Stage

__all__ = ["DEATH", "REFUSED", "RESTART", "UNANSWERED"]

_DEATHS = {"fin": (Death.FIN, "tcp_close"), "reset": (Death.RESET, "tcp_reset")}
_AGAIN = 3.0  # seconds between two attempts of a client to connect
_LARGE = 1 << 19  # bytes
_ATTEMPTS = Option("attempts", 3, "how often the client tries to connect")


def _restart(stage: Stage) -> None:
    server = stage.server()
    machine = stage.client()
    link = machine.connect(server)
    death, kind = _DEATHS[stage.options["how"]]

    def before() -> Steps[int]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.read(file, 0, 100)
        yield wait(seconds=2)
        return tree.session.session_id

    def after(session_id: int) -> Steps[None]:
        yield wait(seconds=1)
        again = yield from _until_connected(machine, server)
        client, tree = yield from stage.log_on(again, previous_session_id=session_id)
        yield from files.get(client, tree, "report.txt")
        yield from stage.log_off(client, tree)

    (session_id,) = stage.run(before())
    number = link.endpoint.connection
    stage.truth.note(kind, stage.now, connection=number, text="the service goes down", findings=("server_restarted",))
    server.kill(death)
    stage.simulation.after(stage.seconds("down"), lambda _now: server.start())
    stage.run(after(session_id))
    _note_refusal(stage, machine)


def _until_connected(machine: Machine, server: ServerProcess) -> Steps[ClientLink]:
    while True:
        link = machine.connect(server)
        yield settled(link.established)
        if link.established.succeeded:
            return link
        yield wait(seconds=_AGAIN)


def _note_refusal(stage: Stage, machine: Machine) -> None:
    """All that a client was refused is one finding, at the first."""
    refused = [link.endpoint.connection for link in machine.links if not link.established.succeeded]
    if refused:
        stage.truth.note("tcp_reset", stage.now, connection=refused[0], findings=("connection_refused",))


def _death(stage: Stage) -> None:
    server = stage.server(files={"large.bin": stage.random_bytes("large")(_LARGE)})
    machine = stage.client()
    link = machine.connect(server)

    def read() -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "large.bin")
        yield client.read(file, 0, 100)
        yield wait(seconds=1)
        request = client.read(file, 0, _LARGE)
        stage.simulation.after(3 * MILLISECOND, lambda _now: server.kill(Death.RESET))  # 100 Mbit/s needs 40 ms for it
        yield settled(request)
        findings = ("server_died", "response_never_complete")
        stage.note(link, "request", request, session=tree.session, text="READ, half answered", findings=findings)

    def after() -> Steps[None]:
        client, tree = yield from stage.log_on(machine.connect(server))
        yield from files.list_directory(client, tree)
        yield from stage.log_off(client, tree)

    stage.run(read())
    server.start()
    stage.wait(2)
    stage.run(after())


def _refused(stage: Stage) -> None:
    server, machine = stage.server(), stage.client()
    server.kill(Death.FIN)
    stage.run(_attempts(stage, machine, server))
    _note_refusal(stage, machine)


def _unanswered(stage: Stage) -> None:
    server, machine = stage.server(), stage.client()
    server.kill(Death.SILENT)
    stage.run(_attempts(stage, machine, server))
    number = machine.links[0].endpoint.connection
    text, findings = "nobody answers", ("connect_timeout",)
    stage.truth.note("tcp_connect", stage.now, connection=number, text=text, findings=findings)


def _attempts(stage: Stage, machine: Machine, server: ServerProcess) -> Steps[None]:
    for _ in range(int(stage.options["attempts"])):
        yield settled(machine.connect(server).established)
        yield wait(seconds=_AGAIN)


RESTART = Scenario(
    "server_restart",
    "the server goes down, refuses connections, comes back, and knows no session of before",
    _restart,
    (
        Option("how", "reset", "how the connections end", tuple(_DEATHS)),
        Option("down", 10.0, "seconds until it is back, more than 1"),
    ),
)
DEATH = Scenario(
    "server_death",
    "the process that serves a client dies in the middle of the answer to a READ",
    _death,
    (Option("bandwidth", 100.0, "megabits a second, each way"),),
)
REFUSED = Scenario("connection_refused", "nothing listens on the server's port", _refused, (_ATTEMPTS,))
UNANSWERED = Scenario("connect_timeout", "the server is switched off: nobody answers a SYN", _unanswered, (_ATTEMPTS,))
