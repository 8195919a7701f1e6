"""The page of all kinds is what the declarations say."""

import subprocess
import sys
from pathlib import Path

from analyzer.events.__main__ import markdown
from analyzer.events.kinds import Kind

PAGE = Path(__file__).resolve().parents[3] / "docs" / "events.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == markdown(), "run: python -m analyzer.events > docs/events.md"


def test_every_kind_is_on_the_page() -> None:
    assert all(f"| `{kind}` | " in markdown() for kind in Kind)


def test_the_module_writes_the_page() -> None:
    run = subprocess.run([sys.executable, "-m", "analyzer.events"], capture_output=True, text=True, check=True)
    assert run.stdout == markdown()
