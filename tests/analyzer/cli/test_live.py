"""`sessionscope live`, on a real interface."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.analyzer.cli.conftest import Run
from tests.analyzer.live.conftest import may_capture

__all__ = ["may_capture"]

PORT = 44_587
PROGRAM = [sys.executable, "-m", "analyzer.cli"]


@pytest.fixture
def client() -> str:
    found = subprocess.run(["which", "smbclient"], capture_output=True, text=True, check=False).stdout.strip()
    return found or pytest.skip("needs smbclient, which is not installed")


@pytest.mark.witness
@pytest.mark.usefixtures("may_capture")
def test_sessions_are_told_as_they_happen_and_ctrl_c_sums_up(client: str, tmp_path: Path) -> None:
    serve = [*PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(PORT), "--share", "share"]
    live = [*PROGRAM, "live", "-i", "lo", "--filter", f"tcp port {PORT}", "--interval", "1"]
    with (
        subprocess.Popen([*serve, "--user", "alice:secret"], stdout=subprocess.PIPE, text=True) as server,
        subprocess.Popen(
            [*live, "--password", "alice:secret"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watcher,
    ):
        try:
            assert server.stdout is not None
            assert watcher.stdout is not None
            assert watcher.stderr is not None
            assert server.stdout.readline().startswith("listening")
            assert watcher.stderr.readline() == "capturing on lo; Ctrl-C ends\n"
            call = [client, "//127.0.0.1/share", "-p", str(PORT), "-U", "alice%secret", "-m", "SMB3_11", "-c", "ls"]
            subprocess.run(call, capture_output=True, check=True, timeout=60)
            line = watcher.stdout.readline()
            assert r"\alice  NTLMv2  SMB 3.1.1  " in line
            time.sleep(1)
            watcher.send_signal(signal.SIGINT)
            rest, errors = watcher.communicate(timeout=60)
            assert (watcher.returncode, errors) == (0, "")
            assert " packets captured, 0 dropped\n1 sessions; findings: " in rest
            assert "SESSION_SETUP" in rest
        finally:
            server.send_signal(signal.SIGINT)
            watcher.kill()


@pytest.mark.witness
@pytest.mark.usefixtures("may_capture")
def test_it_ends_by_itself_after_a_duration(sessionscope: Callable[..., Run]) -> None:
    run = sessionscope("live", "-i", "lo", "--filter", "tcp port 9", "--duration", "1")
    assert run.code == 0
    assert run.out == "\n0 packets captured, 0 dropped\n0 sessions; findings: none\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "-i/--interface"),
        (["-i", "lo", "--window", "0"], "no positive number"),
        (["-i", "lo", "--keys", "/no"], "/no"),
    ],
)
def test_mistakes_are_said(options: list[str], message: str, sessionscope: Callable[..., Run]) -> None:
    run = sessionscope("live", *options)
    assert (run.code, run.out) == (2, "")
    assert message in run.err
