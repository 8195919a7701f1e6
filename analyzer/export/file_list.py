"""The list of extracted files: one record a file, as a table, and as the CSV file that lies beside them."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from analyzer.export.moved_files import FARTHEST, MovedFile
from analyzer.tables.columns import from_values, tabulate
from analyzer.tables.schema import EXTRACTED, TIME, Column
from analyzer.tables.text import spreadsheet_text
from parsers.smb2.exchanges import ExchangeTable
from parsers.smb2.file_id import FileId
from parsers.smb2.session import SecurityContext, Session

__all__ = ["Record", "file_records", "file_table", "write_file_list"]

Record = dict[str, Any]
"""A value for each column of `EXTRACTED`; None is NA."""

_MOST_RANGES = 100  # that are written out


def file_records(files: Sequence[MovedFile], exchanges: ExchangeTable, sessions: Sequence[Session]) -> list[Record]:
    """A record for each file, in order; `path` and the digests are None."""
    ends: dict[int, int] = {}
    for file in files:
        if file.open >= 0:
            ends[file.open] = max(ends.get(file.open, 0), file.ranges.end)
    return [_record(file, ends.get(file.open, file.ranges.end), exchanges, sessions) for file in files]


def file_table(records: Sequence[Record]) -> pd.DataFrame:
    """The DataFrame with the columns of `EXTRACTED`."""
    columns = {
        column.name: from_values([record[column.name] for record in records], column.dtype)
        for column in EXTRACTED.columns
    }
    return tabulate(EXTRACTED, columns)


def write_file_list(records: Iterable[Record], file: BinaryIO) -> None:
    """CSV (RFC 4180), as the command line writes tables: no text becomes a formula or moves a cursor."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text)
        writer.writerow(EXTRACTED.names)
        writer.writerows([_cell(record[column.name], column) for column in EXTRACTED.columns] for record in records)
    finally:
        text.detach()  # the file stays open: it is the caller's


def _record(file: MovedFile, end: int, exchanges: ExchangeTable, sessions: Sequence[Session]) -> Record:
    row = exchanges.opens.rows[file.open] if file.open >= 0 else None
    session = sessions[file.session] if file.session >= 0 else None
    file_id, name = file.file_id, file.name
    size, unconfirmed = file.ranges.end if file.is_pipe else end, None
    if row is not None:
        file_id, name = FileId(int(row["persistent"]), int(row["volatile"])), int(row["name"])
        size = size if file.is_pipe else max(size, int(row["end_of_file"]))
        unconfirmed = max(file.moved - int(row["bytes_written"]), 0) if file.is_write else None
    missing = list(islice(file.ranges.missing(size), _MOST_RANGES + 1))
    finished = row is not None and (not file.is_write or (row["closed"] != 0 and not unconfirmed))
    return {
        "path": None,
        "share": None if file.tree is None else file.tree.path,
        "name": exchanges.names.names[name] if name >= 0 else None,
        "file_id": None if file_id is None else str(file_id),
        "direction": "written" if file.is_write else "read",
        "session_id": None if session is None else session.session_id,
        "user": None if session is None else _user(session.security_context),
        "opened": None if row is None else int(row["opened"]),
        "bytes": file.ranges.size,
        "size": size,
        "complete": bool(finished and not missing and not file.refused and not file.is_pipe),
        "missing": _ranges_text(missing),
        "unconfirmed": unconfirmed,
        "sha256": None,
        "md5": None,
        "first_frame": file.first_frame,
        "last_frame": file.last_frame,
        "note": _note(file),
    }


def _user(context: SecurityContext | None) -> str | None:
    if context is None or context.user is None:
        return None
    return f"{context.domain}\\{context.user}" if context.domain else context.user


def _ranges_text(ranges: Sequence[tuple[int, int]]) -> str:
    """`0-99 200-299`: first and last byte of each."""
    texts = [f"{start}-{end - 1}" for start, end in ranges]
    return " ".join([*texts[:_MOST_RANGES], "..."] if len(texts) > _MOST_RANGES else texts)


def _note(file: MovedFile) -> str:
    notes = []
    if file.is_pipe:
        notes.append("named pipe")
    if file.open < 0 and file.file_id is not None:
        notes.append("its CREATE is not in the capture")
    elif file.open < 0 and file.name >= 0:
        notes.append("its CREATE did not succeed, or was not answered")
    elif file.open < 0:
        notes.append(f"{file.moved:,} bytes of which the capture does not show to which file they belong")
    if file.refused:
        notes.append(f"{file.refused:,} bytes were left out: they would lie beyond {FARTHEST:,}")
    return "; ".join(notes)


def _cell(value: Any, column: Column) -> Any:
    if value is None:
        return None
    if column.dtype == TIME:
        return f"{np.datetime64(value, 'ns')}Z"
    if column.unit == "id":
        return f"0x{value:016x}"
    if column.dtype == "bool":
        return str(value).lower()
    return spreadsheet_text(value) if isinstance(value, str) else value
