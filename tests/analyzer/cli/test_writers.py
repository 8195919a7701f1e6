"""JSON and CSV that programs read back."""

import csv
import io
import json

import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.cli.writers import write_csv, write_json
from analyzer.tables.columns import from_values
from analyzer.tables.schema import TABLES, Column, Table

TABLE = Table(
    "things",
    "a thing",
    (Column("name", "string", "", ""), Column("id", "UInt64", "id", ""), Column("kind", "category", "", "")),
    ("name",),
)


def frame(names: list[str | None], number: int | None = 255, kind: str | None = "k") -> pd.DataFrame:
    count = len(names)
    return pd.DataFrame(
        {
            "name": from_values(names, "string"),
            "id": from_values([number] * count, "UInt64"),
            "kind": from_values([kind] * count, "category"),
        }
    )


def test_json_is_one_array_over_all_frames() -> None:
    file = io.BytesIO()
    write_json([frame(["a"]), frame([]), frame(["ä\x1b\n", None], None, None)], TABLE, TABLE.names, file)
    assert file.getvalue().isascii()
    assert json.loads(file.getvalue()) == [
        {"name": "a", "id": "0x00000000000000ff", "kind": "k"},
        {"name": "ä\x1b\n", "id": None, "kind": None},
        {"name": None, "id": None, "kind": None},
    ]


def test_no_rows_are_an_empty_array_and_a_line_of_names() -> None:
    for write, expected in ((write_json, b"[]\n"), (write_csv, b"name,id,kind\r\n")):
        file = io.BytesIO()
        write([frame([])], TABLE, TABLE.names, file)
        assert file.getvalue() == expected


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("plain", "plain"),
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("a=1", "a=1"),
        ('say "hi", ü', 'say "hi", ü'),
        ("\t=1", r"\x09=1"),
        ("two\r\nlines", r"two\x0d\x0alines"),
        (None, ""),
    ],
)
def test_text_cannot_become_a_formula(name: str | None, cell: str) -> None:
    for column in ("name", "kind"):
        file = io.BytesIO()
        write_csv([frame([name], kind=name)], TABLE, (column,), file)
        assert list(csv.reader(io.StringIO(file.getvalue().decode()))) == [[column], [cell]]


def test_numbers_keep_their_sign() -> None:
    table = Table(
        "things", "a thing", (Column("n", "int64", "", ""), Column("d", "timedelta64[ns]", "seconds", "")), ()
    )
    file = io.BytesIO()
    write_csv([pd.DataFrame({"n": [-5], "d": pd.to_timedelta([-1500])})], table, table.names, file)
    assert file.getvalue().decode().splitlines()[1] == "-5,-0.000001500"


def test_csv_leaves_the_file_open() -> None:
    file = io.BytesIO()
    write_csv([frame(["a"])], TABLE, TABLE.names, file)
    file.write(b"more")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_survives_json(name: str, mixed: Analysis) -> None:
    table, file = TABLES[name], io.BytesIO()
    write_json([getattr(mixed, name)], table, table.names, file)
    records = json.loads(file.getvalue())
    assert len(records) == len(getattr(mixed, name))
    assert all(tuple(record) == table.names for record in records)
