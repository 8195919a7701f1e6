"""`sessionscope compare`: two captures beside each other."""

import argparse
import io
import json
import sys
import textwrap
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from analyzer.cli.capture_options import add_keys
from parsers.errors import UsageError

if TYPE_CHECKING:
    from analyzer.analysis import Analysis
    from analyzer.compare import Comparison

__all__ = ["EPILOG", "add", "add_output", "check_output", "read_capture", "run", "write", "write_comparison"]

EPILOG = """\
Captures of the same traffic from two places show how far one clock is ahead of the other, how long segments took from
one to the other, which were lost between them, and which RST neither end has sent. Addresses and ports may differ
(NAT). Captures of different traffic are taken as before and after: findings, response times, errors, throughput.

tables: of two sides paths, lost, matched and apart; of before and after changes, latency, errors and volume.
JSON without --table holds the sentences and all tables but matched.

examples:
  sessionscope compare client.pcapng server.pcapng
  sessionscope compare client.pcapng server.pcapng --table lost --format csv -o lost.csv
  sessionscope compare monday.pcapng tuesday.pcapng --keys keys.toml --format json
"""
_MODES = {"two-sides": "two sides", "before-after": "before and after"}
_NAMES = ("paths", "lost", "matched", "apart", "changes", "latency", "errors", "volume")
_SHOWN = ("paths", "changes", "latency", "errors", "counts", "differences")  # by text, below the sentences
_ROWS = 20  # of each of these
_WIDTH = 110


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("a", metavar="A", help="a capture or a folder of captures: one side, or before")
    parser.add_argument("b", metavar="B", help="the other side, or after")
    add_keys(parser)
    parser.add_argument("--mode", choices=tuple(_MODES), help="what they are (default: what they show)")
    add_output(parser, _NAMES)
    parser.set_defaults(run=run)


def add_output(parser: argparse.ArgumentParser, tables: Sequence[str]) -> None:
    """The options of what a comparison writes.

    Args:
        parser: of a command.
        tables: that may be asked for.
    """
    parser.add_argument("--table", choices=tables, help="the one table to write")
    parser.add_argument(
        "--format", choices=("text", "json", "csv", "parquet"), default="text", help="how to write (default: text)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", default="-", help="where to write (default: standard output)")


def run(options: Namespace) -> bool:
    """Compare and write; always returns False, since there is nothing to complain about.

    Raises:
        UsageError: a capture cannot be read, or not twice; or there is no such table in this comparison.
    """
    check_output(options)
    a, b = read_capture(options.a, options), read_capture(options.b, options)
    write(a.compare(b, options.mode and _MODES[options.mode]), options)
    return False


def check_output(options: Namespace) -> None:
    """Refuse what cannot be written, before a long capture is read.

    Raises:
        UsageError: see there.
    """
    if options.table is None and options.format in {"csv", "parquet"}:
        raise UsageError(f"a file in {options.format} holds one table: name it with --table")


def read_capture(capture: str, options: Namespace, *, messages: bool = False) -> "Analysis":
    """A capture with the keys of the options; the table of messages only if it is wanted.

    Raises:
        UsageError: it cannot be read, or not twice.
    """
    from analyzer.analysis import load_keys, read
    from analyzer.cli.progress import Progress
    from analyzer.tables.rows import NoRows
    from parsers.smb2.rows import MESSAGE

    if capture == "-":
        raise UsageError("a stream cannot be read twice, which this needs: save it to a file first")
    # A password may be of a user of the other capture: what it opens is not asked here.
    keys, _ = load_keys(options.keys, options.keytab, options.password, options.nt_hash)
    with Progress(sys.stderr) as progress:
        return read(capture, keys, sinks=(progress,), messages=None if messages else NoRows(MESSAGE))


def write(comparison: "Comparison", options: Namespace) -> None:
    """Write what the options ask for.

    Raises:
        UsageError: there is no such table in this comparison, or the file cannot be written.
    """
    from analyzer.export.files import atomic_output

    if options.table is not None and options.table not in comparison.tables:
        raise UsageError(
            f"captures compared as {comparison.mode} give no table {options.table}; "
            f"they give {', '.join(comparison.tables)}"
        )
    with atomic_output(options.output) as file:
        if options.table is not None:
            _write_table(comparison, options.table, options.format, file)
        elif options.format == "json":
            file.write(_document(comparison).encode())
        else:
            write_comparison(comparison, file)


def write_comparison(comparison: "Comparison", file: BinaryIO) -> None:
    """The sentences, then the tables that people look at, their first rows.

    Args:
        comparison: of two captures.
        file: written to, as UTF-8.
    """
    from analyzer.cli.terminal import Page, write_text
    from analyzer.compare.schema import TABLES
    from analyzer.tables.text import printable

    width = min(Page.of(file).width or _WIDTH, _WIDTH)
    file.write(f"A: {printable(comparison.a)}\nB: {printable(comparison.b)}\n{comparison.mode}\n\n".encode())
    for sentence in comparison.sentences:
        text = textwrap.fill(
            printable(sentence), max(width, 40), initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        file.write(f"{text}\n".encode())
    for name in _SHOWN:
        frame = comparison.tables.get(name)
        if frame is None or len(frame) == 0:
            continue
        table = TABLES[name]
        file.write(f"\n{name}\n".encode())
        write_text([frame.head(_ROWS)[list(table.headline)]], table, table.headline, file)


def _write_table(comparison: "Comparison", name: str, kind: str, file: BinaryIO) -> None:
    from analyzer.cli import terminal, writers
    from analyzer.compare.schema import TABLES
    from analyzer.export.parquet import write_parquet

    table = TABLES[name]
    columns = table.headline if kind == "text" else table.names
    write = {
        "text": terminal.write_text,
        "json": writers.write_json,
        "csv": writers.write_csv,
        "parquet": write_parquet,
    }[kind]
    write([comparison.tables[name][list(columns)]], table, columns, file)


def _document(comparison: "Comparison") -> str:
    """All as one JSON object; durations are seconds, as in the tables of other commands."""
    import pandas as pd

    from analyzer.cli.writers import write_json
    from analyzer.compare.schema import TABLES

    tables = {}
    for name, frame in comparison.tables.items():
        if name != "matched":
            file = io.BytesIO()
            write_json([frame], TABLES[name], TABLES[name].names, file)
            tables[name] = json.loads(file.getvalue())
    values: dict[str, Any] = {
        name: value.total_seconds() if isinstance(value, pd.Timedelta) else value
        for name, value in comparison.values.items()
    }
    head = {"mode": comparison.mode, "a": comparison.a, "b": comparison.b, "sentences": comparison.sentences}
    return json.dumps(head | values | {"tables": tables}, indent=1) + "\n"
