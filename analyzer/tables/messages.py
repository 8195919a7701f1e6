"""The table of messages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analyzer.tables.census import final_verdicts
from analyzer.tables.columns import coded, enumerated, masked, named, tabulate, times
from analyzer.tables.schema import TABLES
from parsers import ntstatus
from parsers.smb2.decoder import Batch
from parsers.smb2.header import Command, Flags
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.rows import Columns, message_rows
from parsers.smb2.session import Session

__all__ = ["INHERITED_TREE_ID", "collect_messages", "command_name", "messages_table", "wire_session_ids"]

Column = npt.NDArray[Any]

INHERITED_TREE_ID = 0xFFFF_FFFF  # of a related request: that of the request before it (MS-SMB2 3.2.4.1.4)
_TREE_ID_SHIFT = np.uint64(32)


def collect_messages(batch: Batch) -> Columns:
    """The columns of `MESSAGE` for a block; a related request gets the TreeId that it inherits within its compound."""
    rows = message_rows(batch)
    unit = batch.messages.unit
    is_async = (rows["flags"] & np.uint32(Flags.ASYNC_COMMAND)) != 0
    inherits = rows["known"] & ~is_async & (rows["async_id"] >> _TREE_ID_SHIFT == INHERITED_TREE_ID)
    if inherits.any():
        source = np.maximum.accumulate(np.where(inherits, 0, np.arange(len(unit))))
        inherits &= (unit[source] == unit) & ~is_async[source]
        rows["async_id"] = np.where(inherits, rows["async_id"][source], rows["async_id"])
    return rows


def messages_table(rows: Columns, sessions: list[Session], names: Sequence[str]) -> pd.DataFrame:
    """The table `messages`.

    Args:
        rows: the columns of `MESSAGE`.
        sessions: all of the capture, by number.
        names: the name table.
    """
    unknown = ~rows["known"]
    is_async = (rows["flags"] & np.uint32(Flags.ASYNC_COMMAND)) != 0
    decryption = rows["decryption"].copy()
    of_session = np.flatnonzero(rows["session"] >= 0)
    session, sender = rows["session"][of_session], (~rows["from_client"][of_session]).astype(np.int64)
    decryption[of_session] = final_verdicts(sessions)[session, sender, decryption[of_session]]
    columns = {
        "time": times(rows["time"]),
        "complete_time": times(rows["complete_time"]),
        "command": coded(rows["command"], command_name, unknown),
        "async_id": masked(rows["async_id"], unknown | ~is_async),
        "session_id": masked(wire_session_ids(rows, sessions), unknown & (rows["session_id"] == 0)),
        "tree_id": masked((rows["async_id"] >> _TREE_ID_SHIFT).astype(np.uint32), unknown | is_async),
        "status": coded(rows["status"], ntstatus.name, unknown | ~rows["is_response"]),
        "decryption": enumerated(decryption, DECRYPTIONS),
        "signature": enumerated(rows["signature"], SIGNATURES),
        "file_name": named(rows["name"], names),
    }
    for name in ("message_id", "flags", "credit_charge", "credits"):
        columns[name] = masked(rows[name], unknown)
    return tabulate(TABLES["messages"], rows | columns)


def command_name(code: int) -> str:
    """`CREATE`; an unknown command is its hexadecimal value."""
    return Command(code).name


def wire_session_ids(rows: Mapping[str, Column], sessions: list[Session]) -> Column:
    """SessionIds as sent; where the message has that of another one of its compound, that one's."""
    ids = rows["session_id"]
    inherited = (ids == np.iinfo(np.uint64).max) & (rows["session"] >= 0)
    if not inherited.any():
        return ids
    known = np.array([session.session_id for session in sessions], np.uint64)
    return np.where(inherited, known[rows["session"]], ids)
