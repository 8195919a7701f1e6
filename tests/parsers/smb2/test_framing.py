"""The framer against a list of what was put into the stream: whatever is cut, missing or hostile."""

import time
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.smb2.framing import PREFIX, Framer, Frames, looks_like_message
from parsers.transport.streams import Pieces

IDS = {b"\xfeSMB": 64, b"\xfdSMB": 52, b"\xfcSMB": 16, b"\xffSMB": 32}
CONTROL = (0x81, 0x82, 0x83, 0x84, 0x85)


def framed(data: bytes) -> bytes:
    """A message behind its prefix (MS-SMB2 2.1)."""
    return len(data).to_bytes(4, "big") + data


def smb(size: int, fill: int = 0x11, protocol: bytes = b"\xfeSMB") -> bytes:
    """A message of some protocol, with its prefix; `size` counts from the protocol id."""
    return framed(protocol + bytes([fill]) * (size - 4))


def control(kind: int, size: int = 0) -> bytes:
    """A session control packet (RFC 1002 4.3)."""
    return bytes([kind, 0]) + size.to_bytes(2, "big") + b"N" * size


@dataclass
class Found:
    """What a framer gave, frame by frame, and the bytes of each."""

    framer: Framer
    rows: list[tuple[int, int, int, int, int, int, int]] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    def take(self, arena: bytearray, frames: Frames) -> None:
        """Note the frames of one feed; the arena is reused."""
        names = ("position", "length", "present", "first_frame", "first_time", "last_frame", "last_time")
        self.rows += zip(*(getattr(frames, name).tolist() for name in names), strict=True)
        ends = (frames.start + frames.present).tolist()
        self.data += [bytes(arena[a:b]) for a, b in zip(frames.start.tolist(), ends, strict=True)]

    @property
    def whole(self) -> list[tuple[int, bytes]]:
        """Position and bytes of every whole message."""
        return [(row[0], data) for row, data in zip(self.rows, self.data, strict=True) if row[1] == row[2]]

    @property
    def lost(self) -> list[tuple[int, int]]:
        """Stretches that are part of no whole message: position and length, neighbours joined."""
        joined: list[list[int]] = []
        for skipped in self.framer.skipped:
            if joined and joined[-1][0] + joined[-1][1] == skipped.position:
                joined[-1][1] += skipped.length
            else:
                joined.append([skipped.position, skipped.length])
        return [(position, length) for position, length in joined]

    @property
    def accounted(self) -> int:
        """All bytes that have been said something about."""
        return (
            sum(PREFIX + len(data) for _, data in self.whole)
            + sum(s.length for s in self.framer.skipped)
            + (self.framer.control)
        )


@dataclass
class Piece:
    """Some bytes of a stream, in the frame that carried them; time is a thousand times the frame."""

    position: int
    data: bytes
    frame: int


def run_framer(runs: list[list[Piece]], *, at_boundary: bool = True) -> Found:
    """Feed contiguous runs of pieces, then finish."""
    found = Found(Framer(at_boundary=at_boundary))
    for run in runs:
        pieces = pieces_of(run)
        arena = bytearray(b"\xaa" * 5 + bytes(found.framer.carried + pieces.size))
        found.take(arena, found.framer.feed(pieces, memoryview(arena), 5))
    arena = bytearray(found.framer.carried + 3)
    found.take(arena, found.framer.finish(memoryview(arena), 3))
    assert found.framer.carried == 0
    return found


def pieces_of(run: list[Piece]) -> Pieces:
    """The pieces in one buffer, as TCP delivers them."""
    buffer = b"".join(piece.data for piece in run)
    ends = list(accumulate(len(piece.data) for piece in run))
    columns = (
        [piece.position for piece in run],
        [0, *ends[:-1]],
        [len(piece.data) for piece in run],
        [piece.frame for piece in run],
        [1000 * piece.frame for piece in run],
    )
    return Pieces(buffer, *(np.array(column, np.int64) for column in columns))


def cut(data: bytes, places: list[int], *, position: int = 0, frame: int = 1) -> list[Piece]:
    """The bytes cut at `places`, one frame for each piece."""
    edges = sorted({0, len(data), *(place for place in places if 0 < place < len(data))})
    return [Piece(position + a, data[a:b], frame + n) for n, (a, b) in enumerate(pairwise(edges))]


def one_by_one(pieces: list[Piece]) -> list[list[Piece]]:
    """Each piece is a run of its own."""
    return [[piece] for piece in pieces]


messages = st.one_of(
    st.builds(
        lambda protocol, extra: framed(protocol + b"\x22" * (IDS[protocol] - 4) + extra),
        st.sampled_from(list(IDS)),
        st.binary(max_size=40),
    ),
    st.builds(control, st.sampled_from(CONTROL), st.integers(0, 80)),
)
stretches = st.lists(messages, min_size=1, max_size=8)


def is_control(packet: bytes) -> bool:
    """Whether `packet` is no message but one of RFC 1002."""
    return packet[0] != 0


def expected(packets: list[bytes]) -> list[tuple[int, bytes]]:
    """Position and bytes of each message among `packets`."""
    starts = accumulate((len(packet) for packet in packets), initial=0)
    return [(start, packet[PREFIX:]) for start, packet in zip(starts, packets, strict=False) if not is_control(packet)]


# ----------------------------------------------------------------------------------------------- in order


@given(stretches, st.data())
def test_messages_are_found_however_the_stream_is_cut(packets, data):
    stream = b"".join(packets)
    places = st.lists(st.integers(1, len(stream)), max_size=12)
    pieces = cut(stream, data.draw(places))
    feeds = data.draw(st.lists(st.integers(0, len(pieces)), max_size=4))
    edges = sorted({0, len(pieces), *feeds})
    found = run_framer([pieces[a:b] for a, b in pairwise(edges)])
    assert found.whole == expected(packets)
    assert found.framer.control == sum(len(packet) for packet in packets if is_control(packet))
    assert found.framer.skipped == []
    assert len(found.whole) == len(found.rows)


@pytest.mark.parametrize("together", [True, False])
def test_two_messages_and_a_keep_alive_are_found_cut_at_every_place(together):
    stream = smb(70, 1) + control(0x85) + smb(52, 2, b"\xfdSMB")
    for place in range(1, len(stream)):
        pieces = cut(stream, [place])
        found = run_framer([pieces] if together else one_by_one(pieces))
        assert [(position, len(data)) for position, data in found.whole] == [(0, 70), (78, 52)]
        assert found.framer.control == 4


def test_byte_by_byte_is_the_same():
    stream = smb(64) + control(0x81, 72) + smb(100, protocol=b"\xffSMB")
    found = run_framer(one_by_one(cut(stream, list(range(len(stream))))))
    assert [row[:5] for row in found.rows] == [(0, 64, 64, 1, 1000), (144, 100, 100, 145, 145_000)]
    assert [row[5:] for row in found.rows] == [(68, 68_000), (248, 248_000)]


@pytest.mark.parametrize("kind", CONTROL)
def test_session_control_packets_are_counted_and_are_no_messages(kind):
    found = run_framer([cut(control(kind, 72) + smb(64) + control(kind), [])])
    assert [position for position, _ in found.whole] == [76]
    assert found.framer.control == 80


@pytest.mark.parametrize(("protocol", "least"), IDS.items())
def test_a_message_holds_its_header_at_least(protocol, least):
    assert looks_like_message(smb(least, protocol=protocol))
    assert not looks_like_message(smb(least - 1, protocol=protocol))
    assert not looks_like_message(smb(least, protocol=protocol)[:7])
    found = run_framer([cut(smb(least - 1, protocol=protocol) + smb(64), [])])
    assert [len(data) for _, data in found.whole] == [64]
    assert found.lost == [(0, least + 3)]


def test_the_first_and_the_last_byte_tell_the_frames_and_times():
    stream = smb(100, 1) + smb(100, 2)
    pieces = cut(stream, [10, 50, 120, 130], frame=7)
    found = run_framer([pieces[:2], pieces[2:]])
    assert [row[3:] for row in found.rows] == [(7, 7000, 9, 9000), (9, 9000, 11, 11_000)]


def test_a_message_is_complete_when_the_piece_that_was_missing_has_come():
    """Retransmitted in frame 9, the first piece is what makes all that waited behind it complete."""
    stream = smb(96, 1) + smb(96, 2) + smb(96, 3)
    first, second, third, last = cut(stream, [40, 150, 220])
    run = [Piece(0, first.data, 9), Piece(40, second.data, 3), Piece(150, third.data, 4)]
    found = run_framer([run, [Piece(220, last.data, 12)]])
    assert [row[3:] for row in found.rows] == [(9, 9000, 9, 9000), (3, 3000, 9, 9000), (4, 4000, 12, 12_000)]


def test_the_frame_that_completed_the_beginning_counts_when_the_rest_came_in_other_blocks():
    stream = smb(300)
    first, second, third = cut(stream, [100, 200])
    disordered = [Piece(0, first.data, 5), Piece(100, second.data, 2)]
    assert run_framer([disordered, [Piece(200, third.data, 6)]]).rows[0][3:] == (5, 5000, 6, 6000)


# ----------------------------------------------------------------------------------------------- not at a boundary


def test_a_capture_that_begins_inside_of_a_message_finds_the_next_one():
    stream = smb(200, 1)[77:] + smb(64, 2) + smb(64, 3)
    for place in range(1, len(stream), 3):
        found = run_framer(one_by_one(cut(stream, [place])), at_boundary=False)
        assert [position for position, _ in found.whole] == [127, 195]
        assert found.lost == [(0, 127)]


def test_a_capture_that_begins_at_a_message_loses_nothing():
    found = run_framer([cut(smb(64) + smb(80), [])], at_boundary=False)
    assert [position for position, _ in found.whole] == [0, 68]
    assert found.lost == []


GARBAGE = (
    b"\x00\x00\x00\x00" * 9,
    b"\xff" * 40,
    b"SMB" * 11,
    b"\xfeSMB\xfeSMB",
    b"\x00\x00\x00\x10\xfeSMB" * 3,
    b"\x86\x00\x00\x04abcd",
    b"\x85\x00\xff\xff" + b"x" * 20,
    b"\x00\xff\xff\xff\xfeSMX" + b"y" * 9,
    b"\x00\xff\xff\xff\xfe",
    b"z",
)


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
def test_garbage_between_messages_is_stepped_over(garbage):
    stream = smb(70, 1) + garbage + smb(71, 2) + smb(72, 3)
    behind = 74 + len(garbage)
    for place in range(1, len(stream)):
        found = run_framer(one_by_one(cut(stream, [place])))
        assert [position for position, _ in found.whole] == [0, behind, behind + 75], place
        assert found.lost == [(74, len(garbage))]


@given(st.lists(st.one_of(messages, st.sampled_from(GARBAGE), st.binary(max_size=30)), max_size=8), st.data())
def test_what_is_found_in_a_damaged_stream_does_not_depend_on_how_it_is_cut(packets, data):
    stream = b"".join(packets)
    holes = data.draw(st.lists(st.tuples(st.integers(0, len(stream)), st.integers(1, 90)), max_size=2))
    kept = without(stream, holes)
    at_once = run_framer([[piece] for piece in kept])
    in_bits = run_framer(one_by_one([part for piece in kept for part in draw_parts(data, piece)]))
    assert in_bits.whole == at_once.whole
    assert in_bits.lost == at_once.lost
    assert [row[:3] for row in in_bits.rows] == [row[:3] for row in at_once.rows]
    assert at_once.accounted == in_bits.accounted == sum(len(piece.data) for piece in kept)


def without(stream: bytes, holes: list[tuple[int, int]]) -> list[Piece]:
    """The pieces that remain of a stream, each contiguous, when holes (position, length) are made."""
    there = np.ones(len(stream), np.bool_)
    for position, length in holes:
        there[position : position + length] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(np.int8), [0]]))).tolist()
    return [Piece(a, stream[a:b], n + 1) for n, (a, b) in enumerate(zip(edges[::2], edges[1::2], strict=True))]


def draw_parts(data: st.DataObject, piece: Piece) -> list[Piece]:
    """A piece cut anywhere."""
    places = data.draw(st.lists(st.integers(1, max(len(piece.data), 1)), max_size=6))
    return cut(piece.data, places, position=piece.position, frame=piece.frame)


# ----------------------------------------------------------------------------------------------- gaps


@pytest.mark.parametrize("first", range(4, 300, 37))
@pytest.mark.parametrize("size", [1, 5, 60])
def test_a_gap_inside_of_a_message_ends_with_it(first, size):
    """Its length was read before: the next message is found at its place, whatever the rest looks like."""
    stream = smb(400, 1)[:300] + smb(64, 9) + b"\x11" * 36 + smb(64, 2)
    found = run_framer(one_by_one(without(stream, [(first, size)])))
    assert found.whole == [(404, stream[-64:])]
    assert found.lost == [(0, first), (first + size, 404 - first - size)]
    rows = found.rows
    if first >= PREFIX + 4:  # the protocol id is there: the message is known to have been begun
        assert rows[0][:3] == (0, 400, first - PREFIX)
    assert [skipped.reason for skipped in found.framer.skipped] == [
        "bytes are missing inside of this message",
        "rest of a message that lost bytes",
    ]


def test_the_rest_behind_a_gap_may_come_in_many_runs():
    stream = smb(400, 1) + smb(64, 2)
    before, after = without(stream, [(100, 50)])
    found = run_framer(one_by_one([before, *cut(after.data, list(range(0, 322, 10)), position=150, frame=2)]))
    assert [position for position, _ in found.whole] == [404]


def test_a_second_gap_in_the_same_message_changes_nothing():
    """What is skipped for one reason is one row: a snap length makes a gap in every packet."""
    stream = smb(400, 1) + smb(64, 2)
    found = run_framer(one_by_one(without(stream, [(100, 50), (200, 100)])))
    assert [position for position, _ in found.whole] == [404]
    assert found.lost == [(0, 100), (150, 50 + 104)]


def test_a_gap_that_ends_with_its_message_is_followed_by_the_next_one():
    stream = smb(400, 1) + smb(64, 2)
    found = run_framer(one_by_one(without(stream, [(100, 304)])))
    assert [position for position, _ in found.whole] == [404]
    assert found.lost == [(0, 100)]


def test_a_gap_over_several_messages_is_followed_by_a_search():
    packets = [smb(100, fill) for fill in range(1, 6)]
    found = run_framer(one_by_one(without(b"".join(packets), [(150, 200)])))
    assert [position for position, _ in found.whole] == [0, 416]
    assert found.lost == [(104, 46), (350, 66)]
    assert found.rows[1][:3] == (104, 100, 42)


@pytest.mark.parametrize("size", [104, 150])
def test_a_gap_at_a_boundary_is_followed_by_a_search(size):
    packets = [smb(100, fill) for fill in range(1, 5)]
    found = run_framer(one_by_one(without(b"".join(packets), [(104, size)])))
    rest = -(104 + size) % 104
    assert [position for position, _ in found.whole] == [0, 104 + size + rest, *([312] if size == 104 else [])]
    assert sum(length for _, length in found.lost) == rest


@pytest.mark.parametrize("kept", range(1, 4))
def test_a_gap_in_the_length_itself_is_followed_by_a_search(kept):
    packets = [smb(100, fill) for fill in range(1, 4)]
    found = run_framer(one_by_one(without(b"".join(packets), [(104 + kept, 10)])))
    assert [position for position, _ in found.whole] == [0, 208]
    assert found.lost == [(104, kept), (114 + kept, 94 - kept)]


@given(stretches, st.data())
def test_every_byte_is_accounted_for_once(packets, data):
    stream = b"".join(packets)
    holes = data.draw(st.lists(st.tuples(st.integers(0, len(stream)), st.integers(1, 200)), max_size=4))
    kept = without(stream, holes)
    found = run_framer(one_by_one(kept), at_boundary=data.draw(st.booleans()))
    assert found.accounted == sum(len(piece.data) for piece in kept)
    assert all(stream[position + PREFIX :].startswith(message) for position, message in found.whole)


# ----------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize("present", range(8, 100, 13))
def test_what_is_unfinished_at_the_end_is_an_incomplete_message(present):
    found = run_framer(one_by_one(cut(smb(64) + smb(100, 7)[:present], [30, 75], frame=4)))
    assert found.rows[1][:3] == (68, 100, present - PREFIX)
    assert found.data[1] == smb(100, 7)[PREFIX:present]
    assert found.lost == [(68, present)]
    assert found.rows[1][3:] == (5, 5000, 6, 6000)


@pytest.mark.parametrize("present", range(1, 8))
def test_what_cannot_be_told_from_other_bytes_is_no_message(present):
    found = run_framer([cut(smb(64) + smb(100)[:present], [])])
    assert len(found.rows) == 1
    assert found.lost == [(68, present)]


def test_a_direction_without_bytes_ends_without_anything():
    assert run_framer([]).rows == []


# ----------------------------------------------------------------------------------------------- hostile


def test_a_message_that_declares_all_that_a_prefix_can_waits_for_it():
    huge = (0xFFFFFF).to_bytes(4, "big") + b"\xfeSMB" + bytes(100)
    found = run_framer(one_by_one(cut(huge, list(range(0, 108, 9)))))
    assert found.rows[0][:3] == (0, 0xFFFFFF, 104)


MEGABYTE = 1 << 20
HOSTILE = {
    "zeros": bytes(MEGABYTE),
    "no message anywhere": b"\xff" * MEGABYTE,
    "the id over and over": b"\xfeSMB" * (MEGABYTE // 4),
    "candidates that are too short": b"\x00\x00\x00\x3f\xfeSMB" * (MEGABYTE // 8),
    "candidates that reach beyond the end": b"\x00\xff\xff\xff\xfeSMB" * (MEGABYTE // 8),
    "each candidate begins inside of the one before": b"\x00\x00\x00\x40\xfeSMB" * (MEGABYTE // 8),
    "one byte between messages": (smb(64) + b"\x01") * (MEGABYTE // 69),
    "the smallest messages": smb(16, protocol=b"\xfcSMB") * (MEGABYTE // 20),
    "the smallest messages, one byte between": (smb(16, protocol=b"\xfcSMB") + b"\x01") * (MEGABYTE // 21),
    "control packets": control(0x85) * (MEGABYTE // 4),
    "control packets that are too long": b"\x85\x00\x04\x01" * (MEGABYTE // 4),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize(("size", "feeds"), [(MEGABYTE, 1), (MEGABYTE // 8, 64)])
def test_hostile_bytes_take_time_in_proportion(kind, size, feeds):
    """Two seconds for a megabyte is slow; a search that went over everything again would take hours."""
    stream = HOSTILE[kind][:size]
    step = len(stream) // feeds
    runs = one_by_one(cut(stream, list(range(step, len(stream), step))))
    began = time.process_time()
    found = run_framer(runs)
    assert time.process_time() - began < 10
    assert found.accounted == len(stream)
