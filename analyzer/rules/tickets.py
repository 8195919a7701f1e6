"""Kerberos: tickets that a KDC refused, and tickets that a server could not open."""

from collections.abc import Iterator

import pandas as pd

from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.logon_facts import found_at, is_kerberos, mechanism_of, refused_logons
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import ends
from analyzer.tables.text import printable
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.times import NANOSECONDS

__all__ = ["RULES"]

_FALLBACK = 30 * NANOSECONDS  # a client that falls back to NTLM does so at once
_CLIENT_ERRORS = {  # KDC errors about whoever logs on, and what they mean
    "KDC_ERR_PREAUTH_FAILED": "the password (or key) is wrong",
    "KDC_ERR_CLIENT_REVOKED": "the account is disabled, expired, locked out, or outside of its logon hours",
    "KDC_ERR_KEY_EXPIRED": "the password has expired or must be changed at the next logon",
    "KDC_ERR_C_PRINCIPAL_UNKNOWN": "there is no such user",
    "KRB_AP_ERR_SKEW": "the clocks of client and KDC differ by more than it allows (5 minutes by default)",
    "KDC_ERR_ETYPE_NOSUPP": "client, account and KDC have no encryption type in common",
    "KDC_ERR_POLICY": "a policy of the KDC forbids it",
}


def _spn_wrong_account(case: Case) -> Iterator[Found]:
    """The server cannot open the ticket: it answers LOGON_FAILURE before it knows who is there."""
    for exchange in refused_logons(case):
        if exchange.status != ntstatus.STATUS_LOGON_FAILURE or not is_kerberos(case, exchange):
            continue
        ticket = _last_ticket(case, exchange)
        service = printable(str(ticket["service"])) if ticket is not None else "the service"
        _, server = ends(case, exchange.connection)
        yield found_at(
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
        if is_soon and (mechanism_of(case, exchange) or "").startswith("NTLM"):
            return exchange
    return None


RULES = (
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
)
