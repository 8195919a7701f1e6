"""The tables of a report: headings and rows of text, each with what had to be left out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analyzer.report.sentences import bytes_text, duration_text
from analyzer.tables.cells import shown
from analyzer.tables.schema import TABLES
from parsers.capture.packets import CaptureFile, Damage

__all__ = [
    "Section", "captures", "closed_sessions", "files", "given_keys", "latency", "protocols", "sessions", "shares",
    "talkers", "undecoded",
]  # fmt: skip

_MOST = 300  # rows of a table on the page


@dataclass(frozen=True)
class Section:
    """A table.

    Attributes:
        headings: of the columns.
        rows: of texts.
        numbers: the columns that hold numbers.
        left: how many rows are not shown.
    """

    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: frozenset[int] = frozenset()
    left: int = 0


def _section(
    headings: Sequence[str], columns: Iterable[Iterable[str]], total: int, numbers: Sequence[int] = ()
) -> Section:
    rows = list(zip(*columns, strict=True))
    return Section(tuple(headings), rows, frozenset(numbers), total - len(rows))


def _cells(frame: pd.DataFrame, table: str, names: Sequence[str]) -> list[list[str]]:
    return [shown(frame[name], TABLES[table].column(name)) for name in names]


def captures(files_: Iterable[CaptureFile], damage: Iterable[Damage]) -> Section:
    """The files that were read."""
    reasons: dict[str, list[str]] = {}
    for each in damage:
        reasons.setdefault(each.file, []).append(each.reason)
    rows = [
        (_base(file.name), file.format, f"{file.packets:,}", "; ".join(reasons.get(file.name, ())) or "-")
        for file in files_
    ]
    return Section(("file", "format", "packets", "damage"), rows[:_MOST], frozenset({2}), max(len(rows) - _MOST, 0))


def sessions(table: pd.DataFrame) -> Section:
    """Who was logged on, how, and how it ended."""
    names = (
        "session_id", "domain", "user", "mechanism", "dialect", "cipher", "signing_algorithm", "connections",
        "creation_time", "ended_time", "ended_by", "reauthentications", "decryption",
    )  # fmt: skip
    headings = (
        "session", "domain", "user", "logon", "dialect", "cipher", "signing", "connections", "began", "ended",
        "ended by", "re-authenticated", "decryption",
    )  # fmt: skip
    return _section(headings, _cells(table.head(_MOST), "sessions", names), len(table), (11,))


def closed_sessions(table: pd.DataFrame) -> Section:
    """The sessions that were not wholly read, and why."""
    closed = table[table["decrypted"] < table["encrypted"]]
    names = ("session_id", "domain", "user", "mechanism", "encrypted", "decrypted", "decryption", "reason")
    cells = _cells(closed.head(_MOST), "sessions", names)
    headings = ("session", "domain", "user", "logon", "encrypted", "decrypted", "verdict", "why")
    return _section(headings, cells, len(closed), (4, 5))


def shares(trees: pd.DataFrame) -> Section:
    """The shares that were connected to, each once."""
    groups = trees.groupby("path", observed=True, sort=False)
    table = pd.DataFrame({"count": groups.size(), "type": groups["share_type"].first()}).reset_index()
    table = table.sort_values("count", ascending=False, kind="stable").head(_MOST)
    columns = (
        table["path"].astype(str).tolist(),
        table["type"].astype(str).tolist(),
        (f"{count:,}" for count in table["count"]),
    )
    return _section(("share", "type", "connected"), columns, len(groups), (2,))


def files(opens: pd.DataFrame) -> Section:
    """The files that were opened, those with the most data first."""
    marked = opens.assign(left=opens["closed"].isna())
    groups = marked.groupby("file_name", observed=True, sort=False, dropna=False)
    table = pd.DataFrame(
        {
            "opens": groups.size(),
            "sessions": groups["session_id"].nunique(),
            "left": groups["left"].sum(),
            "read": groups["bytes_read"].sum(),
            "written": groups["bytes_written"].sum(),
            "first": groups["opened"].min(),
        }
    )
    table["moved"] = table["read"] + table["written"]
    total = len(table)
    table = table.sort_values(["moved", "opens"], ascending=False, kind="stable").head(_MOST).reset_index()
    columns = (
        table["file_name"].astype("string").fillna("(name not seen)").replace("", "(root of the share)").tolist(),
        *((f"{value:,}" for value in table[name]) for name in ("opens", "sessions", "left")),
        *((bytes_text(int(value)) for value in table[name]) for name in ("read", "written")),
        shown(table["first"], TABLES["opens"].column("opened")),
    )
    headings = ("file", "opened", "by sessions", "not closed", "read", "written", "first opened")
    return _section(headings, columns, total, (1, 2, 3, 4, 5))


def latency(table: pd.DataFrame) -> Section:
    """Response times by command and server (`Analysis.latency`)."""
    rows = table.head(_MOST)
    columns = (
        rows["command"].astype(str).tolist(),
        rows["server"].astype(str).tolist(),
        (f"{count:,}" for count in rows["count"]),
        *(_durations(rows[name]) for name in ("median", "p90", "p99", "longest", "total", "network")),
        (bytes_text(int(value)) for value in rows["bytes"]),
    )
    headings = ("command", "server", "answers", "median", "90 %", "99 %", "longest", "sum", "of it network", "moved")
    return _section(headings, columns, len(table), range(2, 10))


def talkers(table: pd.DataFrame) -> Section:
    """Who talked most (`analyzer.latency.top_talkers`)."""
    rows = table.head(_MOST)
    columns = (
        rows["client"].astype(str).tolist(),
        rows["server"].astype(str).tolist(),
        (f"{count:,}" for count in rows["requests"]),
        (bytes_text(int(value)) for value in rows["bytes"]),
        _durations(rows["waiting"]),
    )
    return _section(("client", "server", "requests", "moved", "waiting in sum"), columns, len(table), (2, 3, 4))


def given_keys(entries: pd.DataFrame) -> Section:
    """The keys that were given, without secrets: those that fit first."""
    rows = entries.sort_values("used", ascending=False, kind="stable").head(_MOST)
    cells = _cells(rows, "key_entries", ("entry", "kind", "owner", "used", "sessions", "reason"))
    cells[0] = [_base(entry) for entry in cells[0]]
    return _section(("from", "kind", "whose", "used", "opens sessions", "why not"), cells, len(entries))


def protocols(accounting: pd.DataFrame) -> Section:
    """Where the captured bytes went, by protocol."""
    names = ("captured", "decoded", "undecoded", "retransmitted", "gap", "snapped")
    table = accounting.groupby("protocol", observed=True)[list(names)].sum()
    table = table.sort_values("captured", ascending=False).reset_index()
    columns = (
        table["protocol"].astype(str).tolist(),
        *((bytes_text(int(value)) for value in table[name]) for name in names),
    )
    headings = ("protocol", "captured", "decoded", "not decoded", "captured twice", "missing", "cut off")
    return _section(headings, columns, len(table), range(1, 7))


def undecoded(table: pd.DataFrame) -> Section:
    """Why bytes were not decoded, the most bytes first."""
    groups = table.assign(layer=table["layer"].astype(str)).groupby(["layer", "reason"], sort=False)
    counted = pd.DataFrame({"places": groups.size(), "bytes": groups["length"].sum()}).reset_index()
    rows = counted.sort_values(["bytes", "places"], ascending=False, kind="stable").head(_MOST)
    columns = (
        rows["layer"].tolist(),
        rows["reason"].astype(str).tolist(),
        (f"{count:,}" for count in rows["places"]),
        (bytes_text(int(value)) for value in rows["bytes"]),
    )
    return _section(("where", "why", "times", "bytes"), columns, len(counted), (2, 3))


def _durations(column: "pd.Series[Any]") -> list[str]:
    values = column.to_numpy("m8[ns]").view("i8").tolist()
    return ["-" if missing else duration_text(value) for value, missing in zip(values, column.isna(), strict=True)]


def _base(path: str) -> str:
    """The name of a file without its folders, which are nobody's business who gets the report."""
    return path.replace("\\", "/").rpartition("/")[2]
