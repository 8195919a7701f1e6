"""The declared tables of comparisons."""

import pandas as pd
import pytest

from analyzer.compare.schema import APART, TABLES, typed


@pytest.mark.parametrize("name", TABLES)
def test_every_column_is_explained_and_shown_columns_exist(name: str) -> None:
    table = TABLES[name]
    assert all(column.meaning for column in table.columns)
    assert len(set(table.names)) == len(table.names)
    assert set(table.headline) <= set(table.names)


def test_an_empty_frame_gets_the_declared_types() -> None:
    frame = typed(pd.DataFrame(columns=list(APART.names)), APART)
    assert [str(dtype) for dtype in frame.dtypes] == [column.dtype for column in APART.columns]
