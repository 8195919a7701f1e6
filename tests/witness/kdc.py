"""MIT Kerberos' KDC on a throw-away database, on a free port of the loopback interface; no root is needed."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import WITNESSES_REQUIRED
from tests.witness.smbd import free_port

__all__ = ["Kdc", "running_kdc"]

REALM = "KDC.TEST"
_PROGRAMS = ("kdb5_util", "kadmin.local", "krb5kdc", "kinit")
_CLIENT = """\
[libdefaults]
default_realm = {realm}
dns_lookup_kdc = false
dns_lookup_realm = false
dns_canonicalize_hostname = false
rdns = false
udp_preference_limit = 1
[realms]
{realm} = {{
  kdc = 127.0.0.1:{port}
}}
[domain_realm]
{host} = {realm}
"""
_SERVER = """\
[kdcdefaults]
kdc_listen = 127.0.0.1:{port}
kdc_tcp_listen = 127.0.0.1:{port}
[realms]
{realm} = {{
  database_name = {root}/principal
  key_stash_file = {root}/stash
  acl_file = {root}/acl
}}
[logging]
kdc = FILE:{root}/kdc.log
"""


@dataclass(frozen=True)
class Kdc:
    """A running KDC: the name that clients must give to the server, its keytab, what their environment must say."""

    host: str
    realm: str
    keytab: Path
    environment: dict[str, str]
    root: Path

    def kinit(self, user: str, password: str) -> Path:
        """Log on; the credentials cache."""
        cache = self.root / f"cache of {user}"
        subprocess.run(
            ["kinit", "-c", f"FILE:{cache}", f"{user}@{self.realm}"],
            input=password + "\n",
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | self.environment,
        )
        return cache


@contextmanager
def running_kdc(host: str, user: str = "alice", password: str = "Passw0rd!") -> Iterator[Kdc]:
    """A realm with a user and a file server of that name; without MIT Kerberos the test is skipped, in CI it fails."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    absent = [program for program in _PROGRAMS if shutil.which(program, path=path) is None]
    if absent:
        (pytest.fail if WITNESSES_REQUIRED else pytest.skip)(f"needs MIT Kerberos: {', '.join(absent)} not installed")
    root = Path(tempfile.mkdtemp(prefix="sessionscope-kdc-"))
    port = free_port()
    (root / "krb5.conf").write_text(_CLIENT.format(realm=REALM, port=port, host=host))
    (root / "kdc.conf").write_text(_SERVER.format(realm=REALM, port=port, root=root))
    environment = {
        "KRB5_CONFIG": str(root / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(root / "kdc.conf"),
        "KRB5CCNAME": f"FILE:{root / 'cache'}",
        "PATH": path,
    }
    process: subprocess.Popen[bytes] | None = None
    try:
        _run(["kdb5_util", "create", "-s", "-r", REALM, "-P", "the master key"], environment)
        for query in (
            f"addprinc -pw {password} {user}",
            f"addprinc -randkey cifs/{host}",
            f"ktadd -k {root / 'keytab'} cifs/{host}",
        ):
            _run(["kadmin.local", "-r", REALM, "-q", query], environment)
        process = subprocess.Popen(
            ["krb5kdc", "-n", "-r", REALM], env=os.environ | environment, stderr=subprocess.DEVNULL
        )
        _await(process, root / "kdc.log")
        yield Kdc(host, REALM, root / "keytab", environment, root)
    finally:
        if process is not None:
            process.terminate()
            process.wait(timeout=20)
        shutil.rmtree(root, ignore_errors=True)


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, check=True, capture_output=True, env=os.environ | environment)


def _await(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 20
    while not log.exists() or "commencing operation" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the KDC did not start: " + (log.read_text() if log.exists() else ""))
        time.sleep(0.05)
