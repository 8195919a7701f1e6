"""What became of segments that one capture alone has."""

from pathlib import Path

import numpy as np

from analyzer.compare.matching import match
from analyzer.compare.unmatched import KINDS, Fate, Side, judge
from parsers.transport.ip import ACK, RST
from tests.analyzer.compare.places import CLIENT, SERVER, Places


def judged(places: Places, folder: Path, *, of_b: bool = False) -> tuple[list[Fate], list[int]]:
    """What becomes of the segments that A alone has, or B."""
    a, b = places.traces(folder)
    found = match(a, b)
    sides = []
    for rows, matched, near in ((a.rows, found.a, CLIENT), (b.rows, found.b, SERVER)):
        own = np.setdiff1d(np.arange(len(rows)), matched)
        sides.append(Side(rows, own, rows["sender"][own] == near, rows["time"][own]))
    one, other = reversed(sides) if of_b else sides
    kinds, missing = judge(one, other, np.array([0]))
    return [KINDS[kind] for kind in kinds.tolist()], missing.tolist()


def test_a_segment_that_did_not_arrive_is_lost(tmp_path: Path) -> None:
    places = Places().talk(10).send(CLIENT, 700, seen="a").talk(10)
    assert judged(places, tmp_path) == ([Fate.LOST], [700])
    assert judged(places, tmp_path, of_b=True) == ([], [])


def test_the_capture_at_the_server_shows_what_the_server_lost(tmp_path: Path) -> None:
    places = Places().talk(10).send(SERVER, 700, seen="b").send(SERVER, seen="b").talk(10)
    assert judged(places, tmp_path, of_b=True) == ([Fate.LOST, Fate.LOST], [700, 0])


def test_what_arrived_was_sent(tmp_path: Path) -> None:
    places = Places().talk(10).send(SERVER, 700, seen="a").talk(10)
    assert judged(places, tmp_path) == ([Fate.NOT_CAPTURED], [700])


def test_a_reset_that_its_sender_never_sent_is_forged(tmp_path: Path) -> None:
    places = Places().talk(10).send(SERVER, flags=RST | ACK, seen="a").talk(10)
    assert judged(places, tmp_path) == ([Fate.FORGED_RESET], [0])


def test_a_reset_that_did_not_arrive_is_only_lost(tmp_path: Path) -> None:
    places = Places().talk(10).send(CLIENT, flags=RST | ACK, seen="a").talk(10)
    assert judged(places, tmp_path) == ([Fate.LOST], [0])


def test_a_segment_that_a_network_card_cuts_is_not_lost(tmp_path: Path) -> None:
    places = Places().talk(10).send(CLIENT, 60_000, pieces=40).talk(10)
    assert judged(places, tmp_path) == ([Fate.RESEGMENTED], [0])
    kinds, missing = judged(places, tmp_path, of_b=True)
    assert set(kinds) == {Fate.RESEGMENTED}
    assert (len(kinds), sum(missing)) == (40, 0)


def test_what_is_missing_of_a_cut_segment_is_lost(tmp_path: Path) -> None:
    places = Places().talk(10).send(CLIENT, 60_000, pieces=40)
    del places.b[-5:-2]
    assert judged(places.talk(10), tmp_path) == ([Fate.LOST], [4_500])


def test_what_passed_when_the_other_capture_did_not_run_proves_nothing(tmp_path: Path) -> None:
    places = Places().send(CLIENT, 10, seen="a", later=1_000_000_000).talk(10).send(CLIENT, 20, seen="a")
    assert judged(places, tmp_path) == ([Fate.CAPTURE_EDGE] * 2, [10, 20])


def test_positions_pass_zero(tmp_path: Path) -> None:
    places = Places()
    places._next[CLIENT] = 0xFFFF_8000 - 1_000
    places.talk(10).send(CLIENT, 60_000, pieces=40).send(CLIENT, 60_000, pieces=40).talk(10)
    assert judged(places, tmp_path) == ([Fate.RESEGMENTED] * 2, [0, 0])
