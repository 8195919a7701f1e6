"""The same segments in two captures."""

from pathlib import Path

import pytest

from analyzer.compare.matching import match
from analyzer.compare.trace import collect
from parsers.transport.ip import RST
from tests.analyzer.compare.places import CLIENT, SERVER, Places


def test_every_segment_finds_itself_whoever_was_later(tmp_path: Path) -> None:
    a, b = Places(ahead=-3_000_000_000).talk(20).traces(tmp_path)
    found = match(a, b)
    assert len(found) == 40
    assert found.a.tolist() == list(range(40))
    assert (a.rows["packet"][found.a] == b.rows["packet"][found.b]).all()


@pytest.mark.parametrize("numbered", [True, False])
def test_a_lost_segment_has_no_partner_and_its_repetition_has_one(tmp_path: Path, numbered: bool) -> None:
    places = Places(numbered=numbered).talk(10).send(CLIENT, 700, seen="a").send(CLIENT, 700, back=700).talk(10)
    a, b = places.traces(tmp_path)
    found = match(a, b)
    assert len(a.rows) - len(found) == 1
    assert len(b.rows) == len(found)
    assert (a.rows["content"][found.a] == b.rows["content"][found.b]).all()


def test_identifications_and_windows_may_change_on_the_way(tmp_path: Path) -> None:
    places = Places().talk(20)
    places.b = [(time, data[:4] + b"\x12\x34" + data[6:34] + b"\x00\x99" + data[36:]) for time, data in places.b]
    a, b = places.traces(tmp_path)
    assert not set(a.rows["packet"].tolist()) & set(b.rows["packet"].tolist())
    assert len(match(a, b)) == 40


def test_connections_of_a_translator_are_brought_together(tmp_path: Path) -> None:
    one = Places(translated=True, port=50_000).talk(15)
    two = Places(translated=True, port=50_007, now=one.now)
    two._next = [123, 456]
    two.talk(15)
    two.a, two.b = one.a + two.a, two.b + one.b
    a, b = two.traces(tmp_path)
    found = match(a, b)
    ports = {
        a.endpoints(one)[0].split(":")[1]: b.endpoints(other)[0].split(":")[1]
        for one, other in found.connections.items()
    }
    assert ports == {"50000": "40000", "50007": "40007"}


def test_segments_that_say_nothing_do_not_join_connections(tmp_path: Path) -> None:
    one = Places().talk(10).send(SERVER, flags=RST, seen="ab")
    other = Places(port=50_001, now=one.now)
    other._next = [123, one._next[SERVER]]
    other.send(SERVER, flags=RST, seen="a")
    one.a += other.a
    a, b = one.traces(tmp_path)
    assert match(a, b).connections == {0: 0}


def test_captures_that_share_nothing_match_nowhere(samples: Path, tmp_path: Path) -> None:
    a, _ = Places().talk(5).traces(tmp_path)
    found = match(a, collect([samples / "mch_bind_enc.pcapng"]))
    assert (len(found), found.connections) == (0, {})
