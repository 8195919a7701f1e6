"""A durable handle (MS-SMB2 3.3.5.9.6 to 3.3.5.9.12) whose connection is lost: had back in time, or too late."""

from parsers.smb2.create import OplockLevel
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.durable import DurableFlags, DurableRequest, DurableRequestV2
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Open, TreeConnect
from refserver.network.client_process import ClientLink
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage

__all__ = ["RECONNECT"]

_KEPT = {"1": 120.0, "2": 180.0}  # seconds (T5), by version of the context
_GUID = b"a durable handle"


def _reconnect(stage: Stage) -> None:
    server = stage.server()
    machine = stage.client()
    version, away = str(stage.options["version"]), float(stage.options["away"])
    context: CreateContext = DurableRequest() if version == "1" else DurableRequestV2(0, DurableFlags(0), _GUID)

    def lose(link: ClientLink) -> Steps[Open]:
        client, tree = yield from stage.log_on(link)
        file: Open = yield client.create(
            tree, "report.txt", access=READ_WRITE_DELETE, oplock=OplockLevel.BATCH, contexts=(context,)
        )
        yield client.write(file, 0, b"before ")
        yield wait(seconds=3)
        link.drop_with_reset = True  # as by a client whose network is switched
        client.close()
        return file

    def come_back(link: ClientLink, file: Open) -> Steps[None]:
        old = file.tree_connect.session
        client, tree = yield from stage.log_on(link, previous_session_id=old.session_id)
        again = yield settled(client.reconnect(tree, file))
        if away > _KEPT[version]:
            stage.truth.expect("durable_handle_lost", "handle_lost")
            again = client.create(tree, "report.txt", access=READ_WRITE_DELETE)
            yield again
        yield from _work(stage, link, tree, again.result)

    (file,) = stage.run(lose(machine.connect(server)))
    stage.wait(away)
    stage.run(come_back(machine.connect(server), file))


def _work(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    client = stage.client_of(link)
    yield client.write(file, 7, b"and after")
    yield client.close_file(file)
    yield from stage.log_off(client, tree)


RECONNECT = Scenario(
    "durable_reconnect",
    "the connection of a durable handle is lost, and the client comes back for it",
    _reconnect,
    (
        Option("away", 240.0, "seconds until it comes back; less than 120 is in time"),
        Option("version", "2", "of the create context: the server keeps the handle for 120 or 180 s", ("1", "2")),
    ),
)
