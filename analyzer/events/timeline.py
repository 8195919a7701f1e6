"""All events of a capture on one time line."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from analyzer.events.asynchronous import asynchronous_events
from analyzer.events.bulk import EventColumns, bulk_events
from analyzer.events.credits import credit_events
from analyzer.events.event import Event
from analyzer.events.expiry import expiry_events
from analyzer.events.handles import handle_events
from analyzer.events.kinds import Kind
from analyzer.events.logon import LogonRun, logon_events, logon_runs
from analyzer.events.transport import transport_events
from analyzer.evidence import Evidence

__all__ = ["Timeline", "build_timeline"]


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened.

    Attributes:
        events: in order of time; every kind but those in `bulk`.
        bulk: opens, closes and granted handles, in columns, because there may be millions of them.
        runs: SESSION_SETUP legs that belong together, in order of their first requests.
    """

    events: list[Event]
    bulk: list[EventColumns]
    runs: list[LogonRun]

    def of(self, *kinds: Kind) -> Iterator[Event]:
        """The events of some kinds, in order of time; those in `bulk` are not among them."""
        return (event for event in self.events if event.kind in kinds)


def build_timeline(evidence: Evidence) -> Timeline:
    """Make the events of a capture of its evidence."""
    runs = logon_runs(evidence)
    events = chain(
        transport_events(evidence),
        logon_events(evidence, runs),
        expiry_events(evidence, runs),
        handle_events(evidence),
        asynchronous_events(evidence),
        credit_events(evidence),
    )
    return Timeline(sorted(events, key=_order), list(bulk_events(evidence)), runs)


def _order(event: Event) -> tuple[int, bool, int]:
    """By time; a session is over by what is told of before."""
    return event.time, event.kind is Kind.SESSION_ENDED, event.frames[0] if event.frames else 0
