from pathlib import Path

import pandas as pd
from matplotlib.dates import date2num

from analyzer import Analysis
from analyzer.plots.timeline import MARKS, expiry_figure, expiry_pauses, timeline_figure
from analyzer.tables.lifespans import lifespans
from tests.analyzer.captures import analyzed

START = pd.Timestamp("2026-01-02 03:04:05", tz="UTC")


def events(*rows: tuple[float, str, int]) -> pd.DataFrame:
    """Events: second, kind, session."""
    return pd.DataFrame(
        {
            "time": pd.Series([START + pd.Timedelta(seconds=second) for second, _, _ in rows], dtype="M8[ns, UTC]"),
            "kind": pd.Categorical([kind for _, kind, _ in rows]),
            "session_id": pd.array([session for _, _, session in rows], dtype="UInt64"),
        }
    )


def test_a_pause_lasts_from_the_first_refusal_to_the_new_authentication() -> None:
    pauses = expiry_pauses(
        events(
            (1, "session_expired", 7), (2, "session_expired", 7), (5, "reauth_succeeded", 7), (9, "reauth_succeeded", 7)
        )
    )
    assert pauses["seconds"].tolist() == [4]
    assert pauses["renewed"].tolist() == [True]


def test_a_session_that_is_never_renewed_pauses_to_the_end() -> None:
    pauses = expiry_pauses(events((1, "session_expired", 7), (3, "reauth_succeeded", 8), (11, "echo", 8)))
    assert pauses["seconds"].tolist() == [10]
    assert pauses["renewed"].tolist() == [False]
    assert pauses["session_id"].tolist() == [7]


def test_a_day_of_expiries_is_a_pause_each() -> None:
    rows = [
        (36_000 * hour + late, kind, 7)
        for hour in range(3)
        for late, kind in ((0, "session_expired"), (hour + 1, "reauth_succeeded"))
    ]
    assert expiry_pauses(events(*rows))["seconds"].tolist() == [1, 2, 3]


def test_no_expiry_is_no_pause_and_is_said_so() -> None:
    assert expiry_pauses(events()).empty
    assert "no session expired" in expiry_figure(events()).axes[0].texts[0].get_text()


def test_the_expiry_figure_tells_renewed_ones_from_others() -> None:
    rows = events(
        (1, "session_expired", 7), (3, "reauth_succeeded", 7), (4, "session_expired", 8), (6, "reauth_succeeded", 9),
        (20, "echo", 9),
    )  # fmt: skip
    (axes,) = expiry_figure(rows).axes
    heights = {str(line.get_label()): list(line.get_ydata()) for line in axes.lines}
    assert heights == {
        "until authenticated again (1)": [2.0],
        "never was (1)": [16.0],
        "authenticated before it expired (1)": [0.0],
    }


def test_each_session_is_a_lane_from_its_begin_to_its_end(mixed: Analysis) -> None:
    (axes,) = timeline_figure(mixed.sessions, mixed.events, mixed.findings).axes
    assert len(axes.get_yticks()) == len(mixed.sessions)
    bars = [line for line in axes.lines if line.get_zorder() == 1]
    begins = date2num(lifespans(mixed.sessions, mixed.events)["begin"].dt.tz_localize(None)).tolist()
    assert sorted(float(date2num(line.get_xdata()[0])) for line in bars) == begins


def test_every_drawn_event_is_in_the_table(mixed: Analysis) -> None:
    (axes,) = timeline_figure(mixed.sessions, mixed.events, mixed.findings).axes
    for kind, (label, _, _) in MARKS.items():
        drawn = sum(
            len(line.get_xdata()) for line in axes.lines if line.get_label() == label and line.get_zorder() == 3
        )
        same = [other for other, shown in MARKS.items() if shown[0] == label]
        assert drawn == mixed.events["kind"].isin(same).sum(), kind


def test_findings_are_bars_behind_their_session(shared: Path) -> None:
    analysis = analyzed(shared, "faults/net_blackout20_get_signed.pcapng.gz")
    (axes,) = timeline_figure(analysis.sessions, analysis.events, analysis.findings).axes
    bars = [line for line in axes.lines if line.get_zorder() == 2 and len(line.get_xdata()) == 2]
    drawn = {(str(line.get_xdata()[0]), str(line.get_xdata()[1])) for line in bars}
    (dead,) = analysis.findings[analysis.findings["rule"] == "path_dead"].itertuples()
    assert (str(dead.time.to_datetime64()), str(dead.end.to_datetime64())) in drawn
    assert len(bars) == (analysis.findings["severity"] != "info").sum()


def test_more_sessions_than_fit_are_counted(mixed: Analysis) -> None:
    many = pd.concat([mixed.sessions] * 9, ignore_index=True)
    (axes,) = timeline_figure(many, mixed.events, mixed.findings).axes
    assert axes.get_title(loc="left") == f"The first 40 of {len(many)} sessions"


def test_no_session_is_said_so(mixed: Analysis) -> None:
    (axes,) = timeline_figure(mixed.sessions.head(0), mixed.events.head(0), mixed.findings.head(0)).axes
    assert axes.texts[0].get_text() == "there is no session"


def test_a_name_that_looks_like_a_formula_is_shown_as_it_is(mixed: Analysis) -> None:
    sessions = mixed.sessions.head(1).assign(user=pd.array(["$\\frac{a$\x1b"], dtype="string"))
    made = timeline_figure(sessions, mixed.events, mixed.findings)
    made.canvas.draw()
    assert made.axes[0].get_yticklabels()[0].get_text().startswith("$\\frac{a$\\x1b")
