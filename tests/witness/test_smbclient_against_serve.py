"""Samba's smbclient works on `sessionscope serve`: every dialect, signed and encrypted with every cipher."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analyzer import analyze
from tests.conftest import WITNESSES_REQUIRED

pytestmark = pytest.mark.witness
SIZE = 3_000_000
PROTOCOLS = {"2.0.2": "SMB2_02", "2.1": "SMB2_10", "3.0": "SMB3_00", "3.0.2": "SMB3_02", "3.1.1": "SMB3_11"}
ENCRYPTED = [("3.0", "aes-128-ccm"), ("3.0.2", "aes-128-ccm")] + [
    ("3.1.1", f"aes-{bits}-{mode}") for bits in (128, 256) for mode in ("ccm", "gcm")
]


@pytest.fixture(scope="session")
def smbclient() -> str:
    program = shutil.which("smbclient")
    if program is None:
        missing = pytest.fail if WITNESSES_REQUIRED else pytest.skip
        missing("needs smbclient, which is not installed")
    return program


class Service:
    """`sessionscope serve` with a folder as its share, in a process of its own."""

    def __init__(self, folder: Path, smbclient: str, *options: str) -> None:
        self.share, self.trace, self._folder, self._smbclient = (
            folder / "share",
            folder / "out.pcapng",
            folder,
            smbclient,
        )
        self.share.mkdir()
        command = [sys.executable, "-m", "analyzer.cli", "serve", "--share", f"files={self.share}", "--port", "0"]
        command += ["--user", "alice:Passw0rd!", "--trace", str(self.trace), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = self._process.stdout.readline().rpartition(":")[2].strip()

    def client(self, commands: str, *options: str, password: str = "Passw0rd!") -> str:
        """What smbclient says to the commands."""
        command = [self._smbclient, "-s", "/dev/null", "-p", self._port, "//127.0.0.1/files", "-U", f"alice%{password}"]
        run = subprocess.run(
            [*command, *options, "-c", commands],
            capture_output=True,
            check=False,  # it also fails where a single command does, which is for the tests to look at
            text=True,
            cwd=self._folder,
            timeout=60,
        )
        return run.stdout + run.stderr

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(10) == 0


@pytest.fixture
def serve(tmp_path: Path, smbclient: str) -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def start(*options: str) -> Service:
        services.append(Service(tmp_path, smbclient, *options))
        return services[-1]

    yield start
    for service in services:
        if service._process.poll() is None:
            service._process.kill()
        service._process.communicate()


@pytest.mark.parametrize(("dialect", "cipher"), [*((dialect, None) for dialect in PROTOCOLS), *ENCRYPTED], ids=str)
def test_files_are_put_got_listed_renamed_and_deleted(
    dialect: str, cipher: str | None, serve: Callable[..., Service], tmp_path: Path
) -> None:
    service = serve(*(["--encrypt", "--cipher", cipher] if cipher else ["--sign"]))
    data = os.urandom(SIZE)
    (tmp_path / "data.bin").write_bytes(data)
    protocol = [f"--option=client {which} protocol={PROTOCOLS[dialect]}" for which in ("min", "max")]
    protection = ["--client-protection", "encrypt" if cipher else "sign"]
    commands = (
        "put data.bin; get data.bin back.bin; mkdir d; ls; rename data.bin d/new.bin; ls d/*; del d/new.bin; rmdir d"
    )
    said = service.client(commands, *protocol, *protection)
    assert "NT_STATUS" not in said
    assert str(SIZE) in said
    assert (tmp_path / "back.bin").read_bytes() == data
    assert list(service.share.iterdir()) == []
    service.stop()
    analysis = analyze(service.trace, keys=tmp_path / "out.keys.toml")
    assert set(analysis.sessions.dialect) == {dialect}
    assert (analysis.sessions.decrypted == analysis.sessions.encrypted).all()
    assert int(analysis.opens.bytes_read.sum()) == int(analysis.opens.bytes_written.sum()) == SIZE
    if cipher:
        assert set(analysis.sessions.cipher) == {cipher.upper()}


def test_a_wrong_password_is_refused_and_a_name_cannot_leave_the_share(
    serve: Callable[..., Service], tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("outside")
    service = serve()
    assert "NT_STATUS_LOGON_FAILURE" in service.client("ls", password="wrong")
    (service.share / "link").symlink_to(tmp_path)
    for name in ("../secret.txt", "link/secret.txt"):
        assert "NT_STATUS" in service.client(f'get "{name}" got.txt')
    assert not (tmp_path / "got.txt").exists()


def test_shares_are_listed(serve: Callable[..., Service]) -> None:
    service = serve("--share", "memory")
    said = service.client("", "-L", "127.0.0.1")
    assert "files" in said
    assert "memory" in said
