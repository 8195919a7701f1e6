"""The way from one host to another: how long a frame takes, and whether it arrives once, twice, late or never."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from refserver.network.frames import Segment
from refserver.network.simulation import MILLISECOND, SECOND

__all__ = ["Fault", "Path", "blackout", "larger_than"]

Fault = Callable[[Segment, int, int], bool]
"""Whether a frame is lost: gets the segment, the size of its IP packet and the time."""


def blackout(start: int, end: int) -> Fault:
    """Nothing arrives that was sent from `start` until before `end` (nanoseconds since 1970)."""
    return lambda _segment, _size, now: start <= now < end


def larger_than(limit: int) -> Fault:
    """No IP packet of more than `limit` bytes arrives, and nobody says so: a black hole for path MTU discovery."""
    return lambda _segment, size, _now: size > limit


@dataclass(slots=True, eq=False)
class Path:
    """One direction between two hosts. Its members may be changed while it is in use.

    Attributes:
        dice: where loss, disorder and duplicates come from.
        latency: nanoseconds that a frame takes besides the time of sending it.
        bandwidth: bits a second; 0 is without limit.
        queue: bytes that may wait to be sent; what does not fit is lost.
        loss: probability that a frame is lost.
        reorder: probability that a frame takes `reorder_by` nanoseconds longer and is overtaken.
        duplicate: probability that a frame arrives twice.
        faults: a frame is lost if one of them says so.
    """

    dice: random.Random
    latency: int = 200_000
    bandwidth: int = SECOND  # 1 Gbit/s
    queue: int = 4 << 20
    loss: float = 0.0
    reorder: float = 0.0
    reorder_by: int = 2 * MILLISECOND
    duplicate: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    _free_at: int = 0

    def arrivals(self, segment: Segment, size: int, now: int) -> list[int]:
        """When the frame arrives that is sent now: no, one or two times.

        Args:
            segment: what is sent.
            size: bytes of its IP packet.
            now: nanoseconds since 1970.
        """
        if any(fault(segment, size, now) for fault in self.faults):
            return []
        sent = self._sent(size, now)
        if sent is None or self._happens(self.loss):
            return []
        arrival = sent + self.latency + (self.reorder_by if self._happens(self.reorder) else 0)
        return [arrival, arrival + 1000] if self._happens(self.duplicate) else [arrival]

    def _sent(self, size: int, now: int) -> int | None:
        """When the last bit is on its way; None where the queue is full."""
        if not self.bandwidth:
            return now
        begin = max(now, self._free_at)
        if (begin - now) * self.bandwidth > self.queue * 8 * SECOND:
            return None
        self._free_at = begin + size * 8 * SECOND // self.bandwidth
        return self._free_at

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self.dice.random() < probability
