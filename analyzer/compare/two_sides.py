"""The same traffic captured in two places: the clocks, the way between, and what was lost on it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.compare.clock import Clock, estimate
from analyzer.compare.comparison import TWO_SIDES, Comparison, nanoseconds
from analyzer.compare.matching import Match
from analyzer.compare.schema import APART, LOST, MATCHED, PATHS, typed
from analyzer.compare.trace import Trace
from analyzer.compare.two_sides_text import sentences
from analyzer.compare.unmatched import KINDS, Fate, Side, judge
from parsers.transport.connections import CLIENT, SERVER
from parsers.transport.ip import ACK, FIN, RST, SYN

__all__ = ["two_sides"]

Column = npt.NDArray[np.int64]
_SENDERS = np.array(["client", "server"])
_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (0x08, "PSH"), (ACK, "ACK"))
_FLAG_NAMES = np.array([" ".join(name for bit, name in _FLAGS if flags & bit) or "-" for flags in range(64)])


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two traces, their matches and clocks. `near` is of each connection of A who is on A's side, of B's who on B's."""

    a: Trace
    b: Trace
    match: Match
    clock: Clock
    near: tuple[Column, Column]
    delays: Column  # of the matches


def two_sides(a: Trace, b: Trace, found: Match) -> Comparison:
    """Compare two captures of the same traffic.

    Tables: `paths` (a connection and direction: delays, losses), `lost` (segments that one side alone has), `matched`
    (segments that both have, with their delay), `apart` (connections that one side alone has).
    Values: `clock_offset`, how far the clock of B is ahead if both ways take equally long; `clock_offset_least` and
    `clock_offset_most`, its bounds whatever they take; `clock_drift`, by which it grows, in ppm.
    """
    pair = _pair(a, b, found)
    matched, lost = _matched(pair), _lost(pair)
    frames = {PATHS: _paths(pair, matched, lost), LOST: lost, MATCHED: matched, APART: _apart(pair)}
    clock = pair.clock
    tables = {table.name: typed(frame, table) for table, frame in frames.items()}
    values = {
        "clock_offset": pd.Timedelta(clock.offset, "ns"),
        "clock_offset_least": None if clock.earliest is None else pd.Timedelta(clock.earliest, "ns"),
        "clock_offset_most": None if clock.latest is None else pd.Timedelta(clock.latest, "ns"),
        "clock_drift": clock.drift / 1_000,
    }
    translated = sum(a.endpoints(one) != b.endpoints(other) for one, other in found.connections.items())
    said = tuple(sentences(clock, tables, translated))
    return Comparison(TWO_SIDES, a.name, b.name, said, tables, values)


def _pair(a: Trace, b: Trace, found: Match) -> _Pair:
    one, other = a.rows[found.a], b.rows[found.b]
    differences = other["time"] - one["time"]
    near = _near(a, found, differences)
    towards_b = one["sender"] == near[one["connection"]]
    clock = estimate(one["time"], differences, towards_b)
    beyond = differences - clock.ahead(one["time"])
    far = np.full(len(b.connections), SERVER)
    for first, second in found.connections.items():
        far[second] = 1 - near[first]
    return _Pair(a, b, found, clock, (near, far), np.where(towards_b, beyond, -beyond))


def _near(a: Trace, found: Match, differences: Column) -> Column:
    """Who of each connection is on A's side: its segments take longer to B, by whatever clocks, than B's to A."""
    rows = a.rows[found.a]
    medians = pd.Series(differences).groupby([rows["connection"], rows["sender"]]).median().unstack()
    medians = medians.reindex(columns=[CLIENT, SERVER]).dropna()
    near = np.full(len(a.connections), -1)
    near[medians.index] = np.where(medians[CLIENT] >= medians[SERVER], CLIENT, SERVER)
    hosts = Counter[int]()  # by address: how many connections say that it is on A's side, less those that deny it
    for connection in a.connections:
        if near[connection.number] >= 0:
            ends = (connection.client.address, connection.server.address)
            hosts[ends[near[connection.number]]] += 1
            hosts[ends[1 - near[connection.number]]] -= 1
    for number in np.flatnonzero(near < 0).tolist():  # seen in one direction alone, or by A alone
        ends = (a.connections[number].client.address, a.connections[number].server.address)
        near[number] = CLIENT if hosts[ends[CLIENT]] >= hosts[ends[SERVER]] else SERVER
    return near


def _lost(pair: _Pair) -> pd.DataFrame:
    """The table `lost`, by both captures, in order of A's time."""
    found, clock = pair.match, pair.clock
    delay = int(np.median(pair.delays))
    sides = []
    for trace, matched, known, near, sign in (
        (pair.a, found.a, list(found.connections), pair.near[0], 1),
        (pair.b, found.b, list(found.connections.values()), pair.near[1], -1),
    ):
        own = np.ones(len(trace.rows), np.bool_)
        own[matched] = False
        own &= np.isin(trace.rows["connection"], known)
        rows = trace.rows[own]
        towards = rows["sender"] == near[rows["connection"]]
        expected = rows["time"] + sign * clock.ahead(rows["time"]) + np.where(towards, delay, -delay)
        sides.append(Side(trace.rows, np.flatnonzero(own), towards, expected))
    backwards = {second: first for first, second in found.connections.items()}
    parts = [
        _lost_of("A", pair.a, sides[0], judge(sides[0], sides[1], _partner(pair.a, found.connections))),
        _lost_of("B", pair.b, sides[1], judge(sides[1], sides[0], _partner(pair.b, backwards))),
    ]
    parts[1]["connection"] = parts[1]["connection"].map(backwards).astype("int64")
    by_b = nanoseconds(parts[1]["time"])
    parts[1]["time"] = pd.to_datetime(by_b - clock.ahead(by_b), utc=True)
    return pd.concat(parts).sort_values("time", kind="stable").reset_index(drop=True)


def _partner(trace: Trace, connections: dict[int, int]) -> Column:
    partner = np.full(len(trace.connections), -1)
    partner[list(connections)] = list(connections.values())
    return partner


def _lost_of(name: str, trace: Trace, side: Side, judged: tuple[Column, Column]) -> pd.DataFrame:
    rows, (kind, lacking) = trace.rows[side.own], judged
    return pd.DataFrame(
        {
            "kind": np.array(KINDS)[kind],
            "seen_by": name,
            "connection": rows["connection"].astype(np.int64),
            "sender": _SENDERS[rows["sender"]],
            "time": pd.to_datetime(rows["time"], utc=True),
            "frame": rows["frame"],
            "sequence": rows["sequence"],
            "length": rows["length"],
            "missing": lacking,
            "flags": _FLAG_NAMES[rows["flags"]],
        }
    )


def _matched(pair: _Pair) -> pd.DataFrame:
    one, other = pair.a.rows[pair.match.a], pair.b.rows[pair.match.b]
    return pd.DataFrame(
        {
            "connection": one["connection"].astype(np.int64),
            "sender": _SENDERS[one["sender"]],
            "time": pd.to_datetime(one["time"], utc=True),
            "delay": pd.to_timedelta(pair.delays, unit="ns"),
            "frame_a": one["frame"],
            "frame_b": other["frame"],
            "length": one["length"],
        }
    )


def _paths(pair: _Pair, matched: pd.DataFrame, lost: pd.DataFrame) -> pd.DataFrame:
    """One connection and sender a row."""
    keys = ["connection", "sender"]
    ways = pd.MultiIndex.from_product([sorted(pair.match.connections), _SENDERS], names=keys)
    delays = matched.assign(delay=pair.delays).groupby(keys)["delay"]
    columns: dict[str, Any] = {"matched": delays.size().reindex(ways, fill_value=0)}
    for name, share in (("shortest", 0.0), ("median", 0.5), ("p99", 0.99), ("longest", 1.0)):
        columns[name] = pd.to_timedelta(delays.quantile(share).round(), unit="ns").reindex(ways)
    for fate in KINDS:
        groups = lost[lost["kind"] == fate.value].groupby(keys)["missing"]
        columns[fate.value] = groups.size().reindex(ways, fill_value=0)
        if fate is Fate.LOST:
            columns["lost_bytes"] = groups.sum().reindex(ways, fill_value=0)
    frame = pd.DataFrame(columns).reset_index()
    frame["connection_b"] = frame["connection"].map(pair.match.connections)
    ends = [pair.a.endpoints(number) for number in frame["connection"]]
    frame["client"], frame["server"] = [end[CLIENT] for end in ends], [end[SERVER] for end in ends]
    near = _SENDERS[pair.near[0][frame["connection"]]]
    frame["towards"] = np.where(frame["sender"] == near, "B", "A")
    return frame


def _apart(pair: _Pair) -> pd.DataFrame:
    """Connections of which the other capture has no segment."""
    records = []
    for name, trace, known in (
        ("A", pair.a, pair.match.connections.keys()),
        ("B", pair.b, set(pair.match.connections.values())),
    ):
        for connection in trace.connections:
            if connection.number not in known:
                client, server = trace.endpoints(connection.number)
                records.append((name, connection.number, client, server, connection.first_time, connection.packets))
    frame = pd.DataFrame(records, columns=list(APART.names))
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame
