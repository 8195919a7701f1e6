"""What became of the bytes of a connection: decoded, or not and why (design: conservation of bytes)."""

from collections import Counter

import numpy as np
import numpy.typing as npt

from parsers.smb2.framing import PREFIX
from parsers.smb2.messages import DECRYPTIONS, Fault, Messages, Units
from parsers.transport.undecoded import Undecoded
from parsers.verdicts import Decryption

__all__ = ["Ledger"]

Column = npt.NDArray[np.int64]

_CLOSED_REASONS = {
    Decryption.NO_KEY: "encrypted, and no key was given for the session",
    Decryption.NO_HANDSHAKE: "encrypted, and the session's handshake is not in the capture",
    Decryption.WRONG_KEY: "encrypted, and none of the keys given fits",
    Decryption.DAMAGED: "encrypted, and the tag does not fit: bytes were changed or lost",
    Decryption.UNSUPPORTED: "encrypted in a way that is not supported",
}


class Ledger:
    """Counts decoded bytes by connection and sender, transport prefixes included; lists the others.

    Incomplete units are left out: the framer has skipped their bytes already.
    """

    def __init__(self) -> None:
        self.undecoded: list[Undecoded] = []
        self.decoded: Counter[tuple[int, int]] = Counter()

    def note(self, units: Units, unit: int, layer: str, length: int, reason: str) -> None:
        """A unit, or `length` bytes of it, was not decoded."""
        self.undecoded.append(
            Undecoded(
                int(units.connection[unit]), int(units.sender[unit]), layer, int(units.position[unit]), length,
                int(units.last_frame[unit]), reason,
            )
        )  # fmt: skip

    def note_faults(self, units: Units, messages: Messages, faults: list[Fault]) -> None:
        """The bytes of a unit that gave no message are counted with its first fault; those of others are decoded."""
        counted = set(messages.unit.tolist()) if faults else set()
        for fault in faults:
            if not units.incomplete[fault.unit]:
                length = 0 if fault.unit in counted else int(units.length[fault.unit]) + PREFIX
                counted.add(fault.unit)
                self.note(units, fault.unit, "SMB2", length, fault.reason)

    def note_closed(self, units: Units, rows: Column, verdicts: Column, reasons: dict[int, str]) -> None:
        """Whole units that stayed closed; `reasons` has those that their verdict does not tell, by unit."""
        for unit, verdict in zip(rows.tolist(), verdicts.tolist(), strict=True):
            if not units.incomplete[unit]:
                reason = reasons.get(unit) or _CLOSED_REASONS[DECRYPTIONS[verdict]]
                self.note(units, unit, "SMB2 transform", int(units.length[unit]) + PREFIX, reason)

    def count_decoded(self, units: Units, messages: Messages) -> None:
        """Bytes of units that gave at least one known message."""
        known = np.zeros(len(units), np.bool_)
        known[messages.unit[messages.known]] = True
        rows = np.flatnonzero(known & ~units.incomplete)
        places = units.connection[rows] * 2 + units.sender[rows]
        totals = np.bincount(places, units.length[rows] + PREFIX)
        for place in np.flatnonzero(totals).tolist():
            self.decoded[place // 2, place % 2] += int(totals[place])
