"""Cuts one direction of a stream into SMB messages (MS-SMB2 2.1, RFC 1002 4.3).

Each message follows four bytes: a zero and its 24-bit length. A direction that is not at a message boundary, because
the capture starts inside or bytes are missing, is searched for the next one. What lies in between is kept as `Skipped`.
"""

from dataclasses import dataclass
from struct import Struct

import numpy as np
import numpy.typing as npt

from parsers.layout import Buffer, everywhere
from parsers.transport.streams import Pieces

__all__ = ["Framer", "Frames", "Skipped", "looks_like_message"]

PREFIX = 4  # direct TCP and NetBIOS session service header
_LENGTH = Struct(">I").unpack_from
_SESSION_MESSAGE = 0x00
_SESSION_CONTROL = range(0x81, 0x86)  # RFC 1002 4.3.1: session request .. keep alive
_MAX_CONTROL = 1024  # a session request holds two encoded NetBIOS names, 72 bytes
_SMB = b"SMB"
_MINIMUM = {0xFE: 64, 0xFD: 52, 0xFC: 16, 0xFF: 32}  # header sizes: SMB2, transform, compression, SMB1
_LARGEST = 0xFFFFFF
_WORTH_A_RUN = 4  # pieces; fewer are followed one by one, and then some more before runs are tried again
_SINGLE_STEPS = 64
_NOT_AT_BOUNDARY = "not at a message boundary"
_REST = "rest of a message that lost bytes"
_SMB_VALUE = int.from_bytes(_SMB, "little")
_LEAST = np.array([_MINIMUM.get(first, 1 << 24) for first in range(256)], np.uint32)

Column = npt.NDArray[np.int64]
_NOTHING = np.empty(0, np.int64)


@dataclass(slots=True)
class Skipped:
    """Captured bytes of a direction that are part of no whole message: where they begin, how many, and why.

    What is skipped for the same reason up to the next message is one row, also across bytes that were not captured.
    """

    position: int  # in the stream
    length: int
    frame: int
    reason: str


@dataclass(slots=True)
class Frames:
    """Messages found in one feed, in stream order. Columns int64 of shape (n,).

    `start` is an arena offset behind the 4-byte prefix; `length` is what the prefix says, `present` how much of it
    is in the arena (less than `length`: the message is incomplete). `first_*` is the frame that holds the first
    byte, `last_*` the one that completes the message.
    """

    start: Column
    length: Column
    present: Column
    position: Column
    first_frame: Column
    first_time: Column
    last_frame: Column
    last_time: Column

    def __len__(self) -> int:
        return len(self.start)


@dataclass(slots=True)
class _Map:
    """Which frame and time a byte of the region has; frames and times of completion never go back."""

    start: Column
    frame: Column
    time: Column

    def rows(self, offsets: Column) -> Column:
        return np.searchsorted(self.start, offsets, side="right") - 1


# Empty results: a capture with a snap length gives one for each packet.
_NO_FRAMES = Frames(*[_NOTHING] * len(Frames.__slots__))
_NO_PLACES = _Map(*[_NOTHING] * len(_Map.__slots__))


class Framer:
    """One direction of one SMB connection. `control` counts bytes of session control packets (RFC 1002 4.3)."""

    def __init__(self, *, at_boundary: bool) -> None:
        self.control = 0
        self.skipped: list[Skipped] = []
        self._at_boundary = at_boundary
        self._carry = bytearray()
        self._carry_map = _NO_PLACES
        self._position = 0  # stream position of the first carried byte, or of the next one expected
        self._boundary: int | None = None  # where a message that lost bytes must end
        self._skipping = False  # whether nothing has been framed since the last of `skipped`

    @property
    def carried(self) -> int:
        """Bytes kept for the next feed."""
        return len(self._carry)

    def feed(self, run: Pieces, arena: memoryview, start: int) -> Frames:
        """Take a contiguous run. Its bytes, behind the carried ones, are written to `arena` from `start` on.

        The arena must have room for `carried + run.size` bytes.
        """
        position = int(run.position[0])
        incomplete = self._gap(position, arena, start)
        if self._is_still_unfinished(run):
            self._extend_carry(run)
            return incomplete
        if self._boundary is not None and position + run.size < self._boundary:
            self._skip(position, run.size, int(run.frame[0]), _REST)
            self._position = position + run.size
            return incomplete
        region = start + int(incomplete.present.sum())
        carried = len(self._carry)
        arena[region : region + carried] = self._carry
        run.copy_into(arena, region + carried)
        end = region + carried + run.size
        ends = np.cumsum(run.length)
        places = _Map(
            np.concatenate([self._carry_map.start + region, region + carried + ends - run.length]),
            np.concatenate([self._carry_map.frame, run.frame]),
            np.concatenate([self._carry_map.time, run.time]),
        )
        if not carried:
            self._position = position
        frames, rest = self._frame(arena, region, end, places)
        self._carry_over(arena, rest, end, places, region)
        return _join(incomplete, frames)

    def finish(self, arena: memoryview, start: int) -> Frames:
        """Nothing more will come: a message that has begun is returned as incomplete, its bytes at `start`."""
        return self._abandon(arena, start, "the capture or the connection ends inside of this message")

    def _is_still_unfinished(self, run: Pieces) -> bool:
        """Whether the message that has begun needs more than this run: then nothing else can be in it."""
        if self._boundary is not None or not self._at_boundary or len(self._carry) < PREFIX + len(_SMB) + 1:
            return False  # without the protocol id a length is not to be believed
        return PREFIX + _declared(self._carry) > len(self._carry) + run.size

    def _extend_carry(self, run: Pieces) -> None:
        carried = len(self._carry)
        self._carry += bytes(run.size)
        run.copy_into(memoryview(self._carry), carried)
        places = self._carry_map
        self._carry_map = _Map(
            np.concatenate([places.start, carried + np.cumsum(run.length) - run.length]),
            np.concatenate([places.frame, run.frame]),
            np.concatenate([places.time, run.time]),
        )

    def _gap(self, position: int, arena: memoryview, start: int) -> Frames:
        """Note that bytes are missing before `position`, if they are."""
        if position == self._position + len(self._carry):
            return _NO_FRAMES
        expected_end = self._expected_end()
        incomplete = self._abandon(arena, start, "bytes are missing inside of this message")
        self._position = position
        self._boundary = expected_end if expected_end is not None and expected_end >= position else None
        self._at_boundary = expected_end == position
        return incomplete

    def _expected_end(self) -> int | None:
        """Where in the stream the begun message ends, when its length is known."""
        if self._boundary is not None:
            return self._boundary
        if not self._at_boundary or len(self._carry) < PREFIX:
            return None
        return self._position + PREFIX + _declared(self._carry)

    def _abandon(self, arena: memoryview, start: int, reason: str) -> Frames:
        """Give up the carried bytes; if they begin a message, return what is there of it."""
        carry, places = self._carry, self._carry_map
        self._carry, self._carry_map = bytearray(), _NO_PLACES
        if not carry:
            return _NO_FRAMES
        self._skip(self._position, len(carry), int(places.frame[-1]), reason if self._at_boundary else _NOT_AT_BOUNDARY)
        if not self._at_boundary or not looks_like_message(carry):
            return _NO_FRAMES
        self._skipping = False
        present = len(carry) - PREFIX
        arena[start : start + present] = carry[PREFIX:]
        values = (
            start, _declared(carry), present, self._position,
            int(places.frame[0]), int(places.time[0]), int(places.frame.max()), int(places.time.max()),
        )  # fmt: skip
        return Frames(*(np.array([value], np.int64) for value in values))

    def _frame(self, arena: memoryview, region: int, end: int, places: _Map) -> tuple[Frames, int]:
        """All whole messages between `region` and `end`, and where the rest begins."""
        starts: list[Column] = []
        at = self._skip_remainder(region, end, places)
        steps: _Steps | None = None
        while True:
            if not self._at_boundary:
                at = self._search(arena, at, end, region, places)
                if not self._at_boundary:
                    break
            steps = steps or _Steps(arena, places.start, end)
            found, at = _walk_valid(arena, at, end, steps)
            starts += found
            self._skipping &= not found
            if at + PREFIX > end or _plausible_prefix(arena, at, end):
                break
            self._at_boundary = False
        return self._collect(arena, np.concatenate(starts) if starts else _NOTHING, region, places), at

    def _skip_remainder(self, region: int, end: int, places: _Map) -> int:
        """Step over what follows a gap inside of a message whose end is known."""
        if self._boundary is None:
            return region
        stop = min(region + self._boundary - self._position, end)
        self._skip(self._position, stop - region, int(places.frame[0]), _REST)
        if stop - region == self._boundary - self._position:
            self._boundary, self._at_boundary = None, True
        return stop

    def _search(self, arena: memoryview, at: int, end: int, region: int, places: _Map) -> int:
        """Find the next place that looks like a message; `_at_boundary` tells whether there is one."""
        if self._boundary is not None:
            return at
        found = _find_message(arena, at, end)
        self._at_boundary = found is not None
        stop = found if found is not None else max(at, end - (PREFIX + 3))
        frame = int(places.frame[places.rows(np.array([at]))[0]]) if stop > at else 0
        self._skip(self._position + at - region, stop - at, frame, _NOT_AT_BOUNDARY)
        return stop

    def _skip(self, position: int, length: int, frame: int, reason: str) -> None:
        if length <= 0:
            return
        if self._skipping and self.skipped[-1].reason == reason:
            self.skipped[-1].length += length
        else:
            self.skipped.append(Skipped(position, length, frame, reason))
            self._skipping = True

    def _collect(self, arena: memoryview, at: Column, region: int, places: _Map) -> Frames:
        """Columns of the messages whose prefixes stand at `at`; session control packets are left out."""
        if len(at) == 0:
            return _NO_FRAMES
        prefix = everywhere(arena, ">u4")[at].astype(np.int64)
        length = prefix & 0xFFFFFF
        message = prefix >> 24 == _SESSION_MESSAGE
        self.control += int((length[~message] + PREFIX).sum())
        at, length = at[message], length[message]
        first, last = places.rows(at), places.rows(at + PREFIX + length - 1)
        return Frames(
            at + PREFIX,
            length,
            length,
            self._position + at - region,
            places.frame[first],
            places.time[first],
            np.maximum.accumulate(places.frame)[last],
            np.maximum.accumulate(places.time)[last],
        )

    def _carry_over(self, arena: memoryview, rest: int, end: int, places: _Map, region: int) -> None:
        """Keep what is left, with the frames it came in; the arena is reused."""
        self._position += rest - region
        self._carry = bytearray(arena[rest:end])
        if rest == end:
            self._carry_map = _NO_PLACES
            return
        row = int(places.rows(np.array([rest]))[0])
        start = np.maximum(places.start[row:] - rest, 0)
        self._carry_map = _Map(start, places.frame[row:], places.time[row:])


def looks_like_message(data: Buffer) -> bool:
    """Whether a 4-byte prefix, a protocol id and a length that can hold its header stand at the start of `data`."""
    if len(data) < PREFIX + 4 or data[0] != _SESSION_MESSAGE or data[5:8] != _SMB:
        return False
    return _declared(data) >= _MINIMUM.get(data[4], 1 << 24)


def _declared(data: Buffer) -> int:
    """The length that the prefix at the start of `data` declares."""
    length: int = _LENGTH(data)[0]
    return length & 0xFFFFFF


class _Steps:
    """Where the length at the start of each piece leads to: most messages begin with a piece and end with one."""

    def __init__(self, arena: memoryview, starts: Column, end: int) -> None:
        self.starts = starts[: int(np.searchsorted(starts, end - PREFIX, side="right"))]
        prefix = everywhere(arena, ">u4")[self.starts].astype(np.int64)
        self.target = np.where(prefix <= _LARGEST, self.starts + PREFIX + prefix, -1)
        # Pieces from which the length does not lead to the start of the piece behind.
        self.breaks = np.append(np.flatnonzero(self.target[:-1] != self.starts[1:]), len(self.starts) - 1)

    def run(self, at: int, end: int) -> tuple[Column, int]:
        """The pieces from `at` on that lead from one to the next and are whole, and where the last one leads."""
        first = int(np.searchsorted(self.starts, at))
        if first == len(self.starts) or self.starts[first] != at:
            return _NOTHING, at
        last = int(self.breaks[np.searchsorted(self.breaks, first)])
        target = int(self.target[last])
        if not 0 <= target <= end:
            last, target = last - 1, int(self.starts[last])
        return self.starts[first : last + 1], target


def _walk_valid(arena: memoryview, at: int, end: int, steps: _Steps) -> tuple[list[Column], int]:
    """The places of whole messages and control packets from `at` on, and where the first other thing stands.

    Lengths are followed first and what they point to is checked afterwards, in columns. The steps grow, so that
    little is followed in vain through bytes that are no messages.
    """
    places: list[Column] = []
    limit = 64
    while True:
        found, stop = _walk(arena, at, end, limit, steps)
        good = _count_valid(arena, found)
        if good:
            places.append(found[:good])
        if good < len(found):
            return places, int(found[good])
        if len(found) < limit:
            return places, stop
        at, limit = stop, min(limit * 2, 1 << 20)


def _walk(arena: memoryview, at: int, end: int, limit: int, steps: _Steps) -> tuple[Column, int]:
    """Follow about `limit` lengths: the places of what is whole, and where that stops."""
    found: list[Column] = []
    count = 0
    while count < limit:
        run, following = steps.run(at, end)
        if len(run) < _WORTH_A_RUN:
            run, following = _walk_singly(arena, at, end)
        if len(run) == 0:
            break
        found.append(run[: limit - count])
        count += len(run)
        at = following if count <= limit else int(run[limit - count])
    return np.concatenate(found) if found else _NOTHING, at


def _walk_singly(arena: memoryview, at: int, end: int) -> tuple[Column, int]:
    """Follow a few lengths one by one."""
    found: list[int] = []
    append, length_at, last = found.append, _LENGTH, end - PREFIX
    while at <= last and len(found) < _SINGLE_STEPS:
        prefix = length_at(arena, at)[0]
        if prefix > _LARGEST and not _is_control(prefix):
            break
        following = at + PREFIX + (prefix & _LARGEST)
        if following > end:
            break
        append(at)
        at = following
    return np.array(found, np.int64), at


def _is_control(prefix: int) -> bool:
    return prefix >> 24 in _SESSION_CONTROL and prefix & 0xFFFFFF <= _MAX_CONTROL


def _count_valid(arena: memoryview, at: Column) -> int:
    """How many of the places, from the first on, hold an SMB message or a session control packet."""
    if len(at) == 0:
        return 0
    prefix = everywhere(arena, ">u4")[at].astype("=u4")
    # What is too short to have a protocol id is shorter than every header: whatever is read in its place.
    ids = everywhere(arena, "<u4")[np.minimum(at + PREFIX, len(arena) - 4)]
    named = ids >> 8 == _SMB_VALUE
    valid = (prefix > _LARGEST) | (named & (prefix >= _LEAST[ids & 0xFF]))
    return len(at) if valid.all() else int(valid.argmin())


def _plausible_prefix(arena: memoryview, at: int, end: int) -> bool:
    """Whether an unfinished message may stand at `at`: as far as it is there, it looks like one."""
    data = bytes(arena[at : min(at + PREFIX + 4, end)])
    if _is_control(_LENGTH(data)[0]):
        return True
    if data[0] != _SESSION_MESSAGE:
        return False
    protocol = data[PREFIX:]
    if len(protocol) == 4:
        return looks_like_message(data)
    return any((bytes([first]) + _SMB).startswith(protocol) for first in _MINIMUM)


def _find_message(arena: memoryview, at: int, end: int) -> int | None:
    """The first place from `at` on that looks like a message."""
    data = arena.obj
    assert isinstance(data, bytearray)
    while True:
        found = data.find(_SMB, at + PREFIX + 1, end)
        if found < 0:
            return None
        start = found - PREFIX - 1
        if looks_like_message(arena[start:end]):
            return start
        at = start + 1


def _join(first: Frames, second: Frames) -> Frames:
    if len(first) == 0:
        return second
    return Frames(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in Frames.__slots__))
