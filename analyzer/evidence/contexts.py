"""Create contexts of many CREATE messages at once: where the data of the wanted ones lie (MS-SMB2 2.2.13.2)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.layout import Layout, everywhere
from parsers.smb2.create_contexts import CREATE_CONTEXT
from parsers.smb2.decoder import Batch
from parsers.smb2.header import HEADER_SIZE

__all__ = ["find_contexts"]

Column = npt.NDArray[np.int64]

_MAX_CONTEXTS = 32  # of one CREATE; the specification defines fewer


def find_contexts(
    batch: Batch, creates: Column, layout: Layout[Any], names: tuple[bytes, ...]
) -> dict[bytes, tuple[Column, Column, Column]]:
    """Walk the chains of all messages together, one context of each a step.

    Args:
        batch: holds the messages.
        creates: rows of them, CREATE requests or CREATE responses.
        layout: of their bodies: it says where the chain stands.
        names: of the contexts that are wanted, four bytes each.

    Returns:
        For each name: the rows of the messages that carry it, where its data begin in the arena, and their length. All
        data lie inside of their message.
    """
    messages, arena = batch.messages, batch.arena
    found: dict[bytes, list[tuple[Column, Column, Column]]] = {name: [] for name in names}
    rows = creates[messages.offset[creates] + HEADER_SIZE + layout.size <= messages.end[creates]]
    u2, u4 = everywhere(arena, "<u2"), everywhere(arena, "<u4")
    fields: Any = layout.dtype.fields
    body = messages.offset[rows] + HEADER_SIZE
    size = u4[body + fields["create_contexts_length"][1]].astype(np.int64)
    there = np.flatnonzero(size >= CREATE_CONTEXT.size)
    rows = rows[there]
    start = messages.offset[rows]
    at = start + u4[body[there] + fields["create_contexts_offset"][1]]
    end = np.minimum(at + size[there], messages.end[rows])
    for _ in range(_MAX_CONTEXTS):
        inside = (at >= start + HEADER_SIZE) & (at + CREATE_CONTEXT.size <= end)
        rows, start, at, end = rows[inside], start[inside], at[inside], end[inside]
        if len(rows) == 0:
            break
        name_at, data_at = at + u2[at + 4], at + u2[at + 10]
        length = u4[at + 12].astype(np.int64)
        good = (u2[at + 6] == 4) & (name_at + 4 <= end) & (data_at + length <= end)
        name = np.where(good, u4[np.where(good, name_at, at)], 0)
        for wanted, parts in found.items():
            hit = np.flatnonzero(name == int.from_bytes(wanted, "little"))
            if len(hit):
                parts.append((rows[hit], data_at[hit], length[hit]))
        step = u4[at].astype(np.int64)
        goes_on = step > 0
        rows, start, at, end = rows[goes_on], start[goes_on], (at + step)[goes_on], end[goes_on]
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    return {name: _joined(parts) if parts else nothing for name, parts in found.items()}


def _joined(parts: list[tuple[Column, Column, Column]]) -> tuple[Column, Column, Column]:
    rows, data, length = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return rows, data, length
