"""When a server let its client wait, and what TCP did meanwhile: what tells a busy server from a dead path.

A stillness is a time in which the server sent no payload and acknowledged nothing new, although the client was waiting
for something. A server that has stopped still acknowledges, since its kernel does that; a path that has died lets
nothing through, and what is sent is repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.evidence.marks import Mark
from analyzer.rules.exempt import exempt
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

if TYPE_CHECKING:
    from analyzer.rules.case import Case

__all__ = ["LEAST", "Blame", "Stillness", "stillnesses"]

LEAST = 2 * NANOSECONDS
"""Shorter pauses are not looked at: a disk that spins up, a busy second."""

_BACK_OFF = 5 * NANOSECONDS  # a sender whose packets are lost tries again so seldom, after a few seconds
_SOON = NANOSECONDS  # what is acknowledged later than this after it was sent was not on the way all the time


class Blame(StrEnum):
    """Why nothing moved."""

    SERVER = "the server acknowledged everything and answered nothing"
    PATH = "nothing came through"
    CLIENT = "the client took nothing more"
    UNCLEAR = "it is not clear why"


@dataclass(frozen=True, slots=True)
class Stillness:
    """One.

    Attributes:
        connection: its number.
        begin: the last sign of progress, or the request that followed it, whichever is later; nanoseconds.
        end: the next sign of progress; None if there is none in the capture.
        last: the last packet of the connection in it.
        blame: why.
        repeated: retransmissions of the client in it, and of the server at its end.
        zero_windows: how often a side said that it takes nothing more.
        frames: of the first packet after `begin` and the one that ended it.
        asked: what the client was waiting for: rows of the table `exchanges`; empty where messages cannot be read.
    """

    connection: int
    begin: int
    end: int | None
    last: int
    blame: Blame
    repeated: int
    zero_windows: int
    frames: tuple[int, ...]
    asked: pd.DataFrame

    @property
    def seconds(self) -> float:
        """How long, as far as it was seen."""
        return ((self.end or self.last) - self.begin) / NANOSECONDS


def stillnesses(case: "Case") -> Iterator[Stillness]:
    """All of a case, by connection; those with nothing but the client's next try between them are one."""
    waiting, unread = _waiting(case), _unread(case)
    smb = case.connections["protocol"].isin(["smb2", "smb1"]).to_numpy()
    for connection in np.flatnonzero(smb).tolist():
        unfinished = _unfinished(case, connection)
        found: Stillness | None = None
        for each in _of_connection(case, connection, waiting.get(connection), guess=connection in unread or unfinished):
            if found is not None and found.end is not None and not _answers(case, connection, found.begin, found.end):
                found = _joined(found, each)
                continue
            if found is not None:
                yield found
            found = each
        if found is not None:
            yield found


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Exchanges of one connection that took long: from when to when, and whether they are allowed to."""

    rows: pd.DataFrame
    since: npt.NDArray[np.int64]
    until: npt.NDArray[np.int64]
    counted: npt.NDArray[np.bool_]


def _waiting(case: "Case") -> dict[int, _Waiting]:
    frame = case.exchanges
    latency = frame["latency"].to_numpy("m8[ns]").view("i8")
    unanswered = frame["response_frame"].isna().to_numpy()
    rows = frame[unanswered | (latency >= LEAST)]
    rows = rows[rows["request_frame"].notna()]
    since = rows["request_time"].to_numpy("M8[ns]").view("i8")
    until = rows["response_time"].to_numpy("M8[ns]").view("i8")
    until = np.where(rows["response_frame"].isna(), np.iinfo(np.int64).max, until)
    # Whoever answered STATUS_PENDING is awake; what it waits for is another question.
    counted = ~(exempt(case, rows) | rows["pending_time"].notna().to_numpy())
    connections = rows["connection"].to_numpy()
    return {
        int(number): _Waiting(rows[mine], since[mine], until[mine], counted[mine])
        for number in np.unique(connections)
        for mine in [connections == number]
    }


def _unread(case: "Case") -> frozenset[int]:
    """Connections with messages that could not be read: what their clients wait for is not known."""
    frame = case.sessions
    closed = frame.loc[frame["decrypted"] < frame["encrypted"], "connections"].dropna()
    cut = {account.connection for account in case.evidence.decoded.accounts if account.snapped}
    told = {int(number) for numbers in closed for number in numbers.split(", ") if number}
    return frozenset(told.union(number for number in cut if number is not None))


def _unfinished(case: "Case", connection: int) -> bool:
    """Whether the client's last message never came to its end."""
    return case.unfinished(connection, CLIENT) is not None


def _answers(case: "Case", connection: int, since: int, until: int) -> bool:
    """Whether the server sent payload after `since` and not later than `until`."""
    tcp = case.evidence.tcp
    return tcp.sent_by(connection, SERVER, until) > tcp.sent_by(connection, SERVER, since)


def _joined(first: Stillness, second: Stillness) -> Stillness:
    asked = first.asked if len(first.asked) else second.asked
    return replace(
        second,
        begin=first.begin,
        blame=first.blame if first.blame == second.blame else Blame.UNCLEAR,
        repeated=first.repeated + second.repeated,
        zero_windows=first.zero_windows + second.zero_windows,
        frames=(first.frames[0], *second.frames[-1:]),
        asked=asked,
    )


def _of_connection(case: "Case", connection: int, waiting: _Waiting | None, *, guess: bool) -> Iterator[Stillness]:
    tcp = case.evidence.tcp
    server, client = tcp.rows(connection, SERVER), tcp.rows(connection, CLIENT)
    if len(server) == 0 or len(client) == 0:
        return
    progress = _progress(server)
    last = int(max(server["time"][-1], client["time"][-1]))
    spoken = _rises(client, "sent")
    answered = _rises(server, "sent")
    for begin, end in _pauses(progress, last):
        asked = None if waiting is None else _outstanding(waiting, end or last)
        heard = answered[answered <= begin].max(initial=0)
        unheard = spoken[(spoken > heard) & (spoken < (end or last))]
        if asked is not None and len(asked):
            start = max(begin, int(asked["request_time"].to_numpy("M8[ns]").view("i8").min()))
        elif guess and len(unheard) and (waiting is None or not _explained(waiting, begin, end or last)):
            start = max(begin, int(unheard.min()))
        else:
            continue
        if (end or last) - start >= LEAST:
            yield _judged(
                case, connection, start, end, last, waiting.rows.iloc[:0] if asked is None and waiting else asked
            )


def _progress(server: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Times at which the server sent payload or acknowledged more of the client's."""
    return np.union1d(_rises(server, "sent"), _rises(server, "acknowledged"))


def _rises(rows: npt.NDArray[Any], column: str) -> npt.NDArray[np.int64]:
    reached = np.maximum.accumulate(rows[column])
    times: npt.NDArray[np.int64] = rows["time"][np.diff(reached, prepend=-1) > 0]
    return times


def _pauses(progress: npt.NDArray[np.int64], last: int) -> Iterator[tuple[int, int | None]]:
    """Pauses of `LEAST` between signs of progress, the one behind the last of them included."""
    for place in np.flatnonzero(np.diff(progress) >= LEAST).tolist():
        yield int(progress[place]), int(progress[place + 1])
    if len(progress) and last - progress[-1] >= LEAST:
        yield int(progress[-1]), None


def _outstanding(waiting: _Waiting, end: int) -> pd.DataFrame:
    return waiting.rows[waiting.counted & (waiting.since < end - LEAST) & (waiting.until >= end)]


def _explained(waiting: _Waiting, begin: int, end: int) -> bool:
    """Whether what waits may wait: a notification, a lock, what was answered STATUS_PENDING."""
    return bool((~waiting.counted & (waiting.since < end) & (waiting.until > begin)).any())


def _judged(
    case: "Case", connection: int, begin: int, end: int | None, last: int, asked: pd.DataFrame | None
) -> Stillness:
    tcp = case.evidence.tcp
    until = last if end is None else end
    repeats = tcp.marks_of(connection, Mark.RETRANSMISSION, sender=CLIENT, since=begin, until=until)
    # What was lost while nothing came through is sent again as soon as it does.
    soon = until + (tcp.round_trip(connection) or 0) + _SOON
    refills = tcp.marks_of(connection, Mark.RETRANSMISSION, sender=SERVER, since=begin, until=soon)
    closed = tcp.marks_of(connection, Mark.ZERO_WINDOW, since=begin - LEAST, until=until)
    heard = tcp.rows(connection, SERVER)["time"]
    packets = np.searchsorted(heard, until) - np.searchsorted(heard, begin + _SOON)
    silent = packets * _BACK_OFF <= until - begin
    if len(closed) and closed["sender"][-1] == CLIENT:
        blame = Blame.CLIENT
    elif len(closed):
        blame = Blame.SERVER
    elif len(repeats) > 1 and silent:
        blame = Blame.PATH
    elif len(repeats) == 0 and len(refills) == 0 and tcp.outstanding(connection, CLIENT, begin + _SOON) == 0:
        blame = Blame.SERVER
    elif len(refills) and silent:
        blame = Blame.PATH
    else:
        blame = Blame.UNCLEAR
    rows = tcp.rows(connection, SERVER)
    frames = [int(rows["frame"][np.searchsorted(rows["time"], end)])] if end is not None else []
    asked = case.exchanges.iloc[:0] if asked is None else asked
    first = asked["request_frame"].dropna().astype(int).tolist()[:1] or repeats["frame"].tolist()[:1]
    return Stillness(
        connection, begin, end, last, blame, len(repeats) + len(refills), len(closed), (*first, *frames), asked
    )
