"""Events of negotiation, logon, re-authentication, channels and trees."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from analyzer.events.event import Detail, Event, seconds, status_name
from analyzer.events.kinds import Kind
from analyzer.evidence import Evidence
from analyzer.evidence.logons import LogonExchange
from analyzer.evidence.marks import Mark
from parsers import ntstatus
from parsers.smb2.crypto import Cipher
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command
from parsers.smb2.negotiate import NegotiateRequest, NegotiateResponse
from parsers.smb2.negotiate_contexts import EncryptionCapabilities
from parsers.smb2.session import Identity, Session
from parsers.smb2.session_setup import SessionSetupFlags, SessionSetupRequest
from parsers.smb2.tree import ShareType, TreeConnectRequest, TreeConnectResponse
from parsers.transport.connections import Connection

__all__ = ["LogonRun", "account", "logon_events", "logon_runs"]


@dataclass(slots=True)
class LogonRun:
    """SESSION_SETUP legs that belong together: a logon, a re-authentication, or a binding.

    `identity` is what the tokens show; None of a binding, and of what has not ended.
    """

    purpose: str  # "logon", "reauthentication", "binding"
    connection: int
    session: int | None
    legs: list[LogonExchange] = field(default_factory=list)
    identity: Identity | None = None

    @property
    def outcome(self) -> int | None:
        """Status of the last leg."""
        return self.legs[-1].status

    @property
    def start(self) -> int:
        """Time of the first request."""
        return self.legs[0].first.time

    @property
    def end(self) -> int | None:
        """Time of the last response; None where it was not seen."""
        response = self.legs[-1].response
        return None if response is None else response.time

    @property
    def frames(self) -> tuple[int, ...]:
        """Of all legs."""
        return tuple(frame for leg in self.legs for frame in leg.frames)

    @property
    def expires(self) -> int | None:
        """When the Kerberos ticket ends that it was done with; None where that is not known, or there is none."""
        return None if self.identity is None or self.identity.ticket is None else self.identity.ticket.endtime

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.outcome == ntstatus.STATUS_SUCCESS


def logon_runs(evidence: Evidence) -> list[LogonRun]:
    """All runs of SESSION_SETUP legs, in order of their first requests."""
    runs: list[LogonRun] = []
    going: dict[tuple[int, int], LogonRun] = {}  # by connection and session
    valid: set[int] = set()
    sessions = evidence.decoded.smb2.tracker.sessions
    for exchange in evidence.logons:
        if exchange.command != Command.SESSION_SETUP:
            continue
        session = exchange.session
        run = None if session is None else going.pop((exchange.connection, session), None)
        if run is None or _begins(exchange, run):
            purpose = _purpose(exchange, sessions, valid)
            run = LogonRun(purpose, exchange.connection, session)
            runs.append(run)
        run.legs.append(exchange)
        if session is not None and exchange.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
            going[exchange.connection, session] = run
        if session is not None and run.succeeded:
            valid.add(session)
    for run in runs:
        if run.session is not None:
            identities = sessions[run.session].identities
            run.identity = next((identity for identity in identities if identity.started == run.start), None)
    return runs


def logon_events(evidence: Evidence, runs: list[LogonRun]) -> Iterator[Event]:
    """Everything but the events of expired sessions; re-authentications are told by `analyzer.events.expiry`."""
    for exchange in evidence.logons:
        if exchange.command == Command.NEGOTIATE:
            yield _negotiate(exchange)
        elif exchange.command == Command.LOGOFF:
            yield _logoff(exchange)
        elif exchange.command == Command.TREE_CONNECT:
            yield from _tree_connect(exchange)
        elif exchange.command == Command.TREE_DISCONNECT and exchange.status == ntstatus.STATUS_SUCCESS:
            yield _tree_disconnect(exchange, evidence)
    sessions = evidence.decoded.smb2.tracker.sessions
    for run in runs:
        if run.purpose != "reauthentication":
            yield from _logon(run, sessions)
    shown = _frames_by_time(evidence, runs)
    begun = {run.session for run in runs if run.succeeded}
    refused = {run.session for run in runs if run.purpose == "logon"} - begun
    for session in sessions:
        yield from _lost_channels(session, evidence.decoded.connections, shown)
        if session.ended_time is not None and session.number not in refused:
            yield _ended(session, shown.get(session.ended_time, ()))


def account(session: Session, identity: Identity | None = None) -> str:
    r"""`CORPUS\alice`, `alice@EXAMPLE.TEST`, `anonymous`, or `somebody` where the logon does not show it.

    Args:
        session: whose user is meant.
        identity: what one of its authentications shows; without it, the user of the session.
    """
    context = session.security_context
    mechanism = session.mechanism
    if identity is not None and identity.who is not None:
        context, mechanism = identity.who, identity.mechanism
    if session.is_anonymous or mechanism == "anonymous":
        return "anonymous"
    if context is None or not context.user:
        return "somebody"
    if not context.domain or "@" in context.user:
        return context.user
    kerberos = "Kerberos" in (mechanism or "")
    return f"{context.user}@{context.domain}" if kerberos else f"{context.domain}\\{context.user}"


def _begins(exchange: LogonExchange, run: LogonRun) -> bool:
    """Whether a request starts anew although the run before it has not ended: it names no session."""
    return exchange.request is not None and exchange.request.header.session_id == 0 and bool(run.legs)


def _purpose(exchange: LogonExchange, sessions: list[Session], valid: set[int]) -> str:
    request = None if exchange.request is None else exchange.request.body
    if isinstance(request, SessionSetupRequest) and request.flags & SessionSetupFlags.BINDING:
        return "binding"
    number = exchange.session
    if number is None or exchange.request is None or exchange.request.header.session_id == 0:
        return "logon"
    session = sessions[number]
    if all(channel.connection.number != exchange.connection for channel in session.channel_list):
        return "logon"  # it names a session that this connection does not carry
    used_before = session.first_frame is not None and session.first_frame < exchange.request.frame
    return "reauthentication" if number in valid or used_before else "logon"


def _negotiate(exchange: LogonExchange) -> Event:
    first, response, request = exchange.first, exchange.response, exchange.request
    details: dict[str, Detail] = {"status": status_name(exchange.status)}
    if request is not None and isinstance(request.body, NegotiateRequest):
        details["offered"] = " ".join(Dialect(dialect).display for dialect in request.body.dialects)
    if response is None:
        text = "NEGOTIATE was not answered"
    elif response.body is None and exchange.status == ntstatus.STATUS_SUCCESS:
        text = "a dialect was negotiated, which the capture has cut off"
    elif not isinstance(response.body, NegotiateResponse):
        text = f"NEGOTIATE was refused ({details['status']})"
    else:
        dialect = Dialect(response.body.dialect_revision).display
        ciphers = [c.ciphers[0] for c in response.body.contexts if isinstance(c, EncryptionCapabilities) and c.ciphers]
        cipher = Cipher(ciphers[0]).name.replace("_", "-") if ciphers and ciphers[0] else None
        details |= {"dialect": dialect, "cipher": cipher, "server_time": response.body.system_time}
        text = f"SMB {dialect}{', ' + cipher if cipher else ''} was negotiated"
    return Event(first.time, Kind.NEGOTIATE, text, exchange.connection, None, exchange.frames, details)


def _logon(run: LogonRun, sessions: list[Session]) -> Iterator[Event]:
    session = None if run.session is None else sessions[run.session]
    who = "somebody" if session is None else account(session, run.identity)
    mechanism = None if run.identity is None else run.identity.mechanism
    binding = run.purpose == "binding"
    request = run.legs[0].request
    details: dict[str, Detail] = {"binding": binding, "legs": len(run.legs)}
    if request is not None:
        if isinstance(request.body, SessionSetupRequest):
            details["previous_session_id"] = request.body.previous_session_id or None
        what = f"binds another connection to the session of {who}" if binding else f"{who} logs on"
        yield Event(request.time, Kind.AUTH_STARTED, what, run.connection, run.session, (request.frame,), details)
    for leg in run.legs:
        if leg.response is not None and leg.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED:
            text = "the server asks for the next leg of the logon"
            yield Event(leg.response.time, Kind.AUTH_LEG, text, run.connection, run.session, leg.frames, {})
    if run.end is None or run.outcome in {None, ntstatus.STATUS_MORE_PROCESSING_REQUIRED}:
        return
    details["length_ns"] = run.end - run.start
    details["status"] = status_name(run.outcome)
    if run.succeeded and not binding and session is not None:
        details |= {
            "user": who, "mechanism": mechanism, "guest": session.is_guest, "anonymous": session.is_anonymous,
            "encrypt_data": session.encrypt_data, "expiration_time": run.expires,
        }  # fmt: skip
        by = f" by {mechanism}" if mechanism else ""
        guest = " as guest" if session.is_guest else ""
        text, kind = f"{who} logged on{by}{guest}", Kind.AUTH_SUCCEEDED
    elif run.succeeded:
        text, kind = f"connection {run.connection} was bound to the session of {who}", Kind.CHANNEL_BOUND
    else:
        what = "binding a connection to the session of" if binding else "the logon of"
        details["user"] = who
        text, kind = f"{what} {who} was refused ({details['status']})", Kind.AUTH_FAILED
    yield Event(run.end, kind, text, run.connection, run.session, run.frames, details)


def _logoff(exchange: LogonExchange) -> Event:
    status = status_name(exchange.status)
    text = "LOGOFF was not answered" if status is None else f"the client logged off ({status})"
    details: dict[str, Detail] = {"status": status}
    time = exchange.first.time if exchange.response is None else exchange.response.time
    return Event(time, Kind.SESSION_LOGOFF, text, exchange.connection, exchange.session, exchange.frames, details)


def _tree_connect(exchange: LogonExchange) -> Iterator[Event]:
    request, response = exchange.request, exchange.response
    if response is None:
        return
    path = request.body.path if request is not None and isinstance(request.body, TreeConnectRequest) else None
    name = "a share" if path is None else path
    details: dict[str, Detail] = {"path": path, "status": status_name(exchange.status)}
    kind, text = Kind.TREE_REFUSED, f"{name} was refused ({details['status']})"
    if exchange.status == ntstatus.STATUS_SUCCESS:
        kind, text = Kind.TREE_CONNECTED, f"connected to {name}"
    if isinstance(response.body, TreeConnectResponse):
        share_type = ShareType(response.body.share_type).name
        details |= {"share_type": share_type, "tree_id": response.header.tree_id}
        kind, text = Kind.TREE_CONNECTED, f"connected to {name} ({share_type})"
    yield Event(response.time, kind, text, exchange.connection, exchange.session, exchange.frames, details)


def _tree_disconnect(exchange: LogonExchange, evidence: Evidence) -> Event:
    response = exchange.response
    assert response is not None  # it has a status
    number = exchange.session
    table = [] if number is None else evidence.decoded.smb2.tracker.sessions[number].tree_connect_table
    tree_id = response.header.tree_id
    path = next((tree.path for tree in reversed(table) if tree.tree_id == tree_id), None)
    text = f"disconnected from {path or 'a share'}"
    details: dict[str, Detail] = {"path": path, "tree_id": tree_id}
    return Event(response.time, Kind.TREE_DISCONNECTED, text, exchange.connection, number, exchange.frames, details)


def _frames_by_time(evidence: Evidence, runs: list[LogonRun]) -> dict[int, tuple[int, ...]]:
    """The packets of what may end a session, by the time at which it does."""
    frames: dict[int, tuple[int, ...]] = {}
    for connection in evidence.decoded.connections:
        if connection.closed_time is not None:
            ends = evidence.tcp.marks_of(connection.number, Mark.FIN, Mark.RST, since=connection.closed_time)
            frames[connection.closed_time] = tuple(ends["frame"][:1].tolist())
    watched = evidence.operations.watched
    for row in watched[watched["status"] == ntstatus.STATUS_USER_SESSION_DELETED]:
        pair = (int(row["request_frame"]), int(row["response_frame"]))
        frames[int(row["response_time"])] = tuple(frame for frame in pair if frame)
    frames |= {run.end: run.frames for run in runs if run.end is not None}
    for exchange in evidence.logons:
        if exchange.command == Command.LOGOFF and exchange.response is not None:
            frames[exchange.response.time] = exchange.frames
    return frames


def _lost_channels(
    session: Session, connections: list[Connection], shown: Mapping[int, tuple[int, ...]]
) -> Iterator[Event]:
    """Connections that were closed while, or after, the session had more than one."""
    numbers = dict.fromkeys(channel.connection.number for channel in session.channel_list)
    if len(numbers) < 2:
        return
    closed = sorted(
        (cast("int", connections[number].closed_time), number)
        for number in numbers
        if connections[number].closed_time is not None
    )
    for place, (time, number) in enumerate(closed):
        left = len(numbers) - place - 1
        by = connections[number].closed_by
        text = f"a connection of the session of {account(session)} was lost ({by}); {left or 'none'} left"
        details: dict[str, Detail] = {"closed_by": by, "channels_left": left}
        yield Event(time, Kind.CHANNEL_LOST, text, number, session.number, shown.get(time, ()), details)


def _ended(session: Session, frames: tuple[int, ...]) -> Event:
    time, how = cast("int", session.ended_time), session.ended_by or "unknown"
    lived = None if session.creation_time is None else time - session.creation_time
    after = "" if lived is None else f" after {seconds(lived)}"
    text = f"the session of {account(session)} was over{after}: {how}"
    details: dict[str, Detail] = {"reason": how, "lived_ns": lived}
    return Event(time, Kind.SESSION_ENDED, text, session.connection.number, session.number, frames, details)
