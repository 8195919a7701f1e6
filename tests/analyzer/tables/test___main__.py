"""The page of all tables is what the declarations say."""

import subprocess
import sys
from pathlib import Path

from analyzer.tables.__main__ import markdown
from analyzer.tables.schema import TABLES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "tables.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == markdown(), "run: python -m analyzer.tables > docs/tables.md"


def test_every_column_is_on_the_page() -> None:
    page = markdown()
    for table in TABLES.values():
        section = page.partition(f"## {table.name}\n")[2].partition("\n## ")[0]
        assert all(f"| `{name}` |" in section for name in table.names)


def test_the_module_writes_the_page() -> None:
    run = subprocess.run([sys.executable, "-m", "analyzer.tables"], capture_output=True, text=True, check=True)
    assert run.stdout == markdown()
