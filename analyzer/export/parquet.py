"""Tables -> Parquet, one row group a frame: memory holds one frame, however long the table is.

Each column carries its unit and its meaning as metadata, so that the file explains itself.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analyzer.tables.schema import DURATION, TIME, Table

__all__ = ["arrow_schema", "write_parquet"]

_TYPES = {
    "category": pa.dictionary(pa.int32(), pa.string()),  # frames have different categories, and one type
    "string": pa.string(),
    "bool": pa.bool_(),
    "boolean": pa.bool_(),
    TIME: pa.timestamp("ns", tz="UTC"),
    DURATION: pa.duration("ns"),
}


def write_parquet(frames: Iterable[pd.DataFrame], table: Table, columns: Sequence[str], file: BinaryIO) -> None:
    """Write frames of one table, one row group each.

    Args:
        frames: one at least, with `columns`, in this order, of the declared types.
        table: says what the columns mean.
        columns: their names.
        file: open for writing.
    """
    schema = arrow_schema(table, columns)
    blocks = (pa.Table.from_pandas(frame, schema=schema, preserve_index=False) for frame in frames)
    first = next(blocks)
    # The first block's schema has what pandas needs to read its own types again.
    with pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        for block in chain([first], blocks):
            writer.write_table(block)


def arrow_schema(table: Table, columns: Sequence[str]) -> pa.Schema:
    """The Arrow types of a table's columns."""
    chosen = [table.column(name) for name in columns]
    return pa.schema(
        [
            pa.field(
                column.name,
                _TYPES.get(column.dtype) or getattr(pa, column.dtype.lower())(),
                metadata={"unit": column.unit, "meaning": column.meaning},
            )
            for column in chosen
        ]
    )
