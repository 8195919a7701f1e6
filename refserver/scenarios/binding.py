"""Multichannel: a session on two connections, one of which is lost (MS-SMB2 3.3.7.1, 3.2.7.1)."""

from refserver.client import files
from refserver.client.script import Steps, wait
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import PASSWORD, USER, Stage
from refserver.server.config import ServerConfig

__all__ = ["CHANNEL_LOST"]


def _channel_lost(stage: Stage) -> None:
    def change(config: ServerConfig) -> None:
        config.require_message_signing = True
        config.encrypt_data = stage.options["encrypted"]

    server, machine = stage.server(change=change), stage.client()
    stage.passwords[USER] = PASSWORD  # the key of the second channel comes from its own logon

    def work() -> Steps[None]:
        client, tree = yield from stage.log_on(machine.connect(server))
        file = yield client.create(tree, "table.csv")
        link = machine.connect(server)
        second = stage.client_of(link)
        yield link.established
        yield second.negotiate()
        yield second.bind(tree.session)
        for place in range(3):
            yield (client, second)[place % 2].read(file, 100 * place, 100)
        yield wait(seconds=5)
        if stage.options["lost"]:
            link.drop_with_reset = True
            second.close()
            stage.truth.note(
                "channel_lost",
                stage.now,
                connection=link.endpoint.connection,
                session_id=tree.session.session_id,
                findings=("channel_lost",),
            )
            yield wait(seconds=1)
        yield client.read(file, 400, 100)
        yield client.close_file(file)
        yield from files.put(client, tree, "after.txt", b"the other channel")
        yield from stage.log_off(client, tree)
        if not second.closed:
            second.close()

    stage.run(work())


CHANNEL_LOST = Scenario(
    "channel_lost",
    "a session has two channels and loses one of them",
    _channel_lost,
    (
        Option("lost", default=True, help="whether it is lost before the session ends"),
        Option("encrypted", default=False, help="the session is encrypted"),
    ),
)
