"""Messages that are not what their sender has sent, or that somebody sends again (MS-SMB2 3.1.4.1, 3.1.5.1, 2.2.41)."""

from collections.abc import Callable

from parsers.smb2.create import CreateDisposition
from parsers.smb2.header import Flags
from refserver.client.commands import READ_WRITE_DELETE
from refserver.client.script import Steps, settled, wait
from refserver.client.state import Deviation, Open, TreeConnect
from refserver.network.client_process import ClientLink
from refserver.network.server_process import ServerProcess
from refserver.scenarios.scenario import Option, Scenario
from refserver.scenarios.stage import Stage
from refserver.server.config import ServerConfig

__all__ = ["REPLAYED", "TAMPERED", "UNSIGNED", "WRONG_SIGNATURE"]

_PREFIX = 4
_FLAGS = slice(_PREFIX + 16, _PREFIX + 20)
_SIGNATURE = slice(_PREFIX + 48, _PREFIX + 64)
_LAST = -1  # the last byte of a message

_Change = Callable[[bytearray], None]


def _server(stage: Stage, *, encrypted: bool) -> ServerProcess:
    def change(config: ServerConfig) -> None:
        config.require_message_signing = True
        config.encrypt_data = encrypted

    return stage.server(change=change)


def _unsigned(stage: Stage) -> None:
    _play(stage, _without_signature, "SIGN-03", encrypted=False)


def _wrong_signature(stage: Stage) -> None:
    _play(stage, _other_byte, "SIGN-05", encrypted=False)


def _tampered(stage: Stage) -> None:
    _play(stage, _other_byte, "damaged_message", encrypted=True)


def _without_signature(message: bytearray) -> None:
    flags = int.from_bytes(message[_FLAGS], "little") & ~Flags.SIGNED
    message[_FLAGS] = flags.to_bytes(4, "little")
    message[_SIGNATURE] = bytes(16)


def _other_byte(message: bytearray) -> None:
    message[_LAST] ^= 0x01


def _play(stage: Stage, change: _Change, rule: str, *, encrypted: bool) -> None:
    """A READ of which the answer, or the request itself, is changed on the way."""
    server, machine = _server(stage, encrypted=encrypted), stage.client()
    which = stage.options.get("which", "response")

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file: Open = yield client.create(tree, "report.txt")
        yield client.read(file, 0, 100)
        if which == "response":
            answer = stage.next_answer(link)
            _change_next(server, change)
            yield settled(client.read(file, 100, 100))
            stage.truth.note(
                "request",
                stage.now,
                answer,
                session_id=tree.session.session_id,
                text="answer of READ",
                findings=(rule,),
            )
        elif which == "request":
            with client.deviating(Deviation(tamper=_LAST)):
                request = client.read(file, 100, 100)
            yield settled(request)
            stage.note(link, "request", request, session=tree.session, text="READ", findings=(rule,))
        yield from _part(stage, link, tree, file)

    stage.run(work(machine.connect(server)))


def _change_next(server: ServerProcess, change: _Change) -> None:
    """The next message of the server is another when it leaves it."""

    def rewrite(message: bytes) -> bytes:
        server.rewrite = lambda usual: usual
        changed = bytearray(message)
        change(changed)
        return bytes(changed)

    server.rewrite = rewrite


def _part(stage: Stage, link: ClientLink, tree: TreeConnect, file: Open) -> Steps[None]:
    """Go on, unless somebody has closed the connection because of what came."""
    client = stage.client_of(link)
    if client.closed:
        return
    yield client.close_file(file)
    yield from stage.log_off(client, tree)


def _replayed(stage: Stage) -> None:
    """The server knows the MessageId as used, and drops the connection (3.3.5.2.3)."""
    encrypted = bool(stage.options["encrypted"])
    server, machine = _server(stage, encrypted=encrypted), stage.client()

    def work(link: ClientLink) -> Steps[None]:
        client, tree = yield from stage.log_on(link)
        file = yield client.create(tree, "new.bin", access=READ_WRITE_DELETE, disposition=CreateDisposition.CREATE)
        request = client.write(file, 0, b"pay 100 to bob")
        yield request
        yield wait(seconds=1)
        if stage.options["replayed"]:
            begin = link.next_place
            client.send_again(request)
            place = link.own_place(begin, link.next_place - begin)
            findings = ("CRED-01", "ENC-02") if encrypted else ("CRED-01",)
            stage.truth.note(
                "request", stage.now, place, session_id=tree.session.session_id, text="WRITE, again", findings=findings
            )
            yield link.closed
        yield from _part(stage, link, tree, file)

    stage.run(work(machine.connect(server)))


_WHICH = Option("which", "response", "what is changed", ("response", "request", "none"))

UNSIGNED = Scenario(
    "unsigned_response",
    "a response without a signature on a session that is signed",
    _unsigned,
)
WRONG_SIGNATURE = Scenario(
    "wrong_signature",
    "one byte of a signed message is changed on the way, so that its signature is wrong",
    _wrong_signature,
    (_WHICH,),
)
TAMPERED = Scenario(
    "tampered_message",
    "one byte of an encrypted message is changed on the way, so that it cannot be decrypted",
    _tampered,
    (_WHICH,),
)
REPLAYED = Scenario(
    "replayed_message",
    "somebody sends a client's WRITE a second time",
    _replayed,
    (
        Option("encrypted", default=True, help="the session is encrypted; else it is signed"),
        Option("replayed", default=True, help="whether it is"),
    ),
)
