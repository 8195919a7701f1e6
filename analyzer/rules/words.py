"""How causes and evidence are worded: times, durations, names, so that all rules speak alike."""

import pandas as pd

from analyzer.events.event import Event
from analyzer.rules.case import Case
from analyzer.tables.text import printable

__all__ = ["asked_for", "clock", "count", "ends", "rate", "seconds", "share_of", "user_of"]


def seconds(duration: float) -> str:
    """A duration of seconds in words: `35.03 s`, `120 ms`, `2 h 5 min`."""
    if duration < 0.9995:
        return f"{duration * 1000:.3g} ms"
    if duration < 600:
        return f"{duration:.2f} s" if duration < 100 else f"{duration:.0f} s"
    minutes = round(duration / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def clock(time: int) -> str:
    """The time of day in UTC with milliseconds: `09:41:55.624`."""
    return pd.Timestamp(time, unit="ns").strftime("%H:%M:%S.%f")[:-3]


def count(number: int, noun: str) -> str:
    """`1 request`, `2,000 requests`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rate(size: int, duration: float) -> str:
    """Bytes in seconds as a rate: `2.0 Mbit/s`."""
    bits = size * 8 / duration if duration > 0 else 0.0
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if bits < 1000:
            return f"{bits:.1f} {unit}"
        bits /= 1000
    return f"{bits:.1f} Gbit/s"


def ends(case: Case, connection: int) -> tuple[str, str]:
    """Client and server of a connection, as `address:port`."""
    row = case.connections.iloc[connection]
    return str(row["client"]), str(row["server"])


def asked_for(rows: pd.DataFrame) -> str:
    """The requests in words: `READ of 'a.txt' (frame 12)`, and how many others."""
    if len(rows) == 0:
        return "a request"
    first = rows.iloc[0]
    name = first["file_name"]
    what = f"{first['command']} of '{printable(str(name))}'" if pd.notna(name) and name else f"{first['command']}"
    frame = first["request_frame"]
    place = f" (frame {int(frame)})" if pd.notna(frame) else ""
    others = f" and {count(len(rows) - 1, 'other request')}" if len(rows) > 1 else ""
    return f"{what}{place}{others}"


def share_of(part: int, whole: int) -> str:
    """`2.1 %`."""
    return f"{100 * part / whole:.2g} %" if whole else "0 %"


def user_of(case: Case, event: Event) -> str:
    r"""Whose the session of an event is: `DOMAIN\user`, else the client's address."""
    session = case.session(event)
    context = None if session is None else session.security_context
    if context is None or not context.user:
        return "an unknown user" if event.connection is None else ends(case, event.connection)[0]
    return printable(f"{context.domain}\\{context.user}" if context.domain else context.user)
