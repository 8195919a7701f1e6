"""Dialogues of the reference client and server, played in virtual time and analyzed: what rules are tested with."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from analyzer import Analysis, analyze
from parsers.smb2.header import Command, HeaderFixed, parse_header
from refserver.client.script import Steps
from refserver.network.client_process import ClientLink
from refserver.network.server_process import ServerProcess
from refserver.scenarios.registry import SCENARIOS
from refserver.scenarios.scenario import Scenario
from refserver.scenarios.stage import Stage
from refserver.server.config import ServerConfig

Work = Callable[[Stage, ServerProcess, ClientLink], Steps[Any]]
Change = Callable[[bytearray], bytes | None]
Which = Callable[[HeaderFixed], bool]

PREFIX = 4
STATUS, FLAGS, CREDITS = slice(12, 16), slice(20, 24), slice(18, 20)  # in a message with its prefix
MESSAGE_ID, ASYNC_ID, SESSION_ID = slice(28, 36), slice(36, 44), slice(44, 52)


def played(
    folder: Path, work: Work, *, change: Callable[[ServerConfig], None] | None = None, **client: Any
) -> Analysis:
    """One client works with one server; `client` are settings of `ClientConfig`, `change` sets up the server."""

    def play(stage: Stage) -> None:
        server = stage.server(change=change)
        stage.run(work(stage, server, stage.client(**client).connect(server)))

    return _analyzed(folder, Scenario("play", "a dialogue", play), {})


def generated(folder: Path, name: str, **options: Any) -> Analysis:
    """One of the generator's scenarios."""
    return _analyzed(folder, SCENARIOS[name], options)


def _analyzed(folder: Path, scenario: Scenario, options: dict[str, Any]) -> Analysis:
    capture = io.BytesIO()
    trace = scenario.generate(capture, values=options)
    (folder / "play.pcapng").write_bytes(capture.getvalue())
    (folder / "keys.toml").write_text(trace.keys)
    (folder / "server.keytab").write_bytes(trace.keytab)
    return analyze(folder / "play.pcapng", keys=folder / "keys.toml")


def found(analysis: Analysis, rule: str) -> list[str]:
    """Severities of the findings of one rule, in order of time."""
    frame = analysis.findings
    return frame[frame["rule"] == rule].sort_values("time")["severity"].astype(str).tolist()


def cause(analysis: Analysis, rule: str) -> str:
    """Cause of the only finding of a rule."""
    frame = analysis.findings
    (text,) = frame.loc[frame["rule"] == rule, "cause"].tolist()
    return str(text)


def tamper(server: ServerProcess, which: Which, change: Change) -> None:
    """Change plain messages of a server on their way; what `change` returns, if anything, is sent instead."""
    server.rewrite = _rewriting(which, change)


def tamper_with_client(link: ClientLink, which: Which, change: Change) -> None:
    """The same for messages of a client."""
    rewrite, send = _rewriting(which, change), link.endpoint.send
    link.endpoint.send = lambda data: send(rewrite(data))  # type: ignore[method-assign]


def _rewriting(which: Which, change: Change) -> Callable[[bytes], bytes]:
    def rewrite(message: bytes) -> bytes:
        if message[PREFIX : PREFIX + 4] != b"\xfeSMB" or not which(parse_header(message, PREFIX)):
            return message
        changed = bytearray(message)
        other = change(changed)
        return bytes(changed) if other is None else other

    return rewrite


def answers(command: Command, status: int | None = None) -> Which:
    """Responses to a command, with a status or any."""
    return lambda header: (
        header.is_response and header.command == command and (status is None or header.status == status)
    )


def requests(command: Command) -> Which:
    """Requests of a command."""
    return lambda header: not header.is_response and header.command == command


def with_status(status: int) -> Change:
    """Puts another status into a response."""

    def change(message: bytearray) -> None:
        message[STATUS] = status.to_bytes(4, "little")

    return change


def without_flag(flag: int) -> Change:
    """Takes a flag out of a header."""

    def change(message: bytearray) -> None:
        message[FLAGS] = (int.from_bytes(message[FLAGS], "little") & ~flag).to_bytes(4, "little")

    return change


def with_flag(flag: int) -> Change:
    """Puts a flag into a header."""

    def change(message: bytearray) -> None:
        message[FLAGS] = (int.from_bytes(message[FLAGS], "little") | flag).to_bytes(4, "little")

    return change


def framed(message: bytes) -> bytes:
    """With the transport's prefix."""
    return len(message).to_bytes(PREFIX, "big") + message
