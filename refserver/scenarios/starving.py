"""A client that runs out of credits (MS-SMB2 3.3.1.2): for good, or for moments as it may."""

from parsers.smb2.header import Command, parse_header
from refserver.client.calls import all_of
from refserver.client.script import Steps, wait
from refserver.client.state import Open
from refserver.network.client_process import ClientLink
from refserver.network.server_process import ServerProcess
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage
from refserver.server.config import ServerConfig

__all__ = ["STARVATION"]

_CREDITS = slice(4 + 14, 4 + 16)  # CreditResponse behind the transport's four bytes (2.2.1.2)
_FEW = 4
_READS = 12


def _starvation(stage: Stage) -> None:
    def change(config: ServerConfig) -> None:
        config.max_credits = _FEW

    server = stage.server(change=change)

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file: Open = yield client.create(tree, "report.txt")
        if stage.options["grants"] == "none":
            yield from _starve(stage, link, server, file)
            return
        yield all_of(*(client.read(file, 10 * place, 10) for place in range(_READS)))
        yield client.close_file(file)
        yield from stage.log_off(client, tree)

    stage.run(work(stage.client(credits=_FEW).connect(server)))


def _starve(stage: Stage, link: ClientLink, server: ServerProcess, file: Open) -> Steps[None]:
    """Every READ costs a credit and brings none, until the client can ask for nothing, not even ECHO."""
    client = stage.client_of(link)
    server.rewrite = _without_credits
    while client.credits:
        request = client.read(file, 0, 10)
        yield request
    assert link.place is not None  # of the last answer
    stage.truth.note(
        "credits_exhausted",
        stage.now,
        stage.place_of(link, request),
        link.place,
        session_id=file.tree_connect.session.session_id,
        findings=("credit_starvation", "CRED-03"),
    )
    client.read(file, 0, 10)  # waits for a credit that never comes
    yield wait(seconds=float(stage.options["patience"]))
    client.close()


def _without_credits(message: bytes) -> bytes:
    if parse_header(memoryview(message)[4:]).command != Command.READ:
        return message
    changed = bytearray(message)
    changed[_CREDITS] = bytes(2)
    return bytes(changed)


STARVATION = Scenario(
    "credit_starvation",
    "the server answers READs without granting credits, until the client has none left",
    _starvation,
    (
        Option(
            "grants", "none", "what the server grants: nothing, or few, which is slow but no fault", ("none", "few")
        ),
        Option("patience", 30.0, "seconds until the client gives up"),
    ),
)
