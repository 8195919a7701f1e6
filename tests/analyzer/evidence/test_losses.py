"""What becomes of holes."""

import struct

import pytest

from analyzer.evidence.losses import Hole, Holes, Late, identification
from analyzer.evidence.marks import Mark

MS = 1_000_000
WAY = (0, 1)


def late(position: int, end: int, time: int = 0, ident: int = 0, confirmed: int = 0) -> Late:
    return Late(position, end, time, ident, confirmed)


def opened(ident: int = 0) -> Holes:
    holes = Holes()
    holes.open(WAY, Hole(100, 200, 7, 1_000 * MS, ident))
    return holes


@pytest.mark.parametrize(
    ("after", "trip", "expected"),
    [
        (2, None, Mark.REORDERED),
        (4, None, Mark.RETRANSMISSION),
        (4, 10 * MS, Mark.REORDERED),
        (11, 10 * MS, Mark.RETRANSMISSION),
    ],
)
def test_who_fills_a_hole_within_a_round_trip_cannot_know_of_it(after: int, trip: int | None, expected: Mark) -> None:
    assert opened().judge(WAY, late(100, 200, (1_000 + after) * MS), trip) == (expected, 1_000 * MS)


def test_what_had_arrived_is_only_shown_late() -> None:
    assert opened().judge(WAY, late(100, 200, 1_500 * MS, confirmed=200), 10 * MS)[0] is Mark.REORDERED


@pytest.mark.parametrize(
    ("ident", "expected"), [(4, Mark.REORDERED), (6, Mark.RETRANSMISSION), (30_000, Mark.REORDERED)]
)
def test_numbers_of_one_counter_decide_others_do_not(ident: int, expected: Mark) -> None:
    assert opened(5).judge(WAY, late(100, 200, 1_001 * MS, ident), None)[0] is expected


def test_a_hole_is_filled_once_and_only_in_its_own_direction() -> None:
    holes = opened()
    assert holes.judge((0, 0), late(100, 200, 1_001 * MS), None) == (Mark.RETRANSMISSION, 0)
    assert holes.judge(WAY, late(150, 250, 1_001 * MS), None)[0] is Mark.REORDERED
    assert holes.judge(WAY, late(150, 250, 1_002 * MS), None) == (Mark.RETRANSMISSION, 0)
    assert [(way, hole.start, hole.end, hole.frame) for way, hole in holes.left()] == [(WAY, 100, 150, 7)]


def test_the_middle_of_a_hole_leaves_two() -> None:
    holes = opened()
    holes.judge(WAY, late(120, 180, 1_001 * MS), None)
    assert [(hole.start, hole.end) for _, hole in holes.left()] == [(100, 120), (180, 200)]


def test_holes_of_one_direction_are_bounded() -> None:
    holes = Holes()
    for start in range(0, 10 * 5_000, 10):
        holes.open(WAY, Hole(start, start + 5, 1, 0, 0))
    assert len(list(holes.left())) == 4096


def packet(options: int = 0, version: int = 0x45) -> tuple[bytes, int]:
    ip = struct.pack(">BBHHHBBHII", version, 0, 40, 777, 0, 64, 6, 0, 1, 2)
    tcp = struct.pack(">HHIIBBHHH", 445, 50_000, 1, 2, (5 + options) << 4, 0x10, 500, 0, 0) + bytes(4 * options)
    return b"ether" + ip + tcp, len(b"ether") + 40 + 4 * options


@pytest.mark.parametrize("options", [0, 3, 10])
def test_the_identification_is_found_before_any_tcp_options(options: int) -> None:
    buffer, payload = packet(options)
    assert identification(buffer, payload, struct.pack(">HH", 445, 50_000)) == 777


def test_where_there_is_no_ipv4_header_there_is_no_identification() -> None:
    ports = struct.pack(">HH", 445, 50_000)
    buffer, payload = packet(version=0x60)
    assert identification(buffer, payload, ports) == 0
    assert identification(buffer, payload, b"none") == 0
    assert identification(b"short", 5, ports) == 0
