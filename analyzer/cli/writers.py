"""Tables for programs: JSON and CSV, written frame by frame."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO

import pandas as pd

from analyzer.tables.cells import plain
from analyzer.tables.schema import DURATION, Column, Table
from analyzer.tables.text import spreadsheet_text

__all__ = ["write_csv", "write_json"]


def write_json(frames: Iterable[pd.DataFrame], table: Table, columns: Sequence[str], file: BinaryIO) -> None:
    """One array of records, one a line. Times are ISO 8601, durations seconds, identifiers hexadecimal text."""
    separator = "[\n"
    for frame in frames:
        lists = [plain(frame[name], table.column(name)) for name in columns]
        for row in zip(*lists, strict=True):
            file.write(f"{separator}{json.dumps(dict(zip(columns, row, strict=True)))}".encode())
            separator = ",\n"
    file.write(b"[]\n" if separator == "[\n" else b"\n]\n")


def write_csv(frames: Iterable[pd.DataFrame], table: Table, columns: Sequence[str], file: BinaryIO) -> None:
    """CSV (RFC 4180) with a line of names. Text cannot become a formula: such a cell begins with an apostrophe."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text)
        writer.writerow(columns)
        for frame in frames:
            chosen = [table.column(name) for name in columns]
            writer.writerows(zip(*(_csv_cells(frame[column.name], column) for column in chosen), strict=True))
    finally:
        text.detach()  # the file stays open: it is the caller's


def _csv_cells(series: pd.Series, column: Column) -> list[Any]:
    values = plain(series, column)
    if column.dtype in {"string", "category"}:
        return [None if value is None else spreadsheet_text(value) for value in values]
    if column.dtype == DURATION:
        return [None if value is None else f"{value:.9f}" for value in values]
    if column.dtype in {"bool", "boolean"}:
        return [None if value is None else str(value).lower() for value in values]
    return values
