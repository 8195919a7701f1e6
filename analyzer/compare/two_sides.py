"""The same traffic captured in two places: the clocks, the way between, and what was lost on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.compare.clock import Clock, estimate
from analyzer.compare.comparison import TWO_SIDES, Comparison, duration, nanoseconds
from analyzer.compare.matching import Match
from analyzer.compare.trace import Trace
from analyzer.compare.unmatched import KINDS, Fate, Side, judge
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER
from parsers.transport.ip import ACK, FIN, RST, SYN

__all__ = ["two_sides"]

Column = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
_SENDERS = np.array(["client", "server"])
_FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (0x08, "PSH"), (ACK, "ACK"))
_FLAG_NAMES = np.array([" ".join(name for bit, name in _FLAGS if flags & bit) or "-" for flags in range(64)])
_TELLING_DRIFT = 1_000  # ns a second: 1 ppm


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
    """
    pair = _pair(a, b, found)
    lost = _lost(pair)
    tables = {"paths": _paths(pair, lost), "lost": lost, "matched": _matched(pair), "apart": _apart(pair)}
    clock = pair.clock
    values = {
        "clock_offset": clock.offset,
        "clock_drift": clock.drift,
        "clock_offset_least": clock.earliest,
        "clock_offset_most": clock.latest,
    }
    sentences = (
        _place_sentence(pair),
        *_clock_sentences(clock),
        *_path_sentences(tables["paths"]),
        *_other_sentences(tables),
    )
    return Comparison(TWO_SIDES, a.name, b.name, sentences, tables, values)


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
    near = np.full(len(a.connections), -1)
    hosts: dict[int, int] = {}  # address on A's side -> how many connections say so
    for number in found.connections:
        mine = rows["connection"] == number
        ways = [differences[mine & (rows["sender"] == sender)] for sender in (CLIENT, SERVER)]
        if not all(map(len, ways)):
            continue
        near[number] = CLIENT if np.median(ways[CLIENT]) >= np.median(ways[SERVER]) else SERVER
        ends = (a.connections[number].client, a.connections[number].server)
        for side, vote in ((int(near[number]), 1), (1 - int(near[number]), -1)):
            hosts[ends[side].address] = hosts.get(ends[side].address, 0) + vote
    for number in np.flatnonzero(near < 0).tolist():  # seen in one direction alone, or by A alone
        ends = (a.connections[number].client, a.connections[number].server)
        votes = [hosts.get(end.address, 0) for end in ends]
        near[number] = CLIENT if votes[CLIENT] >= votes[SERVER] else SERVER
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
            "connection": one["connection"],
            "sender": _SENDERS[one["sender"]],
            "time": pd.to_datetime(one["time"], utc=True),
            "delay": pd.to_timedelta(pair.delays, unit="ns"),
            "frame_a": one["frame"],
            "frame_b": other["frame"],
            "length": one["length"],
        }
    )


def _paths(pair: _Pair, lost: pd.DataFrame) -> pd.DataFrame:
    """One connection and sender a row."""
    one = pair.a.rows[pair.match.a]
    kinds = lost["kind"].astype(str)
    records = []
    for number, partner in sorted(pair.match.connections.items()):
        ends = pair.a.endpoints(number)
        for sender, name in enumerate(_SENDERS):
            delays = pair.delays[(one["connection"] == number) & (one["sender"] == sender)]
            mine = (lost["connection"] == number) & (lost["sender"] == name)
            shares = np.quantile(delays, [0, 0.5, 0.99, 1]) if len(delays) else [np.nan] * 4
            record: dict[str, Any] = {
                "connection": number,
                "connection_b": partner,
                "client": ends[CLIENT],
                "server": ends[SERVER],
                "sender": name,
                "towards": "B" if sender == pair.near[0][number] else "A",
                "matched": len(delays),
            }
            record |= {str(fate): int((mine & (kinds == fate)).sum()) for fate in KINDS}
            record["lost_bytes"] = int(lost.loc[mine & (kinds == Fate.LOST), "missing"].sum())
            record |= dict(zip(("shortest", "median", "p99", "longest"), shares, strict=True))
            records.append(record)
    frame = pd.DataFrame(records)
    for name in ("shortest", "median", "p99", "longest"):
        frame[name] = pd.to_timedelta(frame[name].round(), unit="ns")
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
    frame = pd.DataFrame(records, columns=["seen_by", "connection", "client", "server", "time", "packets"])
    frame["time"] = pd.to_datetime(frame["time"], utc=True)
    return frame


def _clock_sentences(clock: Clock) -> list[str]:
    which = "ahead of" if clock.offset >= 0 else "behind"
    text = f"The clock of B is {duration(abs(clock.offset))} {which} that of A, if both ways take equally long"
    if clock.earliest is not None and clock.latest is not None:
        text += f"; whatever the ways take, B is between {duration(clock.earliest)} and {duration(clock.latest)} ahead"
    else:
        text += ", which cannot be told: segments of one direction alone are in both captures"
    sentences = [f"{text}."]
    if abs(clock.drift) >= _TELLING_DRIFT:
        sentences.append(f"The clock of B gains {clock.drift / NANOSECONDS * 1e6:.1f} ppm on that of A.")
    return sentences


def _place_sentence(pair: _Pair) -> str:
    """Where the two captures stand."""
    numbers = list(pair.match.connections)
    sides = {int(side) for side in pair.near[0][numbers]}
    places = f"A is nearer to the {_SENDERS[sides.pop()]}" if len(sides) == 1 else "each is nearer to some clients"
    noun = "connection" if len(numbers) == 1 else "connections"
    text = f"Both captures show the same traffic: {len(pair.match):,} segments of {len(numbers):,} {noun}; {places}"
    translated = sum(pair.a.endpoints(one) != pair.b.endpoints(other) for one, other in pair.match.connections.items())
    if translated:
        text += f"; {translated:,} of them have other addresses or ports in B: they are translated on the way (NAT)"
    return f"{text}."


def _path_sentences(paths: pd.DataFrame) -> Iterator[str]:
    """For each direction between the two places: delay and loss."""
    for towards, way in (("B", "From A to B"), ("A", "From B to A")):
        rows = paths[paths["towards"] == towards]
        known, lost = int(rows["matched"].sum()), int(rows["lost"].sum())
        if known + lost == 0:
            continue
        loss = f"none of {known:,} was lost"
        if lost:
            share, size = 100 * lost / (known + lost), int(rows["lost_bytes"].sum())
            loss = f"{lost:,} of {known + lost:,} were lost ({share:.2g} %, {size:,} bytes of payload)"
        delay = "no segment arrived"
        if known:
            there = rows[rows["matched"] > 0]
            shortest, median, longest = (nanoseconds(there[name]) for name in ("shortest", "median", "longest"))
            middle = float(np.average(median, weights=there["matched"]))
            delay = (
                f"segments took {duration(middle)} ({duration(int(shortest.min()))} to {duration(int(longest.max()))})"
            )
        yield f"{way}, {delay}; {loss}."


def _other_sentences(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Forged segments, what a capture missed, and what could not be compared."""
    lost, apart = tables["lost"], tables["apart"]
    yield from _reset_sentences(lost)
    missed = lost[lost["kind"] == Fate.NOT_CAPTURED]
    for side, other in (("A", "B"), ("B", "A")):
        if count := int((missed["seen_by"] == side).sum()):
            yield (
                f"{count:,} {_noun(count, 'segment')} that came from the side of {other} {_is(count)} in {side} alone: "
                f"the capture {other} missed {'it' if count == 1 else 'them'}, or something between sent "
                f"{'it' if count == 1 else 'them'}."
            )
    if count := int((lost["kind"] == Fate.RESEGMENTED).sum()):
        yield (
            f"{count:,} {_noun(count, 'segment')} {_is(count)} in other pieces in the other capture: a network card "
            "cuts or joins them (segmentation offload)."
        )
    if count := int((lost["kind"] == Fate.CAPTURE_EDGE).sum()):
        yield f"{count:,} {_noun(count, 'segment')} passed when the other capture did not run, and prove nothing."
    for side, other in (("A", "B"), ("B", "A")):
        if count := int((apart["seen_by"] == side).sum()):
            yield f"{count:,} {_noun(count, 'connection')} of {side} {_is(count)} not in {other} at all."


def _reset_sentences(lost: pd.DataFrame) -> Iterator[str]:
    forged = lost[lost["kind"] == Fate.FORGED_RESET]
    missed = set(lost.loc[lost["kind"] == Fate.NOT_CAPTURED, "connection"])
    for (side, connection, sender), rows in forged.groupby(["seen_by", "connection", "sender"], observed=True):
        other = "B" if side == "A" else "A"
        frames = ", ".join(map(str, rows["frame"].head(5)))
        why = "something between the two forged it"
        if connection in missed:
            why = f"something between forged it, or the capture {other} missed it, as it missed other segments"
        yield (
            f"forged_reset: the {sender} of connection {connection} did not send the RST in frame {frames} of {side}, "
            f"because {other}, on its side, does not have it: {why}."
        )


def _noun(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
