"""The messages of a block as columns that outlive it."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from parsers.smb2.decoder import Batch
from parsers.smb2.header import Flags

__all__ = ["MESSAGE", "Columns", "message_rows"]

Columns: TypeAlias = dict[str, npt.NDArray[Any]]

MESSAGE = np.dtype(
    [
        ("frame", "i8"), ("first_frame", "i8"), ("time", "i8"), ("complete_time", "i8"), ("connection", "i4"),
        ("from_client", "?"), ("is_response", "?"), ("known", "?"), ("encrypted", "?"), ("incomplete", "?"),
        ("decryption", "u1"), ("signature", "u1"), ("command", "u2"), ("message_id", "u8"), ("async_id", "u8"),
        ("session", "i4"), ("session_id", "u8"), ("status", "u4"), ("flags", "u4"), ("credit_charge", "u2"),
        ("credits", "u2"), ("name", "i4"), ("length", "u4"), ("compressed", "?"),
    ]
)  # fmt: skip
"""One message: its columns, and of which type they are kept.

Times are nanoseconds since 1970; `complete_time` of an incomplete message is that of the last byte seen. Where `known`
is false only frames, times, session_id, length and verdicts mean something. `async_id` holds the TreeId in its upper
half where the ASYNC flag is not set, as on the wire. `decryption` and `signature` are indices into
`parsers.smb2.messages.DECRYPTIONS` and `SIGNATURES`; `name` is a number of the name table, -1 for none.
"""

_FROM_HEADER = ("command", "message_id", "async_id", "session_id", "status", "flags", "credit_charge", "credits")
_FROM_MESSAGES = ("known", "encrypted", "decryption", "signature", "session", "name", "compressed")


def message_rows(batch: Batch) -> Columns:
    """The columns of `MESSAGE` for all messages of the batch, in order of completion; some are wider than kept."""
    messages, units = batch.messages, batch.units
    unit, header = messages.unit, messages.header
    from_client = units.sender[unit] == 0
    incomplete = units.incomplete[unit]
    # A unit that was not opened counts with all of its bytes, one of which the end is missing with what it declares.
    whole_unit = ~messages.known | incomplete
    answers = (header["flags"] & Flags.SERVER_TO_REDIR.value) != 0
    return {
        "frame": units.last_frame[unit],
        "first_frame": units.first_frame[unit],
        "time": units.first_time[unit],
        "complete_time": units.last_time[unit],
        "connection": units.connection[unit],
        "from_client": from_client,
        "is_response": np.where(messages.known, answers, ~from_client),
        "incomplete": incomplete,
        "length": np.where(whole_unit, units.length[unit], messages.end - messages.offset),
        **{name: header[name] for name in _FROM_HEADER},
        **{name: getattr(messages, name) for name in _FROM_MESSAGES},
    }
