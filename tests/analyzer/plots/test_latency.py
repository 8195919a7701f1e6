import numpy as np
import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.latency import timed
from analyzer.plots import latency as module
from analyzer.plots.latency import latency_figure


def test_every_answer_is_a_point_of_its_command(mixed: Analysis) -> None:
    points, _ = latency_figure(mixed.exchanges).axes
    rows = mixed.exchanges[timed(mixed.exchanges)]
    counts = rows["command"].astype(str).value_counts()
    drawn = {str(line.get_label()): len(line.get_ydata()) for line in points.lines}
    assert drawn == {f"{name} ({count:,})": count for name, count in counts.head(8).items()}


def test_bars_are_the_percentiles(mixed: Analysis) -> None:
    _, bars = latency_figure(mixed.exchanges).axes
    rows = mixed.exchanges[timed(mixed.exchanges)]
    names = [label.get_text() for label in bars.get_xticklabels()]
    for container, share in zip(bars.containers, (0.5, 0.9, 0.99), strict=True):
        for bar, name in zip(container, names, strict=True):
            latency = rows.loc[rows["command"] == name, "latency"].dt.total_seconds() * 1000
            assert bar.get_height() == pytest.approx(latency.quantile(share))


def test_of_many_points_the_slowest_are_drawn(mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_POINTS", 10)
    points, _ = latency_figure(mixed.exchanges).axes
    for line in points.lines:
        name = str(line.get_label()).partition(" ")[0]
        rows = mixed.exchanges[timed(mixed.exchanges) & (mixed.exchanges["command"] == name)]
        assert len(line.get_ydata()) <= 10 or len(rows) <= 10
        assert np.max(line.get_ydata()) == pytest.approx(rows["latency"].max() / pd.Timedelta(milliseconds=1))


def test_nothing_answered_is_said_so(mixed: Analysis) -> None:
    for axes in latency_figure(mixed.exchanges.head(0)).axes:
        assert axes.texts[0].get_text() == "no request was answered"
