"""Oplocks and leases that one client holds and another one waits for (MS-SMB2 3.3.4.6, 3.3.4.7, 3.3.6.1, 3.3.6.5)."""

from collections.abc import Callable
from functools import partial

from parsers.smb2.create import OplockLevel
from parsers.smb2.lease import LeaseFlags, LeaseState, LeaseV2
from refserver.client.breaks import Break
from refserver.client.client import Client
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Open, Request, TreeConnect
from refserver.network.path import blackout
from refserver.network.simulation import SECOND
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage
from refserver.scenarios.truth import Event

__all__ = ["HOLDER_DEAD", "LEASE_BREAK", "OPLOCK_BREAK"]

_PATIENCE = 35  # T4, T8: seconds until the server takes it away
_FELT = 1  # seconds: a shorter wait for somebody's answer is how breaks work
_STAY = 60  # seconds that the holder keeps its file open
_FOR_EVER = 1 << 63
_LEASE_KEY = b"a client's lease"
_ALL = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING | LeaseState.WRITE_CACHING


def _with_oplock(client: Client, tree: TreeConnect) -> Request[Open]:
    return client.create(tree, "report.txt", access=READ_WRITE_DELETE, oplock=OplockLevel.BATCH)


def _with_lease(client: Client, tree: TreeConnect) -> Request[Open]:
    lease = LeaseV2(_LEASE_KEY, _ALL, LeaseFlags(0), bytes(16), 0)
    return client.create(tree, "report.txt", access=READ_WRITE_DELETE, oplock=OplockLevel.LEASE, contexts=(lease,))


def _break(stage: Stage, *, what: str, take: Callable[[Client, TreeConnect], Request[Open]]) -> None:
    server = stage.server()
    holder = stage.client(acknowledge_breaks=False).connect(server)
    other = stage.client().connect(server)
    delay = float(stage.options["delay"])

    def hold() -> Steps[None]:
        client, tree = yield from stage.log_on(holder)
        file = yield take(client, tree)
        yield client.read(file, 0, 100)
        broken: Break = yield client.next_break()
        _expect(stage, what, delay)
        if delay:
            yield wait(seconds=delay)
            yield settled(client.acknowledge(broken))
            if delay > _PATIENCE:
                stage.truth.expect("late_break_ack", f"{_short(what)}_ack")
        yield wait(seconds=max(_STAY - delay, 1))
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    def want() -> Steps[None]:
        client, tree = yield from stage.log_on(other)
        yield wait(seconds=5)
        file = yield client.create(tree, "report.txt", access=READ_WRITE_DELETE)
        if not 0 < delay < _PATIENCE:
            stage.truth.expect("TIME-04", "async_done")
        yield client.read(file, 0, 100)
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(hold(), want())


def _expect(stage: Stage, what: str, delay: float) -> None:
    """What has to be found of a break that is acknowledged after so many seconds; 0 is never."""
    if not 0 < delay < _FELT:
        stage.truth.expect(f"{what}_timeout", what)
    if 0 < delay < _PATIENCE:
        return
    stage.truth.expect("TIME-03", what)
    (notice,) = (event for event in stage.truth.events if event.kind == what)
    _note_timeout(stage, what, notice)


def _note_timeout(stage: Stage, what: str, notice: Event) -> None:
    """Nobody says on the wire that the server's patience is over."""
    stage.truth.note(
        f"{_short(what)}_timeout",
        notice.time + _PATIENCE * SECOND,
        connection=notice.connection,
        text="the server has waited for long enough",
    )


def _short(what: str) -> str:
    """`oplock_break` -> `oplock`."""
    return what.partition("_")[0]


def _holder_dead(stage: Stage) -> None:
    server = stage.server()
    gone, other = stage.client(), stage.client()
    link = gone.connect(server)

    def hold() -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        yield _with_oplock(client, tree)

    def want() -> Steps[None]:
        client, tree = yield from stage.log_on(other.connect(server))
        yield wait(seconds=5)
        file = yield client.create(tree, "report.txt", access=READ_WRITE_DELETE)
        stage.truth.expect("TIME-04", "async_done")
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(hold())
    stage.wait(2)
    for path in stage.paths_between(gone, server):
        path.faults.append(blackout(stage.now, _FOR_EVER))
    notice = stage.next_answer(link)
    stage.run(want())
    (opened,) = (event for event in stage.truth.events if event.kind == "async_pending")
    findings = ("oplock_holder_dead",) if stage.options["capture_at"] == "server" else ()  # nobody else sees it
    event = stage.truth.note("oplock_break", opened.time, notice, text="nobody hears it", findings=findings)
    _note_timeout(stage, "oplock_break", event)


OPLOCK_BREAK = Scenario(
    "oplock_break",
    "a client holds an oplock that another one waits for, and does not acknowledge its break",
    partial(_break, what="oplock_break", take=_with_oplock),
    (Option("delay", 0.0, "seconds until it acknowledges the break; 0 is never, 0.1 in time, more than 35 too late"),),
)
LEASE_BREAK = Scenario(
    "lease_break",
    "a client holds a lease that another one waits for, and acknowledges its break too late",
    partial(_break, what="lease_break", take=_with_lease),
    (Option("delay", 50.0, "seconds until it acknowledges the break; 0 is never, 0.1 in time, more than 35 too late"),),
)
HOLDER_DEAD = Scenario(
    "oplock_holder_dead",
    "the machine that holds an oplock is cut off, and another client waits for it",
    _holder_dead,
    (Option("capture_at", "server", "where the capture is made", ("client", "server")),),
)
