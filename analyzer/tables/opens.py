"""The table of opens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from analyzer.tables.columns import coded, fields, masked, named, tabulate, times
from analyzer.tables.messages import INHERITED_TREE_ID, wire_session_ids
from analyzer.tables.schema import TABLES
from parsers.smb2.create import CreateAction, OplockLevel
from parsers.smb2.session import Session

__all__ = ["opens_table"]

_DIGITS = np.frombuffer("".join(f"{value:02x}" for value in range(256)).encode(), "S2")
_HALF = 16  # digits of a 64-bit number


def opens_table(rows: npt.NDArray[Any], sessions: list[Session], names: Sequence[str]) -> pd.DataFrame:
    """The table `opens` from rows of `OPEN`."""
    parts = {name: np.ascontiguousarray(column) for name, column in fields(rows).items()}
    still_open = parts["closed"] == 0
    columns = {
        "file_id": _file_ids(parts["persistent"], parts["volatile"]),
        "session_id": masked(wire_session_ids(parts, sessions), np.zeros(len(rows), np.bool_)),
        "tree_id": masked(parts["tree_id"], parts["tree_id"] == INHERITED_TREE_ID),
        "file_name": named(parts["name"], names),
        "opened": times(parts["opened"]),
        "closed": times(parts["closed"]),
        "closed_frame": masked(parts["closed_frame"], still_open),
        "oplock_level": coded(parts["oplock_level"], lambda code: OplockLevel(code).name),
        "create_action": coded(parts["create_action"], lambda code: CreateAction(code).name),
    }
    return tabulate(TABLES["opens"], parts | columns)


def _file_ids(persistent: npt.NDArray[np.uint64], volatile: npt.NDArray[np.uint64]) -> Any:
    """`persistent:volatile` in hexadecimal, made in columns: there may be as many opens as there are files."""
    count = len(persistent)
    text = np.full((count, 2 * _HALF + 1), ord(":"), np.uint8)
    for half, values in ((slice(0, _HALF), persistent), (slice(_HALF + 1, None), volatile)):
        octets = values.astype(">u8").view(np.uint8).reshape(count, 8)
        text[:, half] = _DIGITS[octets].view(np.uint8).reshape(count, _HALF)
    offsets = np.arange(0, text.size + 1, text.shape[1], dtype=np.int64)
    strings = pa.LargeStringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text.tobytes()))
    return pd.array(strings, dtype=pd.StringDtype("pyarrow"))
