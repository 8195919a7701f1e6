"""Fixtures that every test may use, and the two sizes of random testing."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

SHARED = Path(__file__).resolve().parents[2] / "shared"
WITNESSES_REQUIRED = os.environ.get("SESSIONSCOPE_REQUIRE_WITNESSES") == "1"  # set in CI, which installs them

settings.register_profile("sample", deadline=None)  # `make test`; a deadline would measure the machine
settings.register_profile("fuzz", deadline=None, max_examples=10_000)  # `make fuzz`
settings.load_profile("sample")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures and references beside the project; a test that needs it is skipped without it."""
    if not (SHARED / "captures").is_dir():
        pytest.skip("needs ../shared (real captures and references), which is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def tshark() -> str:
    """The tshark program; a test that needs it is skipped where it is not installed, and fails in CI."""
    program = shutil.which("tshark")
    if program is None:
        missing = pytest.fail if WITNESSES_REQUIRED else pytest.skip
        missing("needs tshark, which is not installed")
    return program
