"""Samba's smbtorture against `sessionscope serve`: the suites of connections, sessions, credits and compounds.

Each test of a suite has to succeed, or be named here with the reason why it does not.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import WITNESSES_REQUIRED
from tests.witness.test_smbclient_against_serve import Service, serve, smbclient

__all__ = ["serve", "smbclient"]  # fixtures

pytestmark = pytest.mark.witness
RESULT = re.compile(r"^(success|failure|error|skip): (smb2\.[\w.-]+)", re.MULTILINE)
NEEDS_KERBEROS = "skipped by smbtorture without Kerberos"
DIFFERENT = {
    "smb2.session.reauth5": "renames as nobody; fails on smbd in the same place",
    "smb2.session.bind_invalid_auth": "wants the refusal signed with the key of a session that is gone",
    "smb2.session.bind_different_user": "skipped by smbtorture without a second user",
    "smb2.session.expire1n": NEEDS_KERBEROS,
    "smb2.session.expire1s": NEEDS_KERBEROS,
    "smb2.session.expire1e": NEEDS_KERBEROS,
    "smb2.session.expire2s": NEEDS_KERBEROS,
    "smb2.session.expire2e": NEEDS_KERBEROS,
    "smb2.session.expire_disconnect": NEEDS_KERBEROS,
}
SUITES = {  # and how many of each succeed at least
    "smb2.connect": 1,
    "smb2.credits": 3,
    "smb2.session": 57,
    "smb2.compound": 19,
    "smb2.compound_async": 2,
    "smb2.compound_find": 3,
}


@pytest.fixture(scope="session")
def smbtorture() -> str:
    program = shutil.which("smbtorture")
    if program is None:
        missing = pytest.fail if WITNESSES_REQUIRED else pytest.skip
        missing("needs smbtorture, which is not installed")
    return program


@pytest.mark.parametrize("suite", SUITES)
def test_every_test_succeeds_but_those_with_a_reason(
    suite: str, serve: Callable[..., Service], smbtorture: str, tmp_path: Path
) -> None:
    service = serve("--anonymous", "--share", "memory")
    command = [smbtorture, "//127.0.0.1/memory", "-p", service._port, "-U", "alice%Passw0rd!", "-s", "/dev/null"]
    command += ["--format=subunit", "--fullname", suite]
    run = subprocess.run(command, capture_output=True, check=False, text=True, timeout=300, cwd=tmp_path)
    results = {test: result for result, test in RESULT.findall(run.stdout)}
    succeeded = {test for test, result in results.items() if result == "success"}
    unexplained = results.keys() - succeeded - DIFFERENT.keys()
    assert unexplained == set(), run.stdout[-3000:]
    assert succeeded & DIFFERENT.keys() == set()
    assert len(succeeded) >= SUITES[suite]
