"""Real captures in which something was planted, by name."""

from pathlib import Path

import pytest

from tests.witness.decoding import SHARED, captures
from tests.witness.faults import findings

HEALTHY = "auth_encryption_required"
"""A whole encrypted session of a current client and server, in which nothing went wrong."""


def path_of(name: str) -> Path:
    """The capture of this name; the test is skipped where the captures are not."""
    if not (SHARED / "captures").is_dir():
        pytest.skip("needs ../shared (real captures and references), which is not beside this checkout")
    (path,) = (path for path in captures("faults") if path.name.split(".")[0] == name)
    return path


def found_in(name: str) -> dict[str, str]:
    """Rules that trip on a capture, with their causes."""
    return {row["rule"]: row["cause"] for row in findings(path_of(name))}
