"""Decompresses the compressed units of a block, encrypted or not (MS-SMB2 2.2.42, 3.3.5.2.1.2)."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from parsers.errors import ParseError
from parsers.layout import everywhere
from parsers.smb2.compression import decompress
from parsers.smb2.decrypt import Opened
from parsers.smb2.messages import DECRYPTIONS, Units
from parsers.smb2.session import SmbConnection
from parsers.verdicts import Decryption

__all__ = ["Inflated", "compressed_units", "inflate"]

Column = npt.NDArray[np.int64]

_ID = int.from_bytes(b"\xfcSMB", "little")
_OVERHEAD = 256 + 64  # what a message may have beside its payload (MS-SMB2 3.3.5.2.1.2)
_LARGEST_PAYLOAD = 8 << 20  # where the negotiated sizes are not known: the largest that Windows and Samba grant
_LARGEST_BLOCK = 256 << 20  # plain bytes of one block's compressed units; tiny units that expand to much are hostile


@dataclass(slots=True)
class Inflated:
    """Compressed units and where they are: before `place` the compressed bytes, afterwards the plain ones.

    `done` tells which could be decompressed; `reasons` says by unit why the others could not.
    """

    unit: Column
    start: Column
    end: Column
    encrypted: npt.NDArray[np.bool_]
    done: npt.NDArray[np.bool_]
    reasons: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def failed(self) -> Column:
        """Units that could not be decompressed."""
        return self.unit[~self.done]

    def place(self, arena: memoryview, messages: list[bytes], at: int) -> None:
        """Write the plain messages, empty where there is none, to the arena from `at` on."""
        for row, message in enumerate(messages):
            arena[at : at + len(message)] = message
            self.start[row], self.end[row] = at, at + len(message)
            at += len(message)


def compressed_units(arena: memoryview, units: Units, opened: Opened) -> Inflated:
    """The whole compressed units of a block: in transform messages that were opened, and without one."""
    is_open = opened.verdict == DECRYPTIONS.index(Decryption.DECRYPTED)
    inner = np.flatnonzero(is_open & (opened.end - opened.start >= 4))
    inner = inner[everywhere(arena, "<u4")[opened.start[inner]] == _ID]
    clear = np.flatnonzero((units.protocol == 0xFC) & ~units.incomplete)
    return Inflated(
        np.concatenate([opened.unit[inner], clear]),
        np.concatenate([opened.start[inner], units.start[clear]]),
        np.concatenate([opened.end[inner], units.start[clear] + units.length[clear]]),
        np.arange(len(inner) + len(clear)) < len(inner),
        np.zeros(len(inner) + len(clear), np.bool_),
    )


def inflate(arena: memoryview, units: Units, jobs: Inflated, connections: dict[int, SmbConnection]) -> list[bytes]:
    """The plain bytes of each unit, empty where it is damaged; fills `done` and `reasons`."""
    messages: list[bytes] = []
    room = _LARGEST_BLOCK
    for row, (unit, start, end) in enumerate(
        zip(jobs.unit.tolist(), jobs.start.tolist(), jobs.end.tolist(), strict=True)
    ):
        limit = _limit(connections[int(units.connection[unit])])
        try:
            message = decompress(arena[start:end], limit=min(limit, room))
        except ParseError as error:
            message = b""
            jobs.reasons[unit] = f"compressed, and cannot be decompressed: {error.reason}"
        else:
            jobs.done[row] = True
        room -= len(message)
        messages.append(message)
    return messages


def _limit(connection: SmbConnection) -> int:
    """The most that a receiver on this connection accepts."""
    response = connection.negotiate_response
    if response is None:
        return _OVERHEAD + _LARGEST_PAYLOAD
    largest = max(response.max_read_size, response.max_write_size, response.max_transact_size)
    return _OVERHEAD + min(largest, 1 << 24)
