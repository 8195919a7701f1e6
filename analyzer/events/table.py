"""The table of events."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analyzer.events.kinds import Kind
from analyzer.events.timeline import Timeline
from analyzer.tables.columns import enumerated, masked, tabulate, times
from analyzer.tables.schema import TABLES
from analyzer.tables.text import encodable
from parsers.smb2.session import Session

__all__ = ["events_table"]

_KINDS = tuple(Kind)
_PLACES = {kind: place for place, kind in enumerate(_KINDS)}

Column = npt.NDArray[Any]


def events_table(timeline: Timeline, sessions: list[Session], names: Sequence[str]) -> pd.DataFrame:
    """The table `events`.

    Args:
        timeline: of the capture.
        sessions: all of the capture, by number.
        names: the name table.
    """
    few, bulk = timeline.events, timeline.bulk
    time = np.concatenate([np.array([event.time for event in few], np.int64), *(part.time for part in bulk)])
    order = np.argsort(time, kind="stable")
    kind = np.concatenate(
        [np.array([_PLACES[e.kind] for e in few], np.int8), *(np.full(len(p), _PLACES[p.kind], np.int8) for p in bulk)]
    )
    connection = _numbers([event.connection for event in few], [part.connection for part in bulk])[order]
    session = _numbers([event.session for event in few], [part.session for part in bulk])[order]
    known = np.array([session.session_id for session in sessions] + [0], np.uint64)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    columns = {
        "time": times(time[order]),
        "kind": enumerated(kind[order], _KINDS),
        "connection": masked(np.maximum(connection, 0).astype(np.int32), connection < 0),
        "session_id": masked(known[session], session < 0),
        "frames": _frames(timeline, order, place),
        "text": _texts(timeline, names, order),
        "details": _sparse([json.dumps(dict(event.details)) for event in few], place[: len(few)], len(order)),
    }
    return tabulate(TABLES["events"], columns)


def _numbers(few: list[int | None], bulk: list[Column]) -> Column:
    """Connection or session numbers, -1 for none."""
    return np.concatenate([np.array([-1 if n is None else n for n in few], np.int64), *bulk])


def _frames(timeline: Timeline, order: Column, place: Column) -> Any:
    """Frames with commas between. Most events have one: these become text in one go, the others one by one."""
    few, bulk = timeline.events, timeline.bulk
    first = np.concatenate([np.zeros(len(few), np.int64), *(part.frame for part in bulk)])
    second = np.concatenate([np.zeros(len(few), np.int64), *(part.second for part in bulk)])
    texts = [", ".join(map(str, event.frames)) for event in few]
    pairs = np.flatnonzero(second)
    texts += [f"{a}, {b}" for a, b in zip(first[pairs].tolist(), second[pairs].tolist(), strict=True)]
    single = pa.array(first[order]).cast(pa.large_string())
    return _string(_replaced(single, texts, np.concatenate([place[: len(few)], place[pairs]])))


def _sparse(texts: list[str], places: Column, rows: int) -> Any:
    """A column that is NA but for some places."""
    return _string(_replaced(pa.nulls(rows, pa.large_string()), texts, places))


def _replaced(column: Any, texts: list[str], places: Column) -> Any:
    mask = np.zeros(len(column), np.bool_)
    mask[places] = True
    in_order = np.argsort(places, kind="stable").tolist()
    return pc.replace_with_mask(column, pa.array(mask), pa.array([texts[i] for i in in_order], pa.large_string()))


def _string(column: Any) -> Any:
    return pd.array(column, dtype=pd.StringDtype("pyarrow"))


def _texts(timeline: Timeline, names: Sequence[str], order: Column) -> Any:
    """Sentences as categories: files that are opened and closed again and again share them."""
    known = pa.array([encodable(name) for name in names], pa.large_string())
    few = [encodable(event.text) for event in timeline.events]
    parts, places, start = [pa.array(few, pa.large_string())], [np.arange(len(few))], len(few)
    for part in timeline.bulk:
        if len(part) == 0:
            continue
        used = np.unique(part.name)
        parts.append(_sentences(part.verb, known.take(pa.array(used[used >= 0])), unnamed=bool(used[0] < 0)))
        places.append(start + np.searchsorted(used, part.name))
        start += len(used)
    encoded = pa.concat_arrays(parts).dictionary_encode()
    dtype = pd.CategoricalDtype(pd.Index(pd.array(encoded.dictionary, dtype=pd.StringDtype("pyarrow")), dtype="str"))
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(codes[np.concatenate(places)[order]], dtype=dtype)


def _sentences(verb: str, names: Any, *, unnamed: bool) -> Any:
    """`opened 'a.txt'` for each name; before them `opened a file` where there is an open without name."""
    before, behind, nothing, root = (
        pa.scalar(text, pa.large_string()) for text in (f"{verb} '", "'", "", f"{verb} the root of the share")
    )
    named = pc.binary_join_element_wise(before, names, behind, nothing)
    named = pc.if_else(pc.equal(pc.binary_length(names), 0), root, named)
    return pa.concat_arrays([pa.array([f"{verb} a file"], pa.large_string()), named]) if unnamed else named
