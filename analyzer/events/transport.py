"""Events of TCP: connect, close, reset, retransmissions, closed windows, gaps of the capture."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.events.event import Detail, Event, seconds
from analyzer.events.kinds import Kind
from analyzer.evidence import Evidence
from analyzer.evidence.marks import Mark
from parsers.times import NANOSECONDS
from parsers.transport.addresses import AddressBook
from parsers.transport.connections import CLIENT, SERVER, Connection, Endpoint

__all__ = ["transport_events"]

_BURST = 2 * NANOSECONDS  # retransmissions that lie further apart are two runs, unless of the same bytes
_BACK_OFF = 130 * NANOSECONDS  # TCP repeats the same bytes after 120 s at most (RFC 6298 5.5, 2.5)
_SIDES = ("client", "server")

Rows = npt.NDArray[Any]


def transport_events(evidence: Evidence) -> Iterator[Event]:
    """The events of all connections, connection by connection."""
    for connection in evidence.decoded.connections:
        marks = evidence.tcp.marks_of(connection.number)
        if len(marks):
            yield from _begin(connection, marks, evidence.decoded.book)
            yield from _end(connection, marks)
            for sender in (CLIENT, SERVER):
                mine = marks[marks["sender"] == sender]
                yield from _retransmissions(mine)
                yield from _closed_windows(mine)
                yield from _gaps(mine)


def _begin(connection: Connection, marks: Rows, book: AddressBook) -> Iterator[Event]:
    tries = marks[(marks["kind"] == Mark.SYN) & (marks["sender"] == CLIENT)]
    answers = marks[marks["kind"] == Mark.SYN_ACK]
    if len(tries) == 0:
        return
    client, server = _name(connection.client, book), _name(connection.server, book)
    names: dict[str, Detail] = {"client": client, "server": server, "tries": len(tries)}
    begin = int(tries["time"][0])
    more = f" after {len(tries)} tries" if len(tries) > 1 else ""
    if len(answers):
        trip = int(answers["time"][0]) - int(tries["time"][tries["frame"] <= answers["frame"][0]][-1:].sum())
        text = f"{client} connected to {server}{more}"
        frames = (int(tries["frame"][0]), int(answers["frame"][0]))
        details = names | {"round_trip_ns": trip}
        yield Event(begin, Kind.TCP_CONNECT, text, connection.number, None, tuple(sorted(frames)), details)
        return
    resets = marks[(marks["kind"] == Mark.RST) & (marks["sender"] == SERVER)]
    how = "refused the connection (RST)" if len(resets) else "never answered the connection request"
    frames = (*tries["frame"].tolist(), *resets["frame"].tolist()[:1])
    details = names | {"refused": bool(len(resets)), "last_try_ns": int(tries["time"][-1]) - begin}
    text = f"{server} {how} of {client}{more}"
    yield Event(begin, Kind.TCP_CONNECT_FAILED, text, connection.number, None, frames, details)


def _end(connection: Connection, marks: Rows) -> Iterator[Event]:
    """The first FIN and the first RST of each side."""
    for mark, kind, word in ((Mark.FIN, Kind.TCP_CLOSE, "closed"), (Mark.RST, Kind.TCP_RESET, "reset")):
        for sender in (CLIENT, SERVER):
            rows = marks[(marks["kind"] == mark) & (marks["sender"] == sender)]
            if len(rows) == 0:
                continue
            time = int(rows["time"][0])
            after = [side for side in (CLIENT, SERVER) if _closed(marks, side, time)]
            details: dict[str, Detail] = {"by": _SIDES[sender], "segments": len(rows), "after_close": len(after) == 2}
            late = ", after both had closed it" if len(after) == 2 else ""
            text = f"the {_SIDES[sender]} {word} the connection ({mark.name}){late}"
            yield Event(time, kind, text, connection.number, None, (int(rows["frame"][0]),), details)


def _closed(marks: Rows, sender: int, time: int) -> bool:
    """Whether the side had sent a FIN before."""
    return bool(((marks["kind"] == Mark.FIN) & (marks["sender"] == sender) & (marks["time"] < time)).any())


def _retransmissions(marks: Rows) -> Iterator[Event]:
    """Runs of segments that were sent again; waits within a run are those of a sender that backs off."""
    rows = marks[marks["kind"] == Mark.RETRANSMISSION]
    if len(rows) == 0:
        return
    pause, same = np.diff(rows["time"]), np.diff(rows["position"]) == 0
    breaks = np.flatnonzero(pause > np.where(same, _BACK_OFF, _BURST)) + 1
    for first, last in pairwise([0, *breaks.tolist(), len(rows)]):
        run = rows[first:last]
        _, times = np.unique(run["position"], return_counts=True)
        begin, length = int(run["time"][0]), int(run["time"][-1] - run["time"][0])
        most = int(times.max())
        details: dict[str, Detail] = {
            "sender": _SIDES[run["sender"][0]],
            "segments": len(run),
            "bytes": int(run["length"].sum()),
            "length_ns": length,
            "most_repeats": most,
        }
        again = f", one of them {most} times" if most > 1 else ""
        noun = "segment" if len(run) == 1 else "segments"
        span = f" within {seconds(length)}" if length else ""
        text = f"the {details['sender']} sent {len(run):,} {noun} again{span}{again}"
        frames = tuple(dict.fromkeys((int(run["frame"][0]), int(run["frame"][-1]))))
        yield Event(begin, Kind.TCP_RETRANSMISSION, text, int(run["connection"][0]), None, frames, details)


def _closed_windows(marks: Rows) -> Iterator[Event]:
    openings = marks[marks["kind"] == Mark.WINDOW_OPEN]
    for row in marks[marks["kind"] == Mark.ZERO_WINDOW]:
        begin, side = int(row["time"]), _SIDES[row["sender"]]
        opened = openings[openings["since"] == row["time"]]
        length = int(opened["time"][0]) - begin if len(opened) else None
        span = f"for {seconds(length)}" if length is not None else "and did not open it again"
        text = f"the {side} closed its receive window {span}"
        frames = (int(row["frame"]), *opened["frame"].tolist())
        details: dict[str, Detail] = {"receiver": side, "length_ns": length}
        yield Event(begin, Kind.TCP_ZERO_WINDOW, text, int(row["connection"]), None, frames, details)


def _gaps(marks: Rows) -> Iterator[Event]:
    """Gaps that lie close together are one event: they have one cause."""
    rows = marks[marks["kind"] == Mark.GAP]
    if len(rows) == 0:
        return
    breaks = np.flatnonzero(np.diff(rows["time"]) > _BURST) + 1
    for first, last in pairwise([0, *breaks.tolist(), len(rows)]):
        run = rows[first:last]
        size = int(run["length"].sum())
        details: dict[str, Detail] = {"sender": _SIDES[run["sender"][0]], "gaps": len(run), "bytes": size}
        text = f"{size:,} bytes of the {details['sender']} were delivered but not captured"
        frames = tuple(dict.fromkeys((int(run["frame"][0]), int(run["frame"][-1]))))
        yield Event(int(run["time"][0]), Kind.TCP_GAP, text, int(run["connection"][0]), None, frames, details)


def _name(endpoint: Endpoint, book: AddressBook) -> str:
    address = book.text(endpoint.address)
    return f"[{address}]:{endpoint.port}" if ":" in address else f"{address}:{endpoint.port}"
