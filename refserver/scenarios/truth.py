"""What really happened in a generated trace: every event, where it can be seen, and what has to be found there.

`Truth.document` is what `truth.json` holds:

    {"scenario": "normal", "seed": 1, "options": {"dialect": "3.1.1", ...}, "summary": "...",
     "connections": [{"connection": 0, "client": "10.0.0.10:49500", "server": "10.0.0.1:445"}],
     "events": [{"time": 1760000000000400768, "kind": "negotiate", "frames": [4, 5], "connection": 0,
                 "session_id": null, "text": "...", "findings": []}]}

Times are nanoseconds since 1970 and session ids "0x...". `frames` are those of the capture that the file lies beside,
retransmissions included; it is empty where the capture has none of them. `findings` are the rules that have to report
something at this event; where the list is empty, none of severity warning or above may.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from parsers.errors import UsageError
from parsers.transport.ip import ACK, FIN, RST, SYN
from refserver.network.client_process import Place
from refserver.network.observer import Observer, Seen

__all__ = ["CHECKS", "DIAGNOSES", "KINDS", "Event", "Truth"]

KINDS = (
    "tcp_connect", "tcp_close", "tcp_reset", "tcp_gap", "tcp_retransmission", "tcp_zero_window", "negotiate",
    "auth_started", "auth_succeeded", "auth_failed", "session_expired", "reauth_started", "reauth_succeeded",
    "reauth_failed", "session_logoff", "session_ended", "channel_bound", "channel_lost", "tree_connected",
    "tree_disconnected", "open", "close", "handle_granted", "handle_reconnected", "handle_lost", "oplock_break",
    "oplock_ack", "oplock_timeout", "lease_break", "lease_ack", "lease_timeout", "async_pending", "async_done",
    "cancel", "echo", "credits_exhausted", "credits_refilled", "request",
)  # fmt: skip
"""What happens. A `request` is one that is late, refused or without answer: somewhere for its finding to be."""

CHECKS = (
    "CONN-01", "CONN-02", "CONN-03", "CONN-04", "NEG-01", "NEG-02", "NEG-03", "NEG-04", "NEG-05", "NEG-06", "NEG-07",
    "NEG-08", "SESS-01", "SESS-02", "SESS-03", "SESS-04", "SESS-05", "SESS-06", "SESS-07", "SESS-08", "SESS-09",
    "SESS-10", "PREV-01", "PREV-02", "PREV-03", "EXP-01", "EXP-02", "EXP-03", "EXP-04", "EXP-05", "EXP-06", "EXP-07",
    "EXP-08", "REAU-01", "REAU-02", "REAU-03", "REAU-04", "REAU-05", "BIND-01", "BIND-02", "BIND-03", "BIND-04",
    "BIND-05", "BIND-06", "SIGN-01", "SIGN-02", "SIGN-03", "SIGN-04", "SIGN-05", "SIGN-06", "SIGN-07", "SIGN-08",
    "ENC-01", "ENC-02", "ENC-03", "ENC-04", "ENC-05", "ENC-06", "ENC-07", "ENC-08", "COMP-01", "COMP-02", "COMP-03",
    "CRED-01", "CRED-02", "CRED-03", "CRED-04", "ASYN-01", "ASYN-02", "TIME-01", "TIME-02", "TIME-03", "TIME-04",
    "TIME-05", "TIME-06", "TIME-07", "ECHO-01", "TREE-01", "CHSQ-01", "CMPD-01", "FMT-01", "SZ-01",
)  # fmt: skip
"""Checks of conformance, one rule of MS-SMB2 each."""

DIAGNOSES = {
    "connection_refused": "nothing listened on the server's port",
    "connect_timeout": "connection requests were not answered",
    "server_refuses_connections": "the server closed new connections unheard",
    "client_address_refused": "the server did not accept the client's address",
    "dialect_mismatch": "client and server have no dialect in common",
    "path_dead": "nothing that one side sent was acknowledged",
    "path_loss": "the network lost packets",
    "path_slow": "the network had too little bandwidth for what was sent",
    "path_reorders": "the network changed the order of packets",
    "mtu_black_hole": "large packets never arrived, small ones did",
    "idle_path_dropped": "something between the hosts forgot a connection that was idle",
    "forged_reset": "a reset that neither host has sent",
    "capture_loss": "the capture misses packets that the hosts did exchange",
    "snaplen_too_short": "the capture has only the beginnings of packets",
    "server_stalled": "the server acknowledged what came, and answered nothing",
    "server_slow": "the server took long for one request, and answered others meanwhile",
    "far_away": "the way between the two is long, and that takes most of the time",
    "network_slow": "an answer was late on a path in trouble",
    "client_slow": "the client did not take its answers: its window was closed",
    "request_timeout": "a request was not answered in time, and the client closed the connection for it",
    "late_answer": "the answer came when the client was gone",
    "request_never_sent": "a request was never sent completely",
    "response_never_complete": "a response was never sent completely",
    "server_died": "the process that served a connection ended in the middle of work",
    "server_restarted": "the service was gone and came back without its sessions",
    "session_expired": "a session expired and was authenticated again: what that cost",
    "session_not_renewed": "a session expired, and the client did not authenticate it again",
    "reauth_failed": "a session could not be renewed, and was lost with its opens",
    "idle_session_reaped": "the server closed a connection that was idle",
    "session_lost": "a client went on with a session that is gone",
    "unknown_session_dropped": "the server closed the connection of a client that went on with a session that is gone",
    "channel_lost": "one connection of a session was lost, the others went on",
    "ticket_lifetime": "how long the ticket of a session is valid",
    "oplock_break_timeout": "a client did not answer an oplock break in time, and others waited for it",
    "lease_break_timeout": "a client did not answer a lease break in time, and others waited for it",
    "oplock_holder_dead": "the holder of an oplock or lease was gone when it was to give it up",
    "late_break_ack": "a client acknowledged a break when the server had taken it away",
    "durable_handle_lost": "a durable handle could not be had back",
    "credit_starvation": "the client had no credits, and nothing came that would bring some",
    "clock_skew": "the clocks of the peers differ",
    "weak_dialect": "an old dialect was used",
    "guest_session": "the user became a guest",
    "anonymous_session": "the client gave no name",
    "ntlmv1": "NTLMv1 was used",
    "unsigned_session": "a session without signatures",
    "unencrypted_session": "a session that could have been encrypted",
    "smb1_offered": "SMB1 was offered",
    "signing_disabled": "a client that does not allow signatures",
    "logon_refused": "the password was wrong, or there is no such user",
    "account_disabled": "the account is disabled",
    "account_expired": "the account has expired",
    "account_locked": "the account is locked out",
    "logon_hours": "the account may not log on at this time",
    "password_expired": "the password has expired",
    "password_must_change": "the password has to be changed first",
    "ntlmv1_refused": "NTLMv1 was refused",
    "encryption_required": "the server demands encryption, and the client cannot",
    "spn_missing": "the KDC does not know the service",
    "spn_wrong_account": "the server cannot open the ticket: it is for another account",
    "ticket_expired": "the ticket had expired when it was used",
    "kerberos_error": "the KDC refused a ticket",
    "share_unavailable": "there is no such share",
    "access_refused": "the user may not use the share",
    "damaged_message": "a message that cannot be what was sent",
}
"""Diagnoses: why something went wrong, put together from several facts."""

_RULES = frozenset((*CHECKS, *DIAGNOSES))


@dataclass(slots=True, eq=False)
class Event:
    """Something that happened.

    Attributes:
        kind: one of `KINDS`.
        time: when, as the party knew for which it happened; in the document it is the capture's time.
        places: the bytes that tell of it, the deciding ones last.
        connection: the network's number of it.
        session_id: the session that it happened to.
        text: in words, for people.
        findings: rules that have to report it.
    """

    kind: str
    time: int
    places: tuple[Place, ...] = ()
    connection: int | None = None
    session_id: int | None = None
    text: str = ""
    findings: list[str] = field(default_factory=list)


class Truth:
    """The events of one run, in the order in which they were noted."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(
        self,
        kind: str,
        time: int,
        *places: Place,
        session_id: int | None = None,
        connection: int | None = None,
        text: str = "",
        findings: Sequence[str] = (),
    ) -> Event:
        """Something has happened; `connection` is that of the places if it is not given.

        Raises:
            UsageError: there is no such kind or rule.
        """
        if kind not in KINDS:
            raise UsageError(f"there is no kind of event named {kind!r}")
        if connection is None and places:
            connection = places[-1].connection
        event = Event(kind, time, places, connection, session_id or None, text)
        self.events.append(event)
        for rule in findings:
            self.expect(rule, event)
        return event

    def expect(self, rule: str, at: Event | str) -> Event:
        """`rule` has to report something at an event: this one, or the last of this kind.

        Raises:
            UsageError: there is no such rule, or no such event yet.
        """
        if rule not in _RULES:
            raise UsageError(f"there is no rule named {rule!r}")
        event = next((one for one in reversed(self.events) if one.kind == at), None) if isinstance(at, str) else at
        if event is None:
            raise UsageError(f"nothing of kind {at!r} has happened")
        event.findings.append(rule)
        return event

    def document(self, observer: Observer) -> dict[str, Any]:
        """`connections` and `events` as a capture shows them, in the order of its time."""
        connections, transport = _transport(observer)
        rows = [_row(event, observer) for event in self.events]
        rows += [row for row in transport if not _is_noted(row, rows)]
        return {"connections": connections, "events": sorted(rows, key=lambda row: row["time"])}


def _row(event: Event, observer: Observer) -> dict[str, Any]:
    frames = sorted({frame for place in event.places for frame in observer.frames_of(*place)})
    return {
        "time": _time(event, observer),
        "kind": event.kind,
        "frames": frames,
        "connection": event.connection,
        "session_id": None if event.session_id is None else f"0x{event.session_id:016x}",
        "text": event.text,
        "findings": event.findings,
    }


def _time(event: Event, observer: Observer) -> int:
    """When the capture has the last byte of what decides it for the first time; if it has not, when it happened."""
    if not event.places:
        return event.time
    place = event.places[-1]
    frames = observer.frames_of(*place._replace(begin=place.end - 1)) or observer.frames_of(*place)
    return observer.seen[frames[0] - 1].time if frames else event.time


def _is_noted(row: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
    """Whether the scenario has noted this event of TCP itself: it then takes the frames that belong to it."""
    for other in rows:
        if (other["kind"], other["connection"]) == (row["kind"], row["connection"]) and not other["frames"]:
            other["frames"], other["time"] = row["frames"], row["time"]
            return True
    return False


def _transport(observer: Observer) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The connections of a capture, and what begins and ends them."""
    seen: dict[int, list[Seen]] = {}
    for one in observer.seen:
        seen.setdefault(one.connection, []).append(one)
    connections, events = [], []
    for number, frames in sorted(seen.items()):
        client, server = observer.ends[number]
        connections.append({"connection": number, "client": str(client), "server": str(server)})
        opening = [one for one in frames if one.flags & SYN]
        answered = any(one.flags & ACK for one in opening)
        events.append(_tcp("tcp_connect", number, opening, "" if answered else "no connection"))
        events.append(_tcp("tcp_close", number, [one for one in frames if one.flags & FIN]))
        events.append(_tcp("tcp_reset", number, [one for one in frames if one.flags & RST]))
    return connections, [event for event in events if event["frames"]]


def _tcp(kind: str, connection: int, frames: list[Seen], text: str = "") -> dict[str, Any]:
    return {
        "time": frames[0].time if frames else 0,
        "kind": kind,
        "frames": [one.frame for one in frames],
        "connection": connection,
        "session_id": None,
        "text": text,
        "findings": [],
    }
