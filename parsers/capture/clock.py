"""Time stamps of a pcapng interface -> nanoseconds, exact for every resolution."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.times import NANOSECONDS

__all__ = ["DEFAULT_CLOCK", "Clock", "nanoseconds"]

_LATEST = 2**63 - 1  # in nanoseconds: the year 2262


class Clock(NamedTuple):
    """How an interface counts: ticks `per_second` (if_tsresol), from `offset` seconds after 1970 (if_tsoffset)."""

    per_second: int
    offset: int

    @classmethod
    def of(cls, tsresol: int, tsoffset: int) -> "Clock":
        """The clock of an Interface Description Block (draft-ietf-opsawg-pcapng 4.2).

        Args:
            tsresol: if_tsresol byte: an exponent of 10, or of 2 if the most significant bit is set.
            tsoffset: if_tsoffset, signed seconds; brought into what 64 bits of nanoseconds can hold.
        """
        base = 2 if tsresol & 0x80 else 10
        furthest = _LATEST // NANOSECONDS
        return cls(base ** (tsresol & 0x7F), max(-furthest, min(tsoffset, furthest)))


DEFAULT_CLOCK = Clock.of(6, 0)


def nanoseconds(ticks: npt.NDArray[np.uint64], clock: Clock) -> npt.NDArray[np.int64]:
    """Ticks (uint64) as nanoseconds since 1970 (int64), rounded down; after 2262 the last tick that fits."""
    offset = clock.offset * NANOSECONDS
    latest = _LATEST - max(offset, 0)
    factor, coarse = divmod(NANOSECONDS, clock.per_second)
    divisor, fine = divmod(clock.per_second, NANOSECONDS)
    if not coarse:
        since = np.minimum(ticks, np.uint64(latest // factor)) * np.uint64(factor)
    elif not fine and divisor < 2**64:
        since = np.minimum(ticks // np.uint64(divisor), np.uint64(latest))
    else:  # powers of two are rare; Python's integers hold the product
        since = np.array([min(tick * NANOSECONDS // clock.per_second, latest) for tick in ticks.tolist()], np.uint64)
    return since.astype(np.int64) + np.int64(offset)
