"""Why a logon or a share was refused: the server's status in words, with what the KDC said before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.logon_facts import account, found_at, is_kerberos, mechanism_of, refused_logons, who_asked
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.times import NANOSECONDS

__all__ = ["RULES"]

_SLIP = 60 * NANOSECONDS  # who is let in so soon after a refusal has mistyped, and nothing is wrong
_NTLM_V1 = ("NTLMv1", "NTLMv1-ESS")


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
    for exchange in refused_logons(case):
        if exchange.status == refusal.status:
            who, server = who_asked(case, exchange)
            yield found_at(case, exchange, f"{server} refused the logon of {who}: {refusal.cause}.")


def _logon_refused(case: Case) -> Iterator[Found]:
    """LOGON_FAILURE says neither whether the name nor whether the password is wrong: on purpose."""
    for exchange in refused_logons(case):
        if exchange.status != ntstatus.STATUS_LOGON_FAILURE or is_kerberos(case, exchange):
            continue
        who, server = who_asked(case, exchange)
        mechanism = mechanism_of(case, exchange)
        if mechanism is None:  # the tokens were not captured whole
            yield found_at(
                case, exchange, f"{server} did not accept the credentials of {who}.", confidence=Confidence.POSSIBLE
            )
        elif mechanism not in _NTLM_V1:
            cause = f"{server} refused the logon of {who}: the password is wrong, or there is no such user"
            slip = _got_in(case, exchange)
            found = found_at(case, exchange, f"{cause}; the user was let in within a minute." if slip else f"{cause}.")
            yield replace(found, severity=Severity.INFO) if slip else found


def _ntlmv1_refused(case: Case) -> Iterator[Found]:
    for exchange in refused_logons(case):
        if exchange.status == ntstatus.STATUS_LOGON_FAILURE and mechanism_of(case, exchange) in _NTLM_V1:
            who, server = who_asked(case, exchange)
            yield found_at(
                case,
                exchange,
                f"{server} refused the logon of {who} with {mechanism_of(case, exchange)}: it demands NTLMv2, or the "
                f"password is wrong.",
                confidence=Confidence.LIKELY,
            )


def _encryption_required(case: Case) -> Iterator[Found]:
    """Refused with ACCESS_DENIED right at the logon: rejected for what it cannot do, not for who it is."""
    for exchange in refused_logons(case):
        if exchange.status == ntstatus.STATUS_ACCESS_DENIED and _is_first_logon(case, exchange):
            who, server = who_asked(case, exchange)
            yield found_at(
                case,
                exchange,
                f"{server} refused the logon of {who} with STATUS_ACCESS_DENIED: it demands encryption that the client "
                f"does not offer, or does not let this user log on over the network.",
                confidence=Confidence.POSSIBLE,
            )


def _is_first_logon(case: Case, exchange: LogonExchange) -> bool:
    """Whether a session was to be set up, not bound to a connection or authenticated again."""
    return any(run.purpose == "logon" and any(leg is exchange for leg in run.legs) for run in case.timeline.runs)


def _got_in(case: Case, exchange: LogonExchange) -> bool:
    """Whether the same user of the same client was let in shortly before or after: then it was a slip.

    A client that was told to use no password tries an empty one first, and then none at all: without any name.
    """
    who = account(case, exchange)
    if mechanism_of(case, exchange) == "LM":
        who = who[0], ""
    return any(
        other.command == Command.SESSION_SETUP
        and other.status == ntstatus.STATUS_SUCCESS
        and abs(other.first.time - exchange.first.time) <= _SLIP
        and account(case, other) == who
        for other in case.evidence.logons
    )


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
)
