"""The transform headers of encrypted messages (MS-SMB2 2.2.41): fields that break a rule, nonces that come again."""

from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import PacketBlock
from parsers.growing import GrowingTable
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import UNSOLICITED
from parsers.smb2.header import HEADER, HEADER_SIZE, Flags
from parsers.smb2.tracker import NO_SESSION_IDS
from parsers.smb2.transform import TRANSFORM_ENCRYPTED, TRANSFORM_HEADER
from parsers.transport.ip import Segments

__all__ = ["MISSEALED", "SEAL", "Missealing", "SealEvidence"]

Column = npt.NDArray[np.int64]
Rows = npt.NDArray[Any]


class Missealing(IntEnum):
    """What is wrong with an encrypted message. `value` of its row is said in brackets."""

    FLAGS = auto()  # Flags is not 1 [Flags]
    SIZE = auto()  # OriginalMessageSize is not what follows [OriginalMessageSize]
    NO_SESSION = auto()  # SessionId names no session
    INNER_SESSION = auto()  # the SessionId inside is another one [that SessionId]
    NOT_SMB2 = auto()  # what is inside is no SMB2 message
    SIGNED_INSIDE = auto()  # a message inside has a signature of its own


MISSEALED = np.dtype(
    [
        ("kind", "u1"), ("connection", "i4"), ("session", "i4"), ("frame", "i8"), ("time", "i8"), ("sender", "u1"),
        ("value", "u8"),
    ]
)  # fmt: skip
"""An encrypted message that breaks a rule."""

SEAL = np.dtype(
    [
        ("nonce", "u8"), ("tag", "u4"), ("connection", "i4"), ("session", "i4"), ("sender", "u4"), ("frame", "i8"),
        ("time", "i8"),
    ]
)  # fmt: skip
"""An encrypted message. `nonce` is a digest of nonce, session and direction; `tag` the first bytes of its tag."""

_SECOND_HALF = np.dtype(
    {"names": ["signature"], "formats": ["<u8"], "offsets": [HEADER_SIZE - 8], "itemsize": HEADER.dtype.itemsize}
)
_KEPT = 200  # of one kind
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)  # odd, so that multiplying keeps different numbers different
_SPREAD_MORE = np.uint64(0xC2B2_AE3D_27D4_EB4F)


@dataclass(slots=True)
class SealEvidence:
    """Feed it as a sink of `parsers.pipeline.decode`."""

    _seals: list[Rows] = field(default_factory=list)  # rows of `SEAL`, a block each
    _wrong: GrowingTable = field(default_factory=lambda: GrowingTable(MISSEALED))
    _counts: dict[Missealing, int] = field(default_factory=dict)

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Take one block."""
        units, messages = batch.units, batch.messages
        sealed = units.protocol == 0xFD
        if not sealed.any():
            return
        sealed &= ~units.incomplete & (units.length >= TRANSFORM_HEADER.size)
        first = np.full(len(units), -1)
        begins = np.flatnonzero(np.append(True, messages.unit[1:] != messages.unit[:-1])[: len(messages)])
        first[messages.unit[begins]] = begins
        rows = np.flatnonzero(sealed)
        header = TRANSFORM_HEADER.gather(batch.arena, units.start[rows])
        place = first[rows]
        empty = place < 0
        session = np.where(empty, -1, messages.session[place]) if len(messages) else place
        self._keep(batch, rows, header, session)
        self._note(batch, Missealing.FLAGS, rows, session, header["flags"] != TRANSFORM_ENCRYPTED, header["flags"])
        size = header["original_message_size"]
        self._note(batch, Missealing.SIZE, rows, session, size != units.length[rows] - TRANSFORM_HEADER.size, size)
        session_id = np.ascontiguousarray(header["session_id"])
        nobody = (session_id == NO_SESSION_IDS[0]) | (session_id == NO_SESSION_IDS[1])
        self._note(batch, Missealing.NO_SESSION, rows, session, nobody, session_id)
        self._note(batch, Missealing.NOT_SMB2, rows, session, empty, size)
        if len(messages) == 0:
            return
        inner = messages.header["session_id"][place]
        other = (place >= 0) & messages.known[place] & ~nobody & (inner != session_id)
        other &= messages.header["message_id"][place] != UNSOLICITED  # break notifications name none (3.3.4.6)
        self._note(batch, Missealing.INNER_SESSION, rows, session, other, inner)
        self._note_signed(batch)

    @property
    def rows(self) -> Rows:
        """Rows of `MISSEALED`, in order of frames."""
        rows = self._wrong.rows
        return rows[np.argsort(rows["frame"], kind="stable")]

    @property
    def repeats(self) -> tuple[Rows, Rows]:
        """Messages whose nonce was used before by the same sender under the same key, and the first ones with it."""
        nothing = np.empty(0, SEAL)
        nonces = np.concatenate([nothing["nonce"], *(block["nonce"] for block in self._seals)])
        nonces.sort()  # many times as fast as finding the order as well
        twice = nonces[1:][nonces[1:] == nonces[:-1]]
        if len(twice) == 0:
            return nothing, nothing
        seals = np.concatenate([block[np.isin(block["nonce"], twice)] for block in self._seals])
        order = np.argsort(seals["nonce"], kind="stable")
        nonces = seals["nonce"][order]
        starts = np.append(True, nonces[1:] != nonces[:-1])
        begin = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
        again = np.flatnonzero(~starts)
        return seals[order[again]], seals[order[begin[again]]]

    def _keep(self, batch: Batch, rows: Column, header: Rows, session: Column) -> None:
        units = batch.units
        new = np.zeros(len(rows), SEAL)
        nonce = np.ascontiguousarray(header["nonce"]).view("<u8").reshape(-1, 2)
        owner = header["session_id"] * np.uint64(2) + units.sender[rows].astype(np.uint64)
        low, high = nonce[:, 0] * _SPREAD, nonce[:, 1] * _SPREAD_MORE
        new["nonce"] = (low ^ (low >> np.uint64(29))) + high + owner * _SPREAD_MORE
        new["tag"] = np.ascontiguousarray(header["signature"]).view("<u4")[::4]
        new["frame"], new["time"] = units.last_frame[rows], units.last_time[rows]
        new["connection"], new["sender"], new["session"] = units.connection[rows], units.sender[rows], session
        self._seals.append(new)  # not into one table: there are many, and nobody wants them but a repeated one

    def _note_signed(self, batch: Batch) -> None:
        """The signature of an encrypted message is zero: its tag covers it (3.1.4.1)."""
        messages = batch.messages
        rows = np.flatnonzero(messages.encrypted & messages.known)
        half = messages.header.view(_SECOND_HALF)["signature"][rows]
        rows = rows[(half != 0) | ((messages.header["flags"][rows] & Flags.SIGNED.value) != 0)]
        unit = messages.unit[rows]
        everything = np.ones(len(rows), np.bool_)
        command = messages.header["command"][rows]
        self._note(batch, Missealing.SIGNED_INSIDE, unit, messages.session[rows], everything, command)

    def _note(
        self,
        batch: Batch,
        kind: Missealing,
        rows: Column,
        session: Column,
        wrong: npt.NDArray[np.bool_],
        value: npt.NDArray[Any],
    ) -> None:
        there = self._counts.get(kind, 0)
        chosen = np.flatnonzero(wrong)[: max(_KEPT - there, 0)]
        if len(chosen) == 0:
            return
        self._counts[kind] = there + len(chosen)
        units, unit = batch.units, rows[chosen]
        new = np.zeros(len(chosen), MISSEALED)
        new["kind"], new["connection"], new["session"] = kind, units.connection[unit], session[chosen]
        new["frame"], new["time"], new["sender"] = units.last_frame[unit], units.last_time[unit], units.sender[unit]
        new["value"] = value[chosen]
        self._wrong.append(new)
