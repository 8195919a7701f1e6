"""Checks the signatures of a block's plain messages (MS-SMB2 3.1.4.1, 3.1.5.1)."""

import numpy as np
import numpy.typing as npt

from parsers.smb2.crypto import Signer
from parsers.smb2.header import Command, Flags
from parsers.smb2.keying import KeyFinder
from parsers.smb2.messages import SIGNATURES, Messages, Units
from parsers.smb2.session import Session, SmbConnection
from parsers.verdicts import Signature

__all__ = ["verify_signatures"]

Column = npt.NDArray[np.int64]

_VALID, _INVALID = SIGNATURES.index(Signature.VALID), SIGNATURES.index(Signature.INVALID)
_NO_KEY, _NOT_COVERED = SIGNATURES.index(Signature.NO_KEY), SIGNATURES.index(Signature.NOT_COVERED)


def verify_signatures(
    arena: memoryview,
    units: Units,
    messages: Messages,
    sessions: list[Session],
    connections: dict[int, SmbConnection],
    keys: KeyFinder,
) -> None:
    """Give every signed plain message its verdict in `messages.signature`; `no_key` where its end is missing."""
    signed = (messages.header["flags"] & Flags.SIGNED.value) != 0
    rows = np.flatnonzero(messages.known & ~messages.encrypted & signed)
    if len(rows) == 0:
        return
    verdicts = np.full(len(rows), _NO_KEY, np.uint8)
    whole = ~units.incomplete[messages.unit[rows]]
    signers: dict[tuple[int, int], Signer | None] = {}
    columns = (
        messages.offset[rows], messages.end[rows], messages.session[rows], units.connection[messages.unit[rows]],
        messages.header["command"][rows] == Command.SESSION_SETUP, whole,
    )  # fmt: skip
    for index, (offset, end, number, connection, is_setup, complete) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        if number < 0 or not complete:
            continue
        message = arena[offset:end]
        if is_setup:
            possible = keys.signers_of_setup(sessions[number], connections[connection], message)
            if possible:
                verdicts[index] = _VALID if any(signer.verify(message) for signer in possible) else _INVALID
            continue
        place = (number, connection)
        signer = signers.get(place)
        if signer is None:
            signer = signers[place] = keys.signer(sessions[number], connections[connection], message)
        if signer is not None:
            verdicts[index] = _VALID if signer.verify(message) else _INVALID
    messages.signature[rows] = verdicts
    _find_echoes(units, messages, rows[verdicts == _INVALID])


def _find_echoes(units: Units, messages: Messages, invalid: Column) -> None:
    """A server that does not know the session has no key to sign with: it may echo the request's header, flag and all.

    Samba does so. Such an answer is not a forgery, it is not signed at all.
    """
    if len(invalid) == 0:
        return
    connection = units.connection[messages.unit]
    for row in invalid.tolist():
        answered = (connection == connection[row]) & (
            messages.header["message_id"] == messages.header["message_id"][row]
        )
        answered &= (messages.header["flags"] & Flags.SERVER_TO_REDIR.value) == 0
        if messages.header["signature"][row] in messages.header["signature"][answered]:
            messages.signature[row] = _NOT_COVERED
