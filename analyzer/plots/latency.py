"""Response times: every answer as a point over time, and the percentiles of each command."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyzer.plots.style import COLOURS, figure, styled, time_axis

__all__ = ["latency_figure"]

_MOST_POINTS = 20_000  # of a scatter plot; more are drawn from evenly, and the slowest of all are always there
_MOST_COMMANDS = len(COLOURS) - 1
_SHARES = (0.5, 0.9, 0.99)


def latency_figure(exchanges: pd.DataFrame) -> Figure:
    """Response times over time, and their percentiles by command.

    Args:
        exchanges: the table `exchanges`; what was not answered, and what waits for something to happen, is left out.
    """
    rows = exchanges[exchanges["latency"].notna() & exchanges["pending_time"].isna()]
    commands = rows["command"].value_counts()
    names = [str(name) for name in commands[commands > 0].index]
    with styled():
        made, (points, bars) = figure(2)
        for place, name in enumerate(names[:_MOST_COMMANDS]):
            chosen = _thinned(rows[rows["command"] == name])
            points.scatter(
                chosen["request_time"],
                _milliseconds(chosen),
                s=6,
                color=COLOURS[place],
                label=name,
                linewidths=0,
                alpha=0.7,
            )
        points.set_yscale("log")
        points.set_ylabel("response time (ms)")
        points.set_title("Response times")
        time_axis(points)
        if names:
            points.legend(loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2)
        _percentiles(bars, rows, names)
    return made


def _percentiles(axes, rows: pd.DataFrame, names: list[str]) -> None:  # type: ignore[no-untyped-def]
    for place, share in enumerate(_SHARES):
        values = [float(np.quantile(_milliseconds(rows[rows["command"] == name]), share)) for name in names]
        positions = np.arange(len(names)) + (place - 1) * 0.27
        axes.bar(positions, values, width=0.25, color=COLOURS[place], label=f"{share:.0%} took less")
    axes.set_xticks(np.arange(len(names)), names, rotation=30, ha="right")
    axes.set_yscale("log")
    axes.set_ylabel("response time (ms)")
    axes.set_title("Percentiles by command")
    axes.grid(axis="x", visible=False)
    if names:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


def _thinned(rows: pd.DataFrame) -> pd.DataFrame:
    """At most `_MOST_POINTS` rows: every n-th by time, and the slowest."""
    if len(rows) <= _MOST_POINTS:
        return rows
    step = -(-len(rows) // (_MOST_POINTS // 2))
    slowest = rows["latency"].nlargest(_MOST_POINTS // 2).index
    return rows.loc[rows.index[::step].union(slowest)]


def _milliseconds(rows: pd.DataFrame) -> np.ndarray:  # type: ignore[type-arg]
    return np.maximum(rows["latency"].to_numpy("m8[ns]").astype(np.int64) / 1e6, 1e-3)
