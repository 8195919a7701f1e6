"""Two captures beside each other: which kind of comparison fits, and what comes of it."""

from typing import TYPE_CHECKING

import numpy as np

from analyzer.compare.before_after import before_after
from analyzer.compare.comparison import BEFORE_AFTER, TWO_SIDES, Comparison
from analyzer.compare.matching import match
from analyzer.compare.trace import collect
from analyzer.compare.two_sides import two_sides
from analyzer.export.files import rereadable
from parsers.errors import UsageError

if TYPE_CHECKING:
    from analyzer.analysis import Analysis

__all__ = ["compare"]

_LEAST = 10  # segments with payload or acknowledgment that agree in 64 bits: chance does not give as many


def compare(a: "Analysis", b: "Analysis", mode: str | None = None) -> Comparison:
    """Compare two captures: two sides of the same traffic, or different traffic before and after a change.

    Args:
        a: the first capture: before, or one side.
        b: the second.
        mode: `TWO_SIDES` or `BEFORE_AFTER`; None: what the captures show, by the segments that they share.

    Raises:
        UsageError: a capture was read from a stream and cannot be read again, there is no such mode, or two sides
            share nothing.
    """
    if mode not in {None, TWO_SIDES, BEFORE_AFTER}:
        raise UsageError(f"captures cannot be compared as {mode!r}: say {TWO_SIDES!r} or {BEFORE_AFTER!r}")
    if mode == BEFORE_AFTER:
        return before_after(a, b)
    one, other = collect(rereadable(a.sources)), collect(rereadable(b.sources))
    found = match(one, other)
    if len(np.unique(one.rows["sequence"][found.a])) >= _LEAST:
        return two_sides(one, other, found)
    if mode == TWO_SIDES:
        raise UsageError(
            f"{a.files[0].name} and {b.files[0].name} have no TCP traffic in common: they are not two sides of it"
        )
    return before_after(a, b)
