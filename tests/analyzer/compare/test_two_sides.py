"""The tables of two sides."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from analyzer.compare.comparison import Comparison
from analyzer.compare.matching import match
from analyzer.compare.schema import TABLES
from analyzer.compare.two_sides import two_sides
from parsers.transport.ip import RST
from tests.analyzer.compare.places import CLIENT, MS, SERVER, Places


def compared(places: Places, folder: Path, *, swapped: bool = False) -> Comparison:
    a, b = places.traces(folder)
    return two_sides(b, a, match(b, a)) if swapped else two_sides(a, b, match(a, b))


def lossy() -> Places:
    places = Places(ahead=3_217 * MS).talk(20)
    places.send(CLIENT, 300, seen="a").send(CLIENT, 300, back=300).send(SERVER, 500, seen="b").talk(20)
    return places.send(SERVER, flags=RST, seen="a").talk(3)


def test_paths_have_delays_and_losses_of_each_direction(tmp_path: Path) -> None:
    there, back = compared(lossy(), tmp_path).paths.to_dict("records")
    assert (there["sender"], there["towards"], there["matched"]) == ("client", "B", 44)
    assert (there["lost"], there["lost_bytes"], there["forged_reset"]) == (1, 300, 0)
    assert (back["sender"], back["towards"], back["matched"]) == ("server", "A", 43)
    assert (back["lost"], back["lost_bytes"], back["forged_reset"]) == (1, 500, 1)
    assert {there[name] for name in ("shortest", "median", "longest")} == {pd.Timedelta("5ms")}


def test_the_clock_is_that_of_the_second_ahead_of_the_first(tmp_path: Path) -> None:
    assert compared(lossy(), tmp_path).clock_offset == pd.Timedelta("3.217s")
    assert compared(lossy(), tmp_path, swapped=True).clock_offset == -pd.Timedelta("3.217s")


def test_who_is_first_does_not_matter(tmp_path: Path) -> None:
    kinds = [Counter(compared(lossy(), tmp_path, swapped=swapped).lost["kind"]) for swapped in (False, True)]
    assert kinds[0] == kinds[1] == {"lost": 2, "forged_reset": 1}
    paths = compared(lossy(), tmp_path, swapped=True).paths.set_index("sender")
    assert paths["towards"].astype(str).to_dict() == {"client": "A", "server": "B"}


def test_lost_segments_have_the_times_of_the_first_clock(tmp_path: Path) -> None:
    comparison = compared(lossy(), tmp_path)
    lost = comparison.lost
    first, last = comparison.matched["time"].iloc[[0, -1]]
    assert lost["time"].between(first, last).all()
    assert lost["seen_by"].tolist() == ["A", "B", "A"]
    assert lost["flags"].tolist() == ["ACK", "ACK", "RST"]


def test_matched_segments_name_their_packets_in_both(tmp_path: Path) -> None:
    comparison = compared(lossy(), tmp_path)
    assert len(comparison.matched) == 87
    assert comparison.matched["delay"].eq(pd.Timedelta("5ms")).all()
    assert comparison.matched["frame_a"].is_unique
    assert comparison.matched["frame_b"].is_unique


@pytest.mark.parametrize("name", ["paths", "lost", "matched", "apart"])
def test_tables_are_as_declared(name: str, tmp_path: Path) -> None:
    frame = compared(lossy(), tmp_path).tables[name]
    assert {column: str(dtype) for column, dtype in frame.dtypes.items()} == {
        column.name: column.dtype for column in TABLES[name].columns
    }


def test_connections_of_one_capture_alone_stand_apart(tmp_path: Path) -> None:
    places, other = lossy(), Places(port=50_009)
    places.a += other.send(CLIENT).send(CLIENT).a
    (row,) = compared(places, tmp_path).apart.to_dict("records")
    assert (row["seen_by"], row["client"], row["packets"]) == ("A", "10.0.0.1:50009", 2)


def test_each_capture_may_stand_beside_the_client_of_some_connections(tmp_path: Path) -> None:
    one = Places(ahead=900 * MS).talk(20)
    back = Places(ahead=-900 * MS, port=50_001, now=one.now + 900 * MS)
    back._next = [99, 77]
    back.talk(20)
    one.a += [(time, _swapped(data)) for time, data in back.b]
    one.b += [(time, _swapped(data)) for time, data in back.a]
    comparison = compared(one, tmp_path)
    assert comparison.clock_offset == pd.Timedelta("900ms")
    assert len(comparison.lost) == 0
    towards = comparison.paths.groupby("connection")["towards"].agg("".join)
    assert sorted(towards) == ["AB", "BA"]


def _swapped(packet: bytes) -> bytes:
    """Client and server change hosts: 10.0.0.1 is 10.0.0.2."""
    return packet[:12] + packet[12:20].translate(bytes.maketrans(b"\1\2", b"\2\1")) + packet[20:]
