"""Which request a response answers (MS-SMB2 3.2.5.1.2): same connection, same MessageId, in columns."""

import numpy as np
import numpy.typing as npt

__all__ = ["latest_before"]

Column = npt.NDArray[np.int64]


def latest_before(
    groups: tuple[npt.NDArray[np.generic], ...], order: Column, is_source: npt.NDArray[np.bool_]
) -> Column:
    """For each row the index of the last source row of its group at or before it in `order`; -1 where there is none.

    A response finds its request this way, a FileId the CREATE that opened it.

    Args:
        groups: columns that must be equal.
        order: what comes first; ties keep the order of rows.
        is_source: rows that can be found.
    """
    count = len(order)
    if count == 0:
        return np.empty(0, np.int64)
    by_group = np.lexsort((order, *groups))
    starts = np.zeros(count, np.bool_)
    starts[0] = True
    for column in groups:
        ordered = column[by_group]
        starts[1:] |= ordered[1:] != ordered[:-1]
    place = np.arange(count)
    group_start = np.maximum.accumulate(np.where(starts, place, 0))
    last_source = np.maximum.accumulate(np.where(is_source[by_group], place, -1))
    found = np.where(last_source >= group_start, by_group[last_source], -1)
    result = np.empty(count, np.int64)
    result[by_group] = found
    return result
