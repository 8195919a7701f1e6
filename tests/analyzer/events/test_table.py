"""The table of events."""

import json
from pathlib import Path

import pandas as pd

from analyzer import Analysis, analyze
from analyzer.events import Kind
from analyzer.tables.schema import TABLES
from tests.analyzer.captures import analyzed


def test_the_table_is_the_timeline(mixed: Analysis) -> None:
    table = mixed.events
    events, bulk = mixed.timeline.events, mixed.timeline.bulk
    assert len(table) == len(events) + sum(map(len, bulk))
    assert table.time.is_monotonic_increasing
    few = table[~table.kind.isin([Kind.OPEN, Kind.CLOSE, Kind.HANDLE_GRANTED])]
    assert few.text.tolist() == [event.text for event in events]
    assert few.frames.tolist() == [", ".join(map(str, event.frames)) for event in events]
    assert [json.loads(text) for text in few.details] == [dict(event.details) for event in events]
    assert few.connection.tolist() == [event.connection for event in events]


def test_files_have_no_details_but_names(mixed: Analysis) -> None:
    opened = mixed.events[mixed.events.kind == Kind.OPEN]
    assert opened.details.isna().all()
    names = [None if pd.isna(name) else name for name in mixed.opens.sort_values("opened").file_name]
    assert opened.text.tolist() == [
        "opened a file" if name is None else f"opened '{name}'" if name else "opened the root of the share"
        for name in names
    ]
    assert opened.session_id.tolist() == mixed.opens.sort_values("opened").session_id.tolist()


def test_granted_handles_have_both_frames(shared: Path) -> None:
    table = analyzed(shared, "samba/torture_durable_open.pcapng").events
    granted = table[table.kind == Kind.HANDLE_GRANTED]
    assert granted.frames.str.fullmatch(r"\d+, \d+").all()
    assert granted.text.str.startswith("durable handle for '").all()


def test_types_are_those_declared_also_without_rows(shared: Path, mixed: Analysis) -> None:
    empty = analyze(shared / "captures" / "public" / "snet" / "tls1.3_aes128.pcap").events
    for table in (mixed.events, empty):
        assert list(table.columns) == list(TABLES["events"].names)
        assert {c.name: c.dtype for c in TABLES["events"].columns} == table.dtypes.astype(str).to_dict()
