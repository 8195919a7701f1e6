"""A server that goes down and comes back, dies in the middle of an answer, refuses connections, or is not there."""

from refserver.client import files
from refserver.client.script import Steps, settled, wait
from refserver.network.client_process import ClientLink
from refserver.network.server_process import Death
from refserver.network.simulation import MILLISECOND, SECOND
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage

__all__ = ["DEATH", "REFUSED", "RESTART", "UNANSWERED"]

_DEATHS = {"fin": Death.FIN, "reset": Death.RESET}
_HOW = Option("how", "reset", "how the server's kernel ends the connections", tuple(_DEATHS))
_AGAIN = 3.0  # seconds between two attempts of a client to connect


def _restart(stage: Stage) -> None:
    server = stage.server()
    machine, down = stage.client(), float(stage.options["down"])
    link = machine.connect(server)

    def before() -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.read(file, 0, 100)
        yield wait(seconds=2)

    def after() -> Steps[None]:
        yield wait(seconds=1)
        while True:
            again = machine.connect(server)
            yield settled(again.established)
            if again.established.succeeded:
                break
            yield wait(seconds=_AGAIN)
        session_id = next(iter(stage.client_of(link).sessions))
        client, tree = yield from stage.log_on(again, previous_session_id=session_id)
        yield from files.get(client, tree, "report.txt")
        yield from stage.log_off(client, tree)

    stage.run(before())
    server.kill(_DEATHS[stage.options["how"]])
    stage.simulation.after(round(down * SECOND), lambda _now: server.start())
    stage.run(after())
    kind = "tcp_close" if stage.options["how"] == "fin" else "tcp_reset"
    findings = ("server_restarted",)
    stage.truth.note(kind, stage.now, connection=link.endpoint.connection, text="the server goes down", findings=findings)
    refused = [other for other in machine.links[1:] if not other.established.succeeded]
    if refused:
        stage.truth.note(
            "tcp_reset", stage.now, connection=refused[0].endpoint.connection, findings=("connection_refused",)
        )


def _death(stage: Stage) -> None:
    server = stage.server(files={"large.bin": stage.random_bytes("large")(1 << 19)})
    machine = stage.client()
    link = machine.connect(server)
    slow = 5 * MILLISECOND  # a megabyte takes longer than that

    def read() -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "large.bin")
        yield client.read(file, 0, 100)
        yield wait(seconds=1)
        for path in stage.paths_between(machine, server):
            path.bandwidth = 100_000_000
        request = client.read(file, 0, 1 << 19)
        stage.simulation.after(slow, lambda _now: server.kill(_DEATHS[stage.options["how"]]))
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
    server = stage.server()
    server.kill(Death.FIN)
    kind = "tcp_reset"
    _attempts(stage, stage.client().connect, server, kind, "connection_refused")
