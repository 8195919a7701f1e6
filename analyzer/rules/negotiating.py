"""How connections begin: the first message, NEGOTIATE, its contexts, and whether it was protected afterwards."""

from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

from analyzer.events.kinds import Kind
from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.telling import command_name, tell, tell_of_setup
from analyzer.rules.words import clock, ends, seconds
from parsers import ntstatus
from parsers.errors import ParseError
from parsers.smb2.dialects import Dialect
from parsers.smb2.fsctl import FsctlCode, ValidateNegotiateRequest
from parsers.smb2.header import Command
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse
from parsers.smb2.negotiate_contexts import (
    CompressionCapabilities,
    EncryptionCapabilities,
    NegotiateContext,
    PreauthIntegrityCapabilities,
    RdmaTransformCapabilities,
    SigningCapabilities,
)
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

__all__ = ["RULES"]

T = TypeVar("T")

_PLAIN, _SMB1 = 0xFE, 0xFF  # first byte of a message
_SCAVENGED = (45 * NANOSECONDS, 91 * NANOSECONDS)  # after accept (3.3.6.3, note 442), and a second for the packets
_BEFORE_CONTEXTS = (Dialect.SMB_3_0, Dialect.SMB_3_0_2)
_SINGLE = (EncryptionCapabilities, CompressionCapabilities, RdmaTransformCapabilities, SigningCapabilities)


def _first_message(case: Case) -> Iterator[Found]:
    """CONN-01."""
    for connection, first in case.evidence.openings.firsts.items():
        if not case.saw_begin(connection) or first.protocol == _SMB1 or first.command == Command.NEGOTIATE:
            continue
        if first.command is None and first.protocol == _PLAIN:
            continue  # cut off
        what = "an encrypted message" if first.command is None else command_name(first.command)
        client, server = ends(case, connection)
        answered = case.connections["bytes_server"].iloc[connection] > 0
        yield tell(
            case, first.time, connection, None, (first.frame,),
            f"{client} began with {what} instead of NEGOTIATE"
            + (f", and {server} answered it." if answered else f"; {server} dropped it, as it must."),
            f"first message of the connection in frame {first.frame} at {clock(first.time)}",
        )  # fmt: skip


def _second_negotiate(case: Case) -> Iterator[Found]:
    """CONN-02."""
    chosen: dict[int, str] = {}
    for exchange in _negotiations(case):
        known = chosen.get(exchange.connection)
        client, server = ends(case, exchange.connection)
        if known is not None and exchange.request is not None:
            reply = f", and {server} answered {_status(exchange)}" if exchange.response else ""
            yield tell_of_setup(
                case, exchange, f"{client} sent a second NEGOTIATE when {known} had been chosen{reply}.",
                "a server must drop the connection without an answer",
            )  # fmt: skip
        response = _response(exchange)
        if response is not None and response.dialect_revision != Dialect.WILDCARD:
            chosen[exchange.connection] = response.dialect_revision.display


def _scavenged(case: Case) -> Iterator[Found]:
    """CONN-03."""
    logged_on = {run.connection for run in case.timeline.runs if run.succeeded}
    for connection in case.smb_connections:
        closing = case.evidence.tcp.closing(connection)
        if connection in logged_on or not case.saw_begin(connection) or closing is None:
            continue
        lived = closing.time - int(case.connections["start"].iloc[connection].value)
        if closing.sender == SERVER and _SCAVENGED[0] <= lived <= _SCAVENGED[1]:
            client, server = ends(case, connection)
            yield tell(
                case, closing.time, connection, None, (closing.frame,),
                f"{server} dropped the connection of {client} after {seconds(lived / NANOSECONDS)} because nobody had "
                f"logged on.",
                "closed by the server 45 to 90 s after it was made, without a session",
            )  # fmt: skip


def _signed_negotiate(case: Case) -> Iterator[Found]:
    """CONN-04."""
    for exchange in _negotiations(case):
        if exchange.request is None or not exchange.request.signed:
            continue
        good = exchange.status == ntstatus.STATUS_INVALID_PARAMETER
        yield tell_of_setup(
            case, exchange, f"{ends(case, exchange.connection)[0]} marked its NEGOTIATE as signed"
            + (", which the server refused as it must." if good else f"; the server answered {_status(exchange)}."),
            "SMB2_FLAGS_SIGNED in a request that no key can have signed",
        )  # fmt: skip


def _wrong_refusal(case: Case) -> Iterator[Found]:
    """NEG-01."""
    for exchange in _negotiations(case):
        request, status = _request(exchange), exchange.status
        if request is None or status is None or not status or exchange.request is None or exchange.request.signed:
            continue
        expected = ntstatus.STATUS_NOT_SUPPORTED if request.dialects else ntstatus.STATUS_INVALID_PARAMETER
        bad_contexts = Dialect.SMB_3_1_1 in request.dialects and bool(_wrong_contexts(request))
        if status == expected or (bad_contexts and status == ntstatus.STATUS_INVALID_PARAMETER):
            continue
        yield tell_of_setup(
            case, exchange,
            f"{ends(case, exchange.connection)[1]} refused NEGOTIATE with {_status(exchange)}; "
            f"{ntstatus.name(expected)} is the answer to "
            f"{'dialects of which it has none' if request.dialects else 'a list without dialects'}.",
            f"dialects offered: {_names(request.dialects) or 'none'}",
        )  # fmt: skip


def _wrong_dialect(case: Case) -> Iterator[Found]:
    """NEG-02."""
    for exchange in _negotiations(case):
        request, response = _request(exchange), _response(exchange)
        if request is None or response is None or response.dialect_revision in request.dialects:
            continue
        if response.dialect_revision == Dialect.WILDCARD:
            continue
        yield tell_of_setup(
            case, exchange,
            f"{ends(case, exchange.connection)[1]} chose SMB {response.dialect_revision.display}, which the client had "
            f"not offered.",
            f"offered: {_names(request.dialects)}",
        )  # fmt: skip


def _weakened_dialect(case: Case) -> Iterator[Found]:
    """NEG-02: not the greatest common one, as far as the same server has shown greater ones to others."""
    best: dict[tuple[str, int], int] = {}
    for exchange in _negotiations(case):
        response = _response(exchange)
        if response is not None and response.dialect_revision != Dialect.WILDCARD:
            key = ends(case, exchange.connection)[1], 0
            best[key] = max(best.get(key, 0), response.dialect_revision)
    for exchange in _negotiations(case):
        request, response = _request(exchange), _response(exchange)
        if request is None or response is None or response.dialect_revision == Dialect.WILDCARD:
            continue
        able = best[ends(case, exchange.connection)[1], 0]
        common = max((dialect for dialect in request.dialects if dialect <= able), default=0)
        if response.dialect_revision < common:
            yield tell_of_setup(
                case, exchange,
                f"{ends(case, exchange.connection)[1]} chose SMB {response.dialect_revision.display} although it and "
                f"{ends(case, exchange.connection)[0]} both speak {Dialect(common).display}.",
                f"offered: {_names(request.dialects)}; on another connection the server chose "
                f"{Dialect(able).display}",
                severity=Severity.SECURITY,
            )  # fmt: skip


def _request_contexts(case: Case) -> Iterator[Found]:
    """NEG-03."""
    for exchange in _negotiations(case):
        request = _request(exchange)
        if request is None or Dialect.SMB_3_1_1 not in request.dialects:
            continue
        wrong = _wrong_contexts(request)
        if wrong:
            yield tell_of_setup(
                case, exchange, f"NEGOTIATE of {ends(case, exchange.connection)[0]} has {' and '.join(wrong)}.",
                f"{len(request.contexts)} negotiate contexts, dialects {_names(request.dialects)}",
            )  # fmt: skip


def _response_contexts(case: Case) -> Iterator[Found]:
    """NEG-04."""
    for exchange in _negotiations(case):
        request, response = _request(exchange), _response(exchange)
        if request is None or response is None or response.dialect_revision != Dialect.SMB_3_1_1:
            continue
        wrong = list(_wrong_answers(request, response))
        if wrong:
            yield tell_of_setup(
                case, exchange,
                f"The NEGOTIATE response of {ends(case, exchange.connection)[1]} has {' and '.join(wrong)}.",
                f"{len(response.contexts)} negotiate contexts in the response, {len(request.contexts)} in the request",
            )  # fmt: skip


def _encryption_capability(case: Case) -> Iterator[Found]:
    """NEG-05."""
    for exchange in _negotiations(case):
        response = _response(exchange)
        if response is None or response.dialect_revision != Dialect.SMB_3_1_1:
            continue
        if response.capabilities & GlobalCapabilities.ENCRYPTION:
            yield tell_of_setup(
                case, exchange,
                f"{ends(case, exchange.connection)[1]} announces encryption by the capability of SMB 3.0 in a 3.1.1 "
                f"response, where the context does it: some clients then do not encrypt.",
                f"Capabilities 0x{int(response.capabilities):x}",
            )  # fmt: skip


def _salts(case: Case) -> Iterator[Found]:
    """NEG-06."""
    seen: dict[bytes, LogonExchange] = {}
    for exchange in _negotiations(case):
        for message in (_request(exchange), _response(exchange)):
            preauth = _of(message.contexts, PreauthIntegrityCapabilities) if message is not None else []
            salt = preauth[0].salt if preauth else b""
            before = seen.setdefault(salt, exchange) if salt else exchange
            if before is not exchange:
                side = CLIENT if isinstance(message, NegotiateRequest) else SERVER
                yield tell_of_setup(
                    case, exchange,
                    f"{ends(case, exchange.connection)[side]} sent the same salt in two NEGOTIATE messages: it has to "
                    f"be random each time.",
                    f"salt {salt.hex()[:32]}…, before in frame {before.first.frame}",
                )  # fmt: skip


def _validation(case: Case) -> Iterator[Found]:
    """NEG-07: what FSCTL_VALIDATE_NEGOTIATE_INFO repeats is what NEGOTIATE said."""
    connections = case.evidence.decoded.smb2.tracker.connections
    for control in case.evidence.openings.controls:
        if control.code != FsctlCode.VALIDATE_NEGOTIATE_INFO:
            continue
        smb, (client, server) = connections[control.connection], ends(case, control.connection)
        if smb.dialect == Dialect.SMB_3_1_1:
            cause = f"{client} validates NEGOTIATE on SMB 3.1.1, whose keys do that already."
            yield tell(
                case, control.time, control.connection, control.session, (control.frame,), cause,
                "FSCTL_VALIDATE_NEGOTIATE_INFO on a connection of dialect 3.1.1", severity=Severity.WARNING,
            )  # fmt: skip
            continue
        try:
            said = ValidateNegotiateRequest.parse(memoryview(control.data))
        except ParseError:
            continue
        asked = smb.negotiate_request
        if asked is None:
            continue
        pairs = {
            "Capabilities": (said.capabilities, asked.capabilities),
            "ClientGuid": (said.guid, asked.client_guid),
            "SecurityMode": (said.security_mode, asked.security_mode),
            "Dialects": (tuple(said.dialects), tuple(asked.dialects)),
        }
        other = [name for name, (now, before) in pairs.items() if now != before]
        if other:
            yield tell(
                case, control.time, control.connection, control.session, (control.frame,),
                f"{' and '.join(other)} that {client} repeats under its signature differ from those in its NEGOTIATE: "
                f"somebody changed it on its way to {server}, or the client is wrong.",
                "FSCTL_VALIDATE_NEGOTIATE_INFO against the NEGOTIATE request",
            )  # fmt: skip


def _unvalidated(case: Case) -> Iterator[Found]:
    """NEG-07: the server did not close although the values differ is told above; here nobody checked at all."""
    validated = {control.connection for control in case.evidence.openings.controls}
    connected = case.timeline.of(Kind.TREE_CONNECTED)
    trees = {event.connection for event in connected if event.details.get("share_type") != "PIPE"}
    for number, smb in case.evidence.decoded.smb2.tracker.connections.items():
        if smb.dialect not in _BEFORE_CONTEXTS or number in validated or number not in trees or case.has_gap(number):
            continue
        if not case.saw_begin(number) or _has_unread(case, number) or _unsigned(case, number):
            continue
        row = case.connections.iloc[number]
        yield tell(
            case, int(row["start"].value), number, None, (int(row["first_frame"]),),
            f"{row['client']} speaks SMB {Dialect(smb.dialect).display} and never validated its NEGOTIATE: it would "
            f"not notice if that had been weakened on the way.",
            "no FSCTL_VALIDATE_NEGOTIATE_INFO after the first tree connect", severity=Severity.INFO,
            confidence=Confidence.LIKELY,
        )  # fmt: skip


def _two_dialects(case: Case) -> Iterator[Found]:
    """NEG-08."""
    tracker = case.evidence.decoded.smb2.tracker
    begun: dict[tuple[bytes, bytes], list[tuple[int, int, int | None]]] = {}  # connection, dialect, closed
    for run in case.timeline.runs:
        smb = tracker.connections[run.connection]
        request, response, dialect = smb.negotiate_request, smb.negotiate_response, smb.dialect
        if not run.succeeded or run.purpose != "logon" or request is None or response is None or dialect is None:
            continue
        if dialect == Dialect.SMB_2_0_2 or not any(request.client_guid):
            continue
        others = begun.setdefault((request.client_guid, response.server_guid), [])
        alive = [known for number, known, closed in others if closed is None or closed > run.start]
        closed = case.evidence.decoded.connections[run.connection].closed_time
        others.append((run.connection, dialect, closed))
        if any(known != dialect for known in alive):
            client, server = ends(case, run.connection)
            other = next(Dialect(known).display for known in alive if known != dialect)
            yield tell(
                case, run.start, run.connection, run.session, run.frames,
                f"{server} let {client} in with SMB {Dialect(dialect).display} while the same client was connected "
                f"with {other}.",
                f"ClientGuid {request.client_guid.hex()} on two connections with different dialects",
            )  # fmt: skip


def _negotiations(case: Case) -> Iterator[LogonExchange]:
    return (exchange for exchange in case.evidence.logons if exchange.command == Command.NEGOTIATE)


def _request(exchange: LogonExchange) -> NegotiateRequest | None:
    body = None if exchange.request is None else exchange.request.body
    return body if isinstance(body, NegotiateRequest) else None


def _response(exchange: LogonExchange) -> NegotiateResponse | None:
    body = None if exchange.response is None else exchange.response.body
    return body if isinstance(body, NegotiateResponse) else None


def _status(exchange: LogonExchange) -> str:
    return "nothing" if exchange.status is None else ntstatus.name(exchange.status)


def _names(dialects: tuple[Dialect, ...]) -> str:
    return ", ".join(dialect.display for dialect in dialects)


def _of(contexts: tuple[NegotiateContext, ...], kind: type[T]) -> list[T]:
    return [context for context in contexts if isinstance(context, kind)]


def _wrong_contexts(request: NegotiateRequest) -> list[str]:
    """What is wrong with the contexts of a request that offers 3.1.1 (3.3.5.4)."""
    kinds = Counter(type(context) for context in request.contexts)
    preauth = kinds[PreauthIntegrityCapabilities]
    wrong = [] if preauth == 1 else [f"{preauth or 'no'} preauthentication context{'s' if preauth != 1 else ''}"]
    return wrong + [f"{kinds[kind]} contexts {kind.__name__}" for kind in _SINGLE if kinds[kind] > 1]


def _wrong_answers(request: NegotiateRequest, response: NegotiateResponse) -> Iterator[str]:
    """What is wrong with the contexts of a 3.1.1 response: one hash, one cipher, of those that were offered."""
    offered, preauth = (
        _of(request.contexts, PreauthIntegrityCapabilities),
        _of(response.contexts, PreauthIntegrityCapabilities),
    )
    if len(preauth) != 1 or len(preauth[0].hash_algorithms) != 1:
        yield "not exactly one preauthentication hash"
    elif offered and preauth[0].hash_algorithms[0] not in offered[0].hash_algorithms:
        yield "a hash that was not offered"
    asked, given = _of(request.contexts, EncryptionCapabilities), _of(response.contexts, EncryptionCapabilities)
    if bool(asked) != bool(given):
        yield "no cipher although some were offered" if asked else "a cipher although none was offered"
    elif given and (len(given) != 1 or len(given[0].ciphers) != 1):
        yield "not exactly one cipher"
    elif given and given[0].ciphers[0] and given[0].ciphers[0] not in asked[0].ciphers:
        yield "a cipher that was not offered"
    wanted, signing = _of(request.contexts, SigningCapabilities), _of(response.contexts, SigningCapabilities)
    if signing and not (wanted and set(signing[0].signing_algorithms) <= set(wanted[0].signing_algorithms)):
        yield "a signing algorithm that was not offered"


def _has_unread(case: Case, connection: int) -> bool:
    """Whether some messages of the connection are encrypted and could not be opened."""
    return connection not in case.evidence.credits.known


def _unsigned(case: Case, connection: int) -> bool:
    """Whether all its sessions are of guests or of nobody, who have no key to sign with."""
    smb = case.evidence.decoded.smb2.tracker.connections[connection]
    sessions = [session for instances in smb.sessions.values() for _, session in instances]
    return all(session.is_guest or session.is_anonymous or session.mechanism == "anonymous" for session in sessions)


_UPDATE = "Update the side that is at fault, or ask its maker."
_WATCH = "Find out what stands between the two: a device that changes SMB, or an attacker. Then update both sides."

RULES = (
    Rule("CONN-01", "a connection that does not begin with NEGOTIATE", Severity.ERROR, Party.CLIENT,
         "MS-SMB2 3.3.5.2.2",
         "Before a dialect is chosen, nothing but NEGOTIATE has a meaning; a server drops such a connection unheard.",
         _UPDATE, _first_message),
    Rule("CONN-02", "a second NEGOTIATE on a connection", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.4",
         "A dialect is chosen once. A server that answers the second one lets the first be overridden.",
         _UPDATE, _second_negotiate),
    Rule("CONN-03", "a connection without a logon was dropped", Severity.INFO, Party.NOBODY, "MS-SMB2 3.3.6.3",
         "Every 45 s a server drops connections that are older than 45 s and have no session: port scanners, clients "
         "that connect in advance, logons that wait for a password.",
         "", _scavenged),
    Rule("CONN-04", "a NEGOTIATE that claims to be signed", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.2.4",
         "There are no keys yet, so the signature can only be wrong; the server has to answer "
         "STATUS_INVALID_PARAMETER.",
         _UPDATE, _signed_negotiate),
    Rule("NEG-01", "NEGOTIATE refused with another status", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.4",
         "STATUS_INVALID_PARAMETER is for a list without dialects and for contexts that are wrong, "
         "STATUS_NOT_SUPPORTED for dialects of which the server has none.",
         _UPDATE, _wrong_refusal),
    Rule("NEG-02", "a dialect that was not offered", Severity.SECURITY, Party.SERVER, "MS-SMB2 3.3.5.4",
         "The server has to take the greatest dialect that both have. Where it does not, somebody may have weakened "
         "the request on its way.",
         _WATCH, lambda case: (*_wrong_dialect(case), *_weakened_dialect(case))),
    Rule("NEG-03", "wrong negotiate contexts in a request", Severity.ERROR, Party.CLIENT, "MS-SMB2 3.3.5.4",
         "A request that offers 3.1.1 has exactly one PREAUTH_INTEGRITY_CAPABILITIES and at most one of each other "
         "kind; a server refuses it otherwise.",
         _UPDATE, _request_contexts),
    Rule("NEG-04", "wrong negotiate contexts in a response", Severity.ERROR, Party.SERVER, "MS-SMB2 3.3.5.4",
         "The response names one hash and one cipher, each of those that the client has offered.",
         _UPDATE, _response_contexts),
    Rule("NEG-05", "the encryption capability in a 3.1.1 response", Severity.WARNING, Party.SERVER,
         "MS-SMB2 3.3.5.4",
         "SMB2_GLOBAL_CAP_ENCRYPTION belongs to 3.0 and 3.0.2. Windows 10 clients are known to stay in plain text "
         "when a 3.1.1 server sets it.",
         _UPDATE, _encryption_capability),
    Rule("NEG-06", "the same salt twice", Severity.SECURITY, Party.EITHER, "MS-SMB2 2.2.3.1.1, 3.3.5.4",
         "The salt makes every preauthentication hash different. One that comes again shows a weak source of "
         "randomness.",
         _UPDATE, _salts),
    Rule("NEG-07", "NEGOTIATE was not what it should have been", Severity.SECURITY, Party.NETWORK,
         "MS-SMB2 3.2.5.5, 3.3.5.15.12",
         "A client of SMB 3.0 repeats what it had said in NEGOTIATE under a signature, so that nobody can weaken it "
         "unseen. On 3.1.1 the keys themselves do that, and the request must not be sent. Clients that leave it out "
         "on 3.0 work as well: that is info.",
         _WATCH, lambda case: (*_validation(case), *_unvalidated(case))),
    Rule("NEG-08", "one client with two dialects", Severity.INFO, Party.SERVER, "MS-SMB2 3.3.5.5.3",
         "A client has one dialect with a server; a logon with another one is to be answered "
         "STATUS_USER_SESSION_DELETED. Samba lets it in, and no harm is done, so this is info.",
         "", _two_dialects),
)  # fmt: skip
