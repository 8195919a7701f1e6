from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.latency import timed
from analyzer.report import selection as module
from analyzer.report.selection import refused, select
from tests.analyzer.captures import analyzed


def test_a_small_capture_is_shown_whole(mixed: Analysis) -> None:
    chosen = select(mixed.exchanges, mixed.findings)
    assert len(chosen.rows) == chosen.total == len(mixed.exchanges)
    times = chosen.rows["request_time"].fillna(chosen.rows["response_time"])
    assert times.is_monotonic_increasing


def test_of_a_large_one_the_telling_exchanges_stay(mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 60)
    monkeypatch.setattr(module, "_MOST_OF_KIND", 10)
    monkeypatch.setattr(module, "_MOST_RELATED", 20)
    chosen = select(mixed.exchanges, mixed.findings)
    assert len(chosen.rows) == 60
    assert chosen.total == len(mixed.exchanges)
    slowest = mixed.exchanges[timed(mixed.exchanges)].nlargest(10, "latency").index
    assert slowest.isin(chosen.rows.index).all()
    assert chosen.parts["refused"] == min(10, int(refused(mixed.exchanges).sum()))
    rest = ~chosen.rows.index.isin(slowest) & ~refused(chosen.rows)
    assert rest.sum() > 10  # and ordinary ones beside them


def test_a_finding_has_the_exchanges_of_its_frames(mixed: Analysis) -> None:
    chosen = select(mixed.exchanges, mixed.findings)
    for frames, related in zip(mixed.findings["frames"], chosen.related, strict=True):
        wanted = {int(frame) for frame in frames.split(", ") if frame}
        both = mixed.exchanges[["request_frame", "response_frame"]]
        expected = both[both.isin(wanted).any(axis=1)].index
        assert set(expected) <= set(chosen.rows.index[related])


def test_a_stall_has_what_waited_then(shared: Path) -> None:
    analysis = analyzed(shared, "faults/net_blackout20_get_signed.pcapng.gz")
    (place,) = np.flatnonzero(analysis.findings["rule"] == "path_dead")
    finding = analysis.findings.iloc[place]
    chosen = select(analysis.exchanges, analysis.findings)
    rows = chosen.rows.iloc[chosen.related[place]]
    assert len(rows) > 10
    assert (rows["connection"] == finding["connection"]).all()
    assert (rows["request_time"] <= finding["end"]).all()
    assert (rows["response_time"].isna() | (rows["response_time"] >= finding["time"])).all()


def test_a_finding_between_exchanges_has_its_neighbours(mixed: Analysis) -> None:
    rows = mixed.exchanges[mixed.exchanges["connection"] == 0]
    after = rows["response_time"].max() + pd.Timedelta(seconds=1)
    finding = mixed.findings.head(1).assign(frames="", connection=0, session_id=pd.NA, time=after, end=pd.NaT)
    chosen = select(mixed.exchanges, finding)
    assert chosen.rows.index[chosen.related[0]].tolist() == rows.sort_values("request_time").index[-4:].tolist()


def test_nothing_is_selected_of_nothing(mixed: Analysis) -> None:
    chosen = select(mixed.exchanges.head(0), mixed.findings)
    assert chosen.rows.empty
    assert chosen.related == [[]] * len(mixed.findings)


def test_ordinary_answers_refuse_nothing(mixed: Analysis) -> None:
    statuses = set(mixed.exchanges.loc[refused(mixed.exchanges), "status"])
    assert "STATUS_LOGON_FAILURE" in statuses
    assert not statuses & {"STATUS_SUCCESS", "STATUS_MORE_PROCESSING_REQUIRED", "STATUS_NO_MORE_FILES"}
