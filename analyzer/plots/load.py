"""Load: requests that wait for an answer, credits that are left, bytes that are moved."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyzer.latency import outstanding_requests, throughput
from analyzer.plots.style import COLOURS, figure, legend, moments, styled, time_axis

__all__ = ["load_figure"]

_MOST_CONNECTIONS = 6  # lines that can be told apart; the busiest ones
_BINS = 400  # intervals of the throughput
_MOST_STEPS = 4000  # of a line; where there are more, the highest of each part is drawn


def load_figure(exchanges: pd.DataFrame, credits_: npt.NDArray[Any]) -> Figure:
    """Outstanding requests, credits and throughput over time, one below the other.

    Args:
        exchanges: the table `exchanges`.
        credits_: rows of `analyzer.evidence.credits.CREDIT`.
    """
    waiting = outstanding_requests(exchanges)
    busiest = exchanges["connection"].value_counts().index[:_MOST_CONNECTIONS].tolist()
    with styled():
        made, (top, middle, bottom) = figure(3, height=2.4, share_x=True)
        for number, colour in zip(busiest, COLOURS, strict=False):
            rows = _highest(waiting[waiting["connection"] == number])
            top.step(
                moments(rows["time"]), rows["outstanding"].to_numpy(), where="post", color=colour, lw=1,
                label=f"connection {number}",
            )  # fmt: skip
            mine = credits_[credits_["connection"] == number]
            times = moments(mine["time"])
            middle.step(times, mine["available"], where="post", color=colour, lw=1)
            middle.fill_between(times, mine["least"], mine["available"], step="post", color=colour, alpha=0.25, lw=0)
        top.set_title("Requests without an answer")
        middle.set_title("Credits that the client has left (shaded: down to the least at the time)")
        bottom.set_title("Data moved")
        _throughput(bottom, exchanges)
        for axes, label in ((top, "requests"), (middle, "credits"), (bottom, "MB/s")):
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        legend(top)
        time_axis(bottom)
    return made


def _highest(rows: pd.DataFrame) -> pd.DataFrame:
    """Of many rows the one with the highest count in each part of the line."""
    if len(rows) <= _MOST_STEPS:
        return rows
    parts = np.arange(len(rows)) * _MOST_STEPS // len(rows)
    return rows.loc[rows.groupby(parts)["outstanding"].idxmax()]


def _throughput(axes: Axes, exchanges: pd.DataFrame) -> None:
    times = moments(exchanges["response_time"].dropna())
    if len(times) == 0:
        return
    span = int((times.max() - times.min()).astype(np.int64)) / 1e6
    milliseconds = max(round(span / _BINS), 10)
    moved = throughput(exchanges, f"{milliseconds}ms")
    for name, colour in (("read", COLOURS[0]), ("written", COLOURS[5])):
        rate = moved[name].to_numpy(np.float64) / 1e3 / milliseconds
        total = moved[name].sum() / 1e6
        axes.step(
            moved.index.to_numpy("datetime64[ns]"), rate, where="post", color=colour, lw=1,
            label=f"{name} ({total:,.1f} MB)",
        )  # fmt: skip
    legend(axes)
