from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.latency import (
    GROUPS,
    latency_table,
    outstanding_requests,
    slowest_exchanges,
    throughput,
    timed,
    top_talkers,
)
from analyzer.tables.schema import LATENCY
from parsers.errors import UsageError
from tests.analyzer.captures import analyzed

START = pd.Timestamp("2026-01-02 03:04:05", tz="UTC")


def exchanges(*rows: tuple[str, float, float | None, int | None]) -> pd.DataFrame:
    """Exchanges of connection 0: command, second of the request, seconds to the answer, bytes moved."""
    begins = [START + pd.Timedelta(seconds=begin) for _, begin, _, _ in rows]
    waits = pd.to_timedelta([wait for _, _, wait, _ in rows], unit="s").as_unit("ns")
    times = pd.Series(begins, dtype="datetime64[ns, UTC]")
    return pd.DataFrame(
        {
            "request_frame": pd.array(range(1, len(rows) + 1), dtype="Int64"),
            "connection": np.zeros(len(rows), np.int32),
            "session_id": pd.array([7] * len(rows), dtype="UInt64"),
            "tree_id": pd.array([5] * len(rows), dtype="UInt32"),
            "command": pd.Categorical([command for command, _, _, _ in rows]),
            "file_name": pd.Categorical(["a.txt"] * len(rows)),
            "status": pd.Categorical(["STATUS_SUCCESS"] * len(rows)),
            "request_time": times,
            "response_time": times + waits,
            "latency": waits,
            "pending_time": pd.Series([pd.NaT] * len(rows), dtype="datetime64[ns, UTC]"),
            "transferred": pd.array([moved for _, _, _, moved in rows], dtype="UInt32"),
        }
    )


CONNECTIONS = pd.DataFrame({"server": ["10.0.0.1:445"], "client_ip": ["10.0.0.2"]})
TREES = pd.DataFrame(
    {
        "session_id": pd.array([7], dtype="UInt64"),
        "tree_id": pd.array([5], dtype="UInt32"),
        "path": pd.array([r"\\srv\data"], dtype="string"),
    }
)


def test_percentiles_are_those_of_each_command() -> None:
    rows = exchanges(*(("READ", second, second / 1000, 100) for second in range(1, 102)), ("CLOSE", 200, 2.0, None))
    table = latency_table(rows, CONNECTIONS, TREES, {})
    assert table["command"].tolist() == ["READ", "CLOSE"]  # the longest sum first
    reads = table.iloc[0]
    assert reads["count"] == 101
    assert reads["bytes"] == 10_100
    milliseconds = {
        name: reads[name] / pd.Timedelta(milliseconds=1) for name in ("shortest", "median", "p90", "longest")
    }
    assert milliseconds == {"shortest": 1, "median": 51, "p90": 91, "longest": 101}
    assert pd.isna(reads["network"])


def test_the_network_is_the_round_trip_and_the_server_the_rest() -> None:
    rows = exchanges(("CREATE", 1, 0.010, None), ("CREATE", 2, 0.001, None))
    table = latency_table(rows, CONNECTIONS, TREES, {0: 4_000_000})
    assert table["network"].tolist() == [pd.Timedelta(milliseconds=4)]
    assert table["server_time"].tolist() == [pd.Timedelta(milliseconds=3)]  # of 6 ms and, never below, 0


def test_answers_are_grouped_by_whatever_is_asked() -> None:
    rows = exchanges(("CREATE", 1, 0.010, None))
    table = latency_table(rows, CONNECTIONS, TREES, {}, GROUPS)
    values = table.iloc[0][list(GROUPS)].tolist()
    assert values == ["CREATE", "10.0.0.1:445", "10.0.0.2", r"\\srv\data", "a.txt", 7, "STATUS_SUCCESS"]
    assert table.columns.tolist() == list(LATENCY.names)


@pytest.mark.parametrize(("by", "message"), [(("colour",), "'colour'"), (("command", "command"), "twice")])
def test_groups_that_make_no_sense_are_a_mistake(by: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        latency_table(exchanges(("CREATE", 1, 0.010, None)), CONNECTIONS, TREES, {}, by)


def test_what_waits_for_something_to_happen_is_left_out() -> None:
    rows = exchanges(
        ("CHANGE_NOTIFY", 1, 60.0, None), ("LOCK", 1, 30.0, None), ("READ", 2, 0.5, 1), ("READ", 3, None, 1)
    )
    rows.loc[1, "pending_time"] = START
    assert timed(rows).tolist() == [False, False, True, False]
    assert slowest_exchanges(rows)["command"].tolist() == ["READ"]


def test_the_slowest_come_first() -> None:
    rows = exchanges(("READ", 1, 0.2, 1), ("WRITE", 2, 0.9, 1), ("CLOSE", 3, 0.5, None))
    assert slowest_exchanges(rows, 2)["command"].tolist() == ["WRITE", "CLOSE"]


def test_outstanding_requests_rise_with_requests_and_fall_with_answers() -> None:
    rows = exchanges(("READ", 0, 3.0, 1), ("READ", 1, 1.0, 1), ("READ", 2, None, 1))
    steps = outstanding_requests(rows)
    seconds = (steps["time"] - START).dt.total_seconds()
    # At 2 s an answer comes and a request goes: the answer counts first.
    assert list(zip(seconds, steps["outstanding"], strict=True)) == [(0, 1), (1, 2), (2, 1), (2, 2), (3, 1)]


def test_throughput_is_what_read_and_write_moved_in_each_interval() -> None:
    rows = exchanges(("READ", 0, 0.1, 100), ("READ", 0.2, 0.1, 50), ("WRITE", 2, 0.1, 7), ("CLOSE", 2, 0.1, None))
    moved = throughput(rows)
    assert moved["read"].tolist() == [150, 0, 0]
    assert moved["written"].tolist() == [0, 0, 7]


def test_nothing_answered_gives_empty_tables() -> None:
    nothing = exchanges()
    assert latency_table(nothing, CONNECTIONS, TREES, {}).empty
    assert slowest_exchanges(nothing).empty
    assert outstanding_requests(nothing).empty
    assert throughput(nothing).empty


def test_talkers_are_pairs_of_client_and_server(mixed: Analysis) -> None:
    talkers = top_talkers(mixed.exchanges, mixed.connections)
    assert talkers["client"].tolist() == ["10.77.0.2"]
    assert talkers["requests"].sum() == len(mixed.exchanges)


def test_the_method_counts_every_answer_once(mixed: Analysis) -> None:
    assert mixed.latency()["count"].sum() == timed(mixed.exchanges).sum()
    assert set(mixed.latency("command", "server").columns) >= {"command", "server", "p99"}


def test_a_delayed_path_is_the_network_s_share(shared: Path) -> None:
    table = analyzed(shared, "faults/net_delay40_loss2_enc.pcapng.gz").latency()
    assert table["network"].between(pd.Timedelta(milliseconds=39), pd.Timedelta(milliseconds=90)).all()
