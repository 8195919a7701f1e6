"""Which trees each session asks for something, whether it has connected them or not (MS-SMB2 3.3.5.2.11)."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from analyzer.evidence.headers import Headers
from parsers.smb2.decoder import Batch
from parsers.smb2.header import Command

__all__ = ["TreeEvidence", "TreeUse"]

_SLOTS = 1 << 14  # of the table that knows pairs of session and tree again
_RELATED_TREE = 0xFFFF_FFFF
_WITHOUT_TREE = (Command.CANCEL, Command.ECHO, Command.OPLOCK_BREAK)


@dataclass(slots=True)
class TreeUse:
    """A session's use of a TreeId: `frame` and `time` are of the first request, `last` is the time of a late one."""

    connection: int
    session: int
    tree_id: int
    frame: int
    time: int
    last: int


@dataclass(slots=True)
class TreeEvidence:
    """Feed it what a sink of `parsers.pipeline.decode` gets. `uses` is by session number and TreeId.

    `last` is that of the last block in which the pair was looked at anew, and at least as late as any use in it.
    """

    uses: dict[tuple[int, int], TreeUse] = field(default_factory=dict)
    _known: npt.NDArray[np.int64] = field(default_factory=lambda: np.full(_SLOTS, -1))
    _last: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(_SLOTS, np.int64))

    def take(self, batch: Batch, headers: Headers) -> None:
        """Take one block."""
        messages = batch.messages
        wanted = headers.has_tree & (messages.session >= 0) & (headers.command > Command.TREE_CONNECT)
        rows = np.flatnonzero(wanted)
        if len(rows) == 0:
            return
        # The upper half of the eight bytes is the TreeId (MS-SMB2 2.2.1.2).
        key = (messages.session[rows] << 32) | (messages.header["async_id"][rows] >> np.uint64(32)).astype(np.int64)
        slot = (key ^ (key >> 27)) & (_SLOTS - 1)
        time = batch.units.last_time[messages.unit[rows]]
        unknown = np.flatnonzero(self._known[slot] != key)
        self._write_back()
        for index in unknown.tolist():
            self._meet(batch, int(rows[index]), int(key[index]), int(time[index]))
        self._known[slot], self._last[slot] = key, time

    def finish(self) -> dict[tuple[int, int], TreeUse]:
        """`uses`, when all blocks have been fed."""
        self._write_back()
        return self.uses

    def _write_back(self) -> None:
        """Note when the pairs that the table knows were used last."""
        for slot in np.flatnonzero(self._known >= 0).tolist():
            key = int(self._known[slot])
            use = self.uses.get((key >> 32, key & _RELATED_TREE))
            if use is not None:
                use.last = max(use.last, int(self._last[slot]))

    def _meet(self, batch: Batch, row: int, key: int, time: int) -> None:
        if int(batch.messages.header["command"][row]) in _WITHOUT_TREE:
            return
        pair, unit = (key >> 32, key & _RELATED_TREE), int(batch.messages.unit[row])
        use = self.uses.get(pair)
        if use is None:
            connection, frame = int(batch.units.connection[unit]), int(batch.units.last_frame[unit])
            self.uses[pair] = TreeUse(connection, *pair, frame, time, time)
        else:
            use.last = max(use.last, time)
