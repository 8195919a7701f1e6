import pandas as pd

from analyzer import Analysis
from analyzer.tables.lifespans import lifespans


def test_a_session_lives_from_its_logon_to_its_end(mixed: Analysis) -> None:
    lives = lifespans(mixed.sessions, mixed.events)
    assert len(lives) == len(mixed.sessions)
    began = lives["creation_time"].notna()
    assert (lives.loc[began, "begin"] == lives.loc[began, "creation_time"]).all()
    ended = lives["ended_time"].notna()
    assert (lives.loc[ended, "finish"] == lives.loc[ended, "ended_time"]).all()
    assert lives["begin"].is_monotonic_increasing


def test_without_a_logon_the_first_event_counts(mixed: Analysis) -> None:
    unknown = pd.Series(pd.NaT, mixed.sessions.index, "M8[ns, UTC]")
    sessions = mixed.sessions.assign(creation_time=unknown, ended_time=unknown)
    first = mixed.events.groupby("session_id")["time"].min()
    for row in lifespans(sessions, mixed.events).itertuples():
        assert row.begin == first[row.session_id]
        assert row.finish >= row.begin


def test_a_session_of_no_known_time_is_left_out(mixed: Analysis) -> None:
    sessions = mixed.sessions.head(2).copy()
    sessions.loc[sessions.index[0], ["creation_time", "idle_time", "ended_time"]] = pd.NaT
    assert len(lifespans(sessions, mixed.events.head(0))) == 1
    assert lifespans(sessions.head(0), mixed.events.head(0)).empty
