"""The part of a capture file that is in memory: one buffer that is read into again and again.

The formats walk the bytes between `start` and `end`; whatever record is unfinished there moves to the front when
more is read. After damage, `recover` looks for the next place where a record may begin.
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import MAX_PACKET, SLACK, CaptureLog, Damage
from parsers.layout import everywhere

__all__ = [
    "CUT_OFF",
    "LOOKAHEAD",
    "MAX_DAMAGE",
    "MAX_RECORD",
    "SEARCH_ROOM",
    "ByteSource",
    "Window",
    "columns_at",
    "recover",
    "search",
]

CUT_OFF = "cut off in the middle of a packet"

MAX_RECORD = MAX_PACKET + (128 << 10)
"""The largest record or block that is read: a packet with its header and options (one of which ends at 64 KiB)."""

MAX_DAMAGE = 10_000
"""Damaged places after which the rest of a file is left: hostile bytes must not cost unbounded time and memory."""

LOOKAHEAD = 1 << 20
"""Bytes after a place that may be read to judge whether a record begins there. Equal for every window size, so that
what is found does not depend on it."""

S = TypeVar("S", bound=np.generic)
Plausible: TypeAlias = Callable[[int, int], npt.NDArray[np.int64]]

_FIRST_STEP = 512
_LAST_STEP = 256 << 10

SEARCH_ROOM = LOOKAHEAD + _LAST_STEP
"""Bytes that a search looks ahead of where it is."""


@runtime_checkable
class ByteSource(Protocol):
    """Where the bytes of a capture come from."""

    def readinto(self, view: memoryview, /) -> int | None:
        """Read some bytes into `view`; 0 at the end. `OSError` when no more can be read."""


class Window:
    """The bytes `buffer[start:end]` of a file, of which `buffer[0]` is byte `base`.

    Args:
        source: where the bytes come from.
        size: bytes that are held at once; more only for a single record that is larger.
        file: its name, for `Damage`.
        log: where damage is noted.
    """

    __slots__ = ("_damage_left", "_source", "base", "buffer", "end", "ended", "file", "log", "start")

    def __init__(self, source: ByteSource, size: int, file: str, log: CaptureLog) -> None:
        self._source = source
        self._damage_left = MAX_DAMAGE
        self.buffer = bytearray(size + SLACK)
        self.start = self.end = self.base = 0
        self.ended = False
        self.file = file
        self.log = log

    def need(self, size: int) -> bool:
        """Have `size` bytes from `start` on in the buffer; False if the file ends before. Moves what is in it."""
        if self.end - self.start < size and not self.ended:
            self._fill(size)
        return self.end - self.start >= size

    def note(self, position: int, reason: str) -> None:
        """Note damage at `position` in the buffer."""
        self.note_at(self.base + position, reason)

    def note_at(self, offset: int, reason: str) -> None:
        """Note damage at `offset` in the file; after `MAX_DAMAGE` places the rest of the file is given up."""
        if self._damage_left == 0:
            return
        self._damage_left -= 1
        self.log.damage.append(Damage(self.file, offset, reason))
        if self._damage_left == 0:
            self.log.damage.append(
                Damage(self.file, offset, f"more than {MAX_DAMAGE} damaged places: the rest of the file is not read")
            )

    @property
    def hopeless(self) -> bool:
        """Whether so much was damaged that the rest of the file is left."""
        return self._damage_left == 0

    def _fill(self, size: int) -> None:
        keep = self.end - self.start
        capacity = len(self.buffer) - SLACK
        if size > capacity:
            larger = bytearray(size + SLACK)
            larger[:keep] = memoryview(self.buffer)[self.start : self.end]
            self.buffer, capacity = larger, size
        elif self.start:
            view = memoryview(self.buffer)
            view[:keep] = view[self.start : self.end]
        self.base += self.start
        self.start, self.end = 0, keep
        self._read(capacity)

    def _read(self, capacity: int) -> None:
        view = memoryview(self.buffer)
        try:
            while self.end < capacity:
                count = self._source.readinto(view[self.end : capacity])
                if not count:
                    self.ended = True
                    return
                self.end += count
        except OSError as error:
            self.ended = True
            self.note(self.end, f"no more can be read: {error}")


def columns_at(buffer: bytearray, offsets: npt.NDArray[np.int64], dtype: np.dtype[S]) -> npt.NDArray[S]:
    """The items of `dtype` at `offsets`, which must lie in the buffer, shape (n,); structures are copied as wholes."""
    return everywhere(buffer, (np.void, dtype.itemsize))[offsets].view(dtype)


def recover(window: Window, plausible: Plausible, reason: str, otherwise: str = "") -> None:
    """Note the damage at `window.start` and move to the next place where a record may begin, or to the file's end.

    Args:
        window: `start` is at the damage.
        plausible: called with the first and the one-past-last position of some bytes, gives the positions among them
            at which a record may begin. It may look `LOOKAHEAD` bytes further, and not beyond `window.end`.
        reason: what is wrong.
        otherwise: what is wrong if no record follows; says the same by default.
    """
    damage = window.base + window.start
    found = search(window, plausible)
    skipped = window.base + window.start - damage
    if found:
        window.note_at(damage, f"{reason}: {skipped} bytes skipped")
    else:
        window.note_at(damage, otherwise or f"{reason}: nothing readable in the {skipped} bytes up to the end")


def search(window: Window, plausible: Plausible, within: int | None = None) -> bool:
    """Move `window.start` forward, by a byte at least, to the next place where a record may begin.

    Args:
        window: what it holds moves, unless `within + SEARCH_ROOM` bytes are there.
        plausible: see `recover`.
        within: number of bytes after which to stop; the whole file by default.

    Returns:
        Whether there is one. If not, `start` is where the search stopped.
    """
    stop = None if within is None else window.base + window.start + within
    window.start += 1
    step = _FIRST_STEP
    while window.need(step + LOOKAHEAD) or window.end > window.start:
        last = window.end if stop is None else min(stop - window.base, window.end)
        if window.start >= last:
            return False
        last = min(window.start + step, last)
        found = plausible(window.start, last)
        if len(found):
            window.start = int(found[0])
            return True
        window.start = last
        step = min(2 * step, _LAST_STEP)
    return False
