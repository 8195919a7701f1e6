"""Parquet files hold the same table, block by block, and explain it."""

import io
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analyzer import Analysis
from analyzer.export.parquet import write_parquet
from analyzer.tables.schema import TABLES, Table


def parquet(frames: list[pd.DataFrame] | Iterator[pd.DataFrame], table: Table, columns: tuple[str, ...]) -> io.BytesIO:
    file = io.BytesIO()
    write_parquet(frames, table, columns, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_what_is_read_is_what_was_written(table: Table, mixed: Analysis) -> None:
    frame = getattr(mixed, table.name)
    read = pd.read_parquet(parquet([frame], table, table.names))
    assert read.dtypes.astype(str).tolist() == frame.dtypes.astype(str).tolist()
    pd.testing.assert_frame_equal(read.astype(object), frame.astype(object))


def test_each_frame_is_a_row_group_whatever_its_categories(mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.analysis._PIECE", 50)
    table = TABLES["messages"]
    file = parquet(mixed.frames("messages"), table, table.names)
    assert pq.ParquetFile(file).num_row_groups == len(list(mixed.frames("messages"))) > 3
    pd.testing.assert_frame_equal(pd.read_parquet(file).astype(object), mixed.messages.astype(object))


def test_columns_carry_their_unit_and_meaning(mixed: Analysis) -> None:
    table = TABLES["exchanges"]
    schema = pq.read_schema(parquet([mixed.exchanges[["latency", "status"]]], table, ("latency", "status")))
    assert schema.names == ["latency", "status"]
    metadata = schema.field("latency").metadata
    assert metadata[b"unit"] == b"seconds"
    assert metadata[b"meaning"].startswith(b"from the last byte of the request")


def test_nothing_is_held_longer_than_its_block(mixed: Analysis) -> None:
    """A frame is written before the next one is asked for."""
    table, file = TABLES["messages"], io.BytesIO()
    sizes = []

    def frames() -> Iterator[pd.DataFrame]:
        for _ in range(3):
            sizes.append(file.tell())
            yield mixed.messages

    write_parquet(frames(), table, table.names, file)
    assert sizes[0] == 0
    assert sizes[2] > sizes[1] or sizes[2] > sizes[0]
    assert pq.ParquetFile(file).metadata.num_rows == 3 * len(mixed.messages)


def test_the_types_are_exact(mixed: Analysis) -> None:
    schema = pq.read_schema(parquet([mixed.messages], TABLES["messages"], TABLES["messages"].names))
    assert schema.field("session_id").type == pa.uint64()
    assert schema.field("time").type == pa.timestamp("ns", tz="UTC")
