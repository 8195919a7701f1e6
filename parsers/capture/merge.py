"""Several captures -> one sequence of blocks in time order, numbered.

Files are opened when the time of their first packet comes, so a rotated set has one open at a time. Where files overlap
in time, their packets are interleaved as by a program that compares the next packet of each: within a file the order
stays, and of equal times the file given last goes first (as mergecap has it).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import SLACK, CaptureFile, PacketBlock

__all__ = ["Input", "merged"]

_BEGINNING = -(2**63)
_SMALL_WINDOW = 256 << 10  # for each of many files that are open at once

_COLUMNS = tuple(field.name for field in fields(PacketBlock) if field.name != "buffer")


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read: `read` opens it and gives its blocks, of a window of so many bytes.

    `first_time` is that of its first packet, None if it has none.
    """

    file: CaptureFile
    first_time: int | None
    read: Callable[[int], Iterator[PacketBlock]]


class _Cursor:
    """What has been read of one file and not yet been delivered: the rows of `block` from `row` on.

    `keys` are the times by which the rows are ordered: a packet that is older than one before it in the file does not
    overtake it. `rank` is higher for files that go first where times are equal.
    """

    def __init__(self, source: Input, rank: int, window: int) -> None:
        self.file = source.file
        self.rank = rank
        self.row = 0
        self.keys: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._blocks = source.read(window)

    def advance(self) -> bool:
        """Ask for the next block if this one was delivered; False if there is none."""
        if self.row < len(self.keys):
            return True
        block = next(self._blocks, None)
        if block is None:
            return False
        latest = self.keys[-1:]
        self.keys = np.maximum.accumulate(np.concatenate([latest, block.time]))[len(latest) :]
        self.block, self.row = block, 0
        return True


class _Part(NamedTuple):
    """The rows `start` up to `stop` of the cursor's block."""

    cursor: _Cursor
    start: int
    stop: int


def merged(inputs: Sequence[Input], window: int) -> Iterator[PacketBlock]:
    """The packets of all `inputs`, by time. Fills in their `CaptureFile`s.

    Args:
        inputs: in the order given by the user.
        window: bytes of a file that are held at once; fewer of each file where several overlap.
    """
    waiting = sorted(enumerate(inputs), key=lambda item: _begin(item[1]), reverse=True)  # the next is at the end
    active: list[_Cursor] = []
    room = bytearray()
    delivered = 0
    while waiting or active:
        active = [cursor for cursor in active if cursor.advance()]
        horizon = min((int(cursor.keys[-1]) for cursor in active), default=None)
        if waiting and (horizon is None or _begin(waiting[-1][1]) <= horizon):
            rank, source = waiting.pop()
            size = max(min(window, _SMALL_WINDOW), window // (len(active) + 1))
            active.append(_Cursor(source, rank, size))
            active.sort(key=lambda cursor: cursor.rank, reverse=True)
        elif horizon is not None:
            parts = _take(active, horizon)
            block, firsts = _joined(parts, room) if len(parts) > 1 else _alone(parts[0])
            room = block.buffer if len(parts) > 1 else room
            block.frame = np.arange(delivered + 1, delivered + 1 + len(block), dtype=np.int64)
            for part, first in zip(parts, firsts, strict=True):
                _count(part, delivered + 1 + first)
            delivered += len(block)
            yield block


def _begin(source: Input) -> int:
    """The time at which a file has to be open. One without packets is read first, for what else is in it."""
    return _BEGINNING if source.first_time is None else source.first_time


def _take(active: Sequence[_Cursor], horizon: int) -> list[_Part]:
    """The rows that nothing still unread can precede: up to the earliest of the last keys, the `horizon`.

    A file that ends at the horizon may go on with the same time; files of lower rank wait with theirs until then.
    """
    parts: list[_Part] = []
    side: Literal["left", "right"] = "right"
    for cursor in active:
        start, cursor.row = cursor.row, max(cursor.row, int(cursor.keys.searchsorted(horizon, side)))
        if cursor.row > start:
            parts.append(_Part(cursor, start, cursor.row))
        if cursor.keys[-1] == horizon:
            side = "left"
    return parts


def _alone(part: _Part) -> tuple[PacketBlock, list[int]]:
    """The rows of one file, where they are."""
    rows = slice(part.start, part.stop)
    block = part.cursor.block
    return PacketBlock(block.buffer, **{name: getattr(block, name)[rows] for name in _COLUMNS}), [0]


def _joined(parts: Sequence[_Part], room: bytearray) -> tuple[PacketBlock, list[int]]:
    """The rows of several files in one block, their bytes copied to `room` (a larger one if need be).

    Also gives the row at which each part begins.
    """
    order = np.concatenate([part.cursor.keys[part.start : part.stop] for part in parts]).argsort(kind="stable")
    blocks = [_alone(part)[0] for part in parts]
    begins = [int(block.offset[0]) for block in blocks]
    sizes = [int(block.offset[-1] + block.captured[-1]) - begin for block, begin in zip(blocks, begins, strict=True)]
    if sum(sizes) + SLACK > len(room):
        room = bytearray(sum(sizes) + SLACK)
    end = 0
    for block, begin, size in zip(blocks, begins, sizes, strict=True):
        memoryview(room)[end : end + size] = memoryview(block.buffer)[begin : begin + size]
        block.offset = block.offset + (end - begin)
        end += size
    columns = {name: np.concatenate([getattr(block, name) for block in blocks])[order] for name in _COLUMNS}
    rows = np.empty(len(order), np.int64)
    rows[order] = np.arange(len(order))
    firsts = np.cumsum([0, *map(len, blocks)])[:-1]
    return PacketBlock(room, **columns), rows[firsts].tolist()


def _count(part: _Part, first_frame: int) -> None:
    file, time = part.cursor.file, part.cursor.block.time[part.start : part.stop]
    earliest, latest = int(time.min()), int(time.max())
    if file.first_frame is None or file.first_time is None or file.last_time is None:
        file.first_frame, file.first_time, file.last_time = first_frame, earliest, latest
    file.first_time, file.last_time = min(file.first_time, earliest), max(file.last_time, latest)
    file.packets += part.stop - part.start
