"""The programs that cut captures: they come with tshark."""

import shutil

import pytest

from tests.conftest import WITNESSES_REQUIRED


def _find(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        missing = pytest.fail if WITNESSES_REQUIRED else pytest.skip
        missing(f"needs {name}, which is not installed")
    return program


@pytest.fixture(scope="session")
def editcap() -> str:
    """Takes packets and bytes out of captures."""
    return _find("editcap")


@pytest.fixture(scope="session")
def mergecap() -> str:
    """Joins captures in the order of time."""
    return _find("mergecap")
