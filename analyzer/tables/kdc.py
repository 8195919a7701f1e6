"""The table of exchanges with KDCs."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from analyzer.tables.connections import endpoint, table_of_records
from parsers.enums import OpenFlag
from parsers.gss.kerberos.names import etype_name
from parsers.kdc.exchanges import KdcExchange
from parsers.kdc.lifetimes import Lifetime
from parsers.pipeline import Decoded
from parsers.transport.addresses import AddressBook

__all__ = ["kdc_table"]


def kdc_table(decoded: Decoded) -> pd.DataFrame:
    """The table `kdc`."""
    return table_of_records("kdc", (_exchange(row, decoded.book) for row in decoded.kdc.exchanges.rows))


def _exchange(row: KdcExchange, book: AddressBook) -> dict[str, Any]:
    client_ip, client = endpoint(row.path.client, book)
    server_ip, server = endpoint(row.path.server, book)
    asked, answered = row.request_complete, row.response_time
    return {
        "request_frame": row.request_frame,
        "response_frame": row.response_frame,
        "transport": "udp" if row.path.connection is None else "tcp",
        "connection": row.path.connection,
        "client": client,
        "server": server,
        "client_ip": client_ip,
        "server_ip": server_ip,
        "request_time": row.request_time,
        "response_time": answered,
        "latency": None if asked is None or answered is None else answered - asked,
        "repeats": row.repeats,
        "request": row.kind,
        "principal": row.principal,
        "realm": row.realm,
        "service": row.service,
        "outcome": row.outcome.value,
        "error": None if row.error is None else row.error.name,
        "error_text": row.error_text,
        "requested_etypes": _etypes(row.etypes),
        "ticket_etype": _etypes(() if row.ticket_etype is None else (row.ticket_etype,)),
        "reply_etype": _etypes(() if row.reply_etype is None else (row.reply_etype,)),
        "ticket_service": row.ticket_service,
        "options": _flags(row.options),
        "requested_end": row.requested_end,
        "requested_renew_till": row.requested_renew_till,
        **_lifetime(row.lifetime),
    }


def _lifetime(lifetime: Lifetime | None) -> dict[str, Any]:
    """What a key showed of the ticket; nothing where none did."""
    return {
        "ticket_start": None if lifetime is None else lifetime.start,
        "ticket_end": None if lifetime is None else lifetime.end,
        "ticket_renew_till": None if lifetime is None else lifetime.renew_till,
        "ticket_flags": None if lifetime is None else _flags(lifetime.flags),
        "key_source": None if lifetime is None else lifetime.source,
    }


def _flags(flags: OpenFlag | None) -> str | None:
    return None if flags is None else str(flags.name or "")


def _etypes(etypes: Iterable[int]) -> str | None:
    return ", ".join(map(etype_name, etypes)) or None
