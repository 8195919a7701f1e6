"""The life of every session as a lane: when it was valid, expired and re-authenticated, and what else happened."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analyzer.plots.style import COLOURS, SEVERITY_COLOURS, figure, styled, time_axis

__all__ = ["MARKS", "expiry_figure", "timeline_figure"]

_MOST_LANES = 40  # what a page holds; the sessions that begin first
MARKS = {
    "auth_succeeded": ("logged on", "o", COLOURS[2]),
    "auth_failed": ("refused", "x", COLOURS[5]),
    "session_expired": ("expired", "v", COLOURS[1]),
    "reauth_succeeded": ("re-authenticated", "^", COLOURS[2]),
    "reauth_failed": ("re-authentication refused", "X", COLOURS[5]),
    "session_logoff": ("logged off", "s", COLOURS[6]),
    "session_ended": ("ended", "|", COLOURS[7]),
    "channel_bound": ("connection added", "+", COLOURS[0]),
    "channel_lost": ("connection lost", "_", COLOURS[0]),
    "oplock_timeout": ("break not acknowledged", "D", COLOURS[3]),
    "lease_timeout": ("break not acknowledged", "D", COLOURS[3]),
    "handle_lost": ("handle lost", "P", COLOURS[3]),
}
"""By kind of event: label, marker and colour."""


def timeline_figure(sessions: pd.DataFrame, events: pd.DataFrame, findings: pd.DataFrame) -> Figure:
    """One lane a session with its events, and findings as bars behind them.

    Args:
        sessions: the table `sessions`.
        events: the table `events`.
        findings: the table `findings`; those of severity info are left out.
    """
    lanes = sessions.sort_values("creation_time", kind="stable").head(_MOST_LANES).reset_index(drop=True)
    with styled():
        made, (axes,) = figure(height=max(1.6, 0.34 * len(lanes) + 1.2))
        for lane, row in lanes.iterrows():
            begin, end = row["creation_time"], row["ended_time"]
            end = end if pd.notna(end) else max(row["idle_time"], begin) if pd.notna(row["idle_time"]) else begin
            axes.plot([begin, end], [lane, lane], color="#BBBBBB", lw=6, solid_capstyle="butt", zorder=1)
        places = {int(number): lane for lane, number in lanes["session_id"].items()}
        _findings(axes, findings, places)
        used = _events(axes, events, places)
        axes.set_yticks(range(len(lanes)), [_label(row) for _, row in lanes.iterrows()])
        axes.invert_yaxis()
        axes.set_title(
            "Sessions" if len(lanes) == len(sessions) else f"The first {len(lanes)} of {len(sessions)} sessions"
        )
        axes.grid(axis="y", visible=False)
        time_axis(axes)
        if used:
            axes.legend(handles=used, loc="center left", bbox_to_anchor=(1, 0.5))
    return made


def expiry_figure(events: pd.DataFrame) -> Figure:
    """How long each expired session stood still until it was authenticated again, over time.

    Args:
        events: the table `events`.
    """
    pauses = expiry_pauses(events)
    with styled():
        made, (axes,) = figure()
        for good, colour, label in ((True, COLOURS[2], "re-authenticated"), (False, COLOURS[5], "never again")):
            rows = pauses[pauses["renewed"] == good]
            axes.vlines(rows["time"], 0, rows["seconds"], color=colour, lw=2, label=label)
            axes.plot(rows["time"], rows["seconds"], "o", color=colour, ms=4)
        axes.set_ylabel("pause (s)")
        axes.set_ylim(bottom=0)
        axes.set_title("Expired sessions, and how long each stood still")
        time_axis(axes)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return made


def expiry_pauses(events: pd.DataFrame) -> pd.DataFrame:
    """Expiries with their pauses: time, session_id, seconds (to the end of the capture if never), renewed."""
    kinds = ("session_expired", "reauth_succeeded")
    rows = events[events["kind"].isin(kinds)].sort_values("time", kind="stable")
    last = events["time"].max()
    found = []
    for session, mine in rows.groupby("session_id", observed=True):
        waiting = None
        for row in mine.itertuples():
            if row.kind == kinds[0]:
                waiting = row.time if waiting is None else waiting
            elif waiting is not None:
                found.append((waiting, session, (row.time - waiting).total_seconds(), True))
                waiting = None
        if waiting is not None:
            found.append((waiting, session, (last - waiting).total_seconds(), False))
    return pd.DataFrame(found, columns=["time", "session_id", "seconds", "renewed"]).astype(
        {"time": "datetime64[ns, UTC]", "session_id": "UInt64", "seconds": "float64", "renewed": "bool"}
    )


def _events(axes: Axes, events: pd.DataFrame, places: dict[int, int]) -> list[Line2D]:
    used: dict[str, Line2D] = {}
    for kind, (label, marker, colour) in MARKS.items():
        rows = events[(events["kind"] == kind) & events["session_id"].isin(places)]
        if len(rows) == 0:
            continue
        lanes = [places[int(number)] for number in rows["session_id"]]
        (line,) = axes.plot(rows["time"], lanes, marker, color=colour, ms=6, mew=1.5, label=label, zorder=3)
        used.setdefault(label, line)
    return list(used.values())


def _findings(axes: Axes, findings: pd.DataFrame, places: dict[int, int]) -> None:
    bad = findings[(findings["severity"] != "info") & findings["session_id"].isin(places)]
    for row in bad.itertuples():
        end = row.end if pd.notna(row.end) else row.time
        lane = places[int(row.session_id)]
        axes.plot([row.time, end], [lane, lane], color=SEVERITY_COLOURS[str(row.severity)], lw=10, alpha=0.5, zorder=2,
                  solid_capstyle="projecting")  # fmt: skip


def _label(row: pd.Series) -> str:
    user = row["user"] if pd.notna(row["user"]) and row["user"] else "?"
    return f"{str(user).replace('$', chr(92) + '$')}  {int(row['session_id']):#x}"
