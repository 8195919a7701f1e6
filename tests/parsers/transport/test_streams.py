"""Pieces of a stream, against the string that they were cut from."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.transport.streams import Pieces


@dataclass
class Cut:
    """What a piece was: position in the stream, bytes, whether it was kept from an earlier block."""

    position: int
    data: bytes
    kept: bool


def made(cuts: list[Cut], *, keeps: bool) -> Pieces:
    """Pieces whose bytes lie scattered in the block's buffer, and one behind another in what was kept."""
    buffer, kept, offsets = bytearray(b"\xee" * 3), bytearray(), []
    for cut in cuts:
        store = kept if cut.kept and keeps else buffer
        offsets.append(len(store))
        store += cut.data
        buffer += b"\xee" * 5
    count = np.arange(len(cuts))
    return Pieces(
        buffer,
        np.array([cut.position for cut in cuts], np.int64),
        np.array(offsets, np.int64),
        np.array([len(cut.data) for cut in cuts], np.int64),
        count + 1,
        count * 10**9,
        bytes(kept),
        np.array([cut.kept for cut in cuts], np.bool_) if keeps else None,
    )


@st.composite
def streams(draw: st.DrawFn) -> list[Cut]:
    """Pieces in order; gaps between some. Many have the same length, as segments do."""
    common = draw(st.integers(1, 12))
    lengths = draw(st.lists(st.just(common) | st.integers(0, 20), min_size=1, max_size=90))
    cuts, position = [], draw(st.integers(0, 2**40))
    for number, length in enumerate(lengths):
        position += draw(st.sampled_from([0, 0, 0, 0, 7]))
        data = bytes((number * 31 + n) % 256 for n in range(length))
        cuts.append(Cut(position, data, draw(st.booleans())))
        position += length
    return cuts


@given(streams(), st.booleans(), st.integers(0, 9))
def test_pieces_are_copied_one_behind_another(cuts, keeps, start):
    pieces = made(cuts, keeps=keeps)
    joined = b"".join(cut.data for cut in cuts)
    assert (len(pieces), pieces.size) == (len(cuts), len(joined))
    target = bytearray(b"\xaa" * (start + len(joined) + 4))
    pieces.copy_into(memoryview(target), start)
    assert target == b"\xaa" * start + joined + b"\xaa" * 4


@given(streams(), st.booleans(), st.data())
def test_a_slice_has_the_pieces_between(cuts, keeps, data):
    first = data.draw(st.integers(0, len(cuts)))
    last = data.draw(st.integers(first, len(cuts)))
    part = made(cuts, keeps=keeps).slice(first, last)
    target = bytearray(part.size)
    part.copy_into(memoryview(target), 0)
    assert bytes(target) == b"".join(cut.data for cut in cuts[first:last])
    assert part.position.tolist() == [cut.position for cut in cuts[first:last]]
    assert part.frame.tolist() == list(range(first + 1, last + 1))
    assert part.time.tolist() == [number * 10**9 for number in range(first, last)]


@given(streams(), st.booleans())
def test_runs_end_at_the_gaps_and_nowhere_else(cuts, keeps):
    runs = made(cuts, keeps=keeps).runs()
    expected: list[list[Cut]] = [[cuts[0]]]
    for before, cut in pairwise(cuts):
        if before.position + len(before.data) != cut.position:
            expected.append([])
        expected[-1].append(cut)
    assert [run.position.tolist() for run in runs] == [[cut.position for cut in part] for part in expected]
    for run, part in zip(runs, expected, strict=True):
        target = bytearray(run.size)
        run.copy_into(memoryview(target), 0)
        assert bytes(target) == b"".join(cut.data for cut in part)


@pytest.mark.parametrize("size", [1, 1448, 9216, 9217, 70_000])
def test_many_segments_of_one_length_are_copied_whatever_the_length(size):
    cuts = [Cut(number * size, bytes([number]) * size, number % 3 == 0) for number in range(60)]
    for keeps in (False, True):
        pieces = made(cuts, keeps=keeps)
        target = bytearray(pieces.size)
        pieces.copy_into(memoryview(target), 0)
        assert target == b"".join(cut.data for cut in cuts)
