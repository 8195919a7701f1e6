"""Timers without a clock: whoever owns the clock asks when the next one is due and says what time it is."""

import heapq
from collections.abc import Callable

__all__ = ["Timer", "Timers"]


class Timer:
    """One appointment; `cancel` may be called at any time, also after it has fired."""

    __slots__ = ("action", "at")

    def __init__(self, at: int, action: Callable[[int], None]) -> None:
        self.at = at
        self.action: Callable[[int], None] | None = action

    def cancel(self) -> None:
        """Never fire."""
        self.action = None


class Timers:
    """Appointments in order of time; those of one instant fire in the order in which they were made.

    `now` is the latest time that anybody told: of what fires, or set by whoever brings news from outside.
    """

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self._heap: list[tuple[int, int, Timer]] = []
        self._made = 0

    def at(self, time: int, action: Callable[[int], None]) -> Timer:
        """Call `action(now)` when `time` (nanoseconds since 1970) has come."""
        timer = Timer(time, action)
        heapq.heappush(self._heap, (time, self._made, timer))
        self._made += 1
        return timer

    def next(self) -> int | None:
        """When the next timer is due; None if there is none."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def fire(self, now: int) -> None:
        """Call everything that is due at `now`, also what those calls make due; each gets the time it was due at."""
        while (due := self.next()) is not None and due <= now:
            timer = heapq.heappop(self._heap)[2]
            action, timer.action = timer.action, None
            assert action is not None  # `next` drops the cancelled ones
            self.now = max(self.now, timer.at)
            action(timer.at)
        self.now = max(self.now, now)
