"""The life of every session as a lane: when it was valid, expired and re-authenticated, and what else happened."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analyzer.plots.style import COLOURS, SEVERITY_COLOURS, Times, figure, legend, moments, say, styled, time_axis
from analyzer.tables.lifespans import lifespans
from analyzer.tables.text import printable

__all__ = ["MARKS", "expiry_figure", "expiry_pauses", "timeline_figure"]

Places = npt.NDArray[np.int64]
_MOST_LANES = 40  # what a page holds; the sessions that begin first
MARKS = {
    "auth_succeeded": ("logged on", "o", COLOURS[2]),
    "auth_failed": ("refused", "x", COLOURS[5]),
    "session_expired": ("expired", "v", COLOURS[1]),
    "reauth_succeeded": ("re-authenticated", "^", COLOURS[0]),
    "reauth_failed": ("re-authentication refused", "X", COLOURS[5]),
    "channel_bound": ("connection added", "+", COLOURS[0]),
    "channel_lost": ("connection lost", "_", COLOURS[0]),
    "oplock_timeout": ("break not acknowledged", "D", COLOURS[3]),
    "lease_timeout": ("break not acknowledged", "D", COLOURS[3]),
    "handle_lost": ("handle lost", "P", COLOURS[3]),
    "session_logoff": ("logged off", "s", COLOURS[6]),
    "session_ended": ("ended", "|", COLOURS[7]),
}
"""By kind of event: label, marker and colour."""


def timeline_figure(sessions: pd.DataFrame, events: pd.DataFrame, findings: pd.DataFrame) -> Figure:
    """One lane a session with its events, and findings as bars behind them.

    Args:
        sessions: the table `sessions`.
        events: the table `events`.
        findings: the table `findings`; those of severity info are left out.
    """
    known = lifespans(sessions, events)
    lanes = known.head(_MOST_LANES)
    with styled():
        made, (axes,) = figure(height=max(1.6, 0.26 * len(lanes) + 1.2))
        axes.set_title("Sessions" if len(lanes) == len(known) else f"The first {len(lanes)} of {len(known):,} sessions")
        if len(lanes) == 0:
            say(axes, "there is no session")
            return made
        _draw(axes, lanes, events, findings)
    return made


def expiry_figure(events: pd.DataFrame) -> Figure:
    """How long each expired session stood still until it was authenticated again; and who did that in time.

    Args:
        events: the table `events`.
    """
    pauses = expiry_pauses(events)
    renewed = events[events["kind"] == "reauth_succeeded"]
    in_time = renewed[~renewed["time"].isin(pauses["end"])]
    with styled():
        made, (axes,) = figure()
        axes.set_title("Expired sessions, and how long each stood still")
        if len(pauses) + len(in_time) == 0:
            say(axes, "no session expired, and none was authenticated again")
            return made
        for good, colour, label in ((True, COLOURS[0], "until authenticated again"), (False, COLOURS[5], "never was")):
            rows = pauses[pauses["renewed"] == good]
            if len(rows):
                times, seconds = moments(rows["time"]), rows["seconds"].to_numpy(np.float64)
                axes.vlines(times, 0, seconds, color=colour, lw=2)
                axes.plot(times, seconds, "o", color=colour, ms=4, label=f"{label} ({len(rows):,})")
        if len(in_time):
            axes.plot(
                moments(in_time["time"]), np.zeros(len(in_time)), "^", color=COLOURS[2], ms=6, clip_on=False,
                label=f"authenticated before it expired ({len(in_time):,})",
            )  # fmt: skip
        span = moments(events["time"])
        axes.set_xlim(span.min(), max(span.max(), span.min() + np.timedelta64(1, "s")))
        axes.set_ylabel("pause (s)")
        axes.set_ylim(bottom=0, top=None if len(pauses) else 1)
        time_axis(axes)
        legend(axes)
    return made


def expiry_pauses(events: pd.DataFrame) -> pd.DataFrame:
    """Every expiry that was met, with its pause.

    Returns:
        time and end (datetime64[ns, UTC]; without re-authentication the time of the last event of all), session_id
        (UInt64), seconds (float64), renewed (bool), in the order of sessions.
    """
    kinds = ("session_expired", "reauth_succeeded")
    rows = events[events["kind"].isin(kinds)].sort_values(["session_id", "time"], kind="stable")
    session_ids = rows["session_id"].to_numpy(np.uint64)
    expired = (rows["kind"] == kinds[0]).to_numpy()
    begins = expired.copy()  # of several refusals in a row the first one counts
    begins[1:] &= ~(expired[:-1] & (session_ids[1:] == session_ids[:-1]))
    starts = np.flatnonzero(begins)
    after = np.append(np.flatnonzero(~expired), len(rows))
    ends = after[np.searchsorted(after, starts)]
    times = np.append(moments(rows["time"]), moments(events["time"].tail(1)))
    ids = np.append(session_ids, np.uint64(0))
    renewed = (ends < len(rows)) & (ids[ends] == session_ids[starts])
    over = times[np.where(renewed, ends, -1)] if len(starts) else times[:0]
    return pd.DataFrame(
        {
            "time": pd.to_datetime(times[starts], utc=True),
            "end": pd.to_datetime(over, utc=True),
            "session_id": pd.array(session_ids[starts], dtype="UInt64"),
            "seconds": (over - times[starts]) / np.timedelta64(1, "s"),
            "renewed": renewed,
        }
    )


def _draw(axes: Axes, lanes: pd.DataFrame, events: pd.DataFrame, findings: pd.DataFrame) -> None:
    _bars(
        axes,
        np.arange(len(lanes)),
        moments(lanes["begin"]),
        moments(lanes["finish"]),
        colour="#BBBBBB",
        width=6,
        layer=1,
    )
    # A SessionId that was begun anew has several lanes; its events go to the first one.
    places = {int(number): lane for lane, number in reversed(list(enumerate(lanes["session_id"].tolist())))}
    bad = findings[(findings["severity"] != "info") & findings["session_id"].isin(places)]
    for severity, rows in bad.groupby("severity", observed=True):
        times = moments(rows["time"].fillna(rows["end"]))
        until = np.fmax(moments(rows["end"]), times)
        _bars(axes, _lanes_of(rows, places), times, until, colour=SEVERITY_COLOURS[str(severity)], width=12, layer=2)
        axes.plot([], [], color=SEVERITY_COLOURS[str(severity)], lw=8, alpha=0.5, label=f"found: {severity}")
    for kind, (label, marker, colour) in MARKS.items():
        rows = events[(events["kind"] == kind) & events["session_id"].isin(places)]
        if len(rows):
            axes.plot(
                moments(rows["time"]), _lanes_of(rows, places), marker, color=colour, ms=6, mew=1.5, label=label,
                zorder=3,
            )  # fmt: skip
    axes.set_yticks(range(len(lanes)), _labels(lanes))
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    time_axis(axes)
    legend(axes)


def _bars(axes: Axes, lanes: Places, begins: Times, ends: Times, *, colour: str, width: float, layer: int) -> None:
    alpha = 0.5 if layer > 1 else None
    for lane, begin, end in zip(lanes.tolist(), begins, ends, strict=True):
        axes.plot(
            [begin, end], [lane, lane], color=colour, lw=width, alpha=alpha, zorder=layer,
            solid_capstyle="projecting" if layer > 1 else "butt",
        )  # fmt: skip


def _lanes_of(rows: pd.DataFrame, places: dict[int, int]) -> Places:
    return np.array([places[int(number)] for number in rows["session_id"].tolist()])


def _labels(lanes: pd.DataFrame) -> list[str]:
    users = lanes["user"].fillna("?").replace("", "anonymous").tolist()
    return [f"{printable(user)}  {number:#x}" for user, number in zip(users, lanes["session_id"].tolist(), strict=True)]
