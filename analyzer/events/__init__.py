"""The life of connections and sessions on one time line: evidence becomes events."""

from analyzer.events.event import Event
from analyzer.events.kinds import Kind
from analyzer.events.timeline import Timeline, build_timeline

__all__ = ["Event", "Kind", "Timeline", "build_timeline"]
