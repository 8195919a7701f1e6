"""The health of TCP connections: bytes sent and acknowledged over time, and every trouble where it happened."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analyzer.evidence.marks import Mark
from analyzer.plots.style import COLOURS, figure, styled, time_axis

if TYPE_CHECKING:
    from analyzer.evidence.health import TcpHealth

__all__ = ["tcp_figure"]

_SIDES = ("client", "server")
_TROUBLES = (
    (Mark.RETRANSMISSION, "sent again", "x", COLOURS[5]),
    (Mark.REORDERED, "overtaken", ".", COLOURS[1]),
    (Mark.DUPLICATE_ACK, "asked again", ".", COLOURS[4]),
    (Mark.ZERO_WINDOW, "window closed", "v", COLOURS[3]),
    (Mark.GAP, "not captured", "s", COLOURS[6]),
    (Mark.RST, "broken off", "X", COLOURS[7]),
    (Mark.FIN, "closed", "|", COLOURS[7]),
)


def tcp_figure(health: "TcpHealth", connection: int) -> Figure:
    """What each side of a connection had sent, and the other acknowledged, with troubles marked.

    Args:
        health: `Analysis.evidence.tcp`.
        connection: its number.
    """
    with styled():
        made, axes = figure(2, share_x=True)
        for sender, place in enumerate(axes):
            mine, other = health.rows(connection, sender), health.rows(connection, 1 - sender)
            place.step(
                _times(mine["time"]), np.maximum(mine["sent"], 0) / 1e6, where="post", color=COLOURS[0], label="sent"
            )
            place.step(
                _times(other["time"]), np.maximum(other["acknowledged"], 0) / 1e6, where="post", color=COLOURS[2], lw=1,
                label="acknowledged",
            )  # fmt: skip
            for kind, label, marker, colour in _TROUBLES:
                marks = health.marks_of(connection, kind, sender=sender)
                if len(marks):
                    place.plot(
                        _times(marks["time"]), np.maximum(marks["position"], 0) / 1e6, marker, color=colour, ms=5,
                        label=f"{label} ({len(marks):,})",
                    )  # fmt: skip
            place.set_title(f"From the {_SIDES[sender]} of connection {connection}")
            place.set_ylabel("MB")
            place.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        time_axis(axes[-1])
    return made


def _times(nanoseconds: "np.ndarray") -> pd.DatetimeIndex:  # type: ignore[type-arg]
    return pd.to_datetime(nanoseconds, unit="ns", utc=True)
