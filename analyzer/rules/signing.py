"""Signatures: those that are wrong, those that are missing, and those that should not be there (MS-SMB2 3.1.4.1)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from analyzer.evidence.conduct import Breach
from analyzer.evidence.sequence import Misnumbering
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.telling import answered, command_name, grouped, tell, tell_of_rows, tell_of_setup
from analyzer.rules.words import clock, ends
from parsers import ntstatus
from parsers.smb2.crypto import SigningAlgorithm
from parsers.smb2.dialects import Dialect
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.transport.connections import CLIENT

__all__ = ["RULES"]

# A server that does not know the session, the tree or the open (any more) has no key to sign with.
_WITHOUT_KEY = (
    ntstatus.STATUS_USER_SESSION_DELETED, ntstatus.STATUS_NETWORK_NAME_DELETED, ntstatus.STATUS_FILE_CLOSED,
    ntstatus.STATUS_NETWORK_SESSION_EXPIRED, ntstatus.STATUS_ACCESS_DENIED,
)  # fmt: skip


def _unsigned_logon(case: Case) -> Iterator[Found]:
    """SIGN-01."""
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for run in case.timeline.runs:
        response, session = run.legs[-1].response, None if run.session is None else sessions[run.session]
        dialect = case.evidence.decoded.smb2.tracker.connections[run.connection].dialect or 0
        if not run.succeeded or response is None or session is None or dialect < Dialect.SMB_3_0:
            continue
        if response.signed or response.encrypted or session.is_guest or session.is_anonymous:
            continue
        if session.mechanism == "anonymous" or run.purpose == "reauthentication":
            continue
        served = session.idle_time is not None and session.idle_time > response.time
        must = dialect == Dialect.SMB_3_1_1 or bool(session.signing_required)
        yield tell_of_setup(
            case, run.legs[-1],
            f"{ends(case, run.connection)[1]} did not sign the answer that completes a logon"
            + (", and the client accepted it." if served else "."),
            f"SESSION_SETUP response STATUS_SUCCESS without SMB2_FLAGS_SIGNED, SMB {Dialect(dialect).display}",
            severity=None if must else Severity.WARNING,
        )  # fmt: skip


def _unsigned_requests(case: Case) -> Iterator[Found]:
    """SIGN-02."""
    for mine, status in answered(case, case.evidence.conduct.of(Breach.UNSIGNED_REQUEST)):
        connection = int(mine["connection"][0])
        client, server = ends(case, connection)
        taken = np.count_nonzero(status == "STATUS_SUCCESS")
        first = command_name(int(mine["command"][0]))
        yield tell_of_rows(
            case, mine,
            f"{client} sent requests without a signature (first a {first}) in a session that requires one"
            + (f", and {server} served {taken} of them." if taken else f"; {server} refused them."),
            f"Session.SigningRequired is true, SMB2_FLAGS_SIGNED is not set; answered {status[0] or 'nothing'}",
            severity=None if taken else Severity.WARNING,
            total=_total(case, Breach.UNSIGNED_REQUEST, connection),
        )  # fmt: skip


def _unsigned_responses(case: Case) -> Iterator[Found]:
    """SIGN-03."""
    rows = case.evidence.conduct.of(Breach.UNSIGNED_RESPONSE)
    rows = rows[[status not in _WITHOUT_KEY for status in rows["status"].tolist()]]
    for mine in grouped(rows[rows["session"] >= 0]):
        number, connection = int(mine["session"][0]), int(mine["connection"][0])
        session = case.evidence.decoded.smb2.tracker.sessions[number]
        if session.is_guest or session.is_anonymous or session.mechanism == "anonymous":
            continue
        live = mine["command"] != Command.SESSION_SETUP
        if session.ended_time is not None:
            live &= mine["time"] <= session.ended_time
        if live.any():
            yield tell_of_rows(
                case, mine[live],
                f"{ends(case, connection)[1]} answered signed requests without a signature (first a "
                f"{command_name(int(mine[live]['command'][0]))}).",
                "SMB2_FLAGS_SIGNED in the request and not in the response",
                total=_total(case, Breach.UNSIGNED_RESPONSE, connection),
            )  # fmt: skip


def _signed_interim(case: Case) -> Iterator[Found]:
    """SIGN-03."""
    for mine in grouped(case.evidence.conduct.of(Breach.SIGNED_INTERIM)):
        connection = int(mine["connection"][0])
        yield tell_of_rows(
            case, mine, f"{ends(case, connection)[1]} signed its interim responses.",
            "SMB2_FLAGS_SIGNED with STATUS_PENDING: with AES-GMAC the final response has the same nonce",
            severity=Severity.INFO, total=_total(case, Breach.SIGNED_INTERIM, connection),
        )  # fmt: skip


def _unsigned_tree_connect(case: Case) -> Iterator[Found]:
    """SIGN-04."""
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for exchange in case.evidence.logons:
        request = exchange.request
        if exchange.command != Command.TREE_CONNECT or request is None or exchange.session is None:
            continue
        session = sessions[exchange.session]
        if case.evidence.decoded.smb2.tracker.connections[exchange.connection].dialect != Dialect.SMB_3_1_1:
            continue
        if request.signed or request.encrypted or session.is_guest or session.is_anonymous:
            continue
        if session.mechanism == "anonymous" or session.signing_required or session.setup_status != 0:
            continue  # where signing is required, SIGN-02 tells
        served = exchange.status == ntstatus.STATUS_SUCCESS
        client, server = ends(case, exchange.connection)
        yield tell_of_setup(
            case, exchange,
            f"{client} connected to a share with a request that is neither signed nor encrypted"
            + (f", and {server} let it." if served else "."),
            "TREE_CONNECT on SMB 3.1.1 proves by its signature that NEGOTIATE was not changed",
        )  # fmt: skip


def _bad_signature(case: Case) -> Iterator[Found]:
    """SIGN-05."""
    for mine, status in answered(case, case.evidence.conduct.of(Breach.BAD_SIGNATURE)):
        connection, sender = int(mine["connection"][0]), int(mine["sender"][0])
        sides, first = ends(case, connection), mine[0]
        what = f"{command_name(int(first['command']))} {'request' if sender == CLIENT else 'response'}"
        reaction = f"; the server answered {status[0] or 'nothing'}" if sender == CLIENT else ""
        yield tell_of_rows(
            case, mine,
            f"The signature of a {what} of {sides[sender]} is wrong: it was changed on its way to "
            f"{sides[1 - sender]}, or signed with another key{reaction}.",
            "checked with the key that fits the other messages of the session",
            total=_total(case, Breach.BAD_SIGNATURE, connection),
        )  # fmt: skip


def _signed_notification(case: Case) -> Iterator[Found]:
    """SIGN-06."""
    for mine in grouped(case.evidence.conduct.of(Breach.SIGNED_NOTIFICATION)):
        yield tell_of_rows(
            case, mine, f"{ends(case, int(mine['connection'][0]))[1]} signs its break notifications.",
            "SMB2_FLAGS_SIGNED with MessageId 0xffffffffffffffff",
        )  # fmt: skip


def _unsigned_validation(case: Case) -> Iterator[Found]:
    """SIGN-07."""
    sessions = case.evidence.decoded.smb2.tracker.sessions
    for control in case.evidence.openings.controls:
        if control.code != FsctlCode.VALIDATE_NEGOTIATE_INFO or control.protected:
            continue
        session = None if control.session < 0 else sessions[control.session]
        if session is not None and (session.is_guest or session.is_anonymous):
            continue
        yield tell(
            case, control.time, control.connection, control.session, (control.frame,),
            f"{ends(case, control.connection)[0]} validates NEGOTIATE with a request that is neither signed nor "
            f"encrypted: that proves nothing.",
            "FSCTL_VALIDATE_NEGOTIATE_INFO without SMB2_FLAGS_SIGNED",
        )  # fmt: skip


def _nonce_of_gmac(case: Case) -> Iterator[Found]:
    """SIGN-08."""
    for mine in grouped(case.evidence.conduct.of(Breach.GMAC_NUMBER)):
        side = ends(case, int(mine["connection"][0]))[int(mine["sender"][0])]
        yield tell_of_rows(
            case, mine,
            f"{side} signs with AES-GMAC under MessageId 0x{int(mine['message_id'][0]):x}, which is no nonce.",
            "AES-GMAC makes its nonce of the MessageId: used twice, it gives the key away",
        )  # fmt: skip
    sessions, known = case.evidence.decoded.smb2.tracker.sessions, case.evidence.credits.known
    for row in case.evidence.sequence.rows:
        number = int(row["session"])
        if row["kind"] != Misnumbering.REUSED or not row["signed"] or number < 0 or int(row["connection"]) not in known:
            continue
        if sessions[number].signing_algorithm == SigningAlgorithm.AES_GMAC and not _is_replay(case, row):
            connection = int(row["connection"])
            yield tell(
                case, int(row["time"]), connection, number, (int(row["frame"]),),
                f"{ends(case, connection)[0]} signed two requests with AES-GMAC under MessageId "
                f"{int(row['message_id'])}: whoever sees both can forge signatures.",
                f"{command_name(int(row['command']))} at {clock(int(row['time']))} repeats a MessageId of the "
                f"connection",
                confidence=Confidence.LIKELY,
            )  # fmt: skip


def _is_replay(case: Case, row: Any) -> bool:
    """Whether a request with a used MessageId looks like the first one sent again: CRED-01 tells of that."""
    frame = case.exchanges
    same = frame[frame["message_id"].eq(int(row["message_id"])) & frame["connection"].eq(int(row["connection"]))]
    return len(same) > 1 and same["command"].nunique() == 1 and same["request_length"].nunique() == 1


def _total(case: Case, kind: Breach, connection: int) -> int | None:
    return case.evidence.conduct.counts[int(kind), connection] or None


_UPDATE = "Update the side that is at fault, or ask its maker."
_TAMPERED = "Find out what stands between the two. Encryption (SMB 3) would have kept it from reading as well."

RULES = (
    Rule("SIGN-01", "a logon whose last answer is not signed", Severity.SECURITY, Party.SERVER,
         "MS-SMB2 3.3.5.5.3, 3.2.5.3.1",
         "The signature of the last SESSION_SETUP response proves that the server knows the key, and on 3.1.1 that "
         "nothing before was changed. A client of 3.1.1 must not accept an unsigned one.",
         _UPDATE, _unsigned_logon),
    Rule("SIGN-02", "requests without the signature that is required", Severity.SECURITY, Party.EITHER,
         "MS-SMB2 3.3.5.2.4, 3.2.4.1.1",
         "The session requires signatures. A server must refuse what comes without one (then this is a warning); if it "
         "serves it, anybody on the path can send requests.",
         _UPDATE, _unsigned_requests),
    Rule("SIGN-03", "responses whose signature is not as the request's", Severity.WARNING, Party.SERVER,
         "MS-SMB2 3.3.4.1.1, 3.3.4.2",
         "A response to a signed request is signed, an interim response is not. Only answers that come soon are "
         "compared, and not those of a server that has no key any more.",
         _UPDATE, lambda case: (*_unsigned_responses(case), *_signed_interim(case))),
    Rule("SIGN-04", "a TREE_CONNECT that nothing protects", Severity.SECURITY, Party.CLIENT,
         "MS-SMB2 3.2.4.2.4, 3.3.5.7",
         "On 3.1.1 every TREE_CONNECT is signed or encrypted, unless the user is a guest or nobody; a server drops the "
         "connection otherwise.",
         _UPDATE, _unsigned_tree_connect),
    Rule("SIGN-05", "a wrong signature", Severity.SECURITY, Party.NETWORK, "MS-SMB2 3.1.5.1, 3.3.5.2.4, 3.2.5.1.3",
         "The signature does not fit the message, while the key fits others of the session. Somebody changed it on its "
         "way, or one side signs with a wrong key. A server answers STATUS_ACCESS_DENIED, a client drops the answer.",
         _TAMPERED, _bad_signature),
    Rule("SIGN-06", "signed break notifications", Severity.WARNING, Party.SERVER, "MS-SMB2 3.3.4.6, 3.3.4.7",
         "A notification belongs to no request and has no MessageId of its own, so it should not be signed.",
         _UPDATE, _signed_notification),
    Rule("SIGN-07", "an unsigned validation of NEGOTIATE", Severity.SECURITY, Party.CLIENT,
         "MS-SMB2 3.2.5.5, 3.3.5.15.12",
         "FSCTL_VALIDATE_NEGOTIATE_INFO is worth what its signature is worth.",
         _UPDATE, _unsigned_validation),
    Rule("SIGN-08", "a nonce of AES-GMAC that is none", Severity.SECURITY, Party.EITHER, "MS-SMB2 3.1.4.1",
         "AES-GMAC takes the MessageId as its nonce. The same one for two messages of a side lets others forge "
         "signatures; MessageId 0 and all ones are never signed.",
         _UPDATE, _nonce_of_gmac),
)  # fmt: skip
