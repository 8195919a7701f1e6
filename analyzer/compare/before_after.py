"""Different traffic before and after something was changed: what became faster, what fails, which findings went."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analyzer.compare.comparison import BEFORE_AFTER, Comparison, duration, nanoseconds
from analyzer.compare.schema import CHANGES, ERRORS, LATENCY, VOLUME, typed
from parsers.ntstatus_table import TABLE
from parsers.times import NANOSECONDS

if TYPE_CHECKING:
    from analyzer.analysis import Analysis

__all__ = ["before_after"]

_TELLING_RATIO = 1.5  # of medians: less is the noise of every day
_TELLING_DIFFERENCE = 1_000_000  # ns
_TELLING_COUNT = 5  # answers on both sides
_SAID = 5  # commands, statuses: the table has all
_SEVERITIES = ("security", "error", "warning")
_ERROR = 3  # the severity of a status, its two highest bits


def before_after(a: "Analysis", b: "Analysis") -> Comparison:
    """Compare two captures of different traffic.

    Tables: `latency` (by command), `errors` (by command and status), `volume` (requests, bytes, time), `changes`
    (findings by rule).
    """
    frames = {LATENCY: _latency(a, b), ERRORS: _errors(a, b), VOLUME: _volume(a, b), CHANGES: _changes(a, b)}
    tables = {table.name: typed(frame, table) for table, frame in frames.items()}
    sentences = (
        *_finding_sentences(tables["changes"]),
        *_latency_sentences(tables["latency"]),
        *_error_sentences(tables["errors"]),
        *_volume_sentences(tables["volume"]),
    )
    return Comparison(BEFORE_AFTER, a.files[0].name, b.files[0].name, sentences, tables)


def _latency(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """Response times by command, the commands of which there are most first."""
    columns = ["command", "count", "median", "p90", "p99", "longest"]
    parts = [analysis.latency("command")[columns].astype({"command": "string"}) for analysis in (a, b)]
    frame = parts[0].merge(parts[1], on="command", how="outer", suffixes=("_a", "_b"))
    counts = frame[["count_a", "count_b"]].fillna(0)
    frame[["count_a", "count_b"]] = counts
    frame["ratio"] = frame["median_b"] / frame["median_a"]
    busiest = counts.sum(axis=1).sort_values(ascending=False, kind="stable")
    return frame.loc[busiest.index].reset_index(drop=True)


def _errors(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """Answers with an error, and requests without answer, by command; what changed most first."""
    parts = []
    for name, analysis in (("count_a", a), ("count_b", b)):
        frame = analysis.exchanges[["command", "status", "outcome"]].astype("string")
        frame["status"] = frame["status"].mask((frame["outcome"] == "unanswered").fillna(value=False), "(unanswered)")
        wrong = frame["status"].notna() & ~frame["status"].isin(_harmless())
        parts.append(frame[wrong].groupby(["command", "status"]).size().rename(name))
    counts = pd.concat(parts, axis=1).fillna(0)
    counts["difference"] = counts["count_b"] - counts["count_a"]
    largest = counts["difference"].abs().sort_values(ascending=False, kind="stable")
    return counts.loc[largest.index].reset_index()


@cache
def _harmless() -> frozenset[str]:
    """The names of statuses that are no error: their severity is success, information or warning (MS-ERREF 2.3).

    And the one that says that a logon has further legs.
    """
    lines = (line.split() for line in TABLE.splitlines())
    names = {name for value, name in lines if int(value, 16) >> 30 != _ERROR}
    return frozenset(names | {"STATUS_MORE_PROCESSING_REQUIRED"})


def _volume(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """How much there is in each capture."""
    records = []
    for name, analysis in (("A", a), ("B", b)):
        exchanges = analysis.exchanges
        begins = [file.first_time for file in analysis.files if file.first_time is not None]
        ends = [file.last_time for file in analysis.files if file.last_time is not None]
        length = max(ends) - min(begins) if begins else 0
        read, written = (
            int(exchanges.loc[exchanges["command"] == command, "transferred"].sum()) for command in ("READ", "WRITE")
        )
        rate = (read + written) * NANOSECONDS // length if length else 0
        counts = len(analysis.connections), len(analysis.sessions), len(exchanges)
        records.append((name, pd.Timedelta(length, "ns"), *counts, read, written, rate))
    return pd.DataFrame(records, columns=list(VOLUME.names))


def _changes(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """Findings by rule; what appeared first."""
    keys = ["rule", "severity", "title"]
    parts = [
        analysis.findings[keys].astype("string").groupby(keys).size().rename(name)
        for name, analysis in (("count_a", a), ("count_b", b))
    ]
    frame = pd.concat(parts, axis=1).fillna(0).reset_index()
    frame["change"] = [_change(one, other) for one, other in zip(frame["count_a"], frame["count_b"], strict=True)]
    order = ["appeared", "more", "same", "fewer", "gone"]
    return frame.sort_values("change", key=lambda column: column.map(order.index), kind="stable").reset_index(drop=True)


def _change(one: int, other: int) -> str:
    if one == 0 or other == 0:
        return "gone" if other == 0 else "appeared"
    return "same" if one == other else "more" if other > one else "fewer"


def _finding_sentences(changes: pd.DataFrame) -> Iterator[str]:
    telling = changes[changes["severity"].isin(_SEVERITIES)]
    for change, words in (("appeared", "New in B"), ("gone", "Gone in B")):
        rows = telling[telling["change"] == change]
        if len(rows):
            named = (f"{rule} ({title})" for rule, title in zip(rows["rule"], rows["title"], strict=True))
            yield f"{words}: {'; '.join(named)}."
    stayed = telling[~telling["change"].isin(["appeared", "gone"])]
    if len(stayed):
        counts = (
            f"{rule} ({one:,} then {other:,})"
            for rule, one, other in zip(stayed["rule"], stayed["count_a"], stayed["count_b"], strict=True)
        )
        yield f"Found in both: {'; '.join(counts)}."
    if len(telling) == 0:
        yield "Neither capture has a finding of severity warning or above."


def _latency_sentences(latency: pd.DataFrame) -> Iterator[str]:
    """Commands whose median changed so much that nobody takes it for chance."""
    often = latency[(latency["count_a"] >= _TELLING_COUNT) & (latency["count_b"] >= _TELLING_COUNT)]
    one, other = nanoseconds(often["median_a"]), nanoseconds(often["median_b"])
    apart = np.abs(other - one) >= _TELLING_DIFFERENCE
    changed = np.flatnonzero(apart & ((other >= one * _TELLING_RATIO) | (one >= other * _TELLING_RATIO)))
    for place in changed[:_SAID].tolist():
        word = "slower" if other[place] > one[place] else "faster"
        medians = f"median {duration(int(one[place]))}, then {duration(int(other[place]))}"
        yield f"{often['command'].iloc[place]} became {word}: {medians}."
    if len(changed) == 0:
        yield "No command that both use often became much slower or faster."


def _error_sentences(errors: pd.DataFrame) -> Iterator[str]:
    changed = errors[errors["difference"] != 0].head(_SAID)
    for command, status, one, other in zip(
        changed["command"], changed["status"], changed["count_a"], changed["count_b"], strict=True
    ):
        yield f"{command} ended with {status} {_often(one)}, then {_often(other)}."


def _often(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count:,} times")


def _volume_sentences(volume: pd.DataFrame) -> Iterator[str]:
    parts = (
        f"{name} has {requests:,} requests in {duration(int(length))} and moved {rate / 1e6:.2f} MB/s"
        for name, requests, length, rate in zip(
            volume["capture"], volume["requests"], nanoseconds(volume["length"]), volume["rate"], strict=True
        )
    )
    yield f"{'; '.join(parts)}."
