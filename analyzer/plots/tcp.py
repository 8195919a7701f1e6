"""The health of TCP connections: bytes sent and acknowledged over time, and every trouble where it happened."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyzer.evidence.health import TcpHealth
from analyzer.evidence.marks import Mark
from analyzer.plots.style import COLOURS, figure, legend, moments, styled, time_axis

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
_BY_RECEIVER = (Mark.DUPLICATE_ACK, Mark.ZERO_WINDOW)  # what it says of the bytes that the other side sends


def tcp_figure(health: TcpHealth, connection: int) -> Figure:
    """What each side of a connection had sent, and the other acknowledged, with troubles marked.

    Args:
        health: `Analysis.evidence.tcp`.
        connection: its number.
    """
    with styled():
        made, axes = figure(2, share_x=True)
        for sender, place in enumerate(axes):
            _direction(place, health, connection, sender)
        time_axis(axes[-1])
    return made


def _direction(axes: Axes, health: TcpHealth, connection: int, sender: int) -> None:
    mine, other = health.rows(connection, sender), health.rows(connection, 1 - sender)
    highest = mine["sent"].max(initial=0)
    unit, size = ("MB", 1e6) if highest >= 2e6 else ("kB", 1e3)
    lines = ((mine, "sent", COLOURS[0], 2.5), (other, "acknowledged", COLOURS[2], 1.0))
    for rows, name, colour, width in lines:
        axes.step(
            moments(rows["time"]), np.maximum(rows[name], 0) / size, where="post", color=colour, lw=width, label=name
        )
    for kind, label, marker, colour in _TROUBLES:
        marks = health.marks_of(connection, kind, sender=1 - sender if kind in _BY_RECEIVER else sender)
        if len(marks):
            axes.plot(
                moments(marks["time"]), np.maximum(marks["position"], 0) / size, marker, color=colour, ms=5,
                label=f"{label} ({len(marks):,})",
            )  # fmt: skip
    axes.set_title(f"From the {_SIDES[sender]} of connection {connection}")
    axes.set_ylabel(unit)
    legend(axes)
