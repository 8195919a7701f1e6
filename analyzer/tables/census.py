"""What is counted while a capture is read, so that the tables of sessions and connections need no table of messages."""

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import PacketBlock
from parsers.smb2.decoder import Batch
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.session import Session
from parsers.transport.connections import CLIENT, SERVER
from parsers.transport.ip import Segments
from parsers.verdicts import Decryption, Signature

__all__ = ["MAX_FRAMES", "Census", "final_verdicts"]

MAX_FRAMES = 8  # closed messages of a session that are named; more make no sentence

_SMB2_IDS = (0xFC, 0xFD, 0xFE)
_INVALID = SIGNATURES.index(Signature.INVALID)
_TELLS = np.array([verdict in (Signature.VALID, Signature.INVALID, Signature.NO_KEY) for verdict in SIGNATURES])
_WRONG_KEY, _NO_KEY, _DAMAGED = (
    DECRYPTIONS.index(verdict) for verdict in (Decryption.WRONG_KEY, Decryption.NO_KEY, Decryption.DAMAGED)
)
_IS_SUSPECT = np.isin(np.arange(len(DECRYPTIONS)), (_WRONG_KEY, _DAMAGED))


class Census:
    """A sink of `parsers.pipeline.decode`.

    Attributes:
        smb2: numbers of the connections on which an SMB2 message was seen.
        signed: whole messages whose signature says something of the key, by session number.
        invalid: those with an invalid signature, likewise.
        suspects: the first frames of messages that no key fitted, by session number and sender.
    """

    def __init__(self) -> None:
        self.smb2: set[int] = set()
        self.signed: dict[int, int] = defaultdict(int)
        self.invalid: dict[int, int] = defaultdict(int)
        self.suspects: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._verdicts = np.zeros((0, 2, len(DECRYPTIONS)), np.int64)

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Count one block."""
        units, messages = batch.units, batch.messages
        is_smb2 = (units.protocol >= _SMB2_IDS[0]) & (units.protocol <= _SMB2_IDS[-1])
        self.smb2.update(np.flatnonzero(np.bincount(units.connection[is_smb2])).tolist())
        rows = np.flatnonzero(messages.session >= 0)
        session, sender = messages.session[rows], units.sender[messages.unit[rows]]
        verdict = messages.decryption[rows]
        self._grow(int(session.max(initial=-1)) + 1)
        np.add.at(self._verdicts.reshape(-1), (session * 2 + sender) * len(DECRYPTIONS) + verdict, 1)
        signature = messages.signature[rows]
        whole = ~units.incomplete[messages.unit[rows]]
        tells = _TELLS[signature] & whole
        for count, wanted in ((self.signed, tells), (self.invalid, signature == _INVALID)):
            numbers, times = np.unique(session[wanted], return_counts=True)
            for number, more in zip(numbers.tolist(), times.tolist(), strict=True):
                count[number] += more
        suspect = np.flatnonzero(_IS_SUSPECT[verdict])
        frames = units.last_frame[messages.unit[rows[suspect]]]
        self._note_suspects(session[suspect] * 2 + sender[suspect], frames)

    def verdicts(self, session: Session) -> dict[Decryption, int]:
        """How many messages of the session have which verdict, those that have none left out."""
        if session.number >= len(self._verdicts):
            return {}
        counts = np.zeros(len(DECRYPTIONS), np.int64)
        final = final_verdicts([session])
        for sender in (CLIENT, SERVER):
            np.add.at(counts, final[0, sender], self._verdicts[session.number, sender])
        return {verdict: int(count) for verdict, count in zip(DECRYPTIONS, counts, strict=True) if count}

    def _grow(self, sessions: int) -> None:
        if sessions > len(self._verdicts):
            grown = np.zeros((2 * sessions, *self._verdicts.shape[1:]), np.int64)
            grown[: len(self._verdicts)] = self._verdicts
            self._verdicts = grown

    def _note_suspects(self, places: npt.NDArray[np.int64], frames: npt.NDArray[np.int64]) -> None:
        for place in np.unique(places).tolist():
            known = self.suspects[divmod(place, 2)]
            known += frames[places == place].tolist()[: MAX_FRAMES - len(known)]


def final_verdicts(sessions: list[Session]) -> npt.NDArray[Any]:
    """What each verdict means now that the capture has been read: uint8 of shape (sessions, senders, verdicts).

    A message that no candidate fitted, of a session whose key of that direction was proved by others, is damaged; if
    no key of that direction was given, there was none to try. Half of a key proves nothing for encryption.
    """
    final = np.empty((len(sessions), 2, len(DECRYPTIONS)), np.uint8)
    final[...] = np.arange(len(DECRYPTIONS))
    for place, session in enumerate(sessions):
        if session.keys_proved and not session.has_half_key:
            for sender, key in ((CLIENT, session.decryption_key), (SERVER, session.encryption_key)):
                final[place, sender, _WRONG_KEY] = _NO_KEY if key is None else _DAMAGED
    return final
