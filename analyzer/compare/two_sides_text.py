"""What a comparison of two sides says in words."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from analyzer.compare.clock import Clock
from analyzer.compare.comparison import duration, nanoseconds
from analyzer.compare.unmatched import Fate
from parsers.times import NANOSECONDS

__all__ = ["sentences"]

_TELLING_DRIFT = 1_000  # ns a second: 1 ppm
_SAME_CLOCK = 1_000  # ns: what captures of one machine differ by


def sentences(clock: Clock, tables: Mapping[str, pd.DataFrame], translated: int) -> Iterator[str]:
    """Where the captures stand, their clocks, delays, losses, and what else differs.

    Args:
        clock: of B, beside that of A.
        tables: of the comparison.
        translated: how many connections have other addresses or ports in B.
    """
    yield _place(tables["paths"], translated)
    yield from _clocks(clock)
    yield from _ways(tables["paths"])
    yield from _forged(tables["lost"])
    yield from _others(tables["lost"], tables["apart"])


def _place(paths: pd.DataFrame, translated: int) -> str:
    """Where the two captures stand."""
    near = paths.loc[paths["towards"] == "B", "sender"].astype(str).unique().tolist()
    place = f"A is nearer to the {near[0]}" if len(near) == 1 else "each is nearer to some clients"
    count = paths["connection"].nunique()
    text = (
        f"Both captures show the same traffic: {int(paths['matched'].sum()):,} segments of {_many(count, 'connection')}"
    )
    if translated:
        place += f"; {translated:,} of them have other addresses or ports in B: they are translated on the way (NAT)"
    return f"{text}; {place}."


def _clocks(clock: Clock) -> Iterator[str]:
    which = "ahead of" if clock.offset > 0 else "behind"
    text = f"The clock of B is {duration(abs(clock.offset))} {which} that of A"
    if abs(clock.offset) < _SAME_CLOCK:
        text = "The clocks of A and B agree"
    if clock.earliest is None or clock.latest is None:
        yield f"{text}, or more or less by the delay of the way: segments of one direction alone are in both captures."
        return
    yield (
        f"{text}, if both ways take equally long; whatever they take, the difference is between "
        f"{duration(clock.earliest)} and {duration(clock.latest)}."
    )
    if abs(clock.drift) >= _TELLING_DRIFT:
        yield f"The clock of B gains {clock.drift / NANOSECONDS * 1e6:.1f} ppm on that of A."


def _ways(paths: pd.DataFrame) -> Iterator[str]:
    """For each direction between the two places: delay and loss."""
    for towards, way in (("B", "From A to B"), ("A", "From B to A")):
        rows = paths[paths["towards"] == towards]
        known, lost = int(rows["matched"].sum()), int(rows["lost"].sum())
        if known + lost == 0:
            continue
        loss = f"none of {known:,} was lost"
        if lost:
            share, size = 100 * lost / (known + lost), int(rows["lost_bytes"].sum())
            verb = "was" if lost == 1 else "were"
            loss = f"{lost:,} of {known + lost:,} {verb} lost ({share:.2g} %, {size:,} bytes of payload)"
        delay = "no segment arrived"
        if known:
            there = rows[rows["matched"] > 0]
            shortest, median, longest = (nanoseconds(there[name]) for name in ("shortest", "median", "longest"))
            middle = float(np.average(median, weights=there["matched"]))
            delay = (
                f"segments took {duration(middle)} ({duration(int(shortest.min()))} to {duration(int(longest.max()))})"
            )
        yield f"{way}, {delay}; {loss}."


def _others(lost: pd.DataFrame, apart: pd.DataFrame) -> Iterator[str]:
    """What a capture missed, and what could not be compared."""
    missed = lost[lost["kind"] == Fate.NOT_CAPTURED]
    for side, other in (("A", "B"), ("B", "A")):
        if count := int((missed["seen_by"] == side).sum()):
            yield (
                f"{_many(count, 'segment')} that came from the side of {other} {_is(count)} in {side} alone: "
                f"the capture {other} missed {'it' if count == 1 else 'them'}, or something between sent "
                f"{'it' if count == 1 else 'them'}."
            )
    if count := int((lost["kind"] == Fate.RESEGMENTED).sum()):
        yield (
            f"{_many(count, 'segment')} {_is(count)} in other pieces in the other capture: a network card "
            "cuts or joins them (segmentation offload)."
        )
    if count := int((lost["kind"] == Fate.CAPTURE_EDGE).sum()):
        yield f"{_many(count, 'segment')} passed when the other capture did not run, and prove nothing."
    for side, other in (("A", "B"), ("B", "A")):
        if count := int((apart["seen_by"] == side).sum()):
            yield f"{_many(count, 'connection')} of {side} {_is(count)} not in {other} at all."


def _forged(lost: pd.DataFrame) -> Iterator[str]:
    forged = lost[lost["kind"] == Fate.FORGED_RESET]
    missed = set(lost.loc[lost["kind"] == Fate.NOT_CAPTURED, "connection"])
    for (side, connection, sender), rows in forged.groupby(["seen_by", "connection", "sender"], observed=True):
        other = "B" if side == "A" else "A"
        frames = ", ".join(map(str, rows["frame"].head(5)))
        why = "something between the two forged it"
        if connection in missed:
            why = f"something between forged it, or the capture {other} missed it, as it missed other segments"
        yield (
            f"forged_reset: the {sender} of connection {connection} did not send the RST in frame {frames} of {side}, "
            f"because {other}, on its side, does not have it: {why}."
        )


def _many(count: int, word: str) -> str:
    return f"{count:,} {word if count == 1 else f'{word}s'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
