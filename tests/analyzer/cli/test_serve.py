"""`sessionscope serve`: what it refuses, and that Ctrl-C leaves a complete trace."""

import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer import analyze
from tests.refserver.serve.over_sockets import ALICE, SocketClient

Sessionscope = Callable[..., tuple[int, str, str]]
SHARE = ("--share", "memory")
USER = ("--user", "alice:Passw0rd!")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (USER, "there is nothing to serve"),
        (SHARE, "nobody could log on"),
        ((*USER, "--share", "a=/nowhere"), "/nowhere is not a folder"),
        ((*USER, "--share", "a/b"), "'a/b' is no name for a share"),
        ((*USER, *SHARE, "--share", "MEMORY"), "two shares named MEMORY"),
        ((*USER, *SHARE, "--share", "ipc$"), "two shares named ipc$"),
        ((*SHARE, "--user", "alice"), "write USER:PASSWORD"),
        ((*SHARE, "--user", ":Passw0rd!"), "write USER:PASSWORD"),
        ((*USER, *SHARE, "--host", "0.0.0.0"), "say --allow-remote if they are to"),
        ((*USER, *SHARE, "--host", "::"), "say --allow-remote if they are to"),
        ((*USER, *SHARE, "--host", "fileserver"), "is no IP address"),
        ((*USER, *SHARE, "--port", "70000"), "is no port"),
        ((*USER, *SHARE, "--expire", "0"), "is no number of seconds"),
        ((*USER, *SHARE, "--min-dialect", "3.0", "--max-dialect", "2.1"), "no dialect is between 3.0 and 2.1"),
        ((*USER, *SHARE, "--keytab", "/nowhere/k"), "/nowhere/k cannot be read"),
        ((*USER, *SHARE, "--port", "0", "--trace", "/nowhere/a.pcapng"), "/nowhere/a.pcapng cannot be written"),
        ((*USER, *SHARE, "--host", "203.0.113.1", "--allow-remote"), "cannot listen on 203.0.113.1"),
    ],
)
def test_mistakes_are_one_sentence(arguments: tuple[str, ...], message: str, sessionscope: Sessionscope) -> None:
    code, out, err = sessionscope("serve", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Passw0rd" not in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop_and_leaves_a_complete_trace(stop: signal.Signals, tmp_path: Path) -> None:
    trace = tmp_path / "out.pcapng"
    command = [
        sys.executable,
        "-m",
        "analyzer.cli",
        "serve",
        *SHARE,
        *USER,
        "--encrypt",
        "--port",
        "0",
        "--trace",
        str(trace),
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:")
        client = SocketClient(int(line.rpartition(":")[2]))

        def log_on(one):
            yield one.negotiate()
            session = yield one.session_setup(ALICE)
            yield one.tree_connect(session, "memory")

        client.run(log_on(client.client))
        server.send_signal(stop)
        assert server.communicate(timeout=10) == ("", "")
    finally:
        server.kill()
    assert server.returncode == 0
    client.close()
    keys = tmp_path / "out.keys.toml"
    for file in (trace, keys):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    analysis = analyze(trace, keys=keys)
    assert list(analysis.sessions.decryption) == ["decrypted"]
    assert list(analysis.connections.closed_by) == ["server FIN"]


def test_sessions_expire_when_they_are_told_to(tmp_path: Path) -> None:
    trace = tmp_path / "out.pcapng"
    command = [sys.executable, "-m", "analyzer.cli", "serve", *SHARE, *USER, "--port", "0", "--trace", str(trace)]
    command += ["--expire", "0.3", "--scan", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        client = SocketClient(int(server.stdout.readline().rpartition(":")[2]))

        def work(one):
            yield one.negotiate()
            session = yield one.session_setup(ALICE)
            time.sleep(0.6)
            yield one.tree_connect(session, "memory")  # authenticates again, and repeats what was refused

        client.run(work(client.client))
        client.close()
        server.send_signal(signal.SIGINT)
    exchanges = analyze(trace, keys=tmp_path / "out.keys.toml").exchanges
    statuses = list(exchanges[exchanges.command == "TREE_CONNECT"].status)
    assert statuses == ["STATUS_NETWORK_SESSION_EXPIRED", "STATUS_SUCCESS"]
