"""Response times: every answer as a point over time, and the percentiles of each command."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyzer.latency import PERCENTILES, timed
from analyzer.plots.style import COLOURS, figure, legend, logarithmic, moments, say, styled, time_axis

__all__ = ["latency_figure"]

_MOST_POINTS = 20_000  # of one command; more are drawn from evenly, and the slowest of all are always there
_MANY = 2000  # points that are drawn smaller
_MOST_COMMANDS = len(COLOURS)


def latency_figure(exchanges: pd.DataFrame) -> Figure:
    """Response times over time, and their percentiles by command.

    Args:
        exchanges: the table `exchanges`; what was not answered, and what waits for something to happen, is left out.
    """
    rows = exchanges[timed(exchanges)]
    counts = rows["command"].value_counts()
    names = [str(name) for name in counts[counts > 0].index][:_MOST_COMMANDS]
    size = 3.5 if len(rows) > _MANY else 6
    with styled():
        made, (points, bars) = figure(2)
        points.set_title("Response times")
        bars.set_title("Percentiles by command")
        if not names:
            say(points, "no request was answered")
            say(bars, "no request was answered")
            return made
        for name, colour in zip(names, COLOURS, strict=False):
            chosen = _thinned(rows[rows["command"] == name])
            points.plot(
                moments(chosen["request_time"]), _milliseconds(chosen), ".", ms=size, mew=0, alpha=0.7, color=colour,
                label=f"{name} ({counts[name]:,})",
            )  # fmt: skip
        time_axis(points)
        legend(points)
        _percentiles(bars, [_milliseconds(rows[rows["command"] == name]) for name in names], names)
        for axes in (points, bars):
            logarithmic(axes, "response time (ms)")
    return made


def _percentiles(axes: Axes, values: list[npt.NDArray[np.float64]], names: list[str]) -> None:
    positions = np.arange(len(names))
    for place, (share, colour) in enumerate(zip(PERCENTILES, (COLOURS[4], COLOURS[0], COLOURS[7]), strict=True)):
        heights = [float(np.quantile(column, share)) for column in values]
        axes.bar(positions + (place - 1) * 0.27, heights, width=0.25, color=colour, label=f"{share:.0%} took less")
    axes.set_xticks(positions, names, rotation=25, ha="right")
    axes.grid(axis="x", visible=False)
    legend(axes)


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """At most `_MOST_POINTS` rows: every n-th by time, and the slowest."""
    if len(rows) <= _MOST_POINTS:
        return rows
    chosen = np.zeros(len(rows), np.bool_)
    chosen[:: -(-len(rows) // (_MOST_POINTS // 2))] = True
    latency = rows["latency"].to_numpy("m8[ns]").view("i8")
    chosen[np.argpartition(latency, -_MOST_POINTS // 2)[-_MOST_POINTS // 2 :]] = True
    return rows[chosen]


def _milliseconds(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    """At least a microsecond, which a logarithmic axis can show."""
    return np.maximum(rows["latency"].to_numpy("m8[ns]").view("i8") / 1e6, 1e-3)
