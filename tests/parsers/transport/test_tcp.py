"""Reassembly of one direction against the string that was sent.

Segments are written as ranges of the stream: `0-5` are its first five bytes, `5-7+3` are two captured bytes and three
that the snap length cut off. `|` ends a block, `.` says that a block delivers nothing.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.transport.streams import Pieces
from parsers.transport.tcp import Arrivals, Direction, signed_distance

MILLISECOND, SECOND = 10**6, 10**9
STREAM = bytes((n * 7 + n // 256) % 256 for n in range(1024))
NO_ACKNOWLEDGMENT = np.empty(0, np.int64)
INITIAL = (1000, 0xFFFF_FFFF, 0xFFFF_FFF9, 0x7FFF_FFFA)  # the last three wrap, or pass the sign bit, in the stream
initial_numbers = pytest.mark.parametrize("initial", INITIAL)


class Sent(NamedTuple):
    """A segment: where it begins in the stream, what was captured of it, how much was not."""

    at: int
    data: bytes
    missing: int = 0
    time: int | None = None


class Given(NamedTuple):
    """A piece that was delivered."""

    at: int
    data: bytes
    frame: int
    time: int


class Wire:
    """Feeds a direction. Each block's buffer is overwritten afterwards, as that of a capture is."""

    def __init__(self, initial: int = 1000, *, started: bool = True) -> None:
        self.direction = Direction()
        self.pieces: list[Given] = []
        self._initial = initial
        self._frame, self._time = 0, 0
        if started:
            self.direction.start(initial)

    def block(self, *segments: Sent, acknowledged: Sequence[int] = (), now: int | None = None) -> list[Given]:
        """One block: what it delivers. Segments are a millisecond apart if they do not say when they come."""
        times = []
        for segment in segments:
            self._time = self._time + MILLISECOND if segment.time is None else segment.time
            times.append(self._time)
        buffer = bytearray(b"\xee" * 3 + b"".join(segment.data + b"\xee" for segment in segments))
        lengths = np.array([len(segment.data) for segment in segments], np.int64)
        arrivals = Arrivals(
            buffer,
            np.array([self._number(segment.at) for segment in segments], np.int64),
            3 + np.cumsum(lengths + 1) - lengths - 1,
            lengths,
            np.array([segment.missing for segment in segments], np.int64),
            np.arange(self._frame + 1, self._frame + len(segments) + 1),
            np.array(times, np.int64),
        )
        self._frame += len(segments)
        self._time = self._time if now is None else now
        numbers = np.array([self._number(position) for position in acknowledged], np.int64)
        given_pieces = self._noted(self.direction.feed(arrivals, numbers, self._time))
        buffer[:] = b"\xdd" * len(buffer)
        return given_pieces

    def finish(self) -> list[Given]:
        """The end of the capture: what it delivers."""
        return self._noted(self.direction.finish())

    @property
    def counts(self) -> dict[str, int]:
        """The counters that are not zero, `captured` aside; they add up."""
        direction = self.direction
        assert direction.captured == direction.delivered + direction.retransmitted + direction.waiting
        assert direction.delivered == sum(len(piece.data) for piece in self.pieces)
        names = ("retransmitted", "gaps", "snapped", "waiting")
        return {name: getattr(direction, name) for name in names if getattr(direction, name)}

    def _number(self, position: int) -> int:
        return (self._initial + 1 + position) % 2**32

    def _noted(self, pieces: Pieces | None) -> list[Given]:
        if pieces is None:
            return []
        stores = (pieces.buffer, pieces.kept)
        old = [False] * len(pieces) if pieces.is_kept is None else pieces.is_kept.tolist()
        columns = (pieces.position, pieces.offset, pieces.length, pieces.frame, pieces.time)
        rows = zip(old, *(column.tolist() for column in columns), strict=True)
        given_pieces = [Given(at, bytes(stores[kept][o : o + n]), frame, time) for kept, at, o, n, frame, time in rows]
        assert all(piece.data for piece in given_pieces)
        self.pieces += given_pieces
        return given_pieces


def sent(text: str) -> list[Sent]:
    """Segments from their ranges."""
    segments = []
    for word in text.split():
        captured, _, missing = word.partition("+")
        start, end = map(int, captured.split("-"))
        segments.append(Sent(start, STREAM[start:end], int(missing or 0)))
    return segments


def ranges(pieces: Iterable[Given]) -> str:
    """The ranges of the stream that were delivered, neighbours joined; their bytes are checked."""
    joined: list[list[int]] = []
    for piece in pieces:
        end = piece.at + len(piece.data)
        assert piece.data == STREAM[piece.at : end]
        if joined and joined[-1][1] == piece.at:
            joined[-1][1] = end
        else:
            joined.append([piece.at, end])
    return " ".join(f"{start}-{end}" for start, end in joined) or "."


def run(wire: Wire, text: str) -> str:
    """Feed blocks, then the end: what each delivers."""
    return " | ".join(ranges(wire.block(*sent(part))) for part in text.split("|"))


# What is sent, what each block delivers, how many bytes came again. No bytes are missing in the end.
WITHOUT_LOSS = [
    ("in order", "0-5 5-9 | 9-12", "0-9 | 9-12", 0),
    ("blocks without a segment", "0-5 | | 5-9", "0-5 | . | 5-9", 0),
    ("a whole segment again, at once", "0-5 0-5 5-9", "0-9", 5),
    ("a whole segment again, in order of the stream", "0-5 5-9 0-5 9-12", "0-12", 5),
    ("a whole segment again, in the next block", "0-5 5-9 | 5-9 | 9-12", "0-9 | . | 9-12", 4),
    ("every packet captured twice", "0-5 0-5 5-9 5-9 | 9-12 9-12", "0-9 | 9-12", 12),
    ("again, and more", "0-5 | 0-9", "0-5 | 5-9", 5),
    ("again from the middle, and more", "0-5 | 3-9", "0-5 | 5-9", 2),
    ("again from the middle, and more, at once", "0-5 3-9", "0-9", 2),
    ("again, a part from the middle", "0-9 | 3-5", "0-9 | .", 2),
    ("again, in smaller segments", "0-9 | 0-3 3-6 6-9 9-12", "0-9 | 9-12", 9),
    ("again, in a larger segment", "0-3 3-6 | 0-9 9-12", "0-6 | 6-12", 6),
    ("overlapping what waits at its start", "0-2 5-9 | 2-7", "0-2 | 2-9", 2),
    ("overlapping what waits at its end", "0-2 5-9 | 2-5 7-12", "0-2 | 2-12", 2),
    ("covering what waits", "0-2 5-7 | 2-12", "0-2 | 2-12", 2),
    ("what waits comes again", "0-2 5-9 | 5-9 | 2-5", "0-2 | . | 2-9", 4),
    ("two segments change places", "0-5 9-12 5-9 12-15", "0-15", 0),
    ("everything in reverse", "12-15 9-12 5-9 0-5", "0-15", 0),
    ("everything in reverse, one a block", "12-15 | 9-12 | 5-9 | 0-5", ". | . | . | 0-15", 0),
    ("a hole filled in the next block", "0-2 5-9 | 2-5", "0-2 | 2-9", 0),
    ("a hole filled many blocks later", "0-2 5-9 | 9-11 | 11-13 | | 13-15 | 2-5", "0-2 | . | . | . | . | 2-15", 0),
    ("a hole filled bit by bit", "0-2 8-9 | 2-4 | 6-8 | 4-6", "0-2 | 2-4 | . | 4-9", 0),
    ("two holes, the later filled first", "0-2 4-6 8-10 | 6-8 | 2-4", "0-2 | . | 2-10", 0),
    ("two holes, the earlier filled first", "0-2 4-6 8-10 | 2-4 | 6-8", "0-2 | 2-6 | 6-10", 0),
    ("a hole at the very beginning", "3-9 | 0-3", ". | 0-9", 0),
    ("keep-alive", "0-5 | 4-5 | 4-5 | 5-9", "0-5 | . | . | 5-9", 2),
    ("zero-window probe", "0-5 | 5-6 | 5-6 | 5-9", "0-5 | 5-6 | . | 6-9", 2),
]


@initial_numbers
@pytest.mark.parametrize(
    ("segments", "expected", "again"), [row[1:] for row in WITHOUT_LOSS], ids=[row[0] for row in WITHOUT_LOSS]
)
def test_what_was_sent_is_delivered_once(segments, expected, again, initial):
    wire = Wire(initial)
    assert run(wire, segments) == expected
    assert wire.counts == ({"retransmitted": again} if again else {})
    assert wire.finish() == []


def test_a_piece_tells_the_frame_and_the_time_of_its_bytes():
    wire = Wire()
    wire.block(*sent("0-2 5-9 9-11"))
    wire.block(*sent("2-7 11-12"))
    assert [(piece.at, len(piece.data), piece.frame, piece.time) for piece in wire.pieces] == [
        (0, 2, 1, 1 * MILLISECOND),
        (2, 5, 4, 4 * MILLISECOND),
        (7, 2, 2, 2 * MILLISECOND),
        (9, 2, 3, 3 * MILLISECOND),
        (11, 1, 5, 5 * MILLISECOND),
    ]


def test_of_equal_segments_the_first_captured_counts():
    wire = Wire()
    wire.block(Sent(0, b"first"), Sent(0, b"later"), Sent(9, b"behind"))
    wire.block(Sent(9, b"latest"), Sent(5, b"hole"))
    assert b"".join(piece.data for piece in wire.pieces) == b"firstholebehind"


def test_the_zero_byte_of_a_keep_alive_changes_nothing():
    wire = Wire()
    wire.block(*sent("0-5"))
    assert wire.block(Sent(4, b"\0")) == []
    assert ranges(wire.block(*sent("5-9"))) == "5-9"


def test_a_syn_that_comes_again_moves_nothing():
    wire = Wire(initial=1000)
    wire.block(*sent("0-9"))
    wire.direction.start(1000)
    assert ranges(wire.block(*sent("9-12"))) == "9-12"
    assert wire.counts == {}


def test_a_stream_may_be_longer_than_the_sequence_numbers():
    wire = Wire()
    for number in range(12):
        wire.block(Sent(number << 30, b"x", (1 << 30) - 1))
    assert [piece.at for piece in wire.pieces] == [number << 30 for number in range(12)]
    assert wire.counts == {"snapped": 12 * ((1 << 30) - 1)}


# The capture begins in the middle


@pytest.mark.parametrize("initial", [5, 0xFFFF_FFF0, 0x7FFF_FFF0])
@pytest.mark.parametrize("segments", ["30-40 40-50", "40-50 30-40", "36-40 40-50 30-33 33-36", "45-50 30-45 45-50"])
def test_the_lowest_of_the_first_segments_begins_a_stream_without_a_syn(segments, initial):
    wire = Wire(initial, started=False)
    pieces = wire.block(*sent(segments))
    assert pieces[0].at == 0
    assert b"".join(piece.data for piece in pieces) == STREAM[30:50]
    assert [piece.at for piece in wire.block(*sent("50-60"))] == [20]


def test_what_lies_before_the_beginning_of_a_stream_without_a_syn_is_no_part_of_it():
    wire = Wire(started=False)
    wire.block(*sent("30-40"))
    assert wire.block(*sent("20-30")) == []
    assert wire.counts == {"retransmitted": 10}


def test_acknowledgments_before_the_first_segment_say_nothing():
    wire = Wire(started=False)
    assert wire.block(acknowledged=[700]) == []
    assert [piece.at for piece in wire.block(*sent("30-40"), now=0)] == [0]


def test_the_first_block_of_a_stream_without_a_syn_may_end_a_hole():
    wire = Wire(started=False)
    pieces = wire.block(*sent("30-40 50-60"), acknowledged=[60], now=9 * SECOND)
    assert [piece.at for piece in pieces] == [0, 20]
    assert wire.counts == {"gaps": 10}


# Holes that are not filled


def test_a_hole_that_the_peer_acknowledged_is_a_gap_after_the_grace_time():
    wire = Wire()
    assert ranges(wire.block(*sent("0-2 5-9"), acknowledged=[5])) == "0-2"
    assert ranges(wire.block(*sent("9-12"), now=SECOND)) == "."
    assert ranges(wire.block(*sent("12-15"), now=SECOND + 3 * MILLISECOND)) == "5-15"
    assert wire.counts == {"gaps": 3}


def test_time_passes_for_a_hole_though_nothing_more_is_sent():
    wire = Wire()
    wire.block(*sent("0-2 5-9"))
    assert wire.block(acknowledged=[9], now=SECOND) == []
    assert ranges(wire.block(now=2 * SECOND)) == "5-9"
    assert wire.counts == {"gaps": 3}


def test_a_hole_may_be_filled_although_it_was_acknowledged():
    """Capturing programs put packets in disorder: the acknowledgment may stand before what it acknowledges."""
    wire = Wire()
    wire.block(*sent("0-2 5-9"), acknowledged=[9])
    assert ranges(wire.block(*sent("2-5"), now=SECOND)) == "2-9"
    assert wire.counts == {}


def test_a_hole_of_which_a_part_was_acknowledged_is_still_waited_for():
    wire = Wire()
    wire.block(*sent("0-2 8-12"), acknowledged=[5])
    assert wire.block(now=100 * SECOND) == []
    assert ranges(wire.block(*sent("5-8"), acknowledged=[12])) == "."
    assert ranges(wire.block(now=102 * SECOND)) == "5-12"
    assert wire.counts == {"gaps": 3}


def test_only_the_acknowledged_of_two_holes_is_a_gap():
    wire = Wire()
    wire.block(*sent("0-2 4-6 8-10"), acknowledged=[6])
    assert ranges(wire.block(now=2 * SECOND)) == "4-6"
    assert wire.counts == {"gaps": 2, "waiting": 2}
    assert ranges(wire.block(*sent("6-8"))) == "6-10"


def test_the_highest_acknowledgment_counts_whatever_the_order():
    wire = Wire(0xFFFF_FFFA)
    wire.block(*sent("0-2 5-9"), acknowledged=[0, 9, 2])
    wire.block(acknowledged=[2])
    assert ranges(wire.block(now=2 * SECOND)) == "5-9"


def test_a_hole_that_nobody_acknowledged_is_waited_for_as_long_as_tcp_sends_again():
    wire = Wire()
    wire.block(*sent("0-2 5-9"), acknowledged=[2])
    assert ranges(wire.block(*sent("9-12"), now=120 * SECOND)) == "."
    assert ranges(wire.block(*sent("12-15"), now=121 * SECOND)) == "5-15"
    assert wire.counts == {"gaps": 3}


def test_what_fills_a_hole_after_it_was_given_up_counts_as_sent_again():
    wire = Wire()
    wire.block(*sent("0-2 5-9"), acknowledged=[9])
    wire.block(now=2 * SECOND)
    assert wire.block(*sent("2-5")) == []
    assert wire.counts == {"gaps": 3, "retransmitted": 3}


def test_holes_that_are_open_at_the_end_are_gaps():
    wire = Wire()
    assert run(wire, "3-5 8-9 | 8-12 20-30") == ". | ."
    assert ranges(wire.finish()) == "3-5 8-12 20-30"
    assert wire.counts == {"gaps": 3 + 3 + 8, "retransmitted": 1}
    assert wire.finish() == []


def fed(direction: Direction, first: int, count: int, size: int) -> Pieces | None:
    """Feed `count` segments of `size` bytes, one behind another; all have the same bytes."""
    position = first + size * np.arange(count)
    same = np.zeros(count, np.int64)
    lengths = np.full(count, size)
    return direction.feed(
        Arrivals(bytes(size), (1001 + position) % 2**32, same, lengths, same, same + 1, same), NO_ACKNOWLEDGMENT, 0
    )


@pytest.mark.parametrize(("count", "size"), [(500, 100_000), (70_000, 1)])
def test_what_waits_behind_a_hole_is_bounded(count, size):
    direction, at, delivered = Direction(), 10, []
    direction.start(1000)
    for _ in range(10):
        pieces = fed(direction, at, count // 10, size)
        at += count // 10 * size
        assert direction.waiting <= 32 << 20
        assert direction.waiting <= size << 16
        delivered += [] if pieces is None else [pieces.size]
    assert delivered[0] > 0.8 * min(32 << 20, size << 16)
    assert direction.gaps == 10
    assert sum(delivered) == direction.delivered == count * size


# Packets that the snap length cut


@pytest.mark.parametrize(
    ("segments", "expected", "counts"),
    [
        ("0-5+3 8-10+2 | 12-14", "0-5 8-10 | 12-14", {"snapped": 5}),
        ("8-10+2 0-5+3 | 12-14", "0-5 8-10 | 12-14", {"snapped": 5}),
        ("0-0+8 | 8-10 10-10+4", ". | 8-10", {"snapped": 12}),
        ("0-0+8 8-8+9", ".", {"snapped": 17}),
        ("0-5+3 0-5+3 8-9", "0-5 8-9", {"snapped": 3, "retransmitted": 5}),
        ("0-5+3 | 0-5+3 | 8-9", "0-5 | . | 8-9", {"snapped": 3, "retransmitted": 5}),
        ("0-5+3 4-9+1", "0-5 8-9", {"snapped": 3 + 1, "retransmitted": 4}),
        ("0-5 | 3-7+3 | 10-12", "0-5 | 5-7 | 10-12", {"snapped": 3, "retransmitted": 2}),
        ("4-6+2 | 0-2+2 | 8-9", ". | 0-2 4-6 | 8-9", {"snapped": 4}),
        ("4-4+4 | 0-2+2 | 8-9", ". | 0-2 | 8-9", {"snapped": 6}),
    ],
)
@initial_numbers
def test_bytes_that_were_cut_off_are_counted_and_leave_no_hole(segments, expected, counts, initial):
    wire = Wire(initial)
    assert run(wire, segments) == expected
    assert wire.counts == counts
    assert wire.finish() == []


# Everything at once


@st.composite
def transmissions(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Ranges that cover a stream, some of them again and overlapping, in any order."""
    size = draw(st.integers(1, 300))
    cuts = sorted({0, size, *draw(st.lists(st.integers(0, size), max_size=12))})
    covering = list(pairwise(cuts))
    more = st.tuples(st.integers(0, size - 1), st.integers(1, 80)).map(lambda row: (row[0], min(sum(row), size)))
    return draw(st.permutations(covering + draw(st.lists(more, max_size=8))))


def split(items: Sequence[tuple[int, int]], cuts: Iterable[int]) -> list[Sequence[tuple[int, int]]]:
    """Blocks of any size, empty ones too."""
    edges = [0, *sorted(min(cut, len(items)) for cut in cuts), len(items)]
    return [items[start:end] for start, end in pairwise(edges)]


def transmitted(segments: Sequence[tuple[int, int]], cuts: Iterable[int], initial: int) -> tuple[Wire, bytes]:
    """The segments in blocks, and the delivered bytes; what is missing between them is zero."""
    wire = Wire(initial)
    for part in split(segments, cuts):
        wire.block(*(Sent(start, STREAM[start:end]) for start, end in part))
    wire.finish()
    stream = bytearray(max((piece.at + len(piece.data) for piece in wire.pieces), default=0))
    for piece in wire.pieces:
        stream[piece.at : piece.at + len(piece.data)] = piece.data
    return wire, bytes(stream)


BLOCKS = st.lists(st.integers(0, 20), max_size=6)


@given(transmissions(), BLOCKS, st.sampled_from(INITIAL) | st.integers(0, 2**32 - 1))
def test_whatever_is_cut_repeated_and_shuffled_is_delivered_in_order(segments, cuts, initial):
    size = max(end for _, end in segments)
    wire, _ = transmitted(segments, cuts, initial)
    assert ranges(wire.pieces) == f"0-{size}"
    again = sum(end - start for start, end in segments) - size
    assert wire.counts == ({"retransmitted": again} if again else {})
    for piece in wire.pieces:  # each comes from the frame that it names
        start, end = segments[piece.frame - 1]
        assert start <= piece.at < piece.at + len(piece.data) <= end


@given(transmissions(), BLOCKS, BLOCKS, st.data())
def test_of_what_was_lost_nothing_else_is_missing_whatever_the_blocks(segments, cuts, others, data):
    lost = data.draw(st.sets(st.integers(0, len(segments) - 1), max_size=len(segments) - 1))
    kept = [segment for number, segment in enumerate(segments) if number not in lost]
    captured = {place for start, end in kept for place in range(start, end)}
    expected = bytes(STREAM[place] if place in captured else 0 for place in range(max(captured) + 1))
    wire, stream = transmitted(kept, cuts, 0xFFFF_FF00)
    assert stream == expected
    assert wire.direction.delivered == len(captured)
    assert wire.direction.gaps == len(expected) - len(captured)
    assert all(before.at + len(before.data) <= after.at for before, after in pairwise(wire.pieces))
    other, same = transmitted(kept, others, 0xFFFF_FF00)
    assert (same, other.counts) == (stream, wire.counts)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), st.integers(0, 5)), max_size=30), BLOCKS)
def test_delivered_snapped_and_missing_bytes_add_up_to_the_stream(segments, cuts):
    wire, end = Wire(0xFFFF_FFE0), 0
    sizes = [(at, length, missing) for at, length, missing in segments if length + missing]
    for part in split(sizes, cuts):
        wire.block(*(Sent(at, STREAM[at : at + length], missing) for at, length, missing in part))
        end = max([end, *(at + length + missing for at, length, missing in part)])
    wire.finish()
    direction = wire.direction
    assert direction.delivered + direction.snapped + direction.gaps == end
    assert wire.counts.get("waiting") is None
    ranges(wire.pieces)


@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_the_distance_of_two_sequence_numbers_is_signed(reference, distance):
    sequence = np.array([(reference + distance) % 2**32])
    assert signed_distance(sequence, reference).tolist() == [distance]
