"""Sessions for people as stories: what happened to each, line by line."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import pandas as pd

from analyzer.analysis import Analysis
from analyzer.events import Event, Kind
from analyzer.tables.cells import shown
from analyzer.tables.schema import TABLES
from analyzer.tables.text import printable
from parsers.times import NANOSECONDS

__all__ = ["write_timeline"]

_KIND_WIDTH = 18  # of most names of kinds


def write_timeline(analysis: Analysis, frames: Iterable[pd.DataFrame], file: BinaryIO) -> None:
    """Write a heading for each session, and below it its events and those of its connections.

    Times are seconds since the first of them. Of files that were opened and closed there are only numbers: the tables
    `events` and `opens` have them one by one.

    Args:
        analysis: of the capture.
        frames: rows of the table `sessions` that are wanted; their index is the number of the session.
        file: written to, as UTF-8.
    """
    by_session, by_connection = _sorted(analysis.timeline.events)
    files = _files(analysis)
    stories = 0
    for frame in frames:
        headings = _headings(frame)
        for number, heading in zip(frame.index.tolist(), headings, strict=True):
            channels = analysis.evidence.decoded.smb2.tracker.sessions[number].channel_list
            connections = dict.fromkeys(channel.connection.number for channel in channels)
            events = by_session[number] + [event for number_ in connections for event in by_connection[number_]]
            events.sort(key=lambda event: (event.time, event.kind is Kind.SESSION_ENDED))
            file.write("".join(_story(heading, events, files[number])).encode())
            stories += 1
    file.write(b"" if stories else b"no sessions\n")


def _sorted(events: list[Event]) -> tuple[dict[int, list[Event]], dict[int, list[Event]]]:
    """Events by session, and those of no session by connection."""
    by_session: dict[int, list[Event]] = defaultdict(list)
    by_connection: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.session is not None:
            by_session[event.session].append(event)
        elif event.connection is not None:
            by_connection[event.connection].append(event)
    return by_session, by_connection


def _files(analysis: Analysis) -> dict[int, Counter[str]]:
    """How many events of the kinds there are many of, by session."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for part in analysis.timeline.bulk:
        for number, count in pd.Series(part.session).value_counts().items():
            counts[int(str(number))][part.kind.value] += count
    return counts


def _headings(frame: pd.DataFrame) -> Iterator[str]:
    table = TABLES["sessions"]
    names = ("session_id", "domain", "user", "mechanism", "dialect", "connections")
    columns = [shown(frame[name], table.column(name)) for name in names]
    for session_id, domain, user, mechanism, dialect, connections in zip(*columns, strict=True):
        noun = "connections" if "," in connections else "connection"
        yield f"session {session_id}  {domain}\\{user}  {mechanism}  SMB {dialect}  {noun} {connections}"


def _story(heading: str, events: list[Event], files: Counter[str]) -> Iterator[str]:
    yield f"{heading}\n"
    for event in events:
        after = (event.time - events[0].time) / NANOSECONDS
        frames = ", ".join(map(str, event.frames))
        where = f"  [{frames}]" if frames else ""
        yield f"  {after:12.6f}  {event.kind:<{_KIND_WIDTH}}  {printable(event.text)}{where}\n"
    if files:
        summary = ", ".join(f"{count:,} {kind}" for kind, count in sorted(files.items()))
        yield f"  {'':12}  files: {summary}\n"
    yield "\n"
