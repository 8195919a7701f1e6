"""Shares that a user could not connect to."""

from collections.abc import Iterator
from dataclasses import replace

from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.logon_facts import account, found_at, who_asked
from analyzer.rules.rule import Found, Party, Rule, Severity
from analyzer.tables.text import printable
from parsers import ntstatus
from parsers.smb2.header import Command
from parsers.smb2.tree import TreeConnectRequest
from parsers.times import NANOSECONDS

__all__ = ["RULES"]

_SLIP = 60 * NANOSECONDS  # who gets into another share so soon after a refusal has mistyped, and nothing is wrong


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
        who, server = who_asked(case, exchange)
        cause = f"{server} did not let {who} connect to {path}: {why}"
        slip = _found_another(case, exchange)
        found = found_at(case, exchange, f"{cause}; it took another share within a minute." if slip else f"{cause}.")
        yield replace(found, severity=Severity.INFO) if slip else found


def _found_another(case: Case, exchange: LogonExchange) -> bool:
    """Whether the same user was let into another share of files shortly before or after."""
    who = account(case, exchange)
    return any(
        other.command == Command.TREE_CONNECT
        and other.status == ntstatus.STATUS_SUCCESS
        and abs(other.first.time - exchange.first.time) <= _SLIP
        and not _path(other).upper().endswith("\\IPC$")
        and account(case, other) == who
        for other in case.evidence.logons
    )


def _path(exchange: LogonExchange) -> str:
    """The share that a TREE_CONNECT asks for."""
    body = None if exchange.request is None else exchange.request.body
    return printable(body.path) if isinstance(body, TreeConnectRequest) else "a share"


RULES = (
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
