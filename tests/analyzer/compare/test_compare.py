"""Which comparison fits is seen from the captures."""

import io
from pathlib import Path

import pytest

from analyzer import Analysis, analyze
from analyzer.compare import BEFORE_AFTER, TWO_SIDES, compare
from parsers.errors import UsageError
from tests.analyzer.compare.places import Places


def test_the_same_traffic_is_two_sides(tmp_path: Path) -> None:
    a, b = (analyze(path) for path in Places().talk(20).write(tmp_path))
    assert a.compare(b).mode == TWO_SIDES


def test_different_traffic_is_before_and_after(mixed: Analysis, samples: Path) -> None:
    assert mixed.compare(analyze(samples / "mch_bind_enc.pcapng")).mode == BEFORE_AFTER


def test_the_user_may_know_better(mixed: Analysis, samples: Path) -> None:
    other = analyze(samples / "mch_bind_enc.pcapng")
    assert compare(mixed, mixed, BEFORE_AFTER).mode == BEFORE_AFTER
    with pytest.raises(UsageError, match="have no TCP traffic in common: they are not two sides of it"):
        compare(mixed, other, TWO_SIDES)
    with pytest.raises(UsageError, match="cannot be compared as 'sideways': say 'two sides' or 'before and after'"):
        compare(mixed, other, "sideways")


def test_a_stream_cannot_be_compared(mixed: Analysis, sample: Path) -> None:
    stream = analyze(io.BytesIO(sample.read_bytes()))
    with pytest.raises(UsageError, match="a stream cannot be read twice"):
        mixed.compare(stream)


def test_a_capture_beside_itself_has_lost_nothing(mixed: Analysis) -> None:
    comparison = mixed.compare(mixed)
    assert len(comparison.lost) == 0
    assert comparison.paths["matched"].sum() > 300
