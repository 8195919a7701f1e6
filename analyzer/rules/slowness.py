"""Answers that come late again and again, and clocks that differ."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.exempt import exempt
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import clock, count, ends, seconds, share_of
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.negotiate import NegotiateResponse
from parsers.times import NANOSECONDS, filetime_to_ns

__all__ = ["RULES"]

_SLOW = NANOSECONDS // 2  # server time of one small request that a user feels
_SMALL = 1 << 16  # bytes: moving more takes time by itself
_OFTEN = 10  # so many slow answers are no accident
_SHARE = 0.05
_LONG_WAY = 50_000_000  # ns: no two hosts of one site are so far apart
_FAR = 300 * NANOSECONDS  # Kerberos refuses logons beyond (RFC 4120 1.6: 5 minutes as a rule)
_OFF = 5 * NANOSECONDS


def _server_slow(case: Case) -> Iterator[Found]:
    frame = case.exchanges
    latency = frame["latency"].to_numpy("m8[ns]").view("i8")
    trips = [case.evidence.tcp.round_trip(number) or 0 for number in range(len(case.connections))]
    in_server = latency - np.array([*trips, 0], np.int64)[frame["connection"].to_numpy()]
    slow = frame["latency"].notna().to_numpy() & (in_server >= _SLOW) & frame["pending_time"].isna().to_numpy()
    slow &= frame["transferred"].fillna(0).to_numpy(np.int64) < _SMALL
    rows = frame[slow]
    rows = rows[~exempt(case, rows)]
    for number in rows["connection"].unique().tolist():
        mine = rows[rows["connection"] == number]
        mine = mine[[not _explained(case, number, row) for row in _spans(mine)]]
        every = int((frame["connection"].to_numpy() == number).sum())
        if len(mine) < _OFTEN or len(mine) < every * _SHARE:
            continue
        client, server = ends(case, number)
        spent = mine["latency"].to_numpy("m8[ns]").view("i8")
        yield Found(
            int(mine["request_time"].iloc[0].value),
            f"{server} was slow: {count(len(mine), 'request')} of {every:,} ({share_of(len(mine), every)}) of {client} "
            f"needed half a second or more in it, the slowest {seconds(spent.max() / NANOSECONDS)}.",
            f"median of these {seconds(float(np.median(spent)) / NANOSECONDS)}, of which the network took "
            f"{seconds(trips[number] / NANOSECONDS)} at best; nothing was repeated meanwhile; commands: "
            + ", ".join(f"{total} {name}" for name, total in mine["command"].value_counts().items() if total),
            tuple(int(number) for number in mine.nlargest(3, "latency")["response_frame"].dropna()),
            case.last_session_id(number),
            number,
            int(mine["response_time"].iloc[-1].value),
            Confidence.POSSIBLE if case.has_gap(number) else Confidence.CERTAIN,
        )


def _far_away(case: Case) -> Iterator[Found]:
    """One finding for each pair of hosts: what the distance costs."""
    told: set[tuple[str, str]] = set()
    frame = case.exchanges
    counts = frame["connection"].value_counts()
    for number in case.smb_connections:
        trip, (client, server) = case.evidence.tcp.round_trip(number) or 0, ends(case, number)
        pair = client.rpartition(":")[0], server
        requests = int(counts.get(number, 0))
        if trip < _LONG_WAY or requests == 0 or pair in told:
            continue
        told.add(pair)
        yield Found(
            int(case.connections.iloc[number]["start"].value),
            f"{client} is {seconds(trip / NANOSECONDS)} away from {server}, there and back: "
            f"{count(requests, 'request')} one after the other "
            f"take {seconds(requests * trip / NANOSECONDS)} even if the server needs no time.",
            "the shortest round trip between the two, of the TCP handshake or of acknowledgments",
            (int(case.connections.iloc[number]["first_frame"]),),
            case.last_session_id(number),
            number,
        )


def _clock_skew(case: Case) -> Iterator[Found]:
    """The server's clock, which NEGOTIATE tells, against that of the capture; one finding for each server."""
    told: set[str] = set()
    for exchange in case.evidence.logons:
        body = None if exchange.response is None else exchange.response.body
        good = exchange.command == Command.NEGOTIATE and exchange.status == ntstatus.STATUS_SUCCESS
        if not good or exchange.response is None or not isinstance(body, NegotiateResponse):
            continue
        client, server = ends(case, exchange.connection)
        time = filetime_to_ns(body.system_time)
        off = 0 if time is None else time - exchange.response.time
        if abs(off) < _OFF or server in told:
            continue
        told.add(server)
        way = "ahead of" if off > 0 else "behind"
        yield Found(
            exchange.response.time,
            f"The clock of {server} is {seconds(abs(off) / NANOSECONDS)} {way} that of the machine that captured.",
            f"SystemTime of NEGOTIATE says {clock(exchange.response.time + off)} at {clock(exchange.response.time)} "
            f"(connection of {client})",
            (exchange.response.frame,),
            connection=exchange.connection,
            severity=None if abs(off) >= _FAR else Severity.INFO,
            confidence=Confidence.LIKELY,
        )


def _spans(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """When each exchange began and ended."""
    begin, end = (rows[name].to_numpy("M8[ns]").view("i8").tolist() for name in ("request_time", "response_time"))
    return list(zip(begin, end, strict=True))


def _explained(case: Case, connection: int, span: tuple[int, int]) -> bool:
    """Whether a stillness or a retransmission says already why an answer was late."""
    begin, end = span
    for still in case.stillnesses:
        if still.connection == connection and still.begin < end and (still.end or still.last) > begin:
            return True
    return len(case.evidence.tcp.marks_of(connection, Mark.RETRANSMISSION, since=begin, until=end)) > 0


RULES = (
    Rule(
        "server_slow",
        "the server answers slowly, again and again",
        Severity.WARNING,
        Party.SERVER,
        "TCP timing; MS-SMB2 3.2.6.1",
        "Many small requests took half a second or more, while nothing was lost on the way and the round trip is "
        "short: the time was spent in the server.",
        "Look at the server's disks, processor and virus scanner at that time; `sessionscope latency "
        "--by command,share` shows what is slow.",
        _server_slow,
    ),
    Rule(
        "far_away",
        "every request travels far",
        Severity.INFO,
        Party.NETWORK,
        "TCP timing",
        "The round trip is long, and SMB asks many small questions one after the other. Neither side is slow.",
        "Bring data and users together (a cache, a branch server), or use clients that ask less often; bandwidth does "
        "not help.",
        _far_away,
    ),
    Rule(
        "clock_skew",
        "a server's clock is wrong, or that of the capture",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "MS-SMB2 2.2.4 (SystemTime); RFC 4120 1.6",
        "Kerberos refuses tickets when clocks differ by more than five minutes, and sessions seem to expire too early "
        "or too late. The server tells its time in NEGOTIATE; the packets have the time of the capturing machine.",
        "Synchronize the clocks: w32tm /resync, chronyc makestep; see which of the two is wrong.",
        _clock_skew,
    ),
)
