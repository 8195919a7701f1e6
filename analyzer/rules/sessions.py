"""Sessions: how they are set up, replaced and ended, and what is asked of those that are not there."""

from collections.abc import Iterator

import pandas as pd

from analyzer.events.logon import account
from analyzer.evidence.conduct import Breach
from analyzer.rules.case import Case
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.rules.telling import answered, command_name, is_partial, tell, tell_of_rows, tell_of_setup
from analyzer.rules.words import clock, count, ends
from parsers import ntstatus
from parsers.smb2.dialects import Dialect
from parsers.smb2.session import Session
from parsers.smb2.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from parsers.smb2.tracker import NO_SESSION_IDS

__all__ = ["RULES", "used_after"]


_KNOWN_FLAGS = (0, SessionFlags.IS_GUEST, SessionFlags.IS_NULL, SessionFlags.ENCRYPT_DATA)


def _wrong_id(case: Case) -> Iterator[Found]:
    """SESS-01."""
    alive: dict[tuple[object, int], Session] = {}
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for run in case.timeline.runs:
        leg = next((leg for leg in run.legs if leg.response is not None), None)
        if run.purpose != "logon" or leg is None or leg.response is None or leg.response.body is None:
            continue
        number, server = leg.response.header.session_id, ends(case, run.connection)[1]
        if number in NO_SESSION_IDS:
            yield tell_of_setup(
                case, leg, f"{server} gave a new session the SessionId 0x{number:x}, which means no session.",
                "SessionId of the SESSION_SETUP response",
            )  # fmt: skip
            continue
        other = alive.get((server, number))
        new = None if run.session is None else sessions[run.session]
        if other is not None and new is not other and new is not None and not _is_over(other, leg.response.time):
            yield tell_of_setup(
                case, leg, f"{server} gave SessionId 0x{number:x} to a new session while another one has it.",
                f"the other session began in frame {other.first_frame}",
            )  # fmt: skip
        if new is not None:
            alive[server, number] = new


def _wrong_leg(case: Case) -> Iterator[Found]:
    """SESS-02."""
    waiting: dict[int, tuple[int, int]] = {}  # SessionId and frame of the last answer that asks for more
    for run in case.timeline.runs:
        for leg in run.legs:
            body = None if leg.request is None else leg.request.body
            if leg.request is None or not isinstance(body, SessionSetupRequest):
                continue
            follows = leg is not run.legs[0]
            if follows and run.purpose != "binding" and body.flags & SessionSetupFlags.BINDING:
                yield tell_of_setup(
                    case, leg, f"{ends(case, run.connection)[0]} changed a logon into a binding half way.",
                    "SMB2_SESSION_FLAG_BINDING in a later SESSION_SETUP of a logon",
                )  # fmt: skip
            asked = waiting.get(run.connection)
            if asked is not None and not follows and _answers_nothing(leg.status, leg.request.header.session_id, asked):
                yield tell_of_setup(
                    case, leg,
                    f"{ends(case, run.connection)[0]} went on with its logon under SessionId "
                    f"0x{leg.request.header.session_id:x}; the server had said 0x{asked[0]:x}.",
                    f"STATUS_MORE_PROCESSING_REQUIRED in frame {asked[1]} names the session",
                )  # fmt: skip
            waiting.pop(run.connection, None)
            if leg.response is not None and leg.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
                waiting[run.connection] = leg.response.header.session_id, leg.response.frame


def _unfinished(case: Case) -> Iterator[Found]:
    """SESS-03."""
    for run in case.timeline.runs:
        last = run.legs[-1]
        if run.outcome != ntstatus.STATUS_MORE_PROCESSING_REQUIRED or run.end is None or case.near_end(run.end):
            continue
        closed = case.evidence.decoded.connections[run.connection].closed_time
        if closed is not None and closed - run.end < 60_000_000_000:
            continue
        yield tell_of_setup(
            case, last,
            f"The logon of {ends(case, run.connection)[0]} was never finished: the server asked for the next leg and "
            f"none came.",
            f"STATUS_MORE_PROCESSING_REQUIRED at {clock(run.end)}, and the connection stayed open",
        )  # fmt: skip


def _after_refusal(case: Case) -> Iterator[Found]:
    """SESS-04 and SESS-06 have the same breach; this is of sessions whose logon was refused."""
    yield from _early(case, refused=True)


def _before_logon(case: Case) -> Iterator[Found]:
    """SESS-06."""
    yield from _early(case, refused=False)


def _early(case: Case, *, refused: bool) -> Iterator[Found]:
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for mine, status in answered(case, case.evidence.conduct.of(Breach.BEFORE_LOGON)):
        ended = sessions[int(mine["session"][0])].ended_time
        late = mine["time"] > ended if ended is not None else mine["time"] < 0
        wanted = late if refused else ~late
        chosen = mine[wanted]
        if len(chosen) == 0:
            continue
        connection = int(chosen["connection"][0])
        if not refused and not case.saw_begin(connection):
            continue  # the logon may have been finished before the capture began
        client, server = ends(case, connection)
        served = bool((status[wanted] == "STATUS_SUCCESS").any())
        names = ", ".join(sorted({command_name(int(row["command"])) for row in chosen}))
        state = "whose logon was refused" if refused else "whose logon was not finished"
        yield tell_of_rows(
            case, chosen,
            f"{server} served {client} in a session {state} ({names})." if served
            else f"{client} asked for {names} in a session {state}; {server} refused that, as it must.",
            "requests before SESSION_SETUP had succeeded" if not refused else "requests after SESSION_SETUP had failed",
            severity=Severity.ERROR if served else Severity.INFO if refused else Severity.WARNING,
        )  # fmt: skip


def _elsewhere(case: Case) -> Iterator[Found]:
    """SESS-05: a session used on a connection to which it was never bound."""
    tracker = case.evidence.decoded.smb2.tracker
    for number, smb in tracker.connections.items():
        if not case.saw_begin(number) or is_partial(case, number):
            continue
        for identifier, instances in smb.sessions.items():
            session = instances[-1][1]
            if any(channel.connection is smb for channel in session.channel_list):
                continue
            if not case.saw_begin(session.connection.number):
                continue  # it may have been bound before the capture began
            served = _served(case, number, identifier, 0)
            if len(served):
                client, server = ends(case, number)
                yield tell(
                    case, int(served["request_time"].iloc[0].value), number, session.number,
                    served["request_frame"].dropna().astype(int).tolist()[:5],
                    f"{server} served {client} in session 0x{identifier:x}, which was never set up on this connection.",
                    f"{count(len(served), 'request')} answered with success, the first a {served['command'].iloc[0]}",
                )  # fmt: skip


def _wrong_flags(case: Case) -> Iterator[Found]:
    """SESS-07."""
    for run in case.timeline.runs:
        last = run.legs[-1]
        body = None if last.response is None else last.response.body
        if not run.succeeded or not isinstance(body, SessionSetupResponse):
            continue
        dialect = case.evidence.decoded.smb2.tracker.connections[run.connection].dialect or 0
        flags = body.session_flags
        old = bool(flags & SessionFlags.ENCRYPT_DATA) and 0 < dialect < Dialect.SMB_3_0
        if flags not in _KNOWN_FLAGS or old:
            yield tell_of_setup(
                case, last,
                f"{ends(case, run.connection)[1]} answered SESSION_SETUP with SessionFlags 0x{int(flags):x}"
                + (f", which SMB {Dialect(dialect).display} does not have." if old else ", of which one may be set."),
                "SessionFlags are IS_GUEST 1, IS_NULL 2 or, from 3.0 on, ENCRYPT_DATA 4",
                severity=Severity.INFO if not old and int(flags) in (3, 5, 6) else None,
            )  # fmt: skip


def _kept_guest(case: Case) -> Iterator[Found]:
    """SESS-08."""
    for session in case.evidence.decoded.smb2.tracker.sessions:
        request = session.connection.negotiate_request
        guest = session.is_guest or session.is_anonymous
        if not guest or request is None or not request.security_mode & 0x2 or session.mechanism == "anonymous":
            continue
        if session.idle_time is None or session.creation_time is None:
            continue
        used = _served(case, session.connection.number, session.session_id, session.channel_list[0].bound or 0)
        if len(used) == 0:
            continue
        client = ends(case, session.connection.number)[0]
        yield tell(
            case, session.creation_time, session.connection.number, session.number,
            used["request_frame"].dropna().astype(int).tolist()[:5],
            f"{client} demands signatures and goes on as a guest, whose messages nobody can sign.",
            f"SIGNING_REQUIRED in NEGOTIATE, a guest's session, and {count(len(used), 'request')} in it",
        )  # fmt: skip


def _after_logoff(case: Case) -> Iterator[Found]:
    """SESS-09."""
    yield from used_after(case, ("logoff",), "after its LOGOFF", "LOGOFF was answered with success")


def _after_replacement(case: Case) -> Iterator[Found]:
    """PREV-02."""
    yield from used_after(
        case, ("replaced",), "after the same client had replaced it", "another session named it in PreviousSessionId"
    )


def used_after(case: Case, ended_by: tuple[str, ...], when: str, evidence: str) -> Iterator[Found]:
    """Sessions that were ended in one of some ways, and in which the server served requests afterwards.

    Args:
        case: the analysis.
        ended_by: how `Session.ended_by` begins.
        when: for the cause: "after its LOGOFF".
        evidence: what ended the session.
    """
    for session in case.evidence.decoded.smb2.tracker.sessions:
        ended, used = session.ended_time, session.idle_time
        if ended is None or used is None or used <= ended or not (session.ended_by or "").startswith(ended_by):
            continue
        for channel in session.channel_list:
            number = channel.connection.number
            served = _served(case, number, session.session_id, ended)
            if len(served) == 0 or _is_newer(session):
                continue
            client, server = ends(case, number)
            yield tell(
                case, int(served["request_time"].iloc[0].value), number, session.number,
                served["request_frame"].dropna().astype(int).tolist()[:5],
                f"{server} went on to serve {client} in the session of {account(session)} {when}.",
                f"{evidence} at {clock(ended)}; then {count(len(served), 'request')} answered with success, the first "
                f"a {served['command'].iloc[0]}",
            )  # fmt: skip


def _previous_on_existing(case: Case) -> Iterator[Found]:
    """PREV-01."""
    for run in case.timeline.runs:
        for leg in run.legs[:1]:
            body = None if leg.request is None else leg.request.body
            if not isinstance(body, SessionSetupRequest) or not body.previous_session_id or run.purpose == "logon":
                continue
            yield tell_of_setup(
                case, leg,
                f"{ends(case, run.connection)[0]} named a previous session in a {run.purpose} of one that exists.",
                f"PreviousSessionId 0x{body.previous_session_id:x} in SESSION_SETUP with a SessionId",
            )  # fmt: skip


def _previous_is_own(case: Case) -> Iterator[Found]:
    """PREV-03."""
    for run in case.timeline.runs:
        for leg in run.legs:
            body = None if leg.request is None else leg.request.body
            if leg.request is None or not isinstance(body, SessionSetupRequest):
                continue
            if body.previous_session_id and body.previous_session_id == leg.request.header.session_id:
                yield tell_of_setup(
                    case, leg,
                    f"{ends(case, run.connection)[0]} asked to replace a session by itself: Windows Server 2008 R2 "
                    f"deletes it then.",
                    f"PreviousSessionId and SessionId are both 0x{body.previous_session_id:x}",
                )  # fmt: skip
                break


def _served(case: Case, connection: int, session_id: int, since: int) -> pd.DataFrame:
    """Requests of a session on a connection, sent after `since`, that were answered with success."""
    frame = case.exchanges
    mine = frame[(frame["connection"] == connection) & frame["session_id"].eq(session_id).fillna(value=False)]
    asked = mine["request_time"].to_numpy("M8[ns]").view("i8")
    names = mine["command"].astype("object")
    wanted = (mine["status"].astype("object") == "STATUS_SUCCESS") & ~names.isin(["SESSION_SETUP", "ECHO", "CANCEL"])
    chosen: pd.DataFrame = mine[wanted.to_numpy() & (asked > since)]
    return chosen


def _is_over(session: Session, time: int) -> bool:
    lost = [channel.connection for channel in session.channel_list]
    return (session.ended_time is not None and session.ended_time <= time) or not lost


def _is_newer(session: Session) -> bool:
    """Whether its SessionId was given to a later session on one of its connections."""
    return any(
        instances[-1][1] is not session
        for channel in session.channel_list
        for instances in [channel.connection.sessions.get(session.session_id, [(0, session)])]
    )


def _answers_nothing(status: int | None, session_id: int, asked: tuple[int, int]) -> bool:
    """Whether a request that should have gone on with a logon named another session, and the server did not know it."""
    return session_id not in (0, asked[0]) and status == ntstatus.STATUS_USER_SESSION_DELETED


_UPDATE = "Update the side that is at fault, or ask its maker."

RULES = (
    Rule("SESS-01", "a SessionId that may not be", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.5.1",
         "A new session gets an id that no other one of the server has, and neither 0 nor all ones.",
         _UPDATE, _wrong_id),
    Rule("SESS-02", "a logon went on under another name", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.2.5.3.1",
         "The second leg of a logon carries the SessionId that the answer to the first one gave, and the same flags.",
         _UPDATE, _wrong_leg),
    Rule("SESS-03", "a logon that was never finished", Severity.INFO, Party.CLIENT, "MS-SMB2 3.3.5.5.3",
         "The server asked for the next leg, and the client sent none and stayed connected: a prompt for a password, "
         "a KDC that did not answer, or a client that gave up.",
         "See what the client waited for.", _unfinished),
    Rule("SESS-04", "a session was used whose logon was refused", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.5.3",
         "A session whose logon fails is removed, and requests in it get STATUS_USER_SESSION_DELETED. A client that "
         "tries is info, a server that serves it an error.",
         _UPDATE, _after_refusal),
    Rule("SESS-05", "a session was served on a foreign connection", Severity.ERROR, Party.SERVER,
         "MS-SMB2 3.3.5.2.9",
         "A session belongs to the connections that it was set up on or bound to; on others the answer is "
         "STATUS_USER_SESSION_DELETED.",
         _UPDATE, _elsewhere),
    Rule("SESS-06", "a session was used before its logon was done", Severity.ERROR, Party.SERVER,
         "MS-SMB2 3.3.5.2.9",
         "While a session is in progress, all but SESSION_SETUP, LOGOFF, CLOSE and LOCK must fail. A client that tries "
         "is a warning, a server that serves it an error.",
         _UPDATE, _before_logon),
    Rule("SESS-07", "SessionFlags that contradict each other", Severity.ERROR, Party.SERVER, "MS-SMB2 2.2.6",
         "A session is a guest's, or nobody's, or encrypted, and the last only from SMB 3.0 on.",
         _UPDATE, _wrong_flags),
    Rule("SESS-08", "a client that demands signatures works as a guest", Severity.SECURITY, Party.CLIENT,
         "MS-SMB2 3.2.5.3.1",
         "A guest's session has no key, so a client that demands signatures has to drop it: else whoever is on the "
         "path can be its server.",
         r"AllowInsecureGuestAuth = 0 (HKLM\SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters); update "
         "the client.",
         _kept_guest),
    Rule("SESS-09", "a session was served after its LOGOFF", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.6",
         "LOGOFF ends the session on all of its connections; whatever follows gets STATUS_USER_SESSION_DELETED.",
         _UPDATE, _after_logoff),
    Rule("PREV-01", "a previous session named where none may be", Severity.ERROR, Party.CLIENT,
         "MS-SMB2 3.2.4.2.3",
         "PreviousSessionId belongs to a new session, which replaces one that was lost.",
         _UPDATE, _previous_on_existing),
    Rule("PREV-02", "a session was served after it had been replaced", Severity.ERROR, Party.SERVER,
         "MS-SMB2 3.3.5.5.3",
         "A new session of the same user that names an old one in PreviousSessionId ends that one everywhere.",
         _UPDATE, _after_replacement),
    Rule("PREV-03", "a session that is to replace itself", Severity.WARNING, Party.CLIENT,
         "MS-SMB2 3.3.5.5.3, note 294",
         "PreviousSessionId equals SessionId. Servers ignore that, but those of Windows 7 and 2008 R2 delete the "
         "session.",
         _UPDATE, _previous_is_own),
)  # fmt: skip
