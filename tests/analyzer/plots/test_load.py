import numpy as np
import pytest

from analyzer import Analysis
from analyzer.latency import outstanding_requests, throughput
from analyzer.plots import load as module
from analyzer.plots.load import load_figure


def test_lines_are_the_outstanding_requests_of_the_busiest(mixed: Analysis) -> None:
    top, _, _ = load_figure(mixed.exchanges, mixed.evidence.credits.series).axes
    waiting = outstanding_requests(mixed.exchanges)
    busiest = mixed.exchanges["connection"].value_counts().index[:6]
    assert [line.get_label() for line in top.lines] == [f"connection {number}" for number in busiest]
    for line, number in zip(top.lines, busiest, strict=True):
        assert list(line.get_ydata()) == waiting.loc[waiting["connection"] == number, "outstanding"].tolist()


def test_credits_are_those_of_the_same_connections(mixed: Analysis) -> None:
    series = mixed.evidence.credits.series
    _, middle, _ = load_figure(mixed.exchanges, series).axes
    busiest = mixed.exchanges["connection"].value_counts().index[:6]
    drawn = [list(line.get_ydata()) for line in middle.lines]
    assert drawn == [series["available"][series["connection"] == number].tolist() for number in busiest]


def test_the_area_below_the_rates_is_what_was_moved(mixed: Analysis) -> None:
    _, _, bottom = load_figure(mixed.exchanges, mixed.evidence.credits.series).axes
    moved = throughput(mixed.exchanges, "1h").sum()
    for line, name in zip(bottom.lines, ("read", "written"), strict=True):
        times = line.get_xdata().astype("datetime64[ns]").astype(np.int64)
        width = np.diff(times)[0] / 1e9
        assert float(np.sum(line.get_ydata()) * width * 1e6) == pytest.approx(float(moved[name]))


def test_of_many_steps_the_highest_stay(mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_STEPS", 5)
    top, _, _ = load_figure(mixed.exchanges, mixed.evidence.credits.series).axes
    waiting = outstanding_requests(mixed.exchanges).groupby("connection")["outstanding"].max()
    for line in top.lines:
        assert len(line.get_ydata()) <= 5
        assert max(line.get_ydata()) == waiting[int(str(line.get_label()).split()[1])]


def test_an_empty_capture_gives_empty_axes(mixed: Analysis) -> None:
    nothing = mixed.exchanges.head(0)
    figure = load_figure(nothing, mixed.evidence.credits.series[:0])
    assert [len(axes.lines) for axes in figure.axes] == [0, 0, 0]
