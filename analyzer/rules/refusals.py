"""Why a logon or a share was refused: the server's status in words, with what the KDC said before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import clock, ends
from analyzer.tables.text import printable
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.tree import TreeConnectRequest
from parsers.times import NANOSECONDS

__all__ = ["RULES"]

_GOES_ON = (ntstatus.STATUS_SUCCESS, ntstatus.STATUS_MORE_PROCESSING_REQUIRED)
_FALLBACK = 30 * NANOSECONDS  # a client that falls back to NTLM does so at once
_SLIP = 60 * NANOSECONDS  # who is let in so soon after a refusal has mistyped, and nothing is wrong
_NTLM_V1 = ("NTLMv1", "NTLMv1-ESS")
_CLIENT_ERRORS = {  # KDC errors about whoever logs on, and what they mean
    "KDC_ERR_PREAUTH_FAILED": "the password (or key) is wrong",
    "KDC_ERR_CLIENT_REVOKED": "the account is disabled, expired, locked out, or outside of its logon hours",
    "KDC_ERR_KEY_EXPIRED": "the password has expired or must be changed at the next logon",
    "KDC_ERR_C_PRINCIPAL_UNKNOWN": "there is no such user",
    "KRB_AP_ERR_SKEW": "the clocks of client and KDC differ by more than it allows (5 minutes by default)",
    "KDC_ERR_ETYPE_NOSUPP": "client, account and KDC have no encryption type in common",
    "KDC_ERR_POLICY": "a policy of the KDC forbids it",
}


@dataclass(frozen=True, slots=True)
class _Refusal:
    """How one status of SESSION_SETUP reads."""

    rule: str
    status: int
    cause: str
    title: str
    remedy: str
    party: Party = Party.ADMINISTRATOR


_REFUSALS = (
    _Refusal(
        "account_disabled", ntstatus.STATUS_ACCOUNT_DISABLED, "the account is disabled", "a disabled account",
        "Enable the account (Active Directory: userAccountControl without ACCOUNTDISABLE; samba-tool user enable).",
    ),
    _Refusal(
        "account_expired", ntstatus.STATUS_ACCOUNT_EXPIRED, "the account has expired", "an account past its end",
        "Set a later end (Active Directory: accountExpires; pdbedit -K; samba-tool user setexpiry).",
    ),
    _Refusal(
        "account_locked", ntstatus.STATUS_ACCOUNT_LOCKED_OUT, "the account is locked after too many wrong passwords",
        "a locked account",
        "Find what keeps sending the old password (a service, a mapped drive, a phone), then unlock the account; the "
        "limit is Account lockout threshold (samba-tool domain passwordsettings; pdbedit -P 'bad lockout attempt').",
    ),
    _Refusal(
        "logon_hours", ntstatus.STATUS_INVALID_LOGON_HOURS, "the account may not log on at this hour",
        "a logon outside of the permitted hours",
        "Active Directory: logonHours of the account; enableforcedlogoff "
        r"(HKLM\SYSTEM\CurrentControlSet\Services\LanmanServer\Parameters) says whether running sessions end too.",
    ),
    _Refusal(
        "password_expired", ntstatus.STATUS_PASSWORD_EXPIRED, "the password has expired", "an expired password",
        "Change the password; its age is Maximum password age.",
    ),
    _Refusal(
        "password_must_change", ntstatus.STATUS_PASSWORD_MUST_CHANGE, "the password must be changed before the logon",
        "a password that must be changed first",
        "Let the user change it at a console, or clear 'User must change password at next logon' (pwdLastSet).",
    ),
)  # fmt: skip


def _status_refusal(refusal: _Refusal, case: Case) -> Iterator[Found]:
    for exchange in _refused_logons(case):
        if exchange.status == refusal.status:
            who, server = _who(case, exchange)
            yield _found(case, exchange, f"{server} refused the logon of {who}: {refusal.cause}.")


def _logon_refused(case: Case) -> Iterator[Found]:
    """LOGON_FAILURE says neither whether the name nor whether the password is wrong: on purpose."""
    for exchange in _refused_logons(case):
        if exchange.status != ntstatus.STATUS_LOGON_FAILURE or _is_kerberos(case, exchange):
            continue
        who, server = _who(case, exchange)
        if _mechanism(case, exchange) not in _NTLM_V1:
            cause = f"{server} refused the logon of {who}: the password is wrong, or there is no such user"
            slip = _got_in(case, exchange)
            found = _found(case, exchange, f"{cause}; the user was let in within a minute." if slip else f"{cause}.")
            yield replace(found, severity=Severity.INFO) if slip else found


def _ntlmv1_refused(case: Case) -> Iterator[Found]:
    for exchange in _refused_logons(case):
        if exchange.status == ntstatus.STATUS_LOGON_FAILURE and _mechanism(case, exchange) in _NTLM_V1:
            who, server = _who(case, exchange)
            yield _found(
                case,
                exchange,
                f"{server} refused the logon of {who} with {_mechanism(case, exchange)}: it demands NTLMv2, or the "
                f"password is wrong.",
                confidence=Confidence.LIKELY,
            )


def _spn_wrong_account(case: Case) -> Iterator[Found]:
    """The server cannot open the ticket: it answers LOGON_FAILURE before it knows who is there."""
    for exchange in _refused_logons(case):
        if exchange.status != ntstatus.STATUS_LOGON_FAILURE or not _is_kerberos(case, exchange):
            continue
        ticket = _last_ticket(case, exchange)
        service = printable(str(ticket["service"])) if ticket is not None else "the service"
        _, server = ends(case, exchange.connection)
        yield _found(
            case,
            exchange,
            f"{server} could not open the Kerberos ticket for {service}: it is sealed with a key that the server does "
            f"not have, so the service principal name belongs to another account, or its keytab is old.",
            confidence=Confidence.LIKELY,
        )


def _spn_missing(case: Case) -> Iterator[Found]:
    for row in _kdc_errors(case, ["KDC_ERR_S_PRINCIPAL_UNKNOWN"]):
        fallback = _ntlm_after(case, int(row["response_time"].value))
        then = "; the client fell back to NTLM" if fallback is not None else ""
        yield Found(
            int(row["response_time"].value),
            f"The KDC {row['server_ip']} knows no service {printable(str(row['service']))}{then}.",
            f"KDC_ERR_S_PRINCIPAL_UNKNOWN in frame {row['response_frame']}"
            + (f", NTLM logon in frame {fallback.first.frame}" if fallback is not None else ""),
            (int(row["response_frame"]), *(fallback.frames[:1] if fallback is not None else ())),
            severity=Severity.WARNING,
        )


def _kerberos_error(case: Case) -> Iterator[Found]:
    for row in _kdc_errors(case, list(_CLIENT_ERRORS)):
        error = str(row["error"])
        who = printable(str(row["principal"])) if pd.notna(row["principal"]) else "a client"
        yield Found(
            int(row["response_time"].value),
            f"The KDC {row['server_ip']} refused {who} a ticket: {_CLIENT_ERRORS[error]}.",
            f"{error} in frame {row['response_frame']}",
            (int(row["response_frame"]),),
        )


def _ticket_expired(case: Case) -> Iterator[Found]:
    for row in _kdc_errors(case, ["KRB_AP_ERR_TKT_EXPIRED"]):
        who = printable(str(row["principal"])) if pd.notna(row["principal"]) else "a client"
        yield Found(
            int(row["response_time"].value),
            f"The ticket that {who} showed to the KDC {row['server_ip']} has expired: nobody renewed it.",
            f"KRB_AP_ERR_TKT_EXPIRED in frame {row['response_frame']}",
            (int(row["response_frame"]),),
        )


def _encryption_required(case: Case) -> Iterator[Found]:
    """Refused with ACCESS_DENIED right at the logon: rejected for what it cannot do, not for who it is."""
    for exchange in _refused_logons(case):
        if exchange.status == ntstatus.STATUS_ACCESS_DENIED and _is_first_logon(case, exchange):
            who, server = _who(case, exchange)
            yield _found(
                case,
                exchange,
                f"{server} refused the logon of {who} with STATUS_ACCESS_DENIED: it demands encryption that the client "
                f"does not offer, or does not let this user log on over the network.",
                confidence=Confidence.POSSIBLE,
            )


def _share_unavailable(case: Case) -> Iterator[Found]:
    yield from _refused_share(
        case,
        (ntstatus.STATUS_BAD_NETWORK_NAME,),
        "there is no such share, or the server cannot open what it stands for",
    )


def _access_refused(case: Case) -> Iterator[Found]:
    yield from _refused_share(case, (ntstatus.STATUS_ACCESS_DENIED,), "the user has no right to it")


def _refused_share(case: Case, statuses: tuple[int, ...], why: str) -> Iterator[Found]:
    for exchange in case.evidence.logons:
        if exchange.command != Command.TREE_CONNECT or exchange.status not in statuses:
            continue
        path = _path(exchange)
        who, server = _who(case, exchange)
        cause = f"{server} did not let {who} connect to {path}: {why}"
        slip = _found_another(case, exchange)
        found = _found(case, exchange, f"{cause}; it took another share within a minute." if slip else f"{cause}.")
        yield replace(found, severity=Severity.INFO) if slip else found


def _refused_logons(case: Case) -> Iterator[LogonExchange]:
    for exchange in case.evidence.logons:
        if exchange.command == Command.SESSION_SETUP and exchange.status not in (None, *_GOES_ON):
            yield exchange


def _found(case: Case, exchange: LogonExchange, cause: str, confidence: Confidence = Confidence.CERTAIN) -> Found:
    status = ntstatus.name(exchange.status or 0)
    message = exchange.response or exchange.first
    number = _session_of(exchange)
    session_id = None if number is None else case.evidence.decoded.smb2.tracker.sessions[number].session_id
    return Found(
        message.time,
        cause,
        f"{Command(exchange.command).name} answered {status} at {clock(message.time)} in frame {message.frame}",
        exchange.frames[::-1],
        session_id,
        exchange.connection,
        confidence=confidence,
    )


def _session_of(exchange: LogonExchange) -> int | None:
    """Number of the session, if the server had given it an id before it refused."""
    number = exchange.session
    return None if number is None or exchange.first.header.session_id == 0 else number


def _mechanism(case: Case, exchange: LogonExchange) -> str | None:
    number = exchange.session
    return None if number is None else case.evidence.decoded.smb2.tracker.sessions[number].mechanism


def _is_first_logon(case: Case, exchange: LogonExchange) -> bool:
    """Whether a session was to be set up, not bound to a connection or authenticated again."""
    return any(run.purpose == "logon" and any(leg is exchange for leg in run.legs) for run in case.timeline.runs)


def _is_kerberos(case: Case, exchange: LogonExchange) -> bool:
    """Whether a ticket was refused: NTLM has a session before it is judged, since it needs two legs."""
    return _session_of(exchange) is None or "Kerberos" in (_mechanism(case, exchange) or "")


def _who(case: Case, exchange: LogonExchange) -> tuple[str, str]:
    r"""`DOMAIN\user (address:port)` as far as known, and the server."""
    client, server = ends(case, exchange.connection)
    number = exchange.session
    context = None if number is None else case.evidence.decoded.smb2.tracker.sessions[number].security_context
    if context is None or not context.user:
        return client, server
    user = f"{context.domain}\\{context.user}" if context.domain else context.user
    return f"{printable(user)} ({client})", server


def _kdc_errors(case: Case, names: list[str]) -> Iterator[pd.Series]:
    frame = case.kdc
    for _, row in frame[frame["error"].isin(names) & (frame["outcome"] == "failed")].iterrows():
        yield row


def _last_ticket(case: Case, exchange: LogonExchange) -> pd.Series | None:
    """The last service ticket that a KDC issued before the logon."""
    frame = case.kdc
    issued = frame[(frame["outcome"] == "issued") & (frame["request"] == "TGS")]
    before = issued[issued["response_time"] <= pd.Timestamp(exchange.first.time, unit="ns", tz="UTC")]
    return before.iloc[-1] if len(before) else None


def _ntlm_after(case: Case, time: int) -> LogonExchange | None:
    for exchange in case.evidence.logons:
        is_soon = exchange.command == Command.SESSION_SETUP and 0 <= exchange.first.time - time <= _FALLBACK
        if is_soon and (_mechanism(case, exchange) or "").startswith("NTLM"):
            return exchange
    return None


def _got_in(case: Case, exchange: LogonExchange) -> bool:
    """Whether the same user of the same client was let in shortly before or after: then it was a slip.

    A client that was told to use no password tries an empty one first, and then none at all: without any name.
    """
    who = _account(case, exchange)
    if _mechanism(case, exchange) == "LM":
        who = who[0], ""
    return any(
        other.command == Command.SESSION_SETUP
        and other.status == ntstatus.STATUS_SUCCESS
        and abs(other.first.time - exchange.first.time) <= _SLIP
        and _account(case, other) == who
        for other in case.evidence.logons
    )


def _found_another(case: Case, exchange: LogonExchange) -> bool:
    """Whether the same user was let into another share of files shortly before or after."""
    who = _account(case, exchange)
    return any(
        other.command == Command.TREE_CONNECT
        and other.status == ntstatus.STATUS_SUCCESS
        and abs(other.first.time - exchange.first.time) <= _SLIP
        and not _path(other).upper().endswith("\\IPC$")
        and _account(case, other) == who
        for other in case.evidence.logons
    )


def _path(exchange: LogonExchange) -> str:
    """The share that a TREE_CONNECT asks for."""
    body = None if exchange.request is None else exchange.request.body
    return printable(body.path) if isinstance(body, TreeConnectRequest) else "a share"


def _account(case: Case, exchange: LogonExchange) -> tuple[str, str]:
    """The client's address, and the user as named; empty for nobody."""
    who, _ = _who(case, exchange)
    user, _, named = who.partition(" (")
    return str(case.connections.iloc[exchange.connection]["client_ip"]), user if named else ""


def _check(refusal: _Refusal) -> Callable[[Case], Iterator[Found]]:
    return partial(_status_refusal, refusal)


RULES = (
    Rule(
        "logon_refused",
        "a wrong password or an unknown user",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.5.5.3; MS-NLMP 3.2.5.1.2",
        "The server answered STATUS_LOGON_FAILURE to a complete NTLM logon. It does not say whether the name or the "
        "password is wrong, so that nobody learns which names exist.",
        "Check the name and the password; the log of the domain controller says which (event 4625: SubStatus "
        "0xC000006A is a wrong password, 0xC0000064 an unknown user).",
        _logon_refused,
    ),
    *(
        Rule(
            refusal.rule,
            refusal.title,
            Severity.WARNING,
            refusal.party,
            "MS-ERREF 2.3.1; MS-SMB2 3.3.5.5.3",
            f"The server answered {ntstatus.name(refusal.status)}: {refusal.cause}.",
            refusal.remedy,
            _check(refusal),
        )
        for refusal in _REFUSALS
    ),
    Rule(
        "ntlmv1_refused",
        "NTLMv1 where NTLMv2 is demanded",
        Severity.WARNING,
        Party.CLIENT,
        "MS-NLMP 3.2.5.1.2",
        "The client answered the challenge with NTLMv1 and was refused.",
        "Let the client use NTLMv2: LmCompatibilityLevel 3 or higher "
        r"(HKLM\SYSTEM\CurrentControlSet\Control\Lsa); smb.conf: client ntlmv2 auth = yes, or ntlm auth on the server.",
        _ntlmv1_refused,
    ),
    Rule(
        "encryption_required",
        "refused at the logon with ACCESS_DENIED",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.5.5",
        "A server that demands encryption refuses clients that cannot encrypt. The same status is given to users "
        "without the right to log on over the network.",
        "Let the client encrypt (SMB 3), or the server accept others: Set-SmbServerConfiguration "
        "-RejectUnencryptedAccess; user right 'Access this computer from the network'.",
        _encryption_required,
    ),
    Rule(
        "spn_wrong_account",
        "a ticket that the server cannot open",
        Severity.ERROR,
        Party.ADMINISTRATOR,
        "RFC 4120 3.2.3 (KRB_AP_ERR_MODIFIED)",
        "The KDC issued a service ticket and the server refused it at once, before it knew who was there: the ticket "
        "is sealed with the key of another account than the server runs under.",
        "Find the account with `setspn -Q cifs/NAME` and give the name to the server's own account; renew the server's "
        "keytab if its password was changed.",
        _spn_wrong_account,
    ),
    Rule(
        "spn_missing",
        "a service that the KDC does not know",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "RFC 4120 7.5.9 (KDC_ERR_S_PRINCIPAL_UNKNOWN)",
        "The client asked for a ticket for a name that no account has, for example an alias, and then used NTLM, which "
        "is weaker and does not work everywhere.",
        "Register the name: setspn -S cifs/NAME ACCOUNT (Windows: netdom computername /add for aliases), or let users "
        "take the server's own name.",
        _spn_missing,
    ),
    Rule(
        "ticket_expired",
        "a ticket past its end",
        Severity.WARNING,
        Party.CLIENT,
        "RFC 4120 7.5.9 (KRB_AP_ERR_TKT_EXPIRED)",
        "The client asked for more with a ticket-granting ticket that has expired.",
        "Renew it (kinit -R, k5start for services), or log on again; the limit is Maximum lifetime for user ticket.",
        _ticket_expired,
    ),
    Rule(
        "kerberos_error",
        "the KDC refused a ticket",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "RFC 4120 7.5.9",
        "The KDC's error code says why. CLIENT_REVOKED stands for disabled, expired, locked and outside of the hours "
        "alike; the status of an NTLM logon tells them apart.",
        "See the account at the KDC; for clock skew, see that both use the same time source.",
        _kerberos_error,
    ),
    Rule(
        "share_unavailable",
        "a share that cannot be opened",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.5.7",
        "TREE_CONNECT was answered STATUS_BAD_NETWORK_NAME: the share does not exist, or the server cannot open its "
        "folder.",
        "Check the name, and on the server the share's path and modules (testparm; Get-SmbShare).",
        _share_unavailable,
    ),
    Rule(
        "access_refused",
        "a share that the user may not use",
        Severity.WARNING,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.5.7",
        "TREE_CONNECT was answered STATUS_ACCESS_DENIED.",
        "Check the permissions of the share (Get-SmbShareAccess; valid users in smb.conf), and whether the user became "
        "a guest.",
        _access_refused,
    ),
)
