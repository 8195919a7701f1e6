"""The clocks of two captures: how far one is ahead of the other, from segments that both have, in both directions.

A segment that A sees before B took d1 = delay + offset by their clocks, one that B sees first d2 = delay - offset.
Where both ways take equally long, the offset is half the difference of the shortest of each; whatever the ways take,
it lies between -d2 and d1, because no packet arrives before it was sent.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parsers.times import NANOSECONDS

__all__ = ["Clock", "estimate"]

Column = npt.NDArray[np.int64]
_WINDOWS = 64
_LEAST_SAMPLES = 8  # of a direction in a window: fewer seldom hold one that met no queue
_LEAST_WINDOWS = 8
_LEAST_SPAN = 120 * NANOSECONDS  # clocks differ by some 50 ppm: less than queues add in a shorter time


@dataclass(frozen=True, slots=True)
class Clock:
    """How far the clock of B is ahead of that of A: `offset` nanoseconds at `reference`, and `drift` more a second.

    Attributes:
        reference: time of A, nanoseconds since 1970.
        offset: nanoseconds.
        drift: nanoseconds a second, which are also ppb; 0 where the captures are too short to tell.
        earliest: the offset is not less than this, nanoseconds; None where nothing was sent towards A.
        latest: and not more than this; None where nothing was sent towards B.
    """

    reference: int
    offset: int
    drift: float
    earliest: int | None
    latest: int | None

    def ahead(self, times: Column) -> Column:
        """The offset at times of A."""
        drifted = (times - self.reference) / NANOSECONDS * self.drift
        return self.offset + np.rint(drifted).astype(np.int64)


def estimate(times: Column, differences: Column, towards_b: npt.NDArray[np.bool_]) -> Clock:
    """The clock from matched segments.

    Args:
        times: when A captured each, nanoseconds, in order.
        differences: time of B minus time of A of each.
        towards_b: whether it passed A first.
    """
    reference = int(times[0])
    drift = _drift(times, differences, towards_b)
    level = differences - np.rint((times - reference) / NANOSECONDS * drift).astype(np.int64)
    latest = int(level[towards_b].min()) if towards_b.any() else None
    earliest = int(level[~towards_b].max()) if not towards_b.all() else None
    known = [value for value in (earliest, latest) if value is not None]
    return Clock(reference, sum(known) // len(known), drift, earliest, latest)


def _drift(times: Column, differences: Column, towards_b: npt.NDArray[np.bool_]) -> float:
    """The slope of the offsets of windows of time."""
    span = int(times[-1] - times[0])
    if span < _LEAST_SPAN:
        return 0.0
    window = (times - times[0]) * _WINDOWS // (span + 1)
    forth, back = (_extremes(window[way], sign * differences[way]) for way, sign in ((towards_b, 1), (~towards_b, -1)))
    middles = (np.arange(_WINDOWS) + 0.5) * span / _WINDOWS / NANOSECONDS
    offsets = (forth - back) / 2
    good = np.isfinite(offsets)
    if np.count_nonzero(good) < _LEAST_WINDOWS:
        return 0.0
    return float(np.polyfit(middles[good], offsets[good], 1)[0])


def _extremes(window: Column, values: Column) -> npt.NDArray[np.float64]:
    """The lowest value of each window; NaN where there are too few."""
    lowest = np.full(_WINDOWS, np.iinfo(np.int64).max)
    np.minimum.at(lowest, window, values)
    enough = np.bincount(window, minlength=_WINDOWS) >= _LEAST_SAMPLES
    return np.where(enough, lowest, np.nan).astype(np.float64)
