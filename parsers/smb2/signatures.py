"""Checks the signatures of a block's plain messages (MS-SMB2 3.1.4.1, 3.1.5.1)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from parsers import ntstatus
from parsers.smb2.crypto import Signer
from parsers.smb2.header import Command, Flags
from parsers.smb2.keying import KeyFinder
from parsers.smb2.messages import SIGNATURES, Messages, Units
from parsers.smb2.session import Session, SmbConnection
from parsers.verdicts import Signature

__all__ = ["SIGNED_REQUEST", "verify_signatures"]

Column = npt.NDArray[np.int64]

SIGNED_REQUEST = np.dtype([("connection", "i8"), ("message_id", "u8"), ("signature", "V16")])

_ERROR = 0xC000_0000  # severity of a status (MS-ERREF 2.3)
_VALID, _INVALID = SIGNATURES.index(Signature.VALID), SIGNATURES.index(Signature.INVALID)
_NO_KEY, _NOT_COVERED = SIGNATURES.index(Signature.NO_KEY), SIGNATURES.index(Signature.NOT_COVERED)


def verify_signatures(
    arena: memoryview,
    units: Units,
    messages: Messages,
    sessions: list[Session],
    connections: dict[int, SmbConnection],
    keys: KeyFinder,
    requests: npt.NDArray[Any],
) -> npt.NDArray[Any]:
    """Give every signed plain message its verdict in `messages.signature`; `no_key` where its end is missing.

    Takes the signed requests of the block before, as rows of `SIGNED_REQUEST`, and returns those of this one.
    """
    signed = (messages.header["flags"] & Flags.SIGNED.value) != 0
    rows = np.flatnonzero(messages.known & ~messages.encrypted & signed)
    if len(rows) == 0:
        return requests
    own_requests = _signed_requests(units, messages, rows)
    verdicts = np.full(len(rows), _NO_KEY, np.uint8)
    whole = ~units.incomplete[messages.unit[rows]]
    signers: dict[tuple[int, int], Signer | None] = {}
    misfits: dict[tuple[int, int], int] = {}  # the verdict on what the signer did not sign
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
            is_channel = keys.is_channel(sessions[number], connections[connection])
            misfits[place] = _INVALID if is_channel else _NO_KEY
        if signer is not None:
            verdicts[index] = _VALID if signer.verify(message) else misfits[place]
    messages.signature[rows] = verdicts
    answers = rows[verdicts != _VALID]
    answers = answers[(messages.header["flags"][answers] & Flags.SERVER_TO_REDIR.value) != 0]
    answers = answers[messages.header["status"][answers] >= _ERROR]
    if len(answers):
        _find_echoes(units, messages, answers, np.concatenate([requests, own_requests]))
    return own_requests


def _signed_requests(units: Units, messages: Messages, rows: Column) -> npt.NDArray[Any]:
    rows = rows[(messages.header["flags"][rows] & Flags.SERVER_TO_REDIR.value) == 0]
    requests = np.empty(len(rows), SIGNED_REQUEST)
    requests["connection"] = units.connection[messages.unit[rows]]
    requests["message_id"] = messages.header["message_id"][rows]
    requests["signature"] = messages.header["signature"][rows]
    return requests


def _find_echoes(units: Units, messages: Messages, answers: Column, requests: npt.NDArray[Any]) -> None:
    """A server that does not know the session has no key to sign with: it may echo the request's header, flag and all.

    Samba does so. Such an answer is not a forgery, it is not signed at all. Without the request nobody knows.
    """
    sent = set(requests.tolist())
    asked = {(connection, message_id) for connection, message_id, _ in sent}
    columns = (
        units.connection[messages.unit[answers]],
        messages.header["message_id"][answers],
        messages.header["signature"][answers],
    )
    places = list(zip(*(column.tolist() for column in columns), strict=True))
    messages.signature[answers[[place in sent for place in places]]] = _NOT_COVERED
    unasked = answers[[place[:2] not in asked for place in places]]
    deleted = messages.header["status"][unasked] == ntstatus.STATUS_USER_SESSION_DELETED
    messages.signature[unasked[deleted]] = _NO_KEY
