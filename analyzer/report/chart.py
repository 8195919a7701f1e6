"""The data of the timeline and of the list of exchanges: numbers and short lists, which the page's script draws.

Times are milliseconds since `origin`, midnight of the first day, to the microsecond; texts that repeat are numbers of
a list.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.report.embed import Pool
from analyzer.report.selection import Selection, refused
from analyzer.tables.cells import shown
from analyzer.tables.lifespans import lifespans
from analyzer.tables.schema import TABLES
from analyzer.tables.text import printable

__all__ = ["EVENTS", "MOST_LANES", "Chart", "chart_data"]

MOST_LANES = 60
_DAY = 86_400_000_000_000  # ns
_MOST_EVENTS = 3000
_BINS = 400  # parts of the line that shows requests and bytes

EVENTS = {
    "auth_succeeded": ("logged on", "circle", "good"),
    "auth_failed": ("logon refused", "diamond", "bad"),
    "session_expired": ("expired", "triangle", "warn"),
    "reauth_succeeded": ("authenticated again", "triangle", "good"),
    "reauth_failed": ("re-authentication refused", "diamond", "bad"),
    "channel_bound": ("connection added", "rect", "plain"),
    "channel_lost": ("connection lost", "rect", "warn"),
    "session_logoff": ("logged off", "rect", "quiet"),
    "session_ended": ("session ended", "rect", "quiet"),
    "oplock_break": ("oplock or lease break", "arrow", "plain"),
    "lease_break": ("oplock or lease break", "arrow", "plain"),
    "oplock_timeout": ("break not acknowledged", "diamond", "bad"),
    "lease_timeout": ("break not acknowledged", "diamond", "bad"),
    "handle_reconnected": ("handle reconnected", "circle", "plain"),
    "handle_lost": ("handle lost", "diamond", "bad"),
    "tree_refused": ("share refused", "diamond", "warn"),
    "credits_exhausted": ("out of credits", "rect", "warn"),
    "tcp_connect": ("TCP connected", "circle", "quiet"),
    "tcp_connect_failed": ("TCP connection failed", "diamond", "bad"),
    "tcp_reset": ("TCP reset", "diamond", "warn"),
    "tcp_close": ("TCP closed", "rect", "quiet"),
    "tcp_retransmission": ("sent again", "triangle", "warn"),
    "tcp_zero_window": ("window closed", "rect", "warn"),
    "tcp_gap": ("not captured", "rect", "quiet"),
}
"""What is drawn of the events: name, symbol and how it is meant. More than one kind can have a name."""


@dataclass(frozen=True)
class Chart:
    """What the page's script reads, and what had to be left out."""

    data: dict[str, Any]
    lanes_left: int
    events_left: int


def chart_data(
    sessions: pd.DataFrame,
    events: pd.DataFrame,
    findings: pd.DataFrame,
    exchanges: pd.DataFrame,
    selection: Selection,
    span: tuple[int, int],
) -> Chart:
    """Sessions as lanes, their events and findings, response times, and how much was asked and moved.

    Args:
        sessions: the table `sessions`.
        events: the table `events`.
        findings: those of the table `findings` that the report shows.
        exchanges: the table `exchanges`.
        selection: of it.
        span: first and last time of the captures, nanoseconds since 1970.
    """
    known = lifespans(sessions, events)
    suffers = known["session_id"].isin(findings.loc[findings["severity"] != "info", "session_id"])
    chosen = known.assign(suffers=suffers).sort_values(["suffers", "begin"], ascending=[False, True], kind="stable")
    lanes = chosen.head(MOST_LANES).sort_values("begin", kind="stable")
    # Lane 0 is for what is of no session, or of one that has no lane.
    numbers = lanes["session_id"].tolist()
    places = {int(number): lane for lane, number in reversed(list(enumerate(numbers, start=1)))}
    texts = Pool()
    drawn, left = _events(events, places, texts, span[0])
    data = {
        "origin": span[0] // _DAY * _DAY // 1_000_000,
        "span": [_offset(span[0], span[0]), _offset(span[1], span[0])],
        "lanes": ["connections", *_labels(lanes)],
        "bars": _bars(lanes, span),
        "kinds": _kinds(),
        "events": drawn,
        "findings": _findings(findings, places, span[0]),
        "rates": _rates(exchanges, span),
        "exchanges": _exchanges(selection.rows, texts, span),
        "related": selection.related,
        "texts": texts.texts,
    }
    return Chart(data, len(known) - len(lanes), left)


def _offsets(column: "pd.Series[Any]", origin: int) -> list[float | None]:
    """Milliseconds since midnight of the day of `origin`; None for NaT."""
    values = column.to_numpy("M8[ns]").view("i8")
    base = origin // _DAY * _DAY
    unknown = column.isna().to_numpy()
    offsets = np.round((np.where(unknown, base, values) - base) / 1e6, 3).tolist()
    return [None if missing else offset for offset, missing in zip(offsets, unknown.tolist(), strict=True)]


def _offset(time: int, origin: int) -> float:
    return float(round((time - origin // _DAY * _DAY) / 1e6, 3))


def _labels(lanes: pd.DataFrame) -> list[str]:
    users = lanes["user"].fillna("?").replace("", "anonymous").tolist()
    return [printable(f"{user}  {number:#x}") for user, number in zip(users, lanes["session_id"].tolist(), strict=True)]


def _bars(lanes: pd.DataFrame, span: tuple[int, int]) -> list[list[Any]]:
    """Lane, begin and end of each session, and whether it was decrypted."""
    columns = (
        _offsets(lanes["begin"], span[0]),
        _offsets(lanes["finish"], span[0]),
        lanes["decryption"].astype(str).tolist(),
    )
    return [
        [lane, begin, end or begin, state] for lane, (begin, end, state) in enumerate(zip(*columns, strict=True), 1)
    ]


def _kinds() -> list[list[str]]:
    """Name, symbol and meaning of what is drawn, each once."""
    return [list(kind) for kind in dict.fromkeys(EVENTS.values())]


def _events(events: pd.DataFrame, places: dict[int, int], texts: Pool, origin: int) -> tuple[list[list[Any]], int]:
    """Lane, time, kind, text and frames of each event; the rarest kinds first where there are too many."""
    rows = events[events["kind"].isin(EVENTS)]
    left = max(len(rows) - _MOST_EVENTS, 0)
    if left:
        counts = rows["kind"].astype(str).map(rows["kind"].astype(str).value_counts())
        rows = rows.loc[counts.sort_values(kind="stable").index[:_MOST_EVENTS]].sort_values("time", kind="stable")
    kinds = list(dict.fromkeys(EVENTS.values()))
    numbers = {kind: kinds.index(drawn) for kind, drawn in EVENTS.items()}
    columns = (
        _lanes_of(rows, places),
        _offsets(rows["time"], origin),
        [numbers[kind] for kind in rows["kind"].astype(str)],
        texts.numbers(rows["text"].astype(str).tolist()),
        texts.numbers(rows["frames"].fillna("").tolist()),
    )
    return [list(row) for row in zip(*columns, strict=True)], left


def _findings(findings: pd.DataFrame, places: dict[int, int], origin: int) -> list[list[Any]]:
    """Lane, begin, end, severity, title and cause of each finding."""
    begins, ends = _offsets(findings["time"].fillna(findings["end"]), origin), _offsets(findings["end"], origin)
    columns = (
        _lanes_of(findings, places),
        begins,
        [end or begin for begin, end in zip(begins, ends, strict=True)],
        findings["severity"].astype(str).tolist(),
        [printable(text) for text in findings["title"].astype(str)],
        [printable(text) for text in findings["cause"].astype(str)],
    )
    return [list(row) for row in zip(*columns, strict=True)]


def _lanes_of(rows: pd.DataFrame, places: dict[int, int]) -> list[int]:
    return [0 if number is pd.NA else places.get(int(number), 0) for number in rows["session_id"].tolist()]


def _rates(exchanges: pd.DataFrame, span: tuple[int, int]) -> dict[str, list[float]]:
    """Requests a second, and megabytes read and written a second, of all exchanges."""
    step = max((span[1] - span[0]) / _BINS, 1e6)  # nanoseconds
    times = exchanges["request_time"].dropna().to_numpy("M8[ns]").view("i8")
    edges = span[0] + np.arange(int((span[1] - span[0]) / step) + 2) * step
    requests, _ = np.histogram(times, edges)
    rates = {
        "time": [_offset(int(edge), span[0]) for edge in edges[:-1]],
        "requests": _rate(requests, step, 1),
    }
    for name, command in (("read", "READ"), ("written", "WRITE")):
        rows = exchanges[(exchanges["command"] == command) & exchanges["transferred"].notna()]
        moved = rows["transferred"].to_numpy(np.float64, na_value=0.0)
        at = rows["response_time"].to_numpy("M8[ns]").view("i8")
        sums, _ = np.histogram(at, edges, weights=moved)
        rates[name] = _rate(sums, step, 1e6)
    return rates


def _rate(sums: npt.NDArray[Any], step: float, unit: float) -> list[float]:
    return [float(value) for value in np.round(sums / unit / (step / 1e9), 3)]


def _exchanges(rows: pd.DataFrame, texts: Pool, span: tuple[int, int]) -> dict[str, list[Any]]:
    """The columns of the list of exchanges; state 0 is answered, 1 refused, 2 without answer, 3 waited on purpose."""
    state = np.select(
        [rows["response_time"].isna().to_numpy(), rows["pending_time"].notna().to_numpy(), refused(rows)], [2, 3, 1], 0
    )
    return {
        "time": [
            request if request is not None else response
            for request, response in zip(
                _offsets(rows["request_time"], span[0]), _offsets(rows["response_time"], span[0]), strict=True
            )
        ],
        "latency": _milliseconds(rows["latency"]),
        "request": _numbers(rows["request_frame"]),
        "response": _numbers(rows["response_frame"]),
        "connection": rows["connection"].tolist(),
        "session": texts.numbers(shown(rows["session_id"], TABLES["exchanges"].column("session_id"))),
        "command": texts.numbers(_texts(rows["command"])),
        "file": texts.numbers(_texts(rows["file_name"])),
        "status": texts.numbers(_texts(rows["status"])),
        "outcome": texts.numbers(_texts(rows["outcome"])),
        "bytes": _numbers(rows["transferred"]),
        "state": state.tolist(),
    }


def _milliseconds(column: "pd.Series[Any]") -> list[float | None]:
    values = column.to_numpy("m8[ns]").view("i8") / 1e6
    return [None if gone else round(value, 3) for value, gone in zip(values.tolist(), column.isna(), strict=True)]


def _numbers(column: "pd.Series[Any]") -> list[int | None]:
    return [None if value is pd.NA else int(value) for value in column.tolist()]


def _texts(column: "pd.Series[Any]") -> list[str | None]:
    return [None if missing else str(value) for value, missing in zip(column.tolist(), column.isna(), strict=True)]
