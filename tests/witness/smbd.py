"""Samba's smbd on a throw-away configuration, on a free port of the loopback interface; everything is removed again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from parsers.gss.kerberos.names import Etype
from parsers.keys import keytab
from parsers.keys.keytab import KeytabEntry
from tests.conftest import WITNESSES_REQUIRED

USER, PASSWORD, WORKGROUP, REALM = "alice", "Passw0rd!", "CORPUS", "LAB.TEST"
_UNIX_ACCOUNT = "daemon"  # exists everywhere; the username map makes it `alice` on the wire

_CONFIGURATION = """\
[global]
workgroup = {workgroup}
netbios name = SMBSRV
realm = {realm}
server role = standalone server
kerberos method = dedicated keytab
dedicated keytab file = FILE:{root}/keytab
username map = {root}/users.map
private dir = {root}/private
state directory = {root}/state
cache directory = {root}/state
lock directory = {root}/state
pid directory = {root}/state
ncalrpc dir = {root}/state/ncalrpc
logging = file
log file = {root}/smbd.log
log level = {log_level}
max log size = 0
load printers = no
printcap name = /dev/null
disable spoolss = yes
interfaces = 127.0.0.1/8
bind interfaces only = yes
smb ports = {port}
server min protocol = SMB2_02
map to guest = bad user
guest account = {account}
map archive = no
store dos attributes = no
kernel oplocks = no
kernel share modes = no
posix locking = no
server multi channel support = yes
{extra}
[share]
path = {root}/share
read only = no
guest ok = yes
[sealed]
path = {root}/share
read only = no
smb encrypt = required
"""


@dataclass(frozen=True)
class Smbd:
    """A running server: where it listens, the folder of both of its shares, and the keys in its keytab."""

    port: int
    share: Path
    keytab: tuple[KeytabEntry, ...]
    log: Path


def service_keys() -> tuple[KeytabEntry, ...]:
    """One key of every encryption type for cifs/server."""
    sizes = {
        Etype.AES128_CTS_HMAC_SHA1_96: 16,
        Etype.AES256_CTS_HMAC_SHA1_96: 32,
        Etype.RC4_HMAC: 16,
    }
    return tuple(
        KeytabEntry("cifs/server", REALM, 3, etype, bytes(range(etype, etype + size)), 0, "a test")
        for etype, size in sizes.items()
    )


@contextmanager
def running_smbd(extra: str = "", log_level: int = 0) -> Iterator[Smbd]:
    """A server with `extra` lines in its global section; without Samba the test is skipped, in CI it fails."""
    missing = pytest.fail if WITNESSES_REQUIRED else pytest.skip
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    program, smbpasswd = shutil.which("smbd", path=path), shutil.which("smbpasswd", path=path)
    if program is None or smbpasswd is None:
        missing("needs smbd and smbpasswd, which are not installed")
    if os.geteuid() != 0:
        pytest.skip("smbd changes its user for every request: this needs root")
    assert program is not None
    assert smbpasswd is not None
    root = Path(tempfile.mkdtemp(prefix="sessionscope-smbd-"))
    process: subprocess.Popen[bytes] | None = None
    try:
        port, keys = free_port(), service_keys()
        configuration = _prepare(root, port, keys, extra, log_level)
        subprocess.run(
            [smbpasswd, "-c", str(configuration), "-s", "-a", _UNIX_ACCOUNT],
            input=f"{PASSWORD}\n{PASSWORD}\n",
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        # smbd signals its whole process group when it ends: it gets a session of its own.
        process = subprocess.Popen(
            [program, "-F", "--no-process-group", "-s", str(configuration)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _await(process, port, root / "smbd.log")
        yield Smbd(port, root / "share", keys, root / "smbd.log")
    finally:
        if process is not None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=20)
        shutil.rmtree(root, ignore_errors=True)


def _prepare(root: Path, port: int, keys: tuple[KeytabEntry, ...], extra: str, log_level: int) -> Path:
    for folder in ("share", "private", "state"):
        (root / folder).mkdir()
    root.chmod(0o755)
    (root / "share").chmod(0o777)
    (root / "keytab").write_bytes(keytab.build(keys))
    (root / "users.map").write_text(f"{_UNIX_ACCOUNT} = {USER} {WORKGROUP}\\{USER} {REALM}\\{USER} {USER}@{REALM}\n")
    configuration = root / "smb.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            root=root,
            port=port,
            workgroup=WORKGROUP,
            realm=REALM,
            account=_UNIX_ACCOUNT,
            extra=extra,
            log_level=log_level,
        )
    )
    return configuration


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("smbd did not start: " + log.read_text(errors="replace")) from None
            time.sleep(0.1)
        else:
            return
