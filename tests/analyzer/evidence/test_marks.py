"""Marks fit their columns."""

import numpy as np

from analyzer.evidence.marks import MARK, SERIES, Mark


def test_every_kind_fits_its_column_and_is_not_zero() -> None:
    assert all(0 < kind <= np.iinfo(MARK["kind"]).max for kind in Mark)


def test_times_and_positions_have_64_bits() -> None:
    for dtype, names in ((MARK, ("time", "position", "since", "frame")), (SERIES, ("time", "sent", "acknowledged"))):
        assert {dtype[name] for name in names} == {np.dtype("i8")}
