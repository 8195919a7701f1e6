"""Asynchronous requests, CANCEL, ECHO, resiliency, and connections that are closed because nobody uses them."""

from collections.abc import Iterator

import numpy as np

from analyzer.evidence.conduct import Breach
from analyzer.rules.case import Case
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.rules.telling import command_name, grouped, tell, tell_of_rows
from analyzer.rules.words import clock, count, ends, seconds
from parsers import ntstatus
from parsers.errors import ParseError
from parsers.smb2.fsctl import FsctlCode, NetworkResiliencyRequest
from parsers.smb2.header import Command
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

__all__ = ["RULES"]

_ASYNC = {
    Breach.NO_ASYNC_ID: "answered STATUS_PENDING without an AsyncId",
    Breach.ASYNC_ID_TWICE: "gave one AsyncId to two requests that are under way",
    Breach.OTHER_ASYNC_ID: "answered finally under another AsyncId than its interim response had named",
}
_IDLE = 10 * NANOSECONDS  # after which a client may close what it does not use (note 104)
_LONGEST_RESILIENCE = 300_000  # ms (3.3.5.15.9)


def _wrong_async_id(case: Case) -> Iterator[Found]:
    """ASYN-01."""
    for kind, words in _ASYNC.items():
        for mine in grouped(case.evidence.conduct.of(kind)):
            yield tell_of_rows(
                case, mine,
                f"{ends(case, int(mine['connection'][0]))[1]} {words} "
                f"(first a {command_name(int(mine['command'][0]))}).",
                "SMB2_FLAGS_ASYNC_COMMAND and AsyncId of interim and final responses",
            )  # fmt: skip


def _cancel_answered(case: Case) -> Iterator[Found]:
    """ASYN-02."""
    for mine in grouped(case.evidence.conduct.of(Breach.CANCEL_ANSWERED)):
        yield tell_of_rows(
            case, mine, f"{ends(case, int(mine['connection'][0]))[1]} answered a CANCEL.",
            "a response with the command CANCEL",
        )  # fmt: skip


def _cancelled_in_vain(case: Case) -> Iterator[Found]:
    """ASYN-02: the request that was cancelled must be answered."""
    cancels = case.evidence.operations.codes(Command.CANCEL)
    if len(cancels) == 0:
        return
    watched = case.evidence.operations.watched
    open_ = watched[(watched["response_frame"] == 0) & (watched["request_frame"] != 0)]
    for row in cancels:
        connection, time = int(row["connection"]), int(row["time"])
        name = "async_id" if row["async_id"] else "message_id"
        by_id = open_[name] == row[name]
        mine = open_[(open_["connection"] == connection) & by_id & (open_["request_time"] < time)]
        closed = case.evidence.decoded.connections[connection].closed_time
        if len(mine) == 0 or case.near_end(time) or (closed is not None and closed - time < 5 * NANOSECONDS):
            continue
        client, server = ends(case, connection)
        yield tell(
            case, time, connection, int(row["session"]), (int(row["frame"]), int(mine["request_frame"][0])),
            f"{server} never answered the {command_name(int(mine['command'][0]))} that {client} had cancelled.",
            f"CANCEL at {clock(time)}, and neither STATUS_CANCELLED nor a result",
        )  # fmt: skip


def _resilience(case: Case) -> Iterator[Found]:
    """TIME-06."""
    watched = {(control.connection, control.message_id): control for control in case.evidence.openings.controls}
    chosen = [control for control in watched.values() if control.code == FsctlCode.LMR_REQUEST_RESILIENCY]
    for control in chosen:
        try:
            timeout = NetworkResiliencyRequest.parse(memoryview(control.data)).timeout
        except ParseError:
            continue
        if timeout <= _LONGEST_RESILIENCE:
            continue
        frame = case.exchanges
        mine = frame[(frame["connection"] == control.connection) & (frame["message_id"] == control.message_id)]
        status = str(mine["status"].iloc[0]) if len(mine) and mine["response_frame"].notna().iloc[0] else "nothing"
        client, server = ends(case, control.connection)
        good = status == ntstatus.name(ntstatus.STATUS_INVALID_PARAMETER)
        yield tell(
            case, control.time, control.connection, control.session, (control.frame,),
            f"{client} asked {server} to keep an open for {seconds(timeout / 1000)} after a lost connection; more than "
            f"{seconds(_LONGEST_RESILIENCE / 1000)} must be refused with STATUS_INVALID_PARAMETER, and the answer was "
            f"{status}.",
            f"FSCTL_LMR_REQUEST_RESILIENCY, Timeout {timeout:,} ms",
            severity=Severity.WARNING if good else None,
        )  # fmt: skip


def _idle_close(case: Case) -> Iterator[Found]:
    """TIME-07: by the client; what servers close is `idle_session_reaped`."""
    tcp = case.evidence.tcp
    for connection in case.smb_connections:
        closing = tcp.closing(connection)
        if closing is None or closing.sender != CLIENT:
            continue
        time = closing.time
        sides = (CLIENT, SERVER)  # a FIN counts as sent, so what was sent before it is looked for
        last = max(tcp.sent_at(connection, side, tcp.sent_by(connection, side, time - 1)) or 0 for side in sides)
        if not last or time - last < _IDLE or len(case.unanswered_at(connection, time)) or _has_opens(case, connection):
            continue
        client, server = ends(case, connection)
        yield tell(
            case, time, connection, None, (closing.frame,),
            f"{client} closed its connection to {server} after {seconds((time - last) / NANOSECONDS)} in which it had "
            f"no use for it.",
            f"last payload at {clock(last)}, closed at {clock(time)}; nothing was open and nothing asked",
        )  # fmt: skip


def _has_opens(case: Case, connection: int) -> bool:
    opens = case.evidence.decoded.smb2.exchanges.opens.rows
    return bool(np.any((opens["connection"] == connection) & (opens["closed"] == 0)))


def _echo(case: Case) -> Iterator[Found]:
    """ECHO-01."""
    watched = case.evidence.operations.watched
    for row in watched[(watched["command"] == Command.ECHO) & (watched["request_frame"] != 0)]:
        connection, asked = int(row["connection"]), int(row["request_time"])
        limit = case.limit("SessTimeout", connection)
        if row["response_frame"] or case.end - asked < limit:
            continue
        closed = case.evidence.decoded.connections[connection].closed_time
        if closed is not None and closed - asked < limit:
            continue
        client, server = ends(case, connection)
        yield tell(
            case, asked, connection, int(row["session"]), (int(row["request_frame"]),),
            f"{server} did not answer an ECHO of {client} within {seconds(limit / NANOSECONDS)}: it is not there any "
            f"more, or stands still.",
            f"asked at {clock(asked)}; {case.told('SessTimeout', connection)}",
        )  # fmt: skip


def _echo_without_session(case: Case) -> Iterator[Found]:
    """ECHO-01."""
    watched, runs = case.evidence.operations.watched, case.timeline.runs
    first = {}
    for run in reversed(runs):
        if run.succeeded and run.end is not None:
            first[run.connection] = run.end
    rows = watched[(watched["command"] == Command.ECHO) & (watched["request_frame"] != 0)]
    for connection in sorted(set(rows["connection"].tolist())):
        since = first.get(connection)
        mine = rows[rows["connection"] == connection]
        early = mine[mine["request_time"] < since] if since is not None else mine
        if len(early) == 0 or not case.saw_begin(connection):
            continue
        answered = early[early["response_frame"] != 0]
        client, server = ends(case, connection)
        yield tell(
            case, int(early["request_time"][0]), connection, None, early["request_frame"][:5].tolist(),
            f"{client} sent {count(len(early), 'ECHO')} on a connection without a session"
            + (f", and {server} answered." if len(answered) else "."),
            "a server should drop such a connection; Windows up to Server 2008 R2 answers",
            severity=Severity.INFO,
        )  # fmt: skip


_UPDATE = "Update the side that is at fault, or ask its maker."

RULES = (
    Rule("ASYN-01", "an AsyncId that does not fit", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.4.2",
         "STATUS_PENDING names the request by an AsyncId that is not 0 and that no other request of the connection "
         "has, and the final answer carries it again: without it, the client can neither cancel nor find its request.",
         _UPDATE, _wrong_async_id),
    Rule("ASYN-02", "a CANCEL that was not treated as one", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.16",
         "CANCEL has no answer of its own; what it cancels is answered STATUS_CANCELLED, or with its result.",
         _UPDATE, lambda case: (*_cancel_answered(case), *_cancelled_in_vain(case))),
    Rule("TIME-06", "a resilience of more than five minutes", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.15.9",
         "FSCTL_LMR_REQUEST_RESILIENCY with more than 300,000 ms is refused with STATUS_INVALID_PARAMETER; then only "
         "the client is at fault, and this is a warning.",
         "ResilientTimeout of the application; update the server if it accepts more.", _resilience),
    Rule("TIME-07", "a client closed what it did not use", Severity.INFO, Party.NOBODY, "MS-SMB2 3.2.2.2, 3.2.6.2",
         "Nothing was open and nothing asked for ten seconds or more; a client may close such a connection without a "
         "word. The next access begins with a new connection and a new logon.",
         "KeepConn of older Windows clients; nothing else is wrong.", _idle_close),
    Rule("ECHO-01", "an ECHO that was not answered, or has no session", Severity.WARNING, Party.SERVER,
         "MS-SMB2 3.3.5.17, 3.2.6.1",
         "ECHO asks whether the other side is there. It is answered at once; on a connection without a session a "
         "server should drop it, which hurts nobody if it does not: info.",
         "Look at what the server did at that time.", lambda case: (*_echo(case), *_echo_without_session(case))),
)  # fmt: skip
