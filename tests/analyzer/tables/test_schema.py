"""The declarations of the tables are complete and agree with themselves."""

import subprocess
import sys

import pytest

from analyzer import Analysis
from analyzer.tables.schema import TABLES, Table, describe, table_named
from parsers.errors import UsageError


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_column_says_what_it_means(table: Table) -> None:
    assert all(column.meaning and not column.meaning.endswith(".") for column in table.columns)
    assert len(set(table.names)) == len(table.names)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_a_terminal_shows_are_columns(table: Table) -> None:
    assert set(table.headline) <= set(table.names)
    assert table.remark is None or (table.remark in table.names and table.remark not in table.headline)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_frames_have_the_declared_columns_and_types(table: Table, mixed: Analysis) -> None:
    frame = getattr(mixed, table.name)
    assert [(name, str(dtype)) for name, dtype in frame.dtypes.items()] == [(c.name, c.dtype) for c in table.columns]


def test_describe_gives_name_type_unit_and_meaning() -> None:
    assert describe("channels")[0] == ("session_id", "UInt64", "id", "SessionId")


def test_a_table_that_does_not_exist_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError, match="no table 'mesages'; the tables are sessions, "):
        table_named("mesages")


def test_the_declarations_need_neither_numpy_nor_pandas() -> None:
    program = "import sys, analyzer.tables.schema; print(*{'numpy', 'pandas'} & sys.modules.keys())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
