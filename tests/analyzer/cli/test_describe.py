"""Columns explained in a terminal."""

import pytest

from analyzer.cli.describe import text
from analyzer.tables.schema import TABLES
from parsers.errors import UsageError


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_explained_with_every_column(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    lines = text(name).splitlines()
    assert lines[:2] == [f"{name}: {TABLES[name].row}", ""]
    assert [line.split()[0] for line in lines[2:] if not line.startswith(" ")] == list(TABLES[name].names)
    for column in TABLES[name].columns:
        assert any(line.startswith(f"{column.name} ") and column.dtype in line for line in lines)


@pytest.mark.parametrize("columns", ["20", "90"])
def test_long_meanings_are_wrapped_under_themselves(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = text("messages").splitlines()[2:]
    continued = [line for line in lines if line.startswith(" ")]
    assert continued
    assert len({len(line) - len(line.lstrip()) for line in continued}) == 1


def test_all_tables_are_explained_without_a_name() -> None:
    assert text(None) == "\n".join(text(name) for name in TABLES)


def test_a_table_that_does_not_exist_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError):
        text("nothing")
