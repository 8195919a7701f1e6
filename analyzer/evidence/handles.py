"""What a CREATE asks to keep beyond a lost connection, and what is granted: durable, persistent handles and leases.

Modern clients ask with every CREATE, so contexts are picked in columns. Oplock and lease breaks are few: objects.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.contexts import find_contexts
from parsers import ntstatus
from parsers.capture.packets import PacketBlock
from parsers.errors import ParseError
from parsers.growing import GrowingTable
from parsers.layout import everywhere, join_tables
from parsers.smb2.create import CREATE_REQUEST, CREATE_RESPONSE
from parsers.smb2.decoder import Batch
from parsers.smb2.durable import DurableFlags
from parsers.smb2.header import HEADER_SIZE, Command, Flags
from parsers.smb2.oplock_break import LeaseBreak, LeaseBreakNotification, OplockBreak, parse_oplock_break
from parsers.smb2.pairing import latest_before
from parsers.transport.ip import Segments

__all__ = ["HANDLE", "BreakMessage", "HandleEvidence"]

Column = npt.NDArray[np.int64]
Rows = npt.NDArray[Any]

HANDLE = np.dtype(
    [
        ("connection", "i4"), ("session", "i4"), ("message_id", "u8"), ("name", "i4"), ("request_frame", "i8"),
        ("request_time", "i8"), ("response_frame", "i8"), ("response_time", "i8"), ("status", "u4"), ("replay", "?"),
        ("asked_version", "u1"), ("asked_persistent", "?"), ("asked_timeout", "u4"), ("create_guid", "V16"),
        ("reconnect_version", "u1"), ("reconnect_persistent", "u8"), ("reconnect_volatile", "u8"),
        ("asked_oplock", "u1"), ("lease_key", "V16"), ("asked_lease", "i4"),
        ("granted_version", "u1"), ("granted_persistent", "?"), ("granted_timeout", "u4"),
        ("granted_oplock", "u1"), ("granted_lease", "i4"), ("file_persistent", "u8"), ("file_volatile", "u8"),
    ]
)  # fmt: skip
"""A CREATE that asks for a durable handle, for one back, or for a lease, with its final response.

Versions are 1 (DHnQ, DHnC) or 2 (DH2Q, DH2C), 0 for not at all. `response_frame` is 0 where no response was seen.
Timeouts are milliseconds (version 2). Lease states are those of `LeaseState`, -1 without a lease; oplock levels those
of `OplockLevel`. `reconnect_persistent` and `reconnect_volatile` are the FileId that is wanted back, `file_persistent`
and `file_volatile` the one that the response gives.
"""

_WANTED = (b"DHnQ", b"DHnC", b"DH2Q", b"DH2C", b"RqLs")


@dataclass(frozen=True, slots=True)
class BreakMessage:
    """An OPLOCK_BREAK: a notification (`solicited` false), an acknowledgment (from the client), or its response.

    `body` is None in an error response. `session` is None where the message names none, as notifications do.
    """

    frame: int
    time: int
    connection: int
    session: int | None
    message_id: int
    from_client: bool
    solicited: bool
    status: int
    body: OplockBreak | LeaseBreakNotification | LeaseBreak | None


@dataclass(slots=True)
class HandleEvidence:
    """Feed it as a sink of `parsers.pipeline.decode`.

    `breaks` are in order of completion; `creates` are rows of `HANDLE` in order of responses, then those without one.
    """

    breaks: list[BreakMessage] = field(default_factory=list)
    _answered: GrowingTable = field(default_factory=lambda: GrowingTable(HANDLE))
    _waiting: Rows = field(default_factory=lambda: np.empty(0, HANDLE))

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        messages = batch.messages
        command = np.where(messages.known, messages.header["command"], 0xFFFF)
        creates = np.flatnonzero(command == Command.CREATE)
        response = (messages.header["flags"][creates] & Flags.SERVER_TO_REDIR.value) != 0
        asked = _asked(batch, creates[~response])
        if len(asked) or len(self._waiting):
            final = messages.header["status"][creates] != ntstatus.STATUS_PENDING
            self._answer(batch, asked, creates[response & final])
        for row in np.flatnonzero(command == Command.OPLOCK_BREAK).tolist():
            self._note_break(batch, row)

    @property
    def creates(self) -> Rows:
        """Rows of `HANDLE`."""
        return join_tables([self._answered.rows, self._waiting])

    def _answer(self, batch: Batch, asked: Rows, responses: Column) -> None:
        """Join the requests that wait, and those of the block, with the responses of the block."""
        messages = batch.messages
        rows = join_tables([self._waiting, asked])
        keys = (
            np.concatenate([rows["message_id"], messages.header["message_id"][responses]]),
            np.concatenate([rows["connection"], batch.units.connection[messages.unit[responses]]]),
        )
        is_request = np.arange(len(keys[0])) < len(rows)
        found = latest_before(keys, np.zeros(len(is_request), np.int64), is_request)[len(rows) :]
        responses, found = responses[found >= 0], found[found >= 0]
        _take_answers(batch, rows, found, responses)
        done = np.zeros(len(rows), np.bool_)
        done[found] = True
        self._answered.append(np.ascontiguousarray(rows[done]))
        self._waiting = np.ascontiguousarray(rows[~done])

    def _note_break(self, batch: Batch, row: int) -> None:
        messages, units = batch.messages, batch.units
        header, unit = messages.header[row], int(messages.unit[row])
        message = batch.arena[int(messages.offset[row]) : int(messages.end[row])]
        from_client = not int(header["flags"]) & Flags.SERVER_TO_REDIR
        body = None
        if from_client or int(header["status"]) == ntstatus.STATUS_SUCCESS:
            try:
                body = parse_oplock_break(message)
            except ParseError:
                return  # it breaks nothing that could be told
        session = int(messages.session[row])
        self.breaks.append(
            BreakMessage(
                int(units.last_frame[unit]), int(units.last_time[unit]), int(units.connection[unit]),
                None if session < 0 else session, int(header["message_id"]), from_client,
                int(header["message_id"]) != (1 << 64) - 1, int(header["status"]), body,
            )
        )  # fmt: skip


def _asked(batch: Batch, requests: Column) -> Rows:
    """The CREATE requests that ask for something to keep, as rows of `HANDLE`."""
    messages, arena = batch.messages, batch.arena
    found = find_contexts(batch, requests, CREATE_REQUEST, _WANTED)
    chosen = np.unique(np.concatenate([rows for rows, _, _ in found.values()]))
    rows = np.zeros(len(chosen), HANDLE)
    if len(chosen) == 0:
        return rows
    header, unit = messages.header[chosen], messages.unit[chosen]
    rows["connection"], rows["session"] = batch.units.connection[unit], messages.session[chosen]
    rows["message_id"], rows["name"] = header["message_id"], messages.name[chosen]
    rows["request_frame"], rows["request_time"] = batch.units.last_frame[unit], batch.units.last_time[unit]
    rows["replay"] = (header["flags"] & Flags.REPLAY_OPERATION.value) != 0
    rows["asked_oplock"] = everywhere(arena, "u1")[messages.offset[chosen] + HEADER_SIZE + 3]
    rows["asked_lease"] = rows["granted_lease"] = -1
    for name, least in ((b"DHnQ", 0), (b"DH2Q", 32), (b"DHnC", 16), (b"DH2C", 36), (b"RqLs", 32)):
        message, data, length = found[name]
        fits = length >= least
        at, place = data[fits], np.searchsorted(chosen, message[fits])
        _read_asked(arena, rows, name, place, at)
    return rows


def _read_asked(arena: memoryview, rows: Rows, name: bytes, place: Column, at: Column) -> None:
    """One kind of context (MS-SMB2 2.2.13.2.3, .4, .8, .11, .12) into the rows at `place`."""
    u4, u8, v16 = everywhere(arena, "<u4"), everywhere(arena, "<u8"), everywhere(arena, "V16")
    if name == b"DHnQ":
        rows["asked_version"][place] = 1
    elif name == b"DH2Q":
        rows["asked_version"][place] = 2
        rows["asked_timeout"][place] = u4[at]
        rows["asked_persistent"][place] = (u4[at + 4] & DurableFlags.PERSISTENT.value) != 0
        rows["create_guid"][place] = v16[at + 16]
    elif name == b"RqLs":
        rows["lease_key"][place], rows["asked_lease"][place] = v16[at], u4[at + 16]
    else:
        rows["reconnect_version"][place] = 1 if name == b"DHnC" else 2
        rows["reconnect_persistent"][place], rows["reconnect_volatile"][place] = u8[at], u8[at + 8]
        if name == b"DH2C":
            rows["create_guid"][place] = v16[at + 16]


def _take_answers(batch: Batch, rows: Rows, found: Column, responses: Column) -> None:
    """Write the responses into the rows of their requests."""
    messages, arena = batch.messages, batch.arena
    unit = messages.unit[responses]
    rows["response_frame"][found], rows["response_time"][found] = (
        batch.units.last_frame[unit],
        batch.units.last_time[unit],
    )
    rows["status"][found] = messages.header["status"][responses]
    whole = messages.offset[responses] + HEADER_SIZE + CREATE_RESPONSE.size <= messages.end[responses]
    good = whole & (messages.header["status"][responses] == ntstatus.STATUS_SUCCESS)
    found, responses = found[good], responses[good]
    fixed = CREATE_RESPONSE.gather(arena, messages.offset[responses] + HEADER_SIZE)
    rows["granted_oplock"][found] = fixed["oplock_level"]
    rows["file_persistent"][found], rows["file_volatile"][found] = (
        fixed["file_id_persistent"],
        fixed["file_id_volatile"],
    )
    granted = find_contexts(batch, responses, CREATE_RESPONSE, _WANTED)
    u4 = everywhere(arena, "<u4")
    order = np.argsort(responses, kind="stable")
    for name, least in ((b"DHnQ", 0), (b"DH2Q", 8), (b"RqLs", 32)):
        message, data, length = granted[name]
        at = data[length >= least]
        place = found[order[np.searchsorted(responses[order], message[length >= least])]]
        if name == b"RqLs":
            rows["granted_lease"][place] = u4[at + 16]
        elif name == b"DHnQ":
            rows["granted_version"][place] = 1
        else:
            rows["granted_version"][place], rows["granted_timeout"][place] = 2, u4[at]
            rows["granted_persistent"][place] = (u4[at + 4] & DurableFlags.PERSISTENT.value) != 0
