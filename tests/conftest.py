"""Fixtures that every test may use."""

import shutil
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real captures and references beside the project; a test that needs it is skipped without it."""
    if not (SHARED / "captures").is_dir():
        pytest.skip("needs ../shared (real captures and references), which is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def tshark() -> str:
    """The tshark program; a test that needs it is skipped where it is not installed."""
    program = shutil.which("tshark")
    if program is None:
        pytest.skip("needs tshark, which is not installed")
    return program
