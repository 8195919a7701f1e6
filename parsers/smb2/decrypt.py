"""Opens the encrypted units of a block (MS-SMB2 2.2.41, 3.3.5.2.1.1)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parsers.errors import ParseError
from parsers.smb2.crypto import TagError
from parsers.smb2.keying import KeyFinder
from parsers.smb2.messages import DECRYPTIONS, Units
from parsers.smb2.session import Session, SmbConnection
from parsers.smb2.tracker import SessionTracker
from parsers.smb2.transform import TRANSFORM_HEADER
from parsers.verdicts import Decryption

__all__ = ["Opened", "UnitOpener"]

Column = npt.NDArray[np.int64]
_MAX_GUESSES = 8  # sessions of one connection that are tried; most connections have one


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

    def open(self, arena: memoryview, units: Units, connections: dict[int, SmbConnection], plain: int) -> Opened:
        """Decrypt all units with a transform header; plain bytes go to the arena from `plain` on.

        The arena must have room for all of them there, and for 16 bytes more.
        """
        rows = np.flatnonzero((units.protocol == 0xFD) & (units.present >= TRANSFORM_HEADER.size))
        headers = TRANSFORM_HEADER.gather(arena, units.start[rows])
        session_ids = headers["session_id"].tolist()
        verdicts, starts, ends, sessions = [], [], [], []
        whole = (~units.incomplete[rows]).tolist()
        columns = (rows, units.start[rows], units.length[rows], units.connection[rows], units.sender[rows],
                   units.last_frame[rows])  # fmt: skip
        for index, (_, start, length, number, sender, frame) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            session = self._tracker.session_of(connections[number], session_ids[index], frame)
            if session is None and whole[index]:
                session = self._guess(connections[number], sender, arena[start : start + length])
            written = 0
            if session is None:
                verdict = Decryption.NO_KEY
            elif whole[index]:
                verdict, written = self._open_one(session, sender, arena[start:], length, arena[plain:], frame)
            else:
                verdict = self._keys.verdict_without_trying(session)
            verdicts.append(DECRYPTIONS.index(verdict))
            sessions.append(-1 if session is None else session.number)
            starts.append(plain)
            plain += written
            ends.append(plain)
        return Opened(
            rows, headers["session_id"], *(np.array(column, np.int64) for column in (sessions, verdicts, starts, ends))
        )

    def _guess(self, connection: SmbConnection, sender: int, transform: memoryview) -> Session | None:
        """A unit without SessionId (impacket sends one behind LOGOFF): the tag tells whose key it is."""
        for instances in list(connection.sessions.values())[-_MAX_GUESSES:]:
            session = instances[-1][1]
            decryptor = session.decryptors[sender]
            if decryptor is not None:
                try:
                    decryptor.decrypt(transform)
                except TagError:
                    continue
                return session
        return None

    def _open_one(
        self, session: Session, sender: int, transform: memoryview, length: int, out: memoryview, frame: int
    ) -> tuple[Decryption, int]:
        """The verdict on one unit, and how many plain bytes were written to `out`."""
        decryptor = session.decryptors[sender]
        if decryptor is None:
            decryptor = self._keys.prove_by_tag(session, sender, transform[:length])
            if decryptor is None:
                session.closed += 1
                return self._keys.verdict_on_failure(session), 0
        try:
            written = decryptor.decrypt_into(transform, out, length)
        except (TagError, ParseError):
            session.closed += 1
            session.damaged_frames.append(frame)
            return Decryption.DAMAGED, 0
        session.opened += 1
        return Decryption.DECRYPTED, written
