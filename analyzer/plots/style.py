"""How all figures look: sober, readable in print and by people who do not tell red from green."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

__all__ = [
    "COLOURS",
    "SEVERITY_COLOURS",
    "Times",
    "figure",
    "legend",
    "logarithmic",
    "moments",
    "say",
    "styled",
    "time_axis",
]

Times = npt.NDArray[np.datetime64]

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#666666", "#000000")
"""The palette of Okabe and Ito, which colour-blind people can tell apart."""

SEVERITY_COLOURS = {"info": "#56B4E9", "warning": "#E69F00", "error": "#D55E00", "security": "#CC79A7"}

_SETTINGS: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "white",
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "figure.dpi": 110,
    "savefig.facecolor": "white",
    "text.parse_math": False,  # names from the wire may hold dollar signs
}


@contextmanager
def styled() -> Iterator[None]:
    """The settings of all figures, for what is drawn inside."""
    with mpl.rc_context():
        mpl.rcParams.update(_SETTINGS)
        yield


class _Shown(Figure):
    """A figure that notebooks show, although pyplot has not made it, which would keep it alive."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def figure(
    rows: int = 1, *, width: float = 9.0, height: float = 3.2, share_x: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with `rows` axes below each other, each `height` inches high. It belongs to nobody but the caller."""
    made = _Shown(figsize=(width, height * rows), layout="constrained")
    axes = made.subplots(rows, 1, sharex=share_x, squeeze=False)
    return made, list(axes[:, 0])


def time_axis(axes: Axes) -> None:
    """Label the horizontal axis with times of day in UTC, as short as they can be."""
    locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlabel("time (UTC)")


def logarithmic(axes: Axes, label: str) -> None:
    """A vertical axis of powers, written out: 0.1, 1, 10; and 2 and 5 as well where there are few of them."""
    axes.set_yscale("log")
    axes.set_ylabel(label)
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def legend(axes: Axes) -> None:
    """What the colours and markers are, right of the axes, where it hides nothing; the same name once."""
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(reversed(labels), reversed(handles), strict=True))
    if named:
        order = list(dict.fromkeys(labels))
        axes.legend([named[label] for label in order], order, loc="center left", bbox_to_anchor=(1, 0.5))


def say(axes: Axes, text: str) -> None:
    """A sentence where there is nothing to draw."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#666666")
    axes.set_xticks([])
    axes.set_yticks([])


def moments(values: "pd.Series[Any] | npt.NDArray[np.int64]") -> Times:
    """Times in UTC as matplotlib draws them: of a column, or of nanoseconds since 1970."""
    if isinstance(values, pd.Series):
        return values.to_numpy(dtype="datetime64[ns]")
    return values.astype("datetime64[ns]")
