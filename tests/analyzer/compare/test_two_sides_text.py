"""What two sides say in words."""

from pathlib import Path

from analyzer.compare.matching import match
from analyzer.compare.two_sides import two_sides
from parsers.transport.ip import ACK, RST
from tests.analyzer.compare.places import CLIENT, MS, SERVER, Places


def said(places: Places, folder: Path) -> str:
    a, b = places.traces(folder)
    return "\n".join(two_sides(a, b, match(a, b)).sentences)


def test_place_clock_delay_and_loss_are_said(tmp_path: Path) -> None:
    assert said(Places(ahead=3_217 * MS).talk(20).send(CLIENT, 400, seen="a").talk(5), tmp_path).split("\n") == [
        "Both captures show the same traffic: 50 segments of 1 connection; A is nearer to the client.",
        "The clock of B is 3.217000 s ahead of that of A, if both ways take equally long; whatever they take, the "
        "difference is between 3.212000 s and 3.222000 s.",
        "From A to B, segments took 5.000 ms (5.000 ms to 5.000 ms); 1 of 26 was lost (3.8 %, 400 bytes of payload).",
        "From B to A, segments took 5.000 ms (5.000 ms to 5.000 ms); none of 25 was lost.",
    ]


def test_clocks_that_agree_and_clocks_behind(tmp_path: Path) -> None:
    assert "The clocks of A and B agree, if both ways" in said(Places().talk(9), tmp_path)
    assert "The clock of B is 40.000 ms behind that of A" in said(Places(ahead=-40 * MS).talk(9), tmp_path)


def test_a_clock_that_runs_faster_is_said(tmp_path: Path) -> None:
    places = Places(drift=50_000)
    for _ in range(700):
        places.send(CLIENT, 100, later=500 * MS).send(SERVER, 100, later=500 * MS)
    assert "The clock of B gains 50.0 ppm" in said(places, tmp_path)


def test_one_direction_alone_tells_no_clock(tmp_path: Path) -> None:
    places = Places()
    for _ in range(20):
        places.send(CLIENT, 10)
    assert "segments of one direction alone are in both captures" in said(places, tmp_path)


def test_translation_is_said(tmp_path: Path) -> None:
    text = said(Places(translated=True).talk(9), tmp_path)
    assert "1 of them have other addresses or ports in B: they are translated on the way (NAT)" in text


def test_a_forged_reset_is_said_with_its_frame(tmp_path: Path) -> None:
    text = said(Places().talk(9).send(SERVER, flags=RST | ACK, seen="a", later=20 * MS).talk(2), tmp_path)
    assert "forged_reset: the server of connection 0 did not send the RST in frame 19 of A" in text
    assert text.endswith("something between the two forged it.")


def test_a_reset_beside_capture_loss_may_have_been_missed(tmp_path: Path) -> None:
    places = Places().talk(9).send(SERVER, 100, seen="a").send(SERVER, flags=RST | ACK, seen="a").talk(2)
    text = said(places, tmp_path)
    assert "or the capture B missed it, as it missed other segments" in text
    assert "1 segment that came from the side of B is in A alone: the capture B missed it" in text


def test_offloading_and_edges_are_said(tmp_path: Path) -> None:
    places = Places().talk(9).send(CLIENT, 6_000, pieces=4).talk(9).send(CLIENT, 10, seen="a", later=9_000 * MS)
    text = said(places.send(CLIENT, 10, seen="a"), tmp_path)
    assert "5 segments are in other pieces in the other capture" in text
    assert "2 segments passed when the other capture did not run, and prove nothing." in text


def test_connections_of_one_alone_are_counted(tmp_path: Path) -> None:
    places = Places().talk(9)
    places.b += Places(port=50_009).talk(1).b
    assert said(places, tmp_path).endswith("1 connection of B is not in A at all.")
