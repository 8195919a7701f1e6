"""The tables of connections, of what could not be decoded, and of where every byte went."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from analyzer.tables.census import Census
from analyzer.tables.columns import from_values, tabulate
from analyzer.tables.schema import TABLES
from parsers.capture.packets import Damage
from parsers.pipeline import Decoded
from parsers.recognise import SMB, UNKNOWN
from parsers.smb2.dialects import Dialect
from parsers.transport.addresses import AddressBook
from parsers.transport.connections import CLIENT, SERVER, Connection, Endpoint
from parsers.transport.undecoded import Undecoded

__all__ = ["accounting_table", "connections_table", "endpoint", "protocol_of", "table_of_records", "undecoded_table"]


def connections_table(decoded: Decoded, census: Census) -> pd.DataFrame:
    """The table `connections`."""
    return table_of_records(
        "connections", (_connection(connection, decoded, census) for connection in decoded.connections)
    )


def accounting_table(decoded: Decoded, census: Census) -> pd.DataFrame:
    """The table `accounting`."""
    return table_of_records(
        "accounting",
        (
            {
                "connection": account.connection,
                "from_client": account.sender == CLIENT,
                "protocol": (
                    account.protocol if account.connection is None else protocol_of(account.connection, decoded, census)
                ),
                "captured": account.captured,
                "decoded": account.decoded,
                "undecoded": account.undecoded,
                "retransmitted": account.retransmitted,
                "gap": account.gap,
                "snapped": account.snapped,
            }
            for account in decoded.accounts
        ),
    )


def undecoded_table(decoded: Decoded) -> pd.DataFrame:
    """The table `undecoded`: streams first, then damaged places of the files."""
    records = [_undecoded(row) for row in decoded.undecoded]
    return table_of_records("undecoded", records + [_damage(damage) for damage in decoded.captures.damage])


def protocol_of(number: int, decoded: Decoded, census: Census) -> str:
    """What a connection carries. SMB is told apart by its messages: both versions may begin with the same one."""
    protocol = decoded.protocols.get(number, UNKNOWN)
    if protocol != SMB:
        return protocol
    return "smb2" if number in census.smb2 else "smb1"


def table_of_records(name: str, records: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """A table from one dictionary a row; None is NA."""
    table = TABLES[name]
    rows = list(records)
    return tabulate(
        table, {column.name: from_values([row[column.name] for row in rows], column.dtype) for column in table.columns}
    )


def _connection(connection: Connection, decoded: Decoded, census: Census) -> dict[str, Any]:
    smb = decoded.smb2.tracker.connections.get(connection.number)
    dialect = None if smb is None else smb.dialect
    client_ip, client = endpoint(connection.client, decoded.book)
    server_ip, server = endpoint(connection.server, decoded.book)
    directions = connection.directions
    return {
        "connection": connection.number,
        "client": client,
        "server": server,
        "client_ip": client_ip,
        "client_port": connection.client.port,
        "server_ip": server_ip,
        "server_port": connection.server.port,
        "protocol": protocol_of(connection.number, decoded, census),
        "dialect": None if dialect is None else Dialect(dialect).display,
        "first_frame": connection.first_frame,
        "last_frame": connection.last_frame,
        "start": connection.first_time,
        "end": connection.last_time,
        "packets": connection.packets,
        "bytes_client": directions[CLIENT].captured,
        "bytes_server": directions[SERVER].captured,
        "closed_by": connection.closed_by,
        "closed_time": connection.closed_time,
        "handshake": connection.syn_time is not None or connection.syn_ack_time is not None,
        "gap_bytes": sum(direction.gaps for direction in directions),
        "retransmitted_bytes": sum(direction.retransmitted for direction in directions),
    }


def endpoint(end: Endpoint, book: AddressBook) -> tuple[str, str]:
    """The address, and the address with its port."""
    address = book.text(end.address)
    return address, f"[{address}]:{end.port}" if ":" in address else f"{address}:{end.port}"


def _undecoded(row: Undecoded) -> dict[str, Any]:
    return {
        "connection": row.connection,
        "from_client": row.sender == CLIENT,
        "layer": row.layer,
        "position": row.position,
        "length": row.length,
        "frame": row.frame,
        "reason": row.reason,
        "file": None,
        "offset": None,
    }


def _damage(damage: Damage) -> dict[str, Any]:
    missing = dict.fromkeys(("connection", "from_client", "position", "length", "frame"))
    return missing | {"layer": "capture", "reason": damage.reason, "file": damage.file, "offset": damage.offset}
