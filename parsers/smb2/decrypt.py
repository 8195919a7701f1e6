"""Opens the encrypted units of a block (MS-SMB2 2.2.41, 3.3.5.2.1.1)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parsers.layout import everywhere
from parsers.smb2.keying import KeyFinder
from parsers.smb2.messages import DECRYPTIONS, Units
from parsers.smb2.session import Session, SmbConnection
from parsers.smb2.tracker import NO_SESSION_IDS, SessionTracker
from parsers.smb2.transform import TRANSFORM_HEADER
from parsers.transport.connections import CLIENT, SERVER
from parsers.verdicts import Decryption

__all__ = ["LENT", "Opened", "UnitOpener"]

LENT = 16
"""Bytes behind the last unit of an arena that decryption borrows."""

Column = npt.NDArray[np.int64]
_DECRYPTED_OR_DAMAGED = (DECRYPTIONS.index(Decryption.DECRYPTED), DECRYPTIONS.index(Decryption.DAMAGED))
_MAX_TRIES = 16  # sessions without a proved key, or units, that are tried; a right key fits the first whole unit


@dataclass(slots=True)
class Opened:
    """Every encrypted unit of a block: `verdict` are indices into `DECRYPTIONS`.

    Where that is DECRYPTED, the plain bytes are in the arena from `start` to `end`.
    """

    unit: Column
    session_id: Column
    session: Column
    verdict: Column
    start: Column
    end: Column


class UnitOpener:
    """Decrypts with the keys of each session; tries candidates until a tag has proved one."""

    def __init__(self, tracker: SessionTracker, keys: KeyFinder) -> None:
        self._tracker = tracker
        self._keys = keys

    def open(self, arena: memoryview, units: Units, plain: int) -> Opened:
        """Decrypt all units with a transform header; plain bytes go to the arena from `plain` on.

        The arena must have room for all of them there, and `LENT` bytes between the last unit and `plain`.
        """
        rows = np.flatnonzero((units.protocol == 0xFD) & (units.present >= TRANSFORM_HEADER.size))
        headers = TRANSFORM_HEADER.gather(arena, units.start[rows])
        sessions = self._sessions(arena, units, rows, headers["session_id"])
        whole = np.flatnonzero(~units.incomplete[rows])
        verdicts = np.full(len(rows), DECRYPTIONS.index(Decryption.NO_KEY))
        for row in np.flatnonzero(units.incomplete[rows] & (sessions >= 0)).tolist():
            session, sender = self._tracker.sessions[int(sessions[row])], int(units.sender[rows[row]])
            verdicts[row] = DECRYPTIONS.index(self._keys.verdict_without_trying(session, sender))
        self._prove(arena, units, rows[whole], sessions[whole])
        sizes = np.zeros(len(rows), np.int64)
        sizes[whole] = units.length[rows[whole]] - TRANSFORM_HEADER.size
        ends = plain + np.cumsum(sizes)
        with _tags_behind(arena, units.start[rows[whole]] + units.length[rows[whole]], headers["signature"][whole]):
            verdicts[whole] = self._open_all(
                arena, units, rows[whole], sessions[whole], (ends - sizes)[whole], verdicts[whole]
            )
        return Opened(rows, headers["session_id"], sessions, verdicts, ends - sizes, ends)

    def _sessions(self, arena: memoryview, units: Units, rows: Column, session_ids: npt.NDArray[np.uint64]) -> Column:
        """The session number of each unit, -1 for none."""
        sessions = np.full(len(rows), -1, np.int64)
        named = np.flatnonzero(~np.isin(session_ids, NO_SESSION_IDS))
        places = rows[named]
        sessions[named] = self._tracker.sessions_of(
            units.connection[places], session_ids[named], units.last_frame[places]
        )
        for index in np.flatnonzero((sessions < 0) & ~units.incomplete[rows]).tolist():
            row = rows[index]
            unit = arena[int(units.start[row]) : int(units.start[row] + units.length[row])]
            connection = self._tracker.connections[int(units.connection[row])]
            guessed = self._guess(connection, int(units.sender[row]), unit)
            sessions[index] = -1 if guessed is None else guessed.number
        return sessions

    def _guess(self, connection: SmbConnection, sender: int, unit: memoryview) -> Session | None:
        """A unit without SessionId (impacket sends one behind LOGOFF): the tag tells whose key it is."""
        for instances in list(connection.sessions.values())[-_MAX_TRIES:]:
            session = instances[-1][1]
            if self._keys.prove_by_tag(session, sender, unit) is not None:
                return session
        return None

    def _prove(self, arena: memoryview, units: Units, rows: Column, sessions: Column) -> None:
        """Find the keys of sessions whose first encrypted units these are."""
        for number in np.unique(sessions[sessions >= 0]).tolist():
            session = self._tracker.sessions[number]
            for sender in (CLIENT, SERVER):
                if session.decryptors[sender] is None and session.candidates:
                    mine = rows[(sessions == number) & (units.sender[rows] == sender)]
                    for row in mine[:_MAX_TRIES].tolist():
                        unit = arena[int(units.start[row]) : int(units.start[row] + units.length[row])]
                        if self._keys.prove_by_tag(session, sender, unit) is not None:
                            break

    def _open_all(
        self, arena: memoryview, units: Units, rows: Column, sessions: Column, places: Column, verdicts: Column
    ) -> Column:
        """Decrypt whole units whose tags stand behind them; the verdicts, as indices into `DECRYPTIONS`."""
        verdicts = verdicts.copy()
        for number in np.unique(sessions[sessions >= 0]).tolist():
            session = self._tracker.sessions[number]
            for sender in (CLIENT, SERVER):
                mine = np.flatnonzero((sessions == number) & (units.sender[rows] == sender))
                decryptor = session.decryptors[sender]
                if decryptor is None:
                    session.closed += len(mine)
                    verdict = self._keys.verdict_on_failure(session, sender)
                    verdicts[mine] = DECRYPTIONS.index(verdict)
                    if verdict is Decryption.DAMAGED:
                        session.damaged_frames += units.last_frame[rows[mine]].tolist()
                    continue
                starts, lengths = units.start[rows[mine]].tolist(), units.length[rows[mine]].tolist()
                fits = np.array(decryptor.decrypt_many(arena, starts, lengths, places[mine].tolist()), np.bool_)
                session.opened += int(np.count_nonzero(fits))
                session.closed += int(np.count_nonzero(~fits))
                session.damaged_frames += units.last_frame[rows[mine[~fits]]].tolist()
                verdicts[mine] = np.where(fits, *_DECRYPTED_OR_DAMAGED)
        return verdicts


@contextmanager
def _tags_behind(arena: memoryview, ends: Column, tags: npt.NDArray[np.void]) -> Iterator[None]:
    """For a while the tag of each unit, which is in its header, stands behind it, where the ciphers want it.

    What it covers of the next unit is that unit's frame prefix, protocol id and part of its tag: nothing that is read
    meanwhile. Afterwards everything is as it was.
    """
    behind = everywhere(arena, "V16")
    kept = behind[ends]
    behind[ends] = tags
    try:
        yield
    finally:
        behind[ends] = kept
