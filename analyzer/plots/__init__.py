"""Figures of an analysis: `Analysis.plot`. Every method gives a matplotlib Figure, which Jupyter shows as it is."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from analyzer.plots.latency import latency_figure
from analyzer.plots.load import load_figure
from analyzer.plots.tcp import tcp_figure
from analyzer.plots.timeline import expiry_figure, timeline_figure
from parsers.errors import UsageError

if TYPE_CHECKING:
    from analyzer.analysis import Analysis

__all__ = ["Plots"]


class Plots:
    """The figures of one analysis."""

    def __init__(self, analysis: "Analysis") -> None:
        self._analysis = analysis

    def timeline(self) -> Figure:
        """Sessions as lanes, with what happened to them and what was found."""
        return timeline_figure(self._analysis.sessions, self._analysis.events, self._analysis.findings)

    def latency(self) -> Figure:
        """Response times over time, and their percentiles by command."""
        return latency_figure(self._analysis.exchanges)

    def load(self) -> Figure:
        """Outstanding requests, credits and throughput over time."""
        return load_figure(self._analysis.exchanges, self._analysis.evidence.credits.series)

    def expiry(self) -> Figure:
        """Expired sessions, and how long each stood still."""
        return expiry_figure(self._analysis.events)

    def tcp(self, connection: int = 0) -> Figure:
        """What was sent and acknowledged on a connection, with every trouble.

        Raises:
            UsageError: there is no such connection.
        """
        known = len(self._analysis.connections)
        if not 0 <= connection < known:
            raise UsageError(f"there is no connection {connection}; they are numbered from 0 to {known - 1}")
        return tcp_figure(self._analysis.evidence.tcp, connection)
