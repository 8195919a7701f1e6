"""Why a client got no connection, or one that was of no use."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import clock, count, seconds
from parsers import ntstatus
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command
from parsers.smb2.negotiate import NegotiateRequest
from parsers.times import NANOSECONDS
from parsers.transport.connections import SERVER

__all__ = ["RULES"]

_NEGATIVE_RESPONSE = 5  # bytes of a NetBIOS NEGATIVE SESSION RESPONSE (RFC 1002 4.3.4)
_TRIES = 2  # SYNs without an answer that are a pattern; one may be the last packet of the capture
_SMB_PORTS = (445, 139)


def _connection_refused(case: Case) -> Iterator[Found]:
    for (client, server), rows in _unopened(case, refused=True):
        tcp = case.evidence.tcp
        marks = [tcp.marks_of(number, Mark.RST, sender=SERVER)[0] for number in rows["connection"].tolist()]
        first, last = int(marks[0]["time"]), int(marks[-1]["time"])
        yield Found(
            first,
            f"{server} refused {count(len(rows), 'connection')} of {client}: the host is up, and nothing listens on "
            f"that port.",
            f"each SYN was answered by RST, {_when(first, last)}",
            tuple(int(mark["frame"]) for mark in marks[:5]),
            connection=int(rows["connection"].iloc[0]),
            end=last,
        )


def _connect_timeout(case: Case) -> Iterator[Found]:
    for (client, server), rows in _unopened(case, refused=False):
        tcp = case.evidence.tcp
        marks = [mark for number in rows["connection"].tolist() for mark in tcp.marks_of(number, Mark.SYN)]
        if len(marks) < _TRIES:
            continue
        first, last = int(marks[0]["time"]), int(marks[-1]["time"])
        yield Found(
            first,
            f"{server} never answered the connection requests of {client}: the host or the path is down, or a firewall "
            f"drops them.",
            f"{count(len(marks), 'SYN')} without SYN-ACK or RST, {_when(first, last)}",
            tuple(int(mark["frame"]) for mark in marks[:5]),
            connection=int(rows["connection"].iloc[0]),
            end=last,
        )


def _refuses_connections(case: Case) -> Iterator[Found]:
    for row in _unserved(case, bytes_server=0):
        closed, others = _closing(case, row, SERVER), _served_meanwhile(case, row)
        asked = "its NEGOTIATE was not answered" if row.bytes_client else "it had sent nothing yet"
        yield Found(
            int(closed["time"]),
            f"{row.server} accepted a connection of {row.client} and closed it at once; {asked}"
            + (
                f", while {count(others, 'other connection')} went on: a limit of connections or processes."
                if others
                else ": the service does not take new clients."
            ),
            f"closed {seconds((int(closed['time']) - row.start.value) / NANOSECONDS)} after the first SYN, "
            f"{row.bytes_client} bytes from the client, none from the server",
            (int(closed["frame"]), int(row.first_frame)),
            connection=int(row.connection),
            confidence=Confidence.LIKELY,
        )


def _address_refused(case: Case) -> Iterator[Found]:
    for row in _unserved(case, bytes_server=_NEGATIVE_RESPONSE):
        asked = [exchange for exchange in case.evidence.logons if exchange.connection == row.connection]
        if not asked or asked[0].response is not None:
            continue
        yield Found(
            asked[0].first.time,
            f"{row.server} refused {row.client} before any logon: it answered NEGOTIATE with a NetBIOS negative "
            f"session response, as a server does that does not accept the client's address.",
            f"NEGOTIATE in frame {asked[0].first.frame}, {_NEGATIVE_RESPONSE} bytes from the server instead of an SMB2 "
            f"message, then closed ({row.closed_by})",
            (asked[0].first.frame, int(row.last_frame)),
            connection=int(row.connection),
            confidence=Confidence.LIKELY,
        )


def _dialect_mismatch(case: Case) -> Iterator[Found]:
    for exchange in case.evidence.logons:
        if exchange.command != Command.NEGOTIATE or exchange.status != ntstatus.STATUS_NOT_SUPPORTED:
            continue
        row = case.connections.iloc[exchange.connection]
        body = None if exchange.request is None else exchange.request.body
        offered = ""
        if isinstance(body, NegotiateRequest):
            offered = ", ".join(Dialect(dialect).display for dialect in body.dialects)
        yield Found(
            exchange.first.time,
            f"{row['client']} and {row['server']} have no SMB dialect in common: the client offers "
            f"{offered or 'others'} and the server takes none of them.",
            "NEGOTIATE answered STATUS_NOT_SUPPORTED",
            exchange.frames,
            connection=exchange.connection,
        )


def _unopened(case: Case, *, refused: bool) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Connections that were asked for and never made, by client address and server."""
    frame, tcp = case.connections, case.evidence.tcp
    numbers = [
        number
        for number in frame.loc[frame["handshake"] & (frame["bytes_server"] == 0), "connection"].tolist()
        if len(tcp.marks_of(number, Mark.SYN)) and not len(tcp.marks_of(number, Mark.SYN_ACK))
        if bool(len(tcp.marks_of(number, Mark.RST, sender=SERVER))) is refused
    ]
    chosen = frame[frame["connection"].isin(numbers) & frame["server_port"].isin(_SMB_PORTS)]
    for (client, server), rows in chosen.groupby(["client_ip", "server"], sort=False):
        yield (str(client), str(server)), rows


def _unserved(case: Case, *, bytes_server: int) -> Iterator[Any]:
    """Connections that were made and on which the server said `bytes_server` bytes, before one side closed them."""
    frame, tcp = case.connections, case.evidence.tcp
    chosen = frame[
        frame["handshake"]
        & (frame["bytes_server"] == bytes_server)
        & frame["server_port"].isin(_SMB_PORTS)
        & (frame["gap_bytes"] == 0)
    ]
    row: Any
    for row in chosen.itertuples():
        if not len(tcp.marks_of(int(row.connection), Mark.SYN_ACK)):
            continue
        if bytes_server or _closed_first(case, int(row.connection)) == SERVER:
            yield row


def _closing(case: Case, row: Any, sender: int) -> Any:
    return case.evidence.tcp.marks_of(int(row.connection), Mark.FIN, Mark.RST, sender=sender)[0]


def _closed_first(case: Case, connection: int) -> int | None:
    closing = case.evidence.tcp.closing(connection)
    return None if closing is None else closing.sender


def _served_meanwhile(case: Case, row: Any) -> int:
    """Other connections to the same server that were alive then and have an SMB dialect."""
    frame = case.connections
    others = frame["server"].eq(row.server) & frame["dialect"].notna() & (frame["connection"] != row.connection)
    return int((others & (frame["start"] <= row.start) & (frame["end"] >= row.start)).sum())


def _when(first: int, last: int) -> str:
    if last == first:
        return f"at {clock(first)}"
    return f"from {clock(first)} to {clock(last)} ({seconds((last - first) / NANOSECONDS)})"


RULES = (
    Rule(
        "connection_refused",
        "nothing listens on the server's port",
        Severity.ERROR,
        Party.SERVER,
        "RFC 9293 3.5.2",
        "Each connection request was answered by RST at once: the host is there, its SMB service is not.",
        "Start the service (Windows: LanmanServer; Linux: smbd), or open the port of the host's own firewall if that "
        "one rejects.",
        _connection_refused,
    ),
    Rule(
        "connect_timeout",
        "connection requests are not answered",
        Severity.ERROR,
        Party.NETWORK,
        "RFC 9293 3.8.1; RFC 6298 5",
        "SYN was repeated with growing pauses, and neither SYN-ACK nor RST came back.",
        "Check address, route and firewalls between the two, and that the host is up.",
        _connect_timeout,
    ),
    Rule(
        "server_refuses_connections",
        "the server closes new connections unheard",
        Severity.ERROR,
        Party.SERVER,
        "MS-SMB2 3.3.5.1; smb.conf: max smbd processes",
        "The connection was made and closed by the server before it answered anything.",
        "Raise the limit of connections: smb.conf max smbd processes; Windows: the limit of the share or of the "
        "edition (a client edition takes 20); look for a guard in front of the server.",
        _refuses_connections,
    ),
    Rule(
        "client_address_refused",
        "the server does not accept the client's address",
        Severity.ERROR,
        Party.ADMINISTRATOR,
        "RFC 1002 4.3.4; smb.conf: hosts allow, hosts deny",
        "The server answered the first request with a NetBIOS error and closed.",
        "smb.conf: hosts allow and hosts deny of [global] and of the share.",
        _address_refused,
    ),
    Rule(
        "dialect_mismatch",
        "no common SMB dialect",
        Severity.ERROR,
        Party.ADMINISTRATOR,
        "MS-SMB2 3.3.5.4",
        "The server answered STATUS_NOT_SUPPORTED because it takes none of the dialects that the client offers.",
        "Let the older side speak a newer dialect: Windows Set-SmbServerConfiguration / Set-SmbClientConfiguration "
        "-Smb2DialectMin and -Smb2DialectMax; smb.conf: server min protocol, client max protocol; mount.cifs vers=.",
        _dialect_mismatch,
    ),
)
