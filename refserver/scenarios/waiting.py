"""Requests that are answered late, too late, or never, and those that may wait for as long as they like."""

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.create import CreateOptions
from parsers.smb2.error import ErrorResponse
from parsers.smb2.header import HEADER_SIZE, Command, Flags, build_header, parse_header
from parsers.smb2.lock import LockElement, LockFlags
from refserver.client import files
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Open, TreeConnect
from refserver.network.client_process import ClientLink
from refserver.network.server_process import ServerProcess
from refserver.network.simulation import SECOND
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage

__all__ = ["LATE", "LONG_WAITS", "PENDING", "TIMEOUT"]

_PREFIX = 4
_NOTICED = 2  # seconds: shorter pauses are the everyday life of a server
_BETWEEN = 1.5  # seconds from one of the other requests to the next
_ASYNC_ID = 0x51
_EXCLUSIVE = LockFlags.EXCLUSIVE_LOCK


def _late(stage: Stage) -> None:
    server = stage.server()
    delay, others = stage.seconds("delay"), stage.options["others"]

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.read(file, 0, 100)
        yield wait(seconds=1)
        server.delay_next(delay)
        request = client.read(file, 100, 100)
        while others and not request.done:
            yield wait(seconds=_BETWEEN)
            yield client.read(file, 0, 100)
        yield request
        rule = "server_slow" if others else "server_stalled"
        findings = (rule,) if delay >= _NOTICED * SECOND else ()
        stage.note(link, "request", request, session=tree.session, text="READ, answered late", findings=findings)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client().connect(server)))


def _timeout(stage: Stage) -> None:
    server = stage.server()
    machine = stage.client(expiration_scan=stage.seconds("scan"))
    link = machine.connect(server)
    answered = stage.seconds("answered")

    def work() -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.read(file, 0, 100)
        yield wait(seconds=1)
        answer = stage.next_answer(link)
        if answered:
            server.stop()
            stage.simulation.after(answered, lambda _now: server.resume())
        else:
            server.rewrite = lambda _message: b""
        request = client.read(file, 100, 100)
        yield settled(request)
        findings = ("server_stalled", "request_timeout", "TIME-01")
        stage.note(link, "request", request, session=tree.session, text="READ, not answered", findings=findings)
        if answered:
            yield wait(nanoseconds=answered)
            text = "the answer, too late"
            stage.truth.note(
                "request", stage.now, answer, session_id=tree.session.session_id, text=text, findings=("late_answer",)
            )
        server.rewrite = lambda message: message
        yield wait(seconds=2)
        yield from _come_back(stage, machine.connect(server), tree)

    stage.run(work())


def _come_back(stage: Stage, link: ClientLink, old: TreeConnect) -> Steps[None]:
    """A new connection and a new session, which replaces the old one (3.2.4.2.3)."""
    client, tree = yield from stage.log_on(link, previous_session_id=old.session.session_id)
    yield from files.get(client, tree, "report.txt")
    yield from stage.log_off(client, tree)


def _pending(stage: Stage) -> None:
    server = stage.server()
    answered = float(stage.options["answered"])

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "report.txt")
        yield client.read(file, 0, 100)
        yield wait(seconds=1)
        _put_off(stage, server, answered)
        request = client.read(file, 100, 100)
        yield settled(request)
        if request.succeeded:
            yield client.close_file(file)
            yield from stage.log_off(client, tree)
            return
        text = "READ, promised and never answered"
        findings = ("request_timeout", "TIME-01")
        stage.note(link, "request", request, session=tree.session, text=text, findings=findings)

    stage.run(work(stage.client().connect(server)))


def _put_off(stage: Stage, server: ServerProcess, answered: float) -> None:
    """Let the server say STATUS_PENDING to the next READ, and the answer follow after so many seconds; never if 0."""

    def rewrite(message: bytes) -> bytes:
        header = parse_header(memoryview(message)[_PREFIX:])
        if header.command != Command.READ:
            return message
        server.rewrite = lambda usual: usual
        (number,) = server.server.connections
        flags = Flags.SERVER_TO_REDIR | Flags.ASYNC_COMMAND

        def asynchronous(status: int, credits_: int, body: bytes) -> bytes:
            unit = build_header(
                Command.READ,
                header.message_id,
                credit_charge=header.credit_charge,
                status=status,
                credits_=credits_,
                flags=flags,
                async_id=_ASYNC_ID,
                session_id=header.session_id,
            )
            unit += body
            return len(unit).to_bytes(_PREFIX, "big") + unit

        final = asynchronous(0, 0, message[_PREFIX + HEADER_SIZE :])
        if answered:
            at = stage.now + round(answered * SECOND)
            server.server.timers.at(at, lambda _now: server.server.outgoing.append((number, final)))
        return asynchronous(ntstatus.STATUS_PENDING, header.credits, ErrorResponse().build())

    server.rewrite = rewrite


def _long_waits(stage: Stage) -> None:
    server = stage.server()
    holder, other = stage.client().connect(server), stage.client().connect(server)
    hours = float(stage.options["hours"])
    whole = LockElement(0, 100, _EXCLUSIVE)

    def hold() -> Steps[None]:
        client, tree = yield from stage.log_on(holder)
        file = yield client.create(tree, "table.csv", access=READ_WRITE_DELETE)
        directory = yield client.create(
            tree,
            "",
            access=AccessMask.FILE_LIST_DIRECTORY | AccessMask.SYNCHRONIZE,
            options=CreateOptions.DIRECTORY_FILE,
        )
        yield client.lock(file, (whole,))
        changes = client.change_notify(directory)
        yield wait(seconds=hours * 3600)
        yield client.lock(file, (LockElement(0, 100, LockFlags.UNLOCK),))
        yield changes
        yield client.close_file(directory)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    def want() -> Steps[None]:
        client, tree = yield from stage.log_on(other)
        file: Open = yield client.create(tree, "table.csv", access=READ_WRITE_DELETE)
        yield wait(seconds=1)
        yield client.lock(file, (whole,))
        yield from files.put(client, tree, "done.txt", b"done")
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(hold(), want())


LATE = Scenario(
    "late_response",
    "a READ that the server answers late, though within the client's patience",
    _late,
    (
        Option("delay", 20.0, "seconds until it is answered, less than 60"),
        Option("others", default=False, help="whether other READs are answered meanwhile, at once"),
    ),
)
TIMEOUT = Scenario(
    "request_timeout",
    "a READ is not answered, and the client drops the connection after SessTimeout",
    _timeout,
    (
        Option("answered", 0.0, "seconds, more than 60, after which the answer comes all the same; 0 is never"),
        Option("scan", 0.0, "seconds between two looks of the client at what has become too old; 0 sees it at once"),
    ),
)
PENDING = Scenario(
    "pending_timeout",
    "a READ is answered with STATUS_PENDING and never finished: the client waits for its extended timeout",
    _pending,
    (Option("answered", 0.0, "seconds after which the answer comes; 0 is never, more than 240 is too late"),),
)
LONG_WAITS = Scenario(
    "long_waits",
    "CHANGE_NOTIFY and a LOCK that waits for its range are pending for an hour, which is as it should be",
    _long_waits,
    (Option("hours", 1.0, "how long they are"),),
)
