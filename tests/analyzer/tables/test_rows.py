"""Rows come back as they were put in, from memory and from a file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analyzer.tables import rows as rows_module
from analyzer.tables.rows import MemoryRows, NoRows, RowStore, Spool
from parsers.smb2.rows import MESSAGE, Columns
from tests.records import columns


def numbered(first: int, count: int) -> Columns:
    rows = columns(np.zeros(count, MESSAGE))
    rows["frame"] = np.arange(first, first + count)
    return rows


def frames(*pieces: Columns) -> list[int]:
    return [frame for piece in pieces for frame in piece["frame"].tolist()]


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool(MESSAGE) as opened:
        yield opened


@pytest.fixture(params=["memory", "spool"])
def store(request: pytest.FixtureRequest, spool: Spool) -> RowStore:
    return spool if request.param == "spool" else MemoryRows(MESSAGE)


def test_rows_come_back_in_order_and_in_pieces_as_often_as_asked(store: RowStore) -> None:
    for first, count in ((1, 5), (6, 0), (6, 3)):
        store.append(numbered(first, count))
    for size in (1, 2, 4, 100):
        pieces = list(store.pieces(size))
        assert max(len(piece["frame"]) for piece in pieces) <= size
        assert frames(*pieces) == frames(store.whole()) == list(range(1, 9))


def test_rows_have_the_types_of_the_store(store: RowStore) -> None:
    store.append({name: column.astype(np.int64) for name, column in numbered(1, 3).items()})
    types = {name: MESSAGE[name] for name in MESSAGE.names or ()}
    for rows in (store.whole(), *store.pieces(2)):
        assert {name: column.dtype for name, column in rows.items()} == types


def test_rows_may_be_views_of_records(store: RowStore) -> None:
    rows = np.zeros(3, MESSAGE)
    rows["frame"] = [7, 8, 9]
    store.append({name: rows[name] for name in MESSAGE.names or ()})
    rows["frame"] = 0
    assert frames(store.whole()) == [7, 8, 9]


def test_many_rows_are_moved_to_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_MANY", 8)
    monkeypatch.setattr(rows_module, "_ROOM", 20)
    store = MemoryRows(MESSAGE)
    for first in range(1, 100, 3):
        store.append(numbered(first, 3))
    assert frames(store.whole()) == list(range(1, 100))


def test_a_store_without_rows_has_one_empty_piece(store: RowStore) -> None:
    assert [frames(piece) for piece in store.pieces(10)] == [[]]
    assert frames(store.whole()) == []


def test_nothing_is_kept_where_nothing_is_wanted() -> None:
    store = NoRows(MESSAGE)
    store.append(numbered(1, 3))
    assert [frames(piece) for piece in store.pieces(10)] == [[]]
    assert frames(store.whole()) == []


def test_a_spool_beyond_its_memory_goes_to_a_nameless_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_IN_MEMORY", 1000)
    with Spool(MESSAGE, str(tmp_path)) as spool:
        spool.append(numbered(1, 100))
        assert spool._file._rolled
        assert list(tmp_path.iterdir()) == []
        assert frames(*spool.pieces(7)) == list(range(1, 101))
