"""Requests whose meaning is in their bodies: LOCK, IOCTL, CHANGE_NOTIFY; CANCEL; exchanges that tell of trouble."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers import ntstatus
from parsers.capture.packets import PacketBlock
from parsers.growing import GrowingTable
from parsers.layout import everywhere, take_rows
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.header import HEADER_SIZE, Command, Flags
from parsers.smb2.ioctl import IOCTL_REQUEST
from parsers.smb2.lock import LOCK_ELEMENT, LOCK_REQUEST
from parsers.transport.ip import Segments

__all__ = ["OPERATION", "OperationEvidence"]

Rows = npt.NDArray[Any]

OPERATION = np.dtype(
    [
        ("connection", "i4"), ("session", "i4"), ("message_id", "u8"), ("async_id", "u8"), ("command", "u2"),
        ("frame", "i8"), ("time", "i8"), ("code", "u4"),
    ]
)  # fmt: skip
"""A request.

`code` is CtlCode of an IOCTL, Flags of the first element of a LOCK (MS-SMB2 2.2.26.1), CompletionFilter of a
CHANGE_NOTIFY, 0 for a CANCEL. `async_id` is 0 where the request is synchronous.
"""

_CODES = {  # where the code stands from the start of the message, and where the message has to reach
    Command.IOCTL: (HEADER_SIZE + 4, HEADER_SIZE + IOCTL_REQUEST.size),
    Command.LOCK: (HEADER_SIZE + LOCK_REQUEST.size + 16, HEADER_SIZE + LOCK_REQUEST.size + LOCK_ELEMENT.size),
    Command.CHANGE_NOTIFY: (HEADER_SIZE + 24, HEADER_SIZE + 32),
    Command.CANCEL: (HEADER_SIZE, HEADER_SIZE + 4),
}
_TELLING = (
    ntstatus.STATUS_NETWORK_SESSION_EXPIRED, ntstatus.STATUS_USER_SESSION_DELETED, ntstatus.STATUS_NETWORK_NAME_DELETED,
    ntstatus.STATUS_INSUFFICIENT_RESOURCES, ntstatus.STATUS_FILE_NOT_AVAILABLE,
)  # fmt: skip


@dataclass(slots=True)
class OperationEvidence:
    """Feed it as a sink of `parsers.pipeline.decode`, and `watch` with the rows of `EXCHANGE` that are done."""

    _operations: GrowingTable = field(default_factory=lambda: GrowingTable(OPERATION))
    _watched: GrowingTable = field(default_factory=lambda: GrowingTable(EXCHANGE))

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        messages = batch.messages
        command = np.where(messages.known, messages.header["command"], 0xFFFF)
        for kind, (at, size) in _CODES.items():
            rows = np.flatnonzero(command == kind)
            if len(rows) == 0:
                continue
            rows = rows[(messages.header["flags"][rows] & Flags.SERVER_TO_REDIR.value) == 0]
            rows = rows[messages.offset[rows] + size <= messages.end[rows]]
            header, unit = take_rows(messages.header, rows), messages.unit[rows]
            new = np.zeros(len(rows), OPERATION)
            is_async = (header["flags"] & Flags.ASYNC_COMMAND.value) != 0
            new["connection"], new["session"] = batch.units.connection[unit], messages.session[rows]
            new["message_id"], new["command"] = header["message_id"], kind
            new["async_id"] = np.where(is_async, header["async_id"], 0)
            new["frame"], new["time"] = batch.units.last_frame[unit], batch.units.last_time[unit]
            if kind != Command.CANCEL:
                new["code"] = everywhere(batch.arena, "<u4")[messages.offset[rows] + at]
            self._operations.append(new)

    def watch(self, exchanges: Rows) -> None:
        """Keep of exchanges that are done those that waited, were refused for their session, or have no answer."""
        if len(exchanges) == 0:
            return
        status, command = exchanges["status"], exchanges["command"]
        wanted = (exchanges["pending_time"] != 0) | (command == Command.ECHO) | (exchanges["response_frame"] == 0)
        wanted |= np.isin(status, _TELLING)
        self._watched.append(take_rows(exchanges, np.flatnonzero(wanted)))

    @property
    def operations(self) -> Rows:
        """Rows of `OPERATION`, by command within each block."""
        return self._operations.rows

    @property
    def watched(self) -> Rows:
        """Rows of `EXCHANGE`: pending, ECHO, unanswered, and those with a status that tells of session or resources."""
        return self._watched.rows

    def codes(self, command: Command) -> Rows:
        """The rows of one command, in order of frames."""
        rows = take_rows(self.operations, self.operations["command"] == command)
        return take_rows(rows, np.argsort(rows["frame"], kind="stable"))
