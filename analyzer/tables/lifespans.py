"""When sessions began and ended, as far as the capture shows: for what draws them."""

import pandas as pd

__all__ = ["lifespans"]


def lifespans(sessions: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    """The sessions whose time is known, in the order of their begins.

    Args:
        sessions: the table `sessions`.
        events: the table `events`.

    Returns:
        The rows of `sessions`, and two columns more: `begin`, the logon or else the first that was seen of it, and
        `finish`, what ended it or else the last request; not before `begin`.
    """
    first = events.groupby("session_id", observed=True)["time"].min()
    seen = pd.Series(first.reindex(sessions["session_id"]).array, index=sessions.index)
    begin = sessions["creation_time"].fillna(seen).fillna(sessions["idle_time"])
    finish = sessions["ended_time"].fillna(sessions["idle_time"]).fillna(begin)
    known = sessions.assign(begin=begin, finish=finish.where(finish > begin, begin))
    return known[begin.notna()].sort_values("begin", kind="stable")
