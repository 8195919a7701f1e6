"""Opens, closes and granted handles are those of the tables."""

from pathlib import Path

from analyzer import Analysis
from analyzer.events import Kind
from analyzer.events.bulk import EventColumns
from tests.analyzer.captures import analyzed


def of(analysis: Analysis, kind: Kind) -> list[EventColumns]:
    return [part for part in analysis.timeline.bulk if part.kind is kind]


def test_opens_and_closes_are_those_of_the_table(mixed: Analysis) -> None:
    (opened,), (closed,) = of(mixed, Kind.OPEN), of(mixed, Kind.CLOSE)
    assert len(opened) == len(mixed.opens)
    assert len(closed) == mixed.opens.closed.notna().sum() > 0
    assert opened.frame.tolist() == mixed.opens.opened_frame.tolist()
    assert not opened.second.any()


def test_granted_handles_are_durable_or_persistent(shared: Path) -> None:
    analysis = analyzed(shared, "samba/torture_durable_open.pcapng")
    durable, persistent = of(analysis, Kind.HANDLE_GRANTED)
    assert (len(durable), len(persistent)) == (49, 0)
    assert (durable.second > durable.frame).all()
