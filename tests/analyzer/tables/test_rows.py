"""Rows come back as they were put in, from memory and from a file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analyzer.tables import rows as rows_module
from analyzer.tables.rows import MemoryRows, NoRows, RowStore, Spool
from parsers.smb2.rows import MESSAGE


def numbered(first: int, count: int) -> np.ndarray:
    rows = np.zeros(count, MESSAGE)
    rows["frame"] = np.arange(first, first + count)
    return rows


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool(MESSAGE) as opened:
        yield opened


@pytest.fixture(params=["memory", "spool"])
def store(request: pytest.FixtureRequest, spool: Spool) -> RowStore:
    return spool if request.param == "spool" else MemoryRows()


def test_rows_come_back_in_order_and_in_pieces_as_often_as_asked(store: RowStore) -> None:
    for first, count in ((1, 5), (6, 0), (6, 3)):
        store.append(numbered(first, count))
    for size in (1, 2, 4, 100):
        pieces = list(store.pieces(size))
        assert max(map(len, pieces)) <= size
        assert np.concatenate(pieces)["frame"].tolist() == list(range(1, 9))


def test_a_store_without_rows_has_no_pieces(store: RowStore) -> None:
    assert list(store.pieces(10)) == []


def test_nothing_is_kept_where_nothing_is_wanted() -> None:
    store = NoRows()
    store.append(numbered(1, 3))
    assert list(store.pieces(10)) == []


def test_a_spool_beyond_its_memory_goes_to_a_nameless_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_IN_MEMORY", 1000)
    with Spool(MESSAGE, str(tmp_path)) as spool:
        spool.append(numbered(1, 100))
        assert spool._file._rolled
        assert list(tmp_path.iterdir()) == []
        assert np.concatenate(list(spool.pieces(7)))["frame"].tolist() == list(range(1, 101))
