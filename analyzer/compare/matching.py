"""Two captures of the same traffic: which segment of one is which of the other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.compare.trace import Trace, mix

__all__ = ["Match", "match"]

Column = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[Any]
_COPY = np.uint64(0xD6E8FEB86659FD93)


@dataclass(frozen=True, slots=True)
class Match:
    """Segments that both captures have.

    Attributes:
        a: rows of the first trace, in order of frames.
        b: the row of the second trace that is the same segment, for each of `a`.
        connections: the connection of the second by that of the first; a NAT may have given it other endpoints.
    """

    a: Column
    b: Column
    connections: dict[int, int]

    def __len__(self) -> int:
        return len(self.a)


def match(one: Trace, other: Trace) -> Match:
    """Find the same segments: by all that tells packets apart, then those left by what they say.

    The second step is for networks that change IP identification, window or options on the way. Of several that say
    the same the first of one is taken for the first of the other.
    """
    a, b = _common(one.rows["packet"], other.rows["packet"])
    left_a, left_b = _others(a, len(one.rows)), _others(b, len(other.rows))
    more_a, more_b = _common(one.rows["content"][left_a], other.rows["content"][left_b])
    a, b = np.concatenate([a, left_a[more_a]]), np.concatenate([b, left_b[more_b]])
    connections = _connections(one.rows["connection"][a], other.rows["connection"][b])
    partner = np.full(len(one.connections) + 1, -1)
    partner[list(connections)] = list(connections.values())
    same = partner[one.rows["connection"][a]] == other.rows["connection"][b]
    order = np.argsort(a[same], kind="stable")
    return Match(a[same][order], b[same][order], connections)


def _common(one: Keys, other: Keys) -> tuple[Column, Column]:
    """Places of the keys that both have; the n-th of equal ones belongs to the n-th."""
    _, a, b = np.intersect1d(_numbered(one), _numbered(other), assume_unique=True, return_indices=True)
    return a, b


def _numbered(keys: Keys) -> Keys:
    """The same keys, but the second of equal ones differs from the first, and so on."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    begins = np.append(True, ordered[1:] != ordered[:-1])[: len(keys)]
    number = np.arange(len(keys)) - np.maximum.accumulate(np.where(begins, np.arange(len(keys)), 0))
    result = keys.copy()
    result[order] = mix(ordered + number.astype(np.uint64) * _COPY)
    return result


def _others(places: Column, size: int) -> Column:
    """All places but these."""
    left = np.ones(size, np.bool_)
    left[places] = False
    return np.flatnonzero(left)


def _connections(one: Column, other: Column) -> dict[int, int]:
    """The connection of the other capture with which each one shares most segments.

    A few pairs of other connections are chance: segments with neither payload nor acknowledgment say little.
    """
    pairs, counts = np.unique(np.stack([one, other]), axis=1, return_counts=True)
    chosen: dict[int, int] = {}
    taken: set[int] = set()
    for place in np.argsort(-counts, kind="stable").tolist():
        first, second = (int(number) for number in pairs[:, place])
        if first not in chosen and second not in taken:
            chosen[first] = second
            taken.add(second)
    return chosen
