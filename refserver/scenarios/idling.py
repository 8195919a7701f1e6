"""A session that the server ends because nobody has used it for a quarter of an hour (T9)."""

from refserver.client import files
from refserver.client.script import Steps, settled, wait
from refserver.client.state import TreeConnect
from refserver.network.client_process import ClientLink
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import SHARE, Stage
from refserver.server.config import ServerConfig

__all__ = ["REAPED"]

_MINUTE = 60
_REAPED = 16  # minutes: T9 is 15, and the server looks every 45 s (T6)


def _reaped(stage: Stage) -> None:
    closes, minutes = stage.options["by"] == "close", float(stage.options["minutes"])

    def change(config: ServerConfig) -> None:
        if not closes:
            config.unauthenticated_timeout = None  # or it closes connections that have no session any more (T6b)

    server = stage.server(change=change)
    machine = stage.client()

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        yield from files.get(client, tree, "report.txt")
        yield wait(seconds=minutes * _MINUTE)
        if minutes >= _REAPED and closes:
            _note_closing(stage, link, tree)
            client, tree = yield from stage.log_on(machine.connect(server))
        elif minutes >= _REAPED:
            tree = yield from _learn_it(stage, link, tree)
        yield from files.get(client, tree, "report.txt")
        yield from stage.log_off(client, tree)

    stage.run(work(machine.connect(server)))


def _note_closing(stage: Stage, link: ClientLink, tree: TreeConnect) -> None:
    number, session_id = link.endpoint.connection, tree.session.session_id
    stage.truth.note("session_ended", stage.now, connection=number, session_id=session_id, text="nobody used it")
    stage.truth.note("tcp_close", stage.now, connection=number, findings=("idle_session_reaped", "TIME-07"))


def _learn_it(stage: Stage, link: ClientLink, tree: TreeConnect) -> Steps[TreeConnect]:
    """The next request is refused; the client logs on again on the same connection."""
    client = stage.client_of(link)
    request = client.create(tree, "report.txt")
    yield settled(request)
    findings = ("SESS-10", "session_lost")
    stage.note(link, "request", request, session=tree.session, text="CREATE, refused", findings=findings)
    session = yield client.session_setup(tree.session.credential, previous_session_id=tree.session.session_id)
    again: TreeConnect = yield client.tree_connect(session, SHARE)
    return again


REAPED = Scenario(
    "idle_reaped",
    "the server ends a session that nobody uses, and the client uses it again",
    _reaped,
    (
        Option("minutes", 20.0, "how long nothing is asked; less than 15 is in time"),
        Option(
            "by",
            "status",
            "how the client learns of it: its next request is refused, or the connection closed",
            ("status", "close"),
        ),
    ),
)
