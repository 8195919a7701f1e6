"""Progress is shown on a terminal, and leaves nothing behind."""

import io
from types import SimpleNamespace

import pytest

from analyzer.cli import progress
from analyzer.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def block(packets: int) -> range:
    """All that progress asks of a block is how many packets it has."""
    return range(packets)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.seconds)
    return now


def test_a_long_reading_counts_packets_on_one_line(clock: SimpleNamespace) -> None:
    terminal = Terminal()
    with Progress(terminal) as shown:
        for second in range(3):
            clock.seconds = second
            shown(block(1000), None, None)
        shown(None, None, None)
    written = terminal.getvalue()
    assert written == "\r\x1b[K2,000 packets read\r\x1b[K3,000 packets read\r\x1b[K"


def test_a_short_reading_says_nothing(clock: SimpleNamespace) -> None:
    terminal = Terminal()
    with Progress(terminal) as shown:
        shown(block(5), None, None)
    assert terminal.getvalue() == ""


def test_a_file_gets_no_progress(clock: SimpleNamespace) -> None:
    file = io.StringIO()
    with Progress(file) as shown:
        clock.seconds = 10
        shown(block(5), None, None)
    assert file.getvalue() == ""
