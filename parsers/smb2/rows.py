"""The messages of a block as compact rows that outlive it."""

from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.smb2.decoder import Batch
from parsers.smb2.header import Flags

__all__ = ["MESSAGE", "message_rows"]

MESSAGE = np.dtype(
    [
        ("frame", "i8"), ("first_frame", "i8"), ("time", "i8"), ("complete_time", "i8"), ("connection", "i4"),
        ("from_client", "?"), ("is_response", "?"), ("known", "?"), ("encrypted", "?"), ("incomplete", "?"),
        ("decryption", "u1"), ("signature", "u1"), ("command", "u2"), ("message_id", "u8"), ("async_id", "u8"),
        ("session", "i4"), ("session_id", "u8"), ("status", "u4"), ("flags", "u4"), ("credit_charge", "u2"),
        ("credits", "u2"), ("name", "i4"), ("length", "u4"), ("compressed", "?"),
    ]
)  # fmt: skip
"""One message.

Times are nanoseconds since 1970; `complete_time` of an incomplete message is that of the last byte seen. Where `known`
is false only frames, times, session_id, length and verdicts mean something. `async_id` holds the TreeId in its upper
half where the ASYNC flag is not set, as on the wire. `decryption` and `signature` are indices into
`parsers.smb2.messages.DECRYPTIONS` and `SIGNATURES`; `name` is a number of the name table, -1 for none.
"""

_FROM_HEADER = ("command", "message_id", "async_id", "session_id", "status", "flags", "credit_charge", "credits")


def message_rows(batch: Batch) -> npt.NDArray[Any]:
    """A row of `MESSAGE` for every message of the batch, in order of completion."""
    messages, units = batch.messages, batch.units
    rows = np.zeros(len(messages), MESSAGE)
    unit = messages.unit
    rows["frame"], rows["first_frame"] = units.last_frame[unit], units.first_frame[unit]
    rows["time"], rows["complete_time"] = units.first_time[unit], units.last_time[unit]
    rows["connection"], rows["from_client"] = units.connection[unit], units.sender[unit] == 0
    rows["incomplete"] = units.incomplete[unit]
    for name in _FROM_HEADER:
        rows[name] = messages.header[name]
    rows["is_response"] = np.where(
        messages.known, (messages.header["flags"] & Flags.SERVER_TO_REDIR.value) != 0, ~rows["from_client"]
    )
    for name in ("known", "encrypted", "decryption", "signature", "session", "name", "compressed"):
        rows[name] = getattr(messages, name)
    # A unit that was not opened counts with all of its bytes, one of which the end is missing with what it declares.
    whole_unit = ~messages.known | rows["incomplete"]
    rows["length"] = np.where(whole_unit, units.length[unit], messages.end - messages.offset)
    return rows
