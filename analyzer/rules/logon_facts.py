"""What an exchange of a logon says: who wanted in, how, and what became of it."""

from collections.abc import Iterator

from analyzer.evidence.logons import LogonExchange
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found
from analyzer.rules.words import clock, ends
from analyzer.tables.text import printable
from parsers import ntstatus
from parsers.smb2.header import Command

__all__ = ["account", "found_at", "is_kerberos", "mechanism_of", "refused_logons", "session_of", "who_asked"]

_GOES_ON = (ntstatus.STATUS_SUCCESS, ntstatus.STATUS_MORE_PROCESSING_REQUIRED)


def refused_logons(case: Case) -> Iterator[LogonExchange]:
    """SESSION_SETUP exchanges that were answered with a failure."""
    for exchange in case.evidence.logons:
        if exchange.command == Command.SESSION_SETUP and exchange.status not in (None, *_GOES_ON):
            yield exchange


def found_at(case: Case, exchange: LogonExchange, cause: str, confidence: Confidence = Confidence.CERTAIN) -> Found:
    """What was found at a refusal, with its status as evidence."""
    status = ntstatus.name(exchange.status or 0)
    message = exchange.response or exchange.first
    number = session_of(exchange)
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


def session_of(exchange: LogonExchange) -> int | None:
    """Number of the session, if the server had given it an id before it refused."""
    number = exchange.session
    return None if number is None or exchange.first.header.session_id == 0 else number


def mechanism_of(case: Case, exchange: LogonExchange) -> str | None:
    """How the session of an exchange was authenticated last; None if that was not seen."""
    number = exchange.session
    return None if number is None else case.evidence.decoded.smb2.tracker.sessions[number].mechanism


def is_kerberos(case: Case, exchange: LogonExchange) -> bool:
    """Whether a ticket was refused: NTLM has a session before it is judged, since it needs two legs."""
    return session_of(exchange) is None or "Kerberos" in (mechanism_of(case, exchange) or "")


def who_asked(case: Case, exchange: LogonExchange) -> tuple[str, str]:
    r"""`DOMAIN\user (address:port)` as far as known, and the server."""
    client, server = ends(case, exchange.connection)
    number = exchange.session
    context = None if number is None else case.evidence.decoded.smb2.tracker.sessions[number].security_context
    if context is None or not context.user:
        return client, server
    user = f"{context.domain}\\{context.user}" if context.domain else context.user
    return f"{printable(user)} ({client})", server


def account(case: Case, exchange: LogonExchange) -> tuple[str, str]:
    """The client's address, and the user as named; empty for nobody."""
    who, _ = who_asked(case, exchange)
    user, _, named = who.partition(" (")
    return str(case.connections.iloc[exchange.connection]["client_ip"]), user if named else ""
