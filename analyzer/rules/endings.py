"""How connections ended while something was still open: who left whom, after how long, and what came too late."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analyzer.evidence.health import Closing
from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.exempt import exempt
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.stillness import Stillness
from analyzer.rules.words import asked_for, clock, count, ends, rate, seconds, share_of
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

__all__ = ["RULES"]

_SHORT = NANOSECONDS  # a client that leaves sooner than this after its request was not out of patience
_RESTART = 60 * NANOSECONDS  # how long a service takes at most to come up again


def _request_timeout(case: Case) -> Iterator[Found]:
    for closing in _closings(case, CLIENT):
        rows = _open_at(case, closing)
        still = _still_before(case, closing)
        asked = int(_since(rows).min()) if len(rows) else still.begin if still is not None else closing.time
        waited = closing.time - asked
        if waited < _SHORT or _said_goodbye(case, closing):
            continue
        client, server = ends(case, closing.connection)
        answered = rows["response_frame"].dropna().astype(int).tolist()
        late = f"; the answer came after that, in frame {answered[0]}" if answered else ""
        yield Found(
            asked,
            f"{client} gave up on {server} after {seconds(waited / NANOSECONDS)} without an answer to "
            f"{asked_for(rows)}, and closed the connection ({closing.how}).",
            f"asked at {clock(asked)}, {closing.how} at {clock(closing.time)}{late}; by default a client waits "
            f"{case.told('SessTimeout', closing.connection)}",
            (*rows["request_frame"].dropna().astype(int).tolist()[:1], closing.frame, *answered[:1]),
            _session(case, closing.connection, rows),
            closing.connection,
            closing.time,
            _sure(case, closing.connection),
        )


def _still_before(case: Case, closing: Closing) -> Stillness | None:
    """The stillness that a closing ends, for messages that cannot be read."""
    for still in case.stillnesses:
        if still.connection == closing.connection and still.begin < closing.time <= (still.end or still.last) + _SHORT:
            return still
    return None


def _late_answer(case: Case) -> Iterator[Found]:
    for closing in _closings(case, CLIENT):
        rows = _open_at(case, closing)
        rows = rows[rows["response_frame"].notna()]
        if len(rows) == 0 or closing.time - int(_since(rows).min()) < _SHORT:
            continue
        client, server = ends(case, closing.connection)
        first = int(rows["response_time"].to_numpy("M8[ns]").view("i8").min())
        yield Found(
            first,
            f"{server} answered {asked_for(rows)} {seconds((first - closing.time) / NANOSECONDS)} after {client} had "
            f"left: nobody received it.",
            f"{closing.how} of the client at {clock(closing.time)} in frame {closing.frame}, answer at {clock(first)}",
            (int(rows["response_frame"].dropna().iloc[0]), closing.frame),
            _session(case, closing.connection, rows),
            closing.connection,
        )


def _never_sent(case: Case) -> Iterator[Found]:
    yield from _unfinished(case, CLIENT, "request", "to")


def _never_complete(case: Case) -> Iterator[Found]:
    yield from _unfinished(case, SERVER, "answer", "from")


def _unfinished(case: Case, sender: int, what: str, direction: str) -> Iterator[Found]:
    tcp = case.evidence.tcp
    for connection in case.smb_connections:
        last = case.unfinished(connection, sender)
        if last is None:
            continue
        sent = tcp.sent_by(connection, sender, case.end)
        here, moved = tcp.sent_at(connection, sender, sent) or last.time, sent - last.position
        ended = tcp.closing(connection)
        if ended is None and case.near_end(here):
            continue  # the capture ended first
        client, server = ends(case, connection)
        peer = server if sender == CLIENT else client
        size, spent = last.end - last.position, (here - last.time) / NANOSECONDS
        yield Found(
            last.time,
            f"An {what} of {size:,} bytes {direction} {server} was never finished: {moved:,} bytes "
            f"({share_of(moved, size)}) were sent in {seconds(spent)}."
            if what == "answer"
            else f"A {what} of {size:,} bytes {direction} {server} was never sent to its end: {moved:,} bytes "
            f"({share_of(moved, size)}) went out in {seconds(spent)}, {rate(moved, spent)}.",
            f"it begins in frame {last.frame} at {clock(last.time)}; the last of its bytes went to {peer} at "
            f"{clock(here)}; " + (f"{ended.how} in frame {ended.frame}" if ended else "nobody closed the connection"),
            (last.frame, *((ended.frame,) if ended else ())),
            case.last_session_id(connection),
            connection,
            confidence=_sure(case, connection),
        )


def _server_died(case: Case) -> Iterator[Found]:
    logged_on = _logged_on(case)
    for closing in _closings(case, SERVER):
        rows = _open_at(case, closing)
        halved = case.unfinished(closing.connection, SERVER) is not None
        rows = rows[rows["command"] != "LOGOFF"]  # some servers close instead of answering it
        rows = rows[~case.repeated(rows)]  # a replayed request ends the connection
        if (len(rows) == 0 and not halved) or closing.connection not in logged_on:
            continue
        client, server = ends(case, closing.connection)
        open_ = f"{asked_for(rows)} unanswered" if len(rows) else "an answer half sent"
        after, confidence = _afterwards(case, closing)
        yield Found(
            closing.time,
            f"{server} closed the connection of {client} in the middle of work, with {open_}: the process that served "
            f"it ended{after}.",
            f"{closing.how} of the server in frame {closing.frame} at {clock(closing.time)}, no LOGOFF before",
            (closing.frame, *rows["request_frame"].dropna().astype(int).tolist()[:1]),
            _session(case, closing.connection, rows),
            closing.connection,
            confidence=confidence,
        )


def _unknown_session_dropped(case: Case) -> Iterator[Found]:
    """A connection without a logon on which the client uses a session of before: the server just closes it."""
    logged_on = _logged_on(case)
    for closing in _closings(case, SERVER):
        rows = _open_at(case, closing)
        foreign = rows[rows["session_id"].fillna(0) != 0]
        if len(foreign) == 0 or closing.connection in logged_on:
            continue
        client, server = ends(case, closing.connection)
        asked = int(_since(foreign).min())
        yield Found(
            asked,
            f"{client} used a session of before on a new connection, and {server} closed it without a word: it does "
            f"not know the session, and has no key to answer with.",
            f"{asked_for(foreign)} at {clock(asked)} without a SESSION_SETUP on this connection, {closing.how} "
            f"of the server in frame {closing.frame}",
            (*foreign["request_frame"].dropna().astype(int).tolist()[:1], closing.frame),
            int(foreign["session_id"].iloc[0]),
            closing.connection,
            closing.time,
        )


def _server_restarted(case: Case) -> Iterator[Found]:
    """All connections of a server end, then it refuses new ones, then it takes them again."""
    closed = list(_closings(case, SERVER))
    for server, rows in case.connections.groupby("server", sort=False):
        numbers = set(rows["connection"])
        closings = [closing for closing in closed if closing.connection in numbers]
        refused = [
            mark
            for number in rows["connection"].tolist()
            if len(case.evidence.tcp.marks_of(number, Mark.SYN))
            and not len(case.evidence.tcp.marks_of(number, Mark.SYN_ACK))
            for mark in case.evidence.tcp.marks_of(number, Mark.RST, sender=SERVER)
        ]
        served = rows.loc[rows["bytes_server"] > 0]
        for closing in closings:
            after = [mark for mark in refused if 0 <= int(mark["time"]) - closing.time <= _RESTART]
            if not after or served.loc[served["connection"] == closing.connection].empty:
                continue
            back = served.loc[served["start"].astype("int64") > int(after[-1]["time"]), "start"]
            down = (int(back.min().value) if len(back) else int(after[-1]["time"])) - closing.time
            yield Found(
                closing.time,
                f"The SMB service of {server} went down: it closed its connections and refused new ones for "
                f"{seconds(down / NANOSECONDS)}{'' if len(back) else ' at least'}; every session and open of before is "
                f"lost.",
                f"{closing.how} in frame {closing.frame} at {clock(closing.time)}, then "
                f"{count(len(after), 'connection request')} answered by RST"
                + (f", served again at {clock(int(back.min().value))}" if len(back) else ""),
                (closing.frame, *(int(mark["frame"]) for mark in after[:3])),
                case.last_session_id(closing.connection),
                closing.connection,
                closing.time + down,
            )
            break


def _closings(case: Case, sender: int) -> Iterator[Closing]:
    """The first FIN or RST of every SMB connection, where it is the sender's."""
    found = map(case.evidence.tcp.closing, case.smb_connections)
    return (closing for closing in found if closing is not None and closing.sender == sender)


def _open_at(case: Case, closing: Closing) -> pd.DataFrame:
    """Requests of the connection that had been asked and not answered at its closing, those that may wait left out.

    Of those that were answered STATUS_PENDING, the ones whose client has waited as long as clients wait are there.
    """
    frame = case.unanswered_at(closing.connection, closing.time)
    limit = case.limit("SessTimeout", closing.connection)
    patient = frame["pending_time"].notna().to_numpy() & (closing.time - _since(frame) < limit)
    chosen: pd.DataFrame = frame[~exempt(case, frame) & ~patient]
    return chosen


def _since(rows: pd.DataFrame) -> Any:
    return rows["request_time"].to_numpy("M8[ns]").view("i8")


def _said_goodbye(case: Case, closing: Closing) -> bool:
    """Whether the last answer before the closing was to a LOGOFF or TREE_DISCONNECT: then nobody left in anger."""
    partings = (
        exchange.response.time
        for exchange in case.evidence.logons
        if exchange.connection == closing.connection
        and exchange.command in (Command.LOGOFF, Command.TREE_DISCONNECT)
        and exchange.response is not None
    )
    return any(0 <= closing.time - parting < _SHORT for parting in partings)


def _logged_on(case: Case) -> set[int]:
    """Connections on which a session was set up, or whose begin was not captured."""
    return {
        exchange.connection
        for exchange in case.evidence.logons
        if exchange.command == Command.SESSION_SETUP and exchange.status == ntstatus.STATUS_SUCCESS
    } | {number for number in case.smb_connections if not case.saw_begin(number)}


def _afterwards(case: Case, closing: Closing) -> tuple[str, Confidence]:
    frame = case.connections
    row = frame.iloc[closing.connection]
    later = frame[frame["server"].eq(row["server"]) & (frame["start"].astype("int64") > closing.time)]
    if (later["bytes_server"] > 0).any():
        return "; the service itself is alive, since it took a new connection afterwards", _sure(
            case, closing.connection
        )
    return "", Confidence.LIKELY


def _session(case: Case, connection: int, rows: pd.DataFrame) -> int | None:
    known = [int(number) for number in rows["session_id"].dropna().tolist() if number]
    return known[0] if known else case.last_session_id(connection)


def _sure(case: Case, connection: int) -> Confidence:
    return Confidence.POSSIBLE if case.has_gap(connection) else Confidence.CERTAIN


RULES = (
    Rule(
        "request_timeout",
        "the client ran out of patience",
        Severity.ERROR,
        Party.SERVER,
        "MS-SMB2 3.2.6.1 (TIME-01, TIME-02)",
        "A request had no answer for as long as the client waits, so it dropped the connection and every open with it. "
        "What kept the answer away is said by the finding of the same time: a stalled server, a dead or slow path.",
        "Cure the cause first. The patience itself: SessTimeout "
        r"(HKLM\SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters, DWORD, seconds), smbclient -t, "
        "echo_interval= of a Linux mount.",
        _request_timeout,
        ("TIME-01", "TIME-02"),
    ),
    Rule(
        "late_answer",
        "an answer came after the client had left",
        Severity.WARNING,
        Party.SERVER,
        "MS-SMB2 3.2.6.1",
        "The server answered a request whose client had closed the connection already: the work was done for nobody.",
        "See why it took so long; a longer SessTimeout would have received it.",
        _late_answer,
    ),
    Rule(
        "request_never_sent",
        "a request was not sent to its end",
        Severity.ERROR,
        Party.NETWORK,
        "MS-SMB2 2.1",
        "The length in front of the message promises more bytes than were ever sent, and the connection ended or fell "
        "silent. Tools that list requests by their last byte do not show it at all.",
        "See what held it up: the finding of the same time says path, server or patience. On slow links, smaller "
        "writes (smb2 max write in smb.conf, wsize= of a Linux mount) or more patience help.",
        _never_sent,
    ),
    Rule(
        "response_never_complete",
        "an answer was not sent to its end",
        Severity.ERROR,
        Party.SERVER,
        "MS-SMB2 2.1",
        "The server had begun an answer and never finished it before the connection ended or fell silent.",
        "See what held it up: a server that died or stopped, or a path that broke, is said by its own finding.",
        _never_complete,
    ),
    Rule(
        "server_died",
        "the serving process ended in the middle of work",
        Severity.ERROR,
        Party.SERVER,
        "MS-SMB2 3.3.7.1",
        "The server closed the connection although requests were open or an answer was half sent, and nobody had "
        "logged off.",
        "Look for a crash at that time: log.smbd and core files of Samba, System and Microsoft-Windows-SMBServer "
        "event logs of Windows; out-of-memory kills.",
        _server_died,
    ),
    Rule(
        "unknown_session_dropped",
        "a session of before on a new connection",
        Severity.WARNING,
        Party.CLIENT,
        "MS-SMB2 3.3.5.2.1.1, 3.2.4.2.3",
        "A session does not outlive its connections. A client that lost them has to log on again, and name the old "
        "session as PreviousSessionId. An encrypted message of a session that the server does not know ends the "
        "connection; one in clear is answered STATUS_USER_SESSION_DELETED.",
        "Update the client; the error goes away with its next logon.",
        _unknown_session_dropped,
    ),
    Rule(
        "server_restarted",
        "the SMB service went down and came back",
        Severity.ERROR,
        Party.SERVER,
        "MS-SMB2 3.3.3",
        "The server closed its connections, refused new ones for a while, and served again. Sessions, opens and locks "
        "of before are gone, unless handles were persistent.",
        "Find out who restarted it. Continuously available shares with persistent handles survive this.",
        _server_restarted,
    ),
)
