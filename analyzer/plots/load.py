"""Load: requests that wait for an answer, credits that are left, bytes that are moved."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from analyzer.latency import outstanding_requests, throughput
from analyzer.plots.style import COLOURS, figure, styled, time_axis

__all__ = ["load_figure"]

_MOST_CONNECTIONS = 6  # lines that can be told apart; the busiest ones
_BINS = 400  # intervals of the throughput


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
        for place, number in enumerate(busiest):
            rows = waiting[waiting["connection"] == number]
            colour = COLOURS[place % len(COLOURS)]
            top.step(rows["time"], rows["outstanding"], where="post", color=colour, lw=1, label=f"connection {number}")
            mine = credits_[credits_["connection"] == number]
            times = pd.to_datetime(mine["time"], unit="ns", utc=True)
            middle.step(times, mine["available"], where="post", color=colour, lw=1)
            middle.fill_between(times, mine["least"], mine["available"], step="post", color=colour, alpha=0.25, lw=0)
        top.set_title("Requests without an answer")
        middle.set_title("Credits that the client has left (shaded: the least in each moment)")
        bottom.set_title("Data moved")
        _throughput(bottom, exchanges)
        for axes, label in ((top, "requests"), (middle, "credits"), (bottom, "MB/s")):
            axes.set_ylabel(label)
            axes.set_ylim(bottom=0)
        if busiest:
            top.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        time_axis(bottom)
    return made


def _throughput(axes: Any, exchanges: pd.DataFrame) -> None:
    times = exchanges["response_time"].dropna()
    if len(times) == 0:
        return
    span = max((times.max() - times.min()).total_seconds(), 1e-3)
    width = span / _BINS if span > _BINS else max(span / _BINS, 0.01)
    moved = throughput(exchanges, f"{max(round(width * 1000), 1)}ms")
    for name, colour in (("read", COLOURS[0]), ("written", COLOURS[1])):
        rate = moved[name].to_numpy(np.float64) / 1e6 / (max(round(width * 1000), 1) / 1000)
        axes.step(moved.index, rate, where="post", color=colour, lw=1, label=name)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
