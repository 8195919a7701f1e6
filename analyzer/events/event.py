"""An event, and how its words are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from analyzer.events.kinds import Kind
from parsers import ntstatus
from parsers.times import NANOSECONDS

__all__ = ["Detail", "Event", "seconds", "status_name"]

Detail = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        time: nanoseconds since 1970.
        kind: what it was.
        text: in words.
        connection: number of the connection; None where there is none.
        session: number of the session (`Decoded.smb2.tracker.sessions`); None where there is none.
        frames: the packets that show it, in order.
        details: values by name; durations are nanoseconds under names that end in `_ns`.
    """

    time: int
    kind: Kind
    text: str
    connection: int | None = None
    session: int | None = None
    frames: tuple[int, ...] = ()
    details: Mapping[str, Detail] = field(default_factory=dict)


def seconds(nanoseconds: int) -> str:
    """`0.35 ms`, `12.3 ms` or `12.300 s`."""
    if nanoseconds < NANOSECONDS:
        milliseconds = nanoseconds / 1e6
        return f"{milliseconds:.2f} ms" if milliseconds < 10 else f"{milliseconds:.1f} ms"
    return f"{nanoseconds / NANOSECONDS:.3f} s"


def status_name(status: int | None) -> str | None:
    """`STATUS_LOGON_FAILURE`; None stays None."""
    return None if status is None else ntstatus.name(status)
