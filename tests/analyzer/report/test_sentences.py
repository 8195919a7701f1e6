from pathlib import Path

import pandas as pd
import pytest

from analyzer import Analysis, analyze
from analyzer.report.sentences import (
    bytes_text,
    captured,
    duration_text,
    number_text,
    performance,
    readable,
    span_of,
    verdict,
)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (350_000, "350 µs"),
        (12_500_000, "12.5 ms"),
        (3_250_000_000, "3.25 s"),
        (125_000_000_000, "2 min 5 s"),
        (11_520_000_000_000, "3 h 12 min"),
    ],
)
def test_durations_read_well(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 byte"), (640, "640 bytes"), (12_500, "12.5 kB"), (3_250_000, "3.25 MB")]
)
def test_sizes_read_well(count: int, text: str) -> None:
    assert bytes_text(count) == text


def test_one_is_singular() -> None:
    assert [number_text(count, "packet") for count in (0, 1, 2000)] == ["0 packets", "1 packet", "2,000 packets"]


def test_the_first_sentence_counts_what_was_captured(mixed: Analysis) -> None:
    sentence = captured(mixed.files, mixed.connections, mixed.sessions)
    assert sentence.startswith("422 packets in ")
    assert "10 TCP connections of 1 client with 1 server, 11 SMB sessions" in sentence
    assert "alice" in sentence


def test_the_verdict_counts_by_severity() -> None:
    severities = pd.DataFrame({"severity": ["error", "warning", "warning", "security", "security", "info"]})
    assert verdict(severities) == (
        "Found: 1 error, 2 warnings and 2 weaknesses of security, and 1 remark for your information."
    )
    assert verdict(severities.head(0)) == "Nothing is wrong that this program knows of."


def test_performance_names_the_median_and_what_was_refused(mixed: Analysis) -> None:
    answered, refusals, moved = performance(mixed.exchanges)
    assert "half of them within" in answered
    assert "STATUS_" in refusals
    assert "were read" in moved


def test_nothing_asked_gives_no_sentence(mixed: Analysis) -> None:
    assert list(performance(mixed.exchanges.head(0))) == []


def test_what_stays_closed_is_said(sample: Path, mixed: Analysis) -> None:
    without = analyze(sample)
    assert next(readable(without.sessions, without.accounting)).startswith("0 of ")
    assert next(readable(mixed.sessions, mixed.accounting)).startswith("All ")


def test_missing_bytes_are_said(mixed: Analysis) -> None:
    lossy = mixed.accounting.assign(gap=100, snapped=0)
    assert f"The capture lacks {bytes_text(100 * len(lossy))} that were sent." in list(readable(mixed.sessions, lossy))


def test_the_span_covers_all_files(mixed: Analysis) -> None:
    begin, end = span_of(mixed.files)
    assert begin <= mixed.exchanges["request_time"].min().value
    assert end >= mixed.exchanges["response_time"].max().value
    assert span_of([]) == (0, 0)
