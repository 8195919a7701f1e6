"""The columns of the tables, explained in a terminal."""

import shutil
import textwrap

from analyzer.tables.schema import TABLES, Table, table_named

__all__ = ["text"]


def text(name: str | None) -> str:
    """One table, or all of them where `name` is None.

    Raises:
        UsageError: there is no such table.
    """
    tables = TABLES.values() if name is None else [table_named(name)]
    return "\n".join(_explained(table) for table in tables)


def _explained(table: Table) -> str:
    widths = [max(len(getattr(column, field)) for column in table.columns) for field in ("name", "dtype", "unit")]
    indent = " " * (sum(widths) + 2 * len(widths))
    width = max(shutil.get_terminal_size().columns, len(indent) + 30)
    lines = [f"{table.name}: {table.row}", ""]
    for column in table.columns:
        fields = (column.name, column.dtype, column.unit)
        head = "".join(f"{field:<{size + 2}}" for field, size in zip(fields, widths, strict=True))
        lines.append(textwrap.fill(column.meaning, width, initial_indent=head, subsequent_indent=indent))
    return "\n".join(lines) + "\n"
