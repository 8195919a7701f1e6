"""Different traffic before and after something was changed: what became faster, what fails, which findings went."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analyzer.compare.comparison import BEFORE_AFTER, Comparison, duration, nanoseconds

if TYPE_CHECKING:
    from analyzer.analysis import Analysis

__all__ = ["before_after"]

_TELLING_RATIO = 1.5  # of medians: less is the noise of every day
_TELLING_DIFFERENCE = 1_000_000  # ns
_TELLING_COUNT = 5  # answers on both sides
_SAID = 5  # commands, statuses: the table has all
_SEVERITIES = ("security", "error", "warning")
_NO_ERROR = ("STATUS_SUCCESS", "STATUS_PENDING", "STATUS_MORE_PROCESSING_REQUIRED")


def before_after(a: "Analysis", b: "Analysis") -> Comparison:
    """Compare two captures of different traffic.

    Tables: `latency` (by command), `errors` (answers that are no success, by command and status), `volume` (requests,
    bytes and time), `changes` (findings by rule: appeared, gone, more, fewer, same).
    """
    tables = {"latency": _latency(a, b), "errors": _errors(a, b), "volume": _volume(a, b), "changes": _changes(a, b)}
    sentences = (
        *_finding_sentences(tables["changes"]),
        *_latency_sentences(tables["latency"]),
        *_error_sentences(tables["errors"]),
        *_volume_sentences(tables["volume"]),
    )
    return Comparison(BEFORE_AFTER, a.files[0].name, b.files[0].name, sentences, tables)


def _latency(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """command, then count, median, p90, p99 and longest of A and of B, and ratio (of the medians, B to A)."""
    columns = ["command", "count", "median", "p90", "p99", "longest"]
    parts = [analysis.latency("command")[columns] for analysis in (a, b)]
    for part in parts:
        part["command"] = part["command"].astype(str)
    frame = parts[0].merge(parts[1], on="command", how="outer", suffixes=("_a", "_b"))
    for name in ("count_a", "count_b"):
        frame[name] = frame[name].fillna(0).astype("int64")
    frame["ratio"] = frame["median_b"] / frame["median_a"]
    busiest = frame["count_a"] + frame["count_b"]
    return frame.loc[busiest.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _errors(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """command, status, then how often A and B have it (count_a, count_b), and unanswered requests beside them."""
    parts = []
    for name, analysis in (("count_a", a), ("count_b", b)):
        frame = analysis.exchanges[["command", "status", "outcome"]].astype("string")
        unanswered = frame["outcome"] == "unanswered"
        frame["status"] = frame["status"].mask(unanswered.fillna(value=False), "(unanswered)")
        wrong = frame["status"].notna() & ~frame["status"].isin(_NO_ERROR)
        parts.append(frame[wrong].groupby(["command", "status"], observed=True).size().rename(name))
    counts = pd.concat(parts, axis=1).fillna(0).astype("int64")
    counts["difference"] = counts["count_b"] - counts["count_a"]
    largest = counts["difference"].abs().sort_values(ascending=False, kind="stable")
    return counts.loc[largest.index].reset_index()


def _volume(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """Indexed by A and B: seconds, connections, sessions, requests, read and written (bytes), and bytes a second."""
    records = []
    for analysis in (a, b):
        exchanges = analysis.exchanges
        times = [file.first_time for file in analysis.files if file.first_time is not None]
        ends = [file.last_time for file in analysis.files if file.last_time is not None]
        seconds = (max(ends) - min(times)) / 1e9 if times else 0.0
        moved = {
            name: int(exchanges.loc[exchanges["command"] == command, "transferred"].sum())
            for name, command in (("read", "READ"), ("written", "WRITE"))
        }
        rate = sum(moved.values()) / seconds if seconds else 0.0
        records.append(
            {
                "seconds": seconds,
                "connections": len(analysis.connections),
                "sessions": len(analysis.sessions),
                "requests": len(exchanges),
                **moved,
                "rate": rate,
            }
        )
    return pd.DataFrame(records, index=pd.Index(["A", "B"], name="capture"))


def _changes(a: "Analysis", b: "Analysis") -> pd.DataFrame:
    """Findings by rule: rule, severity, title, count_a, count_b, change; what appeared first."""
    keys = ["rule", "severity", "title"]
    parts = [
        analysis.findings[keys].astype("string").groupby(keys).size().rename(name)
        for name, analysis in (("count_a", a), ("count_b", b))
    ]
    frame = pd.concat(parts, axis=1).fillna(0).astype("int64").reset_index()
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
        yield f"{command} ended with {status} {one:,} times, then {other:,}."


def _volume_sentences(volume: pd.DataFrame) -> Iterator[str]:
    parts = (
        f"{name} has {requests:,} requests in {seconds:.1f} s and moved {rate / 1e6:.2f} MB/s"
        for name, requests, seconds, rate in zip(
            volume.index, volume["requests"], volume["seconds"], volume["rate"], strict=True
        )
    )
    yield f"{'; '.join(parts)}."
