"""Virtual time: everything happens at the instant for which it was made, and all randomness comes from one seed.

An hour in which nothing happens costs nothing. Several `Timers` can take part: the network's own, and those of each
simulated process, which stand still while the process is stopped.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from parsers.errors import UsageError
from refserver.timers import Timer, Timers

__all__ = ["MILLISECOND", "SECOND", "Process", "Simulation"]

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


@dataclass(slots=True, eq=False)
class Process:
    """Timers that stand still while `stopped`, and what has to follow whenever time has passed for them."""

    timers: Timers
    after: Callable[[], None]
    stopped: bool = False


class Simulation:
    """The clock and the dice.

    Args:
        seed: the same seed gives the same course of events.
        start: the time at which it begins, nanoseconds since 1970.
    """

    def __init__(self, seed: int, start: int) -> None:
        self.timers = Timers(start)
        self._seed = seed
        self._processes: list[Process] = []

    @property
    def now(self) -> int:
        """Nanoseconds since 1970."""
        return self.timers.now

    def random(self, purpose: str) -> random.Random:
        """Dice for one purpose: what one part throws does not change what another part gets."""
        return random.Random(f"{self._seed}/{purpose}")  # noqa: S311 - the same seed has to give the same bytes

    def after(self, delay: int, action: Callable[[int], None]) -> Timer:
        """Call `action(now)` in `delay` nanoseconds."""
        return self.timers.at(self.now + delay, action)

    def add(self, process: Process) -> None:
        """From now on the timers of `process` fire too; `process.after` is called after every step."""
        self._processes.append(process)

    def remove(self, process: Process) -> None:
        """The process has ended."""
        self._processes.remove(process)

    def run(self, duration: int) -> None:
        """Let `duration` nanoseconds pass."""
        end = self.now + duration
        while self._step(end):
            pass
        self.timers.now = max(end, self.timers.now)

    def run_until(self, condition: Callable[[], bool], *, limit: int = 3600 * SECOND) -> None:
        """Let time pass until `condition` holds.

        Raises:
            UsageError: it still does not after `limit` nanoseconds, or nothing is left that could happen.
        """
        end = self.now + limit
        while not condition():
            if not self._step(end):
                raise UsageError(f"waited in vain for {condition.__qualname__} at {self.now}")

    def wait_for(self, calls: Iterable[object], *, limit: int = 3600 * SECOND) -> None:
        """Let time pass until every one of `calls` has `done`."""
        waiting = list(calls)
        self.run_until(lambda: all(getattr(call, "done") for call in waiting), limit=limit)  # noqa: B009

    def _step(self, end: int) -> bool:
        """Go to the next thing that happens until `end`, and let it happen; False if there is none."""
        for process in tuple(self._processes):
            process.after()
        due, timers = self.timers.next(), self.timers
        for process in self._processes:
            mine = None if process.stopped else process.timers.next()
            if mine is not None and (due is None or mine < due):
                due, timers = mine, process.timers
        if due is None or due > end:
            return False
        self.timers.now = max(self.timers.now, due)  # a process that was stopped finds its timers overdue
        timers.fire(due)
        for process in tuple(self._processes):
            process.after()
        return True
