"""The data that READ and WRITE moved in one block, in columns: which exchange it belongs to and where its bytes lie.

Nobody but those who want file contents asks for it, so it is worked out when asked. Data that went over RDMA
(MS-SMB2 2.2.19, Channel) is in no message and not here.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers import ntstatus
from parsers.layout import join_tables, take_rows
from parsers.smb2.exchanges import BlockExchanges
from parsers.smb2.file_id import FILE_ID_RELATED
from parsers.smb2.header import HEADER_SIZE, Command
from parsers.smb2.messages import Messages
from parsers.smb2.opens import gather_file_ids
from parsers.smb2.read_write import READ_RESPONSE, WRITE_REQUEST

__all__ = ["Transfers", "find_transfers"]

Column = npt.NDArray[np.int64]

_WITH_DATA = (ntstatus.STATUS_SUCCESS, ntstatus.STATUS_BUFFER_OVERFLOW)


@dataclass(frozen=True, slots=True)
class Transfers:
    """Pieces of data, in order of their messages, first all that was written, then all that was read.

    `exchange` (rows of `EXCHANGE`), `start` (arena offset) and `length` (bytes that are there) have one row a piece.
    What is written stands in the request, so a later answer may refuse it; what is read in the answer.

    `unopened` are the exchanges of those READ and WRITE requests of which no CREATE is known, `file_ids` (fields
    `persistent`, `volatile`) the files that they name. `rows` are all exchanges that were open in the block.
    """

    exchange: npt.NDArray[Any]
    start: Column
    length: Column
    unopened: npt.NDArray[Any]
    file_ids: npt.NDArray[Any]
    rows: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.start)


def find_transfers(arena: memoryview, messages: Messages, block: BlockExchanges) -> Transfers:
    """What the messages of one block moved; a message without its end has what is there of its data."""
    written = _written(arena, messages, block)
    read = _read(arena, messages, block)
    command, number = block.rows["command"][block.asked], block.rows["open"][block.asked]
    alone = ((command == Command.READ) | (command == Command.WRITE)) & (number < 0)
    named, file_ids = gather_file_ids(arena, messages, block.requests[alone])
    own = (file_ids["persistent"] != FILE_ID_RELATED.persistent) | (file_ids["volatile"] != FILE_ID_RELATED.volatile)
    unopened = block.asked[np.searchsorted(block.requests, named[own])]
    return Transfers(
        join_tables([written[0], read[0]]),
        np.concatenate([written[1], read[1]]),
        np.concatenate([written[2], read[2]]),
        take_rows(block.rows, unopened),
        file_ids[own],
        block.rows,
    )


def _written(arena: memoryview, messages: Messages, block: BlockExchanges) -> tuple[npt.NDArray[Any], Column, Column]:
    """Exchange, start and length of the data of WRITE requests (MS-SMB2 2.2.21)."""
    chosen = np.flatnonzero(block.rows["command"][block.asked] == Command.WRITE)
    rows = block.requests[chosen]
    whole = messages.offset[rows] + HEADER_SIZE + WRITE_REQUEST.size <= messages.end[rows]
    rows, chosen = rows[whole], chosen[whole]
    fixed = WRITE_REQUEST.gather(arena, messages.offset[rows] + HEADER_SIZE)
    return _pieces(messages, block, rows, block.asked[chosen], fixed["data_offset"], fixed["length"])


def _read(arena: memoryview, messages: Messages, block: BlockExchanges) -> tuple[npt.NDArray[Any], Column, Column]:
    """Exchange, start and length of the data of READ responses (MS-SMB2 2.2.20)."""
    header = messages.header
    is_read = header["command"][block.responses] == Command.READ
    chosen = np.flatnonzero(is_read & np.isin(header["status"][block.responses], _WITH_DATA))
    rows = block.responses[chosen]
    whole = messages.offset[rows] + HEADER_SIZE + READ_RESPONSE.size <= messages.end[rows]
    rows, chosen = rows[whole], chosen[whole]
    fixed = READ_RESPONSE.gather(arena, messages.offset[rows] + HEADER_SIZE)
    return _pieces(messages, block, rows, block.answered[chosen], fixed["data_offset"], fixed["data_length"])


def _pieces(
    messages: Messages,
    block: BlockExchanges,
    rows: Column,
    exchanges: Column,
    data_offset: npt.NDArray[Any],
    length: npt.NDArray[Any],
) -> tuple[npt.NDArray[Any], Column, Column]:
    """The pieces that have data; `data_offset` counts from the start of the message, as the wire has it."""
    start = messages.offset[rows] + data_offset
    there = np.minimum(start + length, messages.end[rows]) - start
    filled = there > 0
    return take_rows(block.rows, exchanges[filled]), start[filled], there[filled]
