import json
from typing import Any

import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.report import chart as module
from analyzer.report.chart import EVENTS, Chart, chart_data
from analyzer.report.selection import select
from analyzer.report.sentences import span_of
from analyzer.tables.lifespans import lifespans


def chart(analysis: Analysis) -> Chart:
    chosen = select(analysis.exchanges, analysis.findings)
    tables = analysis.sessions, analysis.events, analysis.findings, analysis.exchanges
    return chart_data(*tables, chosen, span_of(analysis.files))


@pytest.fixture(scope="module")
def data(mixed: Analysis) -> dict[str, Any]:
    return chart(mixed).data


def test_offsets_lead_back_to_the_times_of_the_table(mixed: Analysis, data: dict[str, Any]) -> None:
    chosen = select(mixed.exchanges, mixed.findings).rows
    times = chosen["request_time"].fillna(chosen["response_time"])
    for offset, time in zip(data["exchanges"]["time"], times, strict=True):
        assert abs((data["origin"] + offset) * 1e6 - time.value) < 1100  # a microsecond, and what a float loses


def test_the_origin_is_midnight(data: dict[str, Any]) -> None:
    assert data["origin"] % 86_400_000 == 0
    assert 0 <= data["span"][0] < 86_400_000
    assert data["span"][0] < data["span"][1]


def test_every_session_has_a_lane_in_order_of_time(mixed: Analysis, data: dict[str, Any]) -> None:
    ids = [label.split()[-1] for label in data["lanes"][1:]]
    assert ids == [f"{number:#x}" for number in lifespans(mixed.sessions, mixed.events)["session_id"]]
    assert [bar[0] for bar in data["bars"]] == list(range(1, len(ids) + 1))
    assert all(begin <= end for _, begin, end, _ in data["bars"])


def test_events_stand_in_the_lane_of_their_session(mixed: Analysis, data: dict[str, Any]) -> None:
    drawn = mixed.events[mixed.events["kind"].isin(EVENTS)]
    assert len(data["events"]) == len(drawn)
    for (lane, _, kind, text, _), row in zip(data["events"], drawn.itertuples(), strict=True):
        session = "connections" if row.session_id is pd.NA else f"{row.session_id:#x}"
        assert data["lanes"][lane].split()[-1] == session
        assert data["kinds"][kind][0] == EVENTS[str(row.kind)][0]
        assert data["texts"][text] == row.text


def test_findings_point_at_rows_of_the_list(mixed: Analysis, data: dict[str, Any]) -> None:
    assert len(data["findings"]) == len(data["related"]) == len(mixed.findings)
    count = len(data["exchanges"]["time"])
    assert all(0 <= row < count for rows in data["related"] for row in rows)


def test_rates_add_up_to_all_requests_and_bytes(mixed: Analysis, data: dict[str, Any]) -> None:
    rates = data["rates"]
    step = (rates["time"][1] - rates["time"][0]) / 1000
    assert sum(rates["requests"]) * step == pytest.approx(mixed.exchanges["request_time"].notna().sum(), rel=0.01)
    read = mixed.exchanges.loc[mixed.exchanges["command"] == "READ", "transferred"].sum()
    assert sum(rates["read"]) * step * 1e6 == pytest.approx(float(read), rel=0.05)


def test_states_tell_refused_from_unanswered(mixed: Analysis, data: dict[str, Any]) -> None:
    rows = data["exchanges"]
    texts = data["texts"]
    for state, status, latency in zip(rows["state"], rows["status"], rows["latency"], strict=True):
        if state == 1:
            assert texts[status] not in {"STATUS_SUCCESS", "STATUS_PENDING"}
        if state == 2:
            assert latency is None


def test_it_is_json_without_gaps(data: dict[str, Any]) -> None:
    assert json.loads(json.dumps(data, allow_nan=False)) == data


def test_what_does_not_fit_is_counted(mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LANES", 3)
    monkeypatch.setattr(module, "_MOST_EVENTS", 10)
    made = chart(mixed)
    assert len(made.data["lanes"]) == 4
    assert made.lanes_left == len(mixed.sessions) - 3
    assert len(made.data["events"]) == 10
    assert made.events_left == mixed.events["kind"].isin(EVENTS).sum() - 10


def test_sessions_that_suffer_keep_their_lane(mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LANES", 1)
    last = lifespans(mixed.sessions, mixed.events)["session_id"].iloc[-1]
    bad = mixed.findings.head(1).assign(severity="error", session_id=pd.array([last], dtype="UInt64"))
    chosen = select(mixed.exchanges, bad)
    made = chart_data(mixed.sessions, mixed.events, bad, mixed.exchanges, chosen, span_of(mixed.files))
    assert [label.split()[-1] for label in made.data["lanes"][1:]] == [f"{last:#x}"]
    assert made.data["findings"][0][0] == 1
