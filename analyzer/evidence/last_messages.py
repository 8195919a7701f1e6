"""The last message of each direction: whether its sender came to its end."""

from dataclasses import dataclass, field

import numpy as np

from parsers.capture.packets import PacketBlock
from parsers.smb2.decoder import Batch
from parsers.transport.ip import Segments

__all__ = ["LastMessage", "LastMessages"]

_PREFIX = 4  # bytes of the length before each message (MS-SMB2 2.1)


@dataclass(frozen=True, slots=True)
class LastMessage:
    """The message that begins last in a direction.

    Attributes:
        position: where its length prefix begins in the direction, bytes.
        end: where it ends, by that prefix.
        frame: packet in which it begins.
        time: of that packet, nanoseconds since 1970.
        encrypted: whether it is an encrypted one.
    """

    position: int
    end: int
    frame: int
    time: int
    encrypted: bool


@dataclass(slots=True)
class LastMessages:
    """Feed it as a sink of `parsers.pipeline.decode`.

    A message that is never finished is the one thing that shows why a transfer stands still: it is no request yet, and
    no tool that waits for its last byte ever lists it.
    """

    _last: dict[tuple[int, int], LastMessage] = field(default_factory=dict)

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        units = batch.units
        if len(units) == 0:
            return
        way = units.connection * 2 + units.sender
        highest = np.full(int(way.max()) + 1, -1)
        np.maximum.at(highest, way, units.position)
        for row in np.flatnonzero(units.position == highest[way]).tolist():
            key = int(units.connection[row]), int(units.sender[row])
            position = int(units.position[row])
            if key in self._last and self._last[key].position >= position:
                continue
            self._last[key] = LastMessage(
                position,
                position + _PREFIX + int(units.length[row]),
                int(units.first_frame[row]),
                int(units.first_time[row]),
                int(units.protocol[row]) == 0xFD,
            )

    def of(self, connection: int, sender: int) -> LastMessage | None:
        """The last message of a direction; None if there is none."""
        return self._last.get((connection, sender))
