"""Opens in columns: which CREATE opened the file that a message speaks of (MS-SMB2 3.3.1.10).

Metadata-heavy captures are mostly CREATE and CLOSE, so an open is a row, not an object.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.growing import GrowingTable
from parsers.layout import everywhere, take_rows
from parsers.smb2.create import CREATE_RESPONSE
from parsers.smb2.header import HEADER_SIZE, Command
from parsers.smb2.messages import Messages
from parsers.smb2.pairing import latest_before

__all__ = ["FILE_ID_OFFSETS", "NO_OFFSET", "OPEN", "OpenTable", "gather_file_ids", "gather_file_offsets"]

Column = npt.NDArray[np.int64]

OPEN = np.dtype(
    [
        ("persistent", "u8"), ("volatile", "u8"), ("session", "i4"), ("session_id", "u8"), ("tree_id", "u4"),
        ("connection", "i4"), ("name", "i4"), ("opened", "i8"), ("opened_frame", "i8"), ("closed", "i8"),
        ("closed_frame", "i8"), ("bytes_read", "u8"), ("bytes_written", "u8"), ("oplock_level", "u1"),
        ("create_action", "u4"), ("file_attributes", "u4"), ("end_of_file", "u8"),
    ]
)  # fmt: skip

FILE_ID_OFFSETS = {  # of FileId from the start of the message, in requests
    Command.CLOSE: 72,
    Command.FLUSH: 72,
    Command.READ: 80,
    Command.WRITE: 80,
    Command.LOCK: 72,
    Command.IOCTL: 72,
    Command.QUERY_DIRECTORY: 72,
    Command.CHANGE_NOTIFY: 72,
    Command.QUERY_INFO: 88,
    Command.SET_INFO: 80,
}
_FILE_ID_SIZE = 16
_FILE_OFFSET = 72  # of Offset in READ (MS-SMB2 2.2.19) and WRITE requests (2.2.21), which have it in one place
NO_OFFSET = 0xFFFF_FFFF_FFFF_FFFF
"""What stands for Offset where a request has none."""
_OPLOCK_BREAK_SIZE = 24  # StructureSize of an oplock break; a lease break (36, 44) names no file
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))


class OpenTable:
    """All opens of a capture, as rows of `OPEN`; those that are still open can be found by FileId."""

    def __init__(self) -> None:
        self._table = GrowingTable(OPEN)
        self._live = np.empty(0, np.int64)  # row numbers

    @property
    def rows(self) -> npt.NDArray[Any]:
        """All opens, in order of their CREATE responses."""
        return self._table.rows

    def add(self, arena: memoryview, messages: Messages, responses: Column, requests: npt.NDArray[Any]) -> Column:
        """Successful CREATE responses (rows of `messages`) with their exchanges; returns the numbers of the opens."""
        fixed = CREATE_RESPONSE.gather(arena, messages.offset[responses] + HEADER_SIZE)
        new = np.zeros(len(responses), OPEN)
        new["persistent"], new["volatile"] = fixed["file_id_persistent"], fixed["file_id_volatile"]
        for name in ("oplock_level", "create_action", "file_attributes", "end_of_file"):
            new[name] = fixed[name]
        for name in ("session_id", "tree_id", "connection", "name"):
            new[name] = requests[name]
        new["session"] = messages.session[responses]
        new["opened"], new["opened_frame"] = requests["response_time"], requests["response_frame"]
        first = len(self._table)
        self._table.append(new)
        return np.arange(first, first + len(new), dtype=np.int64)

    def find(
        self,
        wanted: npt.NDArray[Any],
        scopes: Column,
        order: Column,
        new_opens: Column,
        new_order: Column,
        scope: str = "session",
    ) -> Column:
        """The open that each wanted FileId means at its place in `order`; -1 where none is known.

        Args:
            wanted: structured, fields `persistent` and `volatile`.
            scopes: session number of each; FileIds of different sessions have nothing to do with each other.
                Or connection numbers, for messages that name no session.
            order: place of each message in the block.
            new_opens: opens that were added in this block.
            new_order: places of their CREATE responses.
            scope: which column of `OPEN` the scopes are of.
        """
        if len(wanted) == 0:
            return np.empty(0, np.int64)
        candidates = np.concatenate([self._live, new_opens])
        if len(candidates) == 0:
            return np.full(len(wanted), -1, np.int64)
        opens = take_rows(self.rows, candidates)
        keys = np.concatenate([_mix(opens, opens[scope].astype(np.int64)), _mix(wanted, scopes)])
        places = np.concatenate([np.full(len(self._live), -1), new_order, order])
        is_open = np.arange(len(keys)) < len(candidates)
        found = latest_before((keys,), places, is_open)[len(candidates) :]
        opens_found = take_rows(opens, found)  # -1 takes the last row; it is masked out below
        same = (opens_found["persistent"] == wanted["persistent"]) & (opens_found["volatile"] == wanted["volatile"])
        return np.where((found >= 0) & same, candidates[found], -1)

    def close(self, numbers: Column, times: Column, frames: Column) -> None:
        """CLOSE was answered with success."""
        rows = self.rows
        rows["closed"][numbers], rows["closed_frame"][numbers] = times, frames

    def transfer(self, column: str, numbers: Column, amounts: Column) -> None:
        """Add bytes to `bytes_read` or `bytes_written`."""
        np.add.at(self.rows[column], numbers, amounts.astype(np.uint64))

    def end_block(self, new_opens: Column) -> None:
        """Forget the FileIds of what has been closed."""
        live = np.concatenate([self._live, new_opens])
        self._live = live[self.rows["closed"][live] == 0]


def gather_file_ids(arena: memoryview, messages: Messages, requests: Column) -> tuple[Column, npt.NDArray[Any]]:
    """The rows of `requests` that name a file, and their FileIds (fields `persistent`, `volatile`)."""
    commands = messages.header["command"][requests]
    offsets = np.array([FILE_ID_OFFSETS.get(Command(value), 0) for value in range(0x14)], np.int64)
    at = np.where(commands < len(offsets), offsets[np.minimum(commands, len(offsets) - 1)], 0)
    acknowledgments = np.flatnonzero(commands == Command.OPLOCK_BREAK)
    if len(acknowledgments):
        rows = requests[acknowledgments]
        fits = messages.offset[rows] + HEADER_SIZE + _OPLOCK_BREAK_SIZE <= messages.end[rows]
        size = np.zeros(len(rows), np.int64)
        size[fits] = everywhere(arena, "<u2")[messages.offset[rows[fits]] + HEADER_SIZE]
        at[acknowledgments] = np.where(size == _OPLOCK_BREAK_SIZE, 72, 0)
    inside = (at > 0) & (messages.offset[requests] + at + _FILE_ID_SIZE <= messages.end[requests])
    rows = requests[inside]
    file_ids = everywhere(arena, "V16")[messages.offset[rows] + at[inside]]
    return rows, file_ids.view([("persistent", "<u8"), ("volatile", "<u8")])


def gather_file_offsets(arena: memoryview, messages: Messages, requests: Column) -> npt.NDArray[np.uint64]:
    """Where in its file each of `requests` begins to read or write; `NO_OFFSET` for those that do neither."""
    commands = messages.header["command"][requests]
    moving = np.flatnonzero((commands == Command.READ) | (commands == Command.WRITE))
    at = messages.offset[requests[moving]] + _FILE_OFFSET
    there = at + 8 <= messages.end[requests[moving]]
    offsets = np.full(len(requests), NO_OFFSET, np.uint64)
    offsets[moving[there]] = everywhere(arena, "<u8")[at[there]]
    return offsets


def _mix(file_ids: npt.NDArray[Any], scopes: Column) -> npt.NDArray[np.uint64]:
    """One integer for a FileId in its scope. Equal integers are checked for equal FileIds by the caller."""
    mixed: npt.NDArray[np.uint64] = file_ids["persistent"] * _MIX[0] ^ file_ids["volatile"] * _MIX[1]
    return mixed ^ scopes.astype(np.uint64) * _MIX[2]
