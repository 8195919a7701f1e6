"""What each command does."""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile

import pandas as pd

from analyzer.analysis import Analysis, load_keys, read
from analyzer.cli import describe, terminal, writers
from analyzer.cli.progress import Progress
from analyzer.cli.where import Condition
from analyzer.export.files import atomic_output
from analyzer.export.parquet import write_parquet
from analyzer.export.pcapng import write_decrypted
from analyzer.tables.rows import NoRows, RowStore, Spool
from analyzer.tables.schema import Table, table_named
from parsers.errors import UsageError
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.rows import MESSAGE

__all__ = ["run"]

_LARGE = {"messages": MESSAGE, "exchanges": EXCHANGE}  # tables that wait outside of memory
_WRITERS = {
    "text": terminal.write_text,
    "json": writers.write_json,
    "csv": writers.write_csv,
    "parquet": write_parquet,
}


def run(options: Namespace) -> bool:
    """Do what the options say; returns whether `--strict` has something to complain about.

    Raises:
        UsageError: it cannot be done; nothing was written.
    """
    if options.command == "describe":
        sys.stdout.write(describe.text(options.table))
        return False
    if options.command == "decrypt":
        return _decrypt(options)
    return _show(options)


def _show(options: Namespace) -> bool:
    table = table_named(options.command)
    columns = _columns(options, table)
    condition = None if options.where is None else Condition(options.where, table)
    _check_output(options.output, binary=options.format == "parquet")
    with Spool(_LARGE.get(table.name, MESSAGE), _folder(options.output)) as spool:
        analysis = _read(options, **({table.name: spool} if table.name in _LARGE else {}))
        _refuse_overwriting(analysis, options.output)
        frames = analysis.frames(table.name)
        if condition is not None:
            frames = map(condition.choose, frames)
        frames = (frame[list(columns)] for frame in _first(frames, options.limit))
        with atomic_output(options.output) as file:
            _WRITERS[options.format](frames, table, columns, file)
    return options.strict and _is_unclean(analysis)


def _decrypt(options: Namespace) -> bool:
    _check_output(options.output, binary=True)
    keys, given = load_keys(options.keys, options.keytab, options.password, options.nt_hash)
    with _kept_stdin(options.captures) as options.captures:
        # The writer reads the captures by itself, and speaks neither of users who are not there nor of damage.
        analysis = _read(options) if given or options.strict else None
        with Progress(sys.stderr) as progress:
            summary = write_decrypted(options.captures, keys, options.output, sinks=(progress,))
    units = summary.units_decrypted + summary.units_left
    why = "; `sessionscope sessions` says why not all" if summary.units_left else ""
    sys.stderr.write(f"{summary.units_decrypted:,} of {units:,} encrypted messages decrypted{why}\n")
    return analysis is not None and options.strict and _is_unclean(analysis)


@contextmanager
def _kept_stdin(captures: list[str]) -> Iterator[list[str]]:
    """The captures with standard input, which can be read once only, in a temporary file."""
    if "-" not in captures:
        yield captures
        return
    with NamedTemporaryFile(prefix="sessionscope-") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield [file.name if capture == "-" else capture for capture in captures]


def _read(options: Namespace, **rows: RowStore) -> Analysis:
    """Read the captures; of the large tables only those are kept for which there is a place in `rows`."""
    keys, given = load_keys(options.keys, options.keytab, options.password, options.nt_hash)
    with Progress(sys.stderr) as progress:
        stores = {name: rows.get(name, NoRows()) for name in _LARGE}
        analysis = read(options.captures, keys, given=given, sinks=(progress,), **stores)
    if analysis.notes:
        raise UsageError("; ".join(analysis.notes))
    return analysis


def _is_unclean(analysis: Analysis) -> bool:
    return bool(analysis.damage) or len(analysis.undecoded) > 0


def _columns(options: Namespace, table: Table) -> tuple[str, ...]:
    """The columns that were asked for; else a selection for people, and all for programs."""
    if options.columns is None:
        remark = () if table.remark is None else (table.remark,)
        return (*table.headline, *remark) if options.format == "text" else table.names
    columns = tuple(name.strip() for name in options.columns.split(","))
    for name in columns:
        if name not in table.names:
            raise UsageError(f"--columns: {table.name} has no column {name!r}; it has {', '.join(table.names)}")
    if len(set(columns)) < len(columns):
        raise UsageError(f"--columns: a column is named twice in {options.columns!r}")
    return columns


def _first(frames: Iterator[pd.DataFrame], limit: int | None) -> Iterator[pd.DataFrame]:
    """Frames with at most `limit` rows together, one frame at least."""
    for frame in frames:
        if limit is None:
            yield frame
            continue
        yield frame.head(limit)
        limit -= len(frame)
        if limit <= 0:
            return


def _check_output(output: str, *, binary: bool) -> None:
    """What can be known to fail is refused before a long capture is read."""
    if output == "-" and binary and sys.stdout.isatty():
        raise UsageError("this would fill the terminal with bytes: name a file with -o")
    if output != "-" and not os.path.isdir(os.path.dirname(os.path.realpath(output))):
        raise UsageError(f"{output} cannot be written: its folder does not exist")


def _refuse_overwriting(analysis: Analysis, output: str) -> None:
    for file in analysis.files:
        if (
            output != "-"
            and os.path.exists(output)
            and os.path.exists(file.name)
            and os.path.samefile(output, file.name)
        ):
            raise UsageError(f"{output} is one of the captures that are read: name another file to write")


def _folder(output: str) -> str | None:
    """Where a temporary file goes: to the output, since a system's place for them may be small."""
    is_file = output != "-" and (os.path.isfile(output) or not os.path.exists(output))
    return os.path.dirname(os.path.realpath(output)) if is_file else None
