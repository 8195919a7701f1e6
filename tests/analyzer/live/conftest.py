"""Whether this machine lets us capture."""

import shutil
import subprocess

import pytest

from tests.conftest import WITNESSES_REQUIRED


@pytest.fixture(scope="session")
def may_capture() -> None:
    """Capturing on lo works; a test that needs it is skipped where dumpcap or the right is missing, and fails in CI."""
    program = shutil.which("dumpcap")
    missing = pytest.fail if WITNESSES_REQUIRED else pytest.skip
    if program is None:
        missing("needs dumpcap, which is not installed")
    devices = subprocess.run([program, "-D"], capture_output=True, text=True, check=False).stdout
    if "lo" not in {line.split()[1] for line in devices.splitlines() if len(line.split()) > 1}:
        missing("needs the right to capture on lo, which root has")
