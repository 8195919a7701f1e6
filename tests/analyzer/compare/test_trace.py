"""What of a segment is kept to find it again."""

from pathlib import Path

import numpy as np

from analyzer.compare.trace import SEGMENT, mix
from parsers.transport.ip import ACK, RST, SYN
from tests.analyzer.compare.places import CLIENT, MS, SERVER, Places


def test_a_segment_takes_few_bytes() -> None:
    assert SEGMENT.itemsize <= 48


def test_segments_are_kept_with_what_they_say(tmp_path: Path) -> None:
    places = Places().send(CLIENT, flags=SYN, later=20 * MS).send(SERVER, flags=SYN | ACK, later=20 * MS)
    trace, _ = places.send(CLIENT, 10).traces(tmp_path)
    assert trace.rows["length"].tolist() == [0, 0, 10]
    assert trace.rows["sender"].tolist() == [CLIENT, SERVER, CLIENT]
    assert trace.rows["flags"].tolist() == [SYN, SYN | ACK, ACK]
    assert trace.rows["counted"].all()
    assert trace.rows["sequence"][0] == 0xFFFF_FF00
    assert trace.endpoints(0) == ("10.0.0.1:50000", "10.0.0.2:445")


def test_what_a_translator_changes_is_not_in_the_keys(tmp_path: Path) -> None:
    a, b = Places(translated=True).talk(5).traces(tmp_path)
    assert a.endpoints(0) != b.endpoints(0)
    assert set(a.rows["packet"].tolist()) == set(b.rows["packet"].tolist())


def test_a_retransmission_says_the_same_in_another_packet(tmp_path: Path) -> None:
    trace, _ = Places().talk(1).send(CLIENT, 50).send(CLIENT, 50, back=50).traces(tmp_path)
    first, again = trace.rows[-2:]
    assert first["content"] == again["content"]
    assert first["packet"] != again["packet"]


def test_a_packet_that_was_captured_twice_is_there_once(tmp_path: Path) -> None:
    places = Places().talk(3)
    places.a.append((places.now, places.a[0][1]))
    trace, _ = places.traces(tmp_path)
    assert len(trace.rows) == 6


def test_the_last_answer_may_be_a_reset_without_acknowledgment(tmp_path: Path) -> None:
    trace, _ = Places().talk(1).send(SERVER, flags=RST).traces(tmp_path)
    assert trace.rows["flags"].tolist().count(RST) == 1


def test_mixed_values_differ_in_all_bits() -> None:
    mixed = mix(np.arange(1 << 12, dtype=np.uint64))
    ones = np.unpackbits(mixed.view(np.uint8)).mean()
    assert len(np.unique(mixed)) == 1 << 12
    assert 0.48 < ones < 0.52
