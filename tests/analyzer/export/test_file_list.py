"""The list beside the files: the table and the CSV file say the same, and neither obeys a name."""

import csv
import hashlib
import io
from pathlib import Path

import pytest

from analyzer.export.extract import LIST, extract_files
from analyzer.export.file_list import file_table, write_file_list
from analyzer.tables.schema import EXTRACTED
from parsers.keys.store import KeyStore
from parsers.smb2.header import Command
from parsers.smb2.read_write import ReadResponse
from tests.analyzer.export.share import Share


def lines_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


RECORD = {
    "path": "s/a", "share": None, "name": "=1+1\x1b[2J\ud800", "file_id": None, "direction": "read",
    "session_id": 2**64 - 1, "user": "-x", "opened": 1, "bytes": 0, "size": 2**64 - 1, "complete": True, "missing": "",
    "unconfirmed": None, "sha256": None, "md5": None, "first_frame": 1, "last_frame": 2, "note": "@",
}  # fmt: skip


def test_nothing_in_the_list_is_a_formula_or_moves_a_cursor() -> None:
    file = io.BytesIO()
    write_file_list([RECORD], file)
    assert not file.closed
    assert lines_of(file.getvalue()) == [
        {
            "path": "s/a", "share": "", "name": r"'=1+1\x1b[2J\ud800", "file_id": "", "direction": "read",
            "session_id": "0xffffffffffffffff", "user": "'-x", "opened": "1970-01-01T00:00:00.000000001Z", "bytes": "0",
            "size": "18446744073709551615", "complete": "true", "missing": "", "unconfirmed": "", "sha256": "",
            "md5": "", "first_frame": "1", "last_frame": "2", "note": "'@",
        }
    ]  # fmt: skip


def test_the_table_has_the_declared_columns_and_types() -> None:
    for records in ([RECORD], []):
        table = file_table(records)
        assert table.columns.tolist() == list(EXTRACTED.names)
        types = {column.name: column.dtype for column in EXTRACTED.columns}
        assert {name: str(table[name].dtype) for name in types} == types
    assert file_table([RECORD]).session_id[0] == 2**64 - 1


def test_the_list_says_the_same_as_the_table(out: Path) -> None:
    share = Share().connect()
    file = share.open("a", 9)
    share.read(file, 1, b"data")
    share.write(file, 0, b"more")
    share.answer(Command.READ, 99, ReadResponse(b"lost").build())
    table = extract_files(share.capture(out.with_suffix(".pcapng")), KeyStore(), out)
    read, written, lost = lines_of((out / LIST).read_bytes())
    assert read == {
        "path": "share/a", "share": r"\\server\share", "name": "a", "file_id": f"{file}", "direction": "read",
        "session_id": "0x0000000000000005", "user": "", "opened": "2023-11-14T22:13:20.000005000Z", "bytes": "4",
        "size": "9", "complete": "false", "missing": "0-0 5-8", "unconfirmed": "", "sha256": "", "md5": "",
        "first_frame": "8", "last_frame": "8", "note": "",
    }  # fmt: skip
    assert (written["unconfirmed"], written["md5"]) == ("0", hashlib.md5(b"more").hexdigest())
    assert (lost["path"], lost["name"], lost["opened"], lost["size"]) == ("", "", "", "0")
    assert table.path.isna().tolist() == [False, False, True]
    for name in ("name", "direction", "sha256", "missing", "note"):
        assert table[name].astype(object).where(table[name].notna(), "").tolist() == [
            line[name] for line in (read, written, lost)
        ]


def test_very_many_holes_are_told_in_part(out: Path) -> None:
    share = Share().connect()
    file = share.open("a", 400)
    for number in range(150):
        share.read(file, 2 * number + 1, b"x")
    (row,) = extract_files(share.capture(out.with_suffix(".pcapng")), KeyStore(), out).itertuples()
    assert row.missing.startswith("0-0 2-2 4-4 ")
    assert row.missing.endswith(" 198-198 ...")
    assert len(row.missing.split()) == 101
