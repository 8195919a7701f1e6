"""Segments worth remembering one by one: what opens, closes, repeats, fills or stops a direction of a connection."""

from enum import IntEnum

import numpy as np

__all__ = ["MARK", "SERIES", "Mark"]


class Mark(IntEnum):
    """What a segment was, or what a place in the stream is."""

    SYN = 1
    """A connection request; the second one of the same side is a retry."""
    SYN_ACK = 2
    FIN = 3
    RST = 4
    RETRANSMISSION = 5
    """Bytes that were sent before: they were captured before, or fill a hole too late to have been only delayed."""
    NEEDLESS = 6
    """A retransmission of bytes that the peer had acknowledged already."""
    REORDERED = 7
    """Fills a hole so early that it can only have been overtaken on the way, or by the capture itself."""
    CAPTURED_TWICE = 8
    """The same packet once more, as a mirror port that sees both ways of it gives."""
    DUPLICATE_ACK = 9
    """Acknowledges again what was acknowledged, without payload, while more was outstanding (RFC 5681 2)."""
    ZERO_WINDOW = 10
    """The receiver lets nothing more come."""
    WINDOW_OPEN = 11
    """The first segment with a window after a zero window."""
    KEEP_ALIVE = 12
    """At most one byte, which had been sent before (RFC 9293 3.8.4)."""
    PROBE = 13
    """The same against a zero window."""
    GAP = 14
    """Bytes that are not in the capture although their receiver acknowledged them: lost by the capture."""
    HOLE = 15
    """Bytes that are neither in the capture nor acknowledged: lost on the way, or behind the end of the capture."""


MARK = np.dtype(
    [
        ("connection", "i4"), ("sender", "u1"), ("kind", "u1"), ("frame", "i8"), ("time", "i8"), ("position", "i8"),
        ("length", "i8"), ("since", "i8"),
    ]
)  # fmt: skip
"""One mark.

`sender` is 0 for the client, 1 for the server; of a gap or hole, who sent the bytes. `position` and `length` are bytes
of that direction; of an acknowledgment, `position` is what it acknowledges. `since` is a time: when the hole opened
that was filled, when a zero window began that opens; 0 where there is none. A gap or hole stands at the segment behind
it.
"""

SERIES = np.dtype(
    [
        ("connection", "i4"), ("sender", "u1"), ("frame", "i8"), ("time", "i8"), ("sent", "i8"), ("acknowledged", "i8"),
        ("window", "i4"), ("round_trip", "i8"),
    ]
)  # fmt: skip
"""How far a direction was at a time: after the last segment of each hundredth of a second, and after every pause.

`sent` is the highest position that the sender had sent, `acknowledged` the highest of the other direction that it had
acknowledged, `window` what it advertised, unscaled. `round_trip` is how long it took to acknowledge the newest of what
this segment acknowledges, as seen where the capture was taken; 0 where that is not known.
"""
