"""The summary of a report: what was captured, what is wrong, how fast it was, what could not be read."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analyzer.latency import timed
from analyzer.report.selection import refused
from parsers.capture.packets import CaptureFile

__all__ = ["bytes_text", "captured", "duration_text", "number_text", "performance", "readable", "verdict"]

_WORDS = {"error": "error", "warning": "warning", "security": "weakness of security", "info": "remark"}


def captured(files: list[CaptureFile], connections: pd.DataFrame, sessions: pd.DataFrame) -> str:
    """How much was captured, when, and between whom."""
    packets = sum(file.packets for file in files)
    span = span_of(files)
    clients, servers = connections["client_ip"].nunique(), connections["server"].nunique()
    users = sorted({str(user) for user in sessions["user"].dropna() if user})
    who = f" of {_listed(users)}" if users else ""
    return (
        f"{number_text(packets, 'packet')} in {duration_text(span[1] - span[0])}: "
        f"{number_text(len(connections), 'TCP connection')} of {number_text(clients, 'client')} with "
        f"{number_text(servers, 'server')}, {number_text(len(sessions), 'SMB session')}{who}."
    )


def span_of(files: list[CaptureFile]) -> tuple[int, int]:
    """First and last time of all captures, nanoseconds since 1970; 0 and 0 if they are empty."""
    known = [(file.first_time, file.last_time) for file in files if file.first_time is not None]
    begins = [begin for begin, _ in known if begin is not None]
    ends = [end for _, end in known if end is not None]
    return min(begins, default=0), max(ends, default=0)


def verdict(findings: pd.DataFrame) -> str:
    """How many findings there are, by severity."""
    counts = findings["severity"].astype(str).value_counts()
    parts = [
        number_text(int(counts[name]), word, "weaknesses of security" if name == "security" else None)
        for name, word in _WORDS.items()
        if name != "info" and counts.get(name, 0)
    ]
    remarks = int(counts.get("info", 0))
    also = f", and {number_text(remarks, 'remark')} for your information" if remarks else ""
    if not parts:
        return f"Nothing is wrong that this program knows of{also}."
    return f"Found: {_listed(parts)}{also}."


def performance(exchanges: pd.DataFrame) -> Iterator[str]:
    """Response times, refusals, and how much was moved."""
    latency = exchanges.loc[timed(exchanges), "latency"].to_numpy("m8[ns]").view("i8")
    if len(latency):
        middle, high = (int(np.quantile(latency, share)) for share in (0.5, 0.99))
        slowest = str(exchanges.loc[timed(exchanges), "command"].iloc[int(latency.argmax())])
        yield (
            f"{number_text(len(latency), 'request')} answered: half of them within {duration_text(middle)}, "
            f"99 % within {duration_text(high)}; the longest, a {slowest}, took {duration_text(int(latency.max()))}."
        )
    unanswered = int((exchanges["outcome"] == "unanswered").sum())
    if unanswered:
        yield f"{number_text(unanswered, 'request')} never got an answer."
    refusals = exchanges.loc[refused(exchanges), "status"].astype(str).value_counts()
    if len(refusals):
        yield (
            f"{number_text(int(refusals.sum()), 'request')} got another answer than success, most often "
            f"{refusals.index[0]} ({refusals.iloc[0]:,})."
        )
    moved = exchanges.groupby("command", observed=True)["transferred"].sum()
    read, written = int(moved.get("READ", 0)), int(moved.get("WRITE", 0))
    if read or written:
        yield f"{bytes_text(read)} of files were read, {bytes_text(written)} written."


def readable(sessions: pd.DataFrame, accounting: pd.DataFrame) -> Iterator[str]:
    """What was decrypted and what was not, and what the capture itself is missing."""
    encrypted, decrypted = int(sessions["encrypted"].sum()), int(sessions["decrypted"].sum())
    closed = sessions[sessions["decrypted"] < sessions["encrypted"]]
    if encrypted == 0:
        yield "Nothing was encrypted."
    elif decrypted == encrypted:
        yield f"All {number_text(encrypted, 'encrypted message')} could be read."
    else:
        yield (
            f"{decrypted:,} of {number_text(encrypted, 'encrypted message')} could be read; "
            f"{number_text(len(closed), 'session')} stayed closed, wholly or in part (see Coverage)."
        )
    gap, snapped = int(accounting["gap"].sum()), int(accounting["snapped"].sum())
    if gap:
        yield f"The capture lacks {bytes_text(gap)} that were sent."
    if snapped:
        yield f"{bytes_text(snapped)} were cut off the packets when they were captured."


def number_text(count: int, noun: str, plural: str | None = None) -> str:
    """`1 packet`, `2,000 packets`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def duration_text(nanoseconds: int) -> str:
    """For people: `350 µs`, `12.5 ms`, `3.25 s`, `2 min 5 s`, `3 h 12 min`."""
    if nanoseconds < 1_000_000:
        return f"{nanoseconds / 1e3:.3g} µs"
    if nanoseconds < 1_000_000_000:
        return f"{nanoseconds / 1e6:.3g} ms"
    seconds = round(nanoseconds / 1e9)
    if seconds < 100:
        return f"{nanoseconds / 1e9:.3g} s"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def bytes_text(count: int) -> str:
    """For people: `640 bytes`, `12.5 kB`, `3.25 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return number_text(count, "byte")


def _listed(texts: list[str]) -> str:
    if len(texts) > 6:
        return f"{', '.join(texts[:5])} and {len(texts) - 5:,} others"
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
