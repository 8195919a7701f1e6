"""The words of events."""

import pytest

from analyzer.events.event import seconds, status_name


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0.00 ms"), (345_678, "0.35 ms"), (12_345_678, "12.3 ms"), (35_032_000_000, "35.032 s")],
)
def test_durations_are_readable(nanoseconds: int, text: str) -> None:
    assert seconds(nanoseconds) == text


def test_a_status_has_its_name() -> None:
    assert status_name(0xC000035C) == "STATUS_NETWORK_SESSION_EXPIRED"
    assert status_name(None) is None
