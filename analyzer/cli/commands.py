"""What each command does."""

import os
import re
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import pandas as pd

from analyzer.analysis import Analysis, load_keys
from analyzer.cli import describe, terminal, writers
from analyzer.cli.arguments import KEY_TABLES
from analyzer.cli.codes import FINE, FOUND_ERRORS, FOUND_WARNINGS, NOT_CLEAN
from analyzer.cli.findings_text import write_findings
from analyzer.cli.progress import Progress
from analyzer.cli.reading import (
    LARGE,
    check_output,
    is_unclean,
    read_any,
    read_known,
    refuse_overwriting,
    refuse_same_file,
)
from analyzer.cli.timeline import write_timeline
from analyzer.cli.where import Condition
from analyzer.export.extract import LIST, Extraction
from analyzer.export.files import atomic_output
from analyzer.export.keys import check_kind
from analyzer.export.parquet import write_parquet
from analyzer.export.pcapng import write_decrypted
from analyzer.policy import Policy
from analyzer.rules.rule import Severity
from analyzer.tables.rows import MemoryRows, RowStore, Spool
from analyzer.tables.schema import Table, table_named
from parsers.errors import UsageError
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.rows import MESSAGE

__all__ = ["run"]

_WRITERS = {
    "text": terminal.write_text,
    "json": writers.write_json,
    "csv": writers.write_csv,
    "parquet": write_parquet,
}


def run(options: Namespace) -> int:
    """Do what the options say; returns the exit code.

    Raises:
        UsageError: it cannot be done; nothing was written.
    """
    if options.command == "describe":
        sys.stdout.write(describe.text(options.table))
        return FINE
    if options.command == "diagnose":
        return _diagnose(options)
    return NOT_CLEAN if _WORK.get(options.command, _show)(options) else FINE


def _diagnose(options: Namespace) -> int:
    """The table `findings` in paragraphs; the exit code says how bad the worst of them is."""
    table = table_named("findings")
    columns = _columns(options, table)
    condition = None if options.where is None else Condition(options.where, table)
    policy = None if options.policy is None else Policy.load(options.policy)
    check_output(options.output, binary=options.format == "parquet")
    analysis = read_any(options, policy=policy, stores={"exchanges": MemoryRows(EXCHANGE)})
    sys.stderr.write("".join(f"sessionscope: {note}\n" for note in analysis.notes))
    refuse_overwriting(analysis, options.output)
    with atomic_output(options.output) as file:
        if options.format == "text" and options.columns is None:
            write_findings(_rows(analysis, options, table, condition), table, columns, file)
        else:
            _write_table(analysis, options, table, columns, condition, file)
    severities = set(analysis.findings["severity"].astype(str))
    if severities & {Severity.ERROR.value, Severity.SECURITY.value}:
        return FOUND_ERRORS
    if Severity.WARNING.value in severities:
        return FOUND_WARNINGS
    return NOT_CLEAN if options.strict and is_unclean(analysis) else FINE


def _show(options: Namespace) -> bool:
    table = table_named(options.command)
    is_story = options.command == "sessions" and options.timeline
    if is_story and (options.format != "text" or options.columns is not None):
        raise UsageError("--timeline is text without columns; the table `events` has the same for programs")
    columns = _columns(options, table)
    condition = None if options.where is None else Condition(options.where, table)
    check_output(options.output, binary=options.format == "parquet")
    with Spool(LARGE.get(table.name, MESSAGE), _folder(options.output)) as spool:
        stores: dict[str, RowStore] = {table.name: spool} if table.name in LARGE else {}
        analysis = read_known(options, stores=stores)
        refuse_overwriting(analysis, options.output)
        with atomic_output(options.output) as file:
            if is_story:
                write_timeline(analysis, _rows(analysis, options, table, condition), file)
            else:
                _write_table(analysis, options, table, columns, condition, file)
    return options.strict and is_unclean(analysis)


def _write_table(
    analysis: Analysis,
    options: Namespace,
    table: Table,
    columns: tuple[str, ...],
    condition: Condition | None,
    file: BinaryIO,
) -> None:
    frames = (frame[list(columns)] for frame in _rows(analysis, options, table, condition))
    _WRITERS[options.format](frames, table, columns, file)


def _rows(analysis: Analysis, options: Namespace, table: Table, condition: Condition | None) -> Iterator[pd.DataFrame]:
    """The rows of a table that were asked for, with all columns."""
    frames = analysis.frames(table.name)
    if condition is not None:
        frames = map(condition.choose, frames)
    return _first(frames, options.limit)


def _check_keys(options: Namespace) -> bool:
    tables = [table_named(name) for name in _key_tables(options)]
    columns = [_columns(options, table) for table in tables]
    condition = None if options.where is None else Condition(options.where, tables[0])
    check_output(options.output, binary=options.format == "parquet")
    analysis = read_any(options)
    refuse_overwriting(analysis, options.output)
    with atomic_output(options.output) as file:
        for table, shown in zip(tables, columns, strict=True):
            file.write(b"" if table is tables[0] else b"\n")
            _write_table(analysis, options, table, shown, condition, file)
    return options.strict and is_unclean(analysis)


def _key_tables(options: Namespace) -> tuple[str, ...]:
    """Both where people read them as they are; else one, because a selection is of one, and a file holds one."""
    if options.table is not None:
        return (options.table,)
    selects = options.where is not None or options.columns is not None or options.limit is not None
    return KEY_TABLES[:1] if selects or options.format != "text" else KEY_TABLES


def _export_keys(options: Namespace) -> bool:
    if options.output == "-":
        raise UsageError("keys go to a file that only you can read: name it with -o")
    check_kind(options.format)
    check_output(options.output, binary=False)
    analysis = read_known(options)
    refuse_overwriting(analysis, options.output)
    # Those that a key file names are known by their keys.
    named = {re.sub(r" line \d+$", "", entry) for entry in analysis.key_entries["entry"]}
    refuse_same_file(options.output, [*options.keys, *options.keytab, *named], "files with keys")
    written = analysis.export_keys(options.output, options.format)
    sessions = len(analysis.sessions)
    why = "; `sessionscope keys check` says why not of all" if written < sessions else ""
    sys.stderr.write(f"keys of {written:,} of {sessions:,} sessions written{why}\n")
    return options.strict and is_unclean(analysis)


def _decrypt(options: Namespace) -> bool:
    check_output(options.output, binary=True)
    keys, given = load_keys(options.keys, options.keytab, options.password, options.nt_hash)
    with _kept_stdin(options.captures) as options.captures:
        # The writer reads the captures by itself, and speaks neither of users who are not there nor of damage.
        analysis = read_known(options) if given or options.strict else None
        with Progress(sys.stderr) as progress:
            summary = write_decrypted(options.captures, keys, options.output, sinks=(progress,))
    units = summary.units_decrypted + summary.units_left
    why = "; `sessionscope sessions` says why not all" if summary.units_left else ""
    sys.stderr.write(f"{summary.units_decrypted:,} of {units:,} encrypted messages decrypted{why}\n")
    return analysis is not None and options.strict and is_unclean(analysis)


def _extract(options: Namespace) -> bool:
    with Extraction(options.output, pipes=options.pipes) as extraction:
        analysis = read_known(options, extraction)
        files = extraction.finish()
    written = files[files["path"].notna()]
    closed = bool((analysis.sessions["decrypted"] < analysis.sessions["encrypted"]).any())
    why = "; some messages stayed encrypted, `sessionscope sessions` says why" if closed else ""
    noun = "file" if len(written) == 1 else "files"
    listed = f"; {len(files) - len(written):,} only listed in {LIST}" if len(written) < len(files) else ""
    sys.stderr.write(
        f"{len(written):,} {noun} written, {int(written['complete'].sum()):,} of them complete{listed}{why}\n"
    )
    return options.strict and is_unclean(analysis)


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


def _folder(output: str) -> str | None:
    """Where a temporary file goes: to the output, since a system's place for them may be small."""
    is_file = output != "-" and (os.path.isfile(output) or not os.path.exists(output))
    return os.path.dirname(os.path.realpath(output)) if is_file else None


_WORK = {"decrypt": _decrypt, "extract": _extract, "keys check": _check_keys, "keys export": _export_keys}
"""What each command does that is not named like a table."""
