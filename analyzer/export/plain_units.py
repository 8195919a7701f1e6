"""The units of a batch as they are to be written: plain where they were decrypted, the others as they were."""

from collections.abc import Collection
from itertools import starmap
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.smb2.decoder import Batch
from parsers.smb2.framing import PREFIX
from parsers.smb2.messages import DECRYPTIONS
from parsers.verdicts import Decryption

__all__ = ["ENCRYPTED", "PlainUnit", "opened_units", "plain_units"]

ENCRYPTED = 0xFD  # `Units.protocol` of a unit with a transform header
_DECRYPTED = DECRYPTIONS.index(Decryption.DECRYPTED)

Column = npt.NDArray[np.int64]


class PlainUnit(NamedTuple):
    """What one transport frame carried, in plain if it could be opened.

    `position` and `end` count bytes of the original stream, prefix included. `size` is what the prefix is to say: more
    than `data` holds where bytes were lost. `frame` and `time` (nanoseconds) are those of its completion.
    """

    frame: int
    time: int
    connection: int
    sender: int
    position: int
    end: int
    size: int
    data: memoryview | bytes


def opened_units(batch: Batch) -> tuple[Column, Column, Column]:
    """The rows of the units that were decrypted, and where in the arena their plain bytes start and end.

    The messages of a compound lie there one behind the other.
    """
    messages = batch.messages
    rows = np.flatnonzero(messages.decryption == _DECRYPTED)
    unit = messages.unit[rows]
    first = np.flatnonzero(np.diff(unit, prepend=-1))
    last = np.flatnonzero(np.diff(unit, append=-1))
    return unit[first], messages.offset[rows[first]], messages.end[rows[last]]


def plain_units(batch: Batch, connections: Collection[int] | None = None) -> list[PlainUnit]:
    """The units of the given connections, or of all, in the order of the batch; `data` lies in its arena."""
    units = batch.units
    start, present, size = units.start.copy(), units.present.copy(), units.length.copy()
    opened, plain_start, plain_end = opened_units(batch)
    start[opened], present[opened], size[opened] = plain_start, plain_end - plain_start, plain_end - plain_start
    rows = np.arange(len(units))
    if connections is not None:
        rows = np.flatnonzero(np.isin(units.connection, list(connections)))
    end = units.position + PREFIX + units.present
    columns = (units.last_frame, units.last_time, units.connection, units.sender, units.position, end, size)
    places = zip(start[rows].tolist(), (start + present)[rows].tolist(), strict=True)
    data = [batch.arena[first:last] for first, last in places]
    values = zip(*(column[rows].tolist() for column in columns), data, strict=True)
    return list(starmap(PlainUnit, values))
