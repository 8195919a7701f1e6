"""How all figures look: sober, readable in print and by people who do not tell red from green."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

__all__ = ["COLOURS", "SEVERITY_COLOURS", "figure", "styled", "time_axis"]

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#666666", "#000000")
"""The palette of Okabe and Ito, which colour-blind people can tell apart."""

SEVERITY_COLOURS = {"info": "#56B4E9", "warning": "#E69F00", "error": "#D55E00", "security": "#CC79A7"}

_SETTINGS = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 110,
}


@contextmanager
def styled() -> Iterator[None]:
    """The settings of all figures, for what is drawn inside."""
    with mpl.rc_context(_SETTINGS):
        yield


def figure(
    rows: int = 1, *, width: float = 9.0, height: float = 3.2, share_x: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with `rows` axes below each other, each `height` inches high. It belongs to nobody but the caller."""
    made = Figure(figsize=(width, height * rows), layout="constrained")
    axes = made.subplots(rows, 1, sharex=share_x, squeeze=False)
    return made, list(axes[:, 0])


def time_axis(axes: Axes) -> None:
    """Label the horizontal axis with times of day in UTC, as short as they can be."""
    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel("time (UTC)")
