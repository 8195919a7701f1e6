"""`python -m analyzer.tables > docs/tables.md` writes the documentation of all columns."""

import sys

from analyzer.tables.schema import EXTRACTED, LATENCY, TABLES, Table

__all__ = ["markdown"]

_HEAD = """\
# Tables

Generated from `analyzer/tables/schema.py` by `python -m analyzer.tables > docs/tables.md`.

`analyze(...)` has each table as an attribute, a pandas DataFrame; `sessionscope TABLE` prints it, and
`sessionscope describe TABLE` prints what stands here; `sessionscope keys check` prints `keys` and
`key_entries`. The last two are no attributes: `files` is what `Analysis.extract(folder)` gives and `sessionscope
extract` writes as `files.csv`, and `latency` is what `Analysis.latency(...)` gives and `sessionscope latency` prints.

- Types are those of pandas. A type with a capital letter (`Int64`), `boolean`, `string`, `category`, times and
  durations can be NA: unknown, or not applicable. Nothing is guessed.
- Times have nanoseconds and are those of the capture's own clock. In JSON and CSV they are ISO 8601, and durations are
  seconds.
- Units `id` and `bits` are numbers that text, JSON and CSV show in hexadecimal.
- Frames count from 1 over all captures that are read together.
- A lone UTF-16 surrogate in a name is U+FFFD.
"""


def markdown() -> str:
    """The page of all tables."""
    return "\n".join([_HEAD, *(_section(table) for table in (*TABLES.values(), EXTRACTED, LATENCY))])


def _section(table: Table) -> str:
    rows = "".join(
        f"| `{column.name}` | {column.dtype} | {column.unit} | {column.meaning.replace('|', chr(92) + '|')} |\n"
        for column in table.columns
    )
    return f"## {table.name}\n\nA row is {table.row}.\n\n| column | type | unit | meaning |\n|---|---|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(markdown())
