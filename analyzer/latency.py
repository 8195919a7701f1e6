"""How long answers took, by command, server, share or file; what of that was the network; what was moved when.

All of it comes from tables: exchanges that were answered, and the round trip time of their connections.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from parsers.errors import UsageError

__all__ = [
    "GROUPS", "PERCENTILES", "check_groups", "latency_table", "outstanding_requests", "slowest_exchanges",
    "throughput", "timed", "top_talkers",
]  # fmt: skip

GROUPS = ("command", "server", "client", "share", "file_name", "session_id", "status")
"""What answers can be grouped by."""

_WAITS = ("CHANGE_NOTIFY",)  # its latency says when something changed, not how fast the server is
_MOVES = (("read", "READ"), ("written", "WRITE"))
PERCENTILES = (0.5, 0.9, 0.99)
"""What is shown of a distribution, as shares of 1."""


def latency_table(
    exchanges: pd.DataFrame,
    connections: pd.DataFrame,
    trees: pd.DataFrame,
    round_trips: Mapping[int, int],
    by: Sequence[str] = ("command",),
) -> pd.DataFrame:
    """Response times of each group, the group with the longest sum first.

    Requests that wait for something to happen (CHANGE_NOTIFY, and what was answered STATUS_PENDING) are left out.

    Args:
        exchanges: the table `exchanges`.
        connections: the table `connections`.
        trees: the table `trees`.
        round_trips: nanoseconds by number of the connection, as far as known.
        by: which of `GROUPS`.

    Returns:
        The columns `by`, then those of `analyzer.tables.schema.LATENCY`.

    Raises:
        UsageError: a group that is not in `GROUPS`.
    """
    check_groups(by)
    frame = _answered(exchanges, connections, trees)
    trips = frame["connection"].map(dict(round_trips)).astype("float64")
    frame["network"] = pd.to_timedelta(trips, unit="ns")
    rest = frame["latency"] - frame["network"]
    frame["server_time"] = rest.mask(rest < pd.Timedelta(0), pd.Timedelta(0))
    groups = frame.groupby(list(by), observed=True, sort=False, dropna=False)
    latency = groups["latency"]
    median, p90, p99 = (latency.quantile(share) for share in PERCENTILES)
    table = pd.DataFrame(
        {
            "count": latency.size(),
            "shortest": latency.min(),
            "median": median,
            "p90": p90,
            "p99": p99,
            "longest": latency.max(),
            "mean": latency.mean(),
            "total": latency.sum(),
            "network": groups["network"].median(),
            "server_time": groups["server_time"].median(),
            "bytes": groups["transferred"].sum().astype("int64"),
        }
    )
    return table.sort_values("total", ascending=False).reset_index()


def check_groups(by: Sequence[str]) -> None:
    """Answers can be grouped by these.

    Raises:
        UsageError: one is not in `GROUPS`, or named twice.
    """
    for name in by:
        if name not in GROUPS:
            raise UsageError(f"answers cannot be grouped by {name!r}; by {', '.join(GROUPS)} they can")
    if len(set(by)) < len(by):
        raise UsageError(f"answers are grouped by something twice in {', '.join(by)}")


def slowest_exchanges(exchanges: pd.DataFrame, count: int = 20) -> pd.DataFrame:
    """The exchanges that took longest, those that wait for something to happen left out; rows of `exchanges`."""
    chosen = exchanges[timed(exchanges)]
    return chosen.nlargest(count, "latency")


def top_talkers(exchanges: pd.DataFrame, connections: pd.DataFrame) -> pd.DataFrame:
    """What each pair of client and server did: requests, bytes moved, time spent waiting; the busiest first."""
    frame = exchanges[["connection", "transferred", "latency"]].assign(
        client=_of_connection(exchanges, connections, "client_ip"),
        server=_of_connection(exchanges, connections, "server"),
    )
    groups = frame.groupby(["client", "server"], observed=True)
    table = pd.DataFrame(
        {
            "requests": groups.size(),
            "bytes": groups["transferred"].sum().astype("int64"),
            "waiting": groups["latency"].sum(),
        }
    )
    return table.sort_values("requests", ascending=False).reset_index()


def outstanding_requests(exchanges: pd.DataFrame) -> pd.DataFrame:
    """How many requests were waiting at any time, by connection.

    Returns:
        time (datetime64[ns, UTC]), connection (int32), outstanding (int64): one row for each change.
    """
    known = exchanges[exchanges["request_frame"].notna()]
    answered = known[known["response_time"].notna()]
    rows = pd.DataFrame(
        {
            "time": pd.concat([known["request_time"], answered["response_time"]]),
            "connection": pd.concat([known["connection"], answered["connection"]]),
            "step": np.repeat(np.array([1, -1], np.int64), [len(known), len(answered)]),
        }
    ).sort_values(["connection", "time", "step"], kind="stable")
    rows["outstanding"] = rows.groupby("connection", sort=False)["step"].cumsum()
    return rows[["time", "connection", "outstanding"]].reset_index(drop=True)


def throughput(exchanges: pd.DataFrame, interval: str = "1s") -> pd.DataFrame:
    """Bytes that READ and WRITE moved in each interval.

    Args:
        exchanges: the table `exchanges`.
        interval: a pandas offset, such as "1s" or "100ms".

    Returns:
        Indexed by the begin of the interval: read and written (int64 bytes).
    """
    moved = exchanges[exchanges["transferred"].notna() & exchanges["response_time"].notna()]
    moved = moved.set_index("response_time")
    counts = moved["transferred"].astype("int64")
    columns = {name: counts.where(moved["command"] == command, 0) for name, command in _MOVES}
    return pd.DataFrame(columns).resample(interval).sum()


def _answered(exchanges: pd.DataFrame, connections: pd.DataFrame, trees: pd.DataFrame) -> pd.DataFrame:
    """Answered exchanges with the columns of `GROUPS`."""
    chosen = exchanges[timed(exchanges)]
    columns = ["connection", "command", "file_name", "session_id", "status", "latency", "transferred", "tree_id"]
    frame = chosen[columns].copy()
    frame["server"] = _of_connection(chosen, connections, "server")
    frame["client"] = _of_connection(chosen, connections, "client_ip")
    paths = trees.drop_duplicates(["session_id", "tree_id"], keep="last").set_index(["session_id", "tree_id"])["path"]
    keys = pd.MultiIndex.from_frame(frame[["session_id", "tree_id"]])
    frame["share"] = pd.array(paths.reindex(keys).to_numpy(), dtype="string")
    return frame


def timed(exchanges: pd.DataFrame) -> "pd.Series[bool]":
    """Which exchanges tell how fast the server is: answered ones that did not wait for something to happen."""
    waits = exchanges["command"].isin(_WAITS) | exchanges["pending_time"].notna()
    return exchanges["latency"].notna() & ~waits


def _of_connection(rows: pd.DataFrame, connections: pd.DataFrame, column: str) -> "pd.Series[str]":
    values = connections[column].astype("category")
    codes = values.cat.codes.to_numpy()[rows["connection"].to_numpy()]
    return pd.Series(pd.Categorical.from_codes(codes, values.cat.categories), index=rows.index)
