"""Messages that break a rule of MS-SMB2 which shows in the message itself, or in it and the one that it answers.

Every message is looked at, in columns; only those that do something against the rules are kept, of each kind a few a
connection. Whether that is a finding, and whose fault, is for `analyzer.rules` to say.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.headers import Headers
from parsers import ntstatus
from parsers.growing import GrowingTable
from parsers.layout import everywhere
from parsers.smb2.crypto import SigningAlgorithm
from parsers.smb2.decoder import Batch
from parsers.smb2.dialects import Dialect
from parsers.smb2.exchanges import UNSOLICITED
from parsers.smb2.header import HEADER_SIZE, Command
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES
from parsers.smb2.negotiate import GlobalCapabilities
from parsers.smb2.session import Session
from parsers.smb2.state import State
from parsers.transport.connections import CLIENT
from parsers.verdicts import Decryption, Signature

__all__ = ["BREACH", "Breach", "ConductEvidence"]

Column = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[Any]


class Breach(IntEnum):
    """What a message does. `value` of its row is said in brackets."""

    BAD_SIGNATURE = auto()
    UNSIGNED_REQUEST = auto()  # in a session that requires signatures
    UNSIGNED_RESPONSE = auto()  # to a signed request
    SIGNED_INTERIM = auto()
    SIGNED_NOTIFICATION = auto()
    GMAC_NUMBER = auto()  # signed with AES-GMAC under a MessageId that is no nonce
    PLAIN_REQUEST = auto()  # in a session or to a share that is encrypted
    PLAIN_RESPONSE = auto()  # to an encrypted request
    DAMAGED = auto()  # encrypted, its key is known, and the tag does not fit
    CHARGE_TOO_LOW = auto()  # CreditCharge pays for less than the request moves [bytes]
    CREDITS_TWICE = auto()  # a final asynchronous response that grants credits [credits]
    NO_ASYNC_ID = auto()  # STATUS_PENDING without AsyncId
    ASYNC_ID_TWICE = auto()  # STATUS_PENDING with the AsyncId of another request that is under way [AsyncId]
    OTHER_ASYNC_ID = auto()  # a final response without the AsyncId of its interim response [AsyncId]
    CANCEL_ANSWERED = auto()
    RELATED_FIRST = auto()  # the first of a compound, or a single request, is marked as related
    MISALIGNED = auto()  # NextCommand is no multiple of eight [NextCommand]
    MIXED = auto()  # related and unrelated requests in one compound
    UNKNOWN_COMMAND = auto()  # [Command]
    TOO_LARGE = auto()  # more than a server takes [bytes]
    SMALL_COMPRESSED = auto()  # compressed although it gains nothing, or must be readable [bytes]
    BEFORE_LOGON = auto()  # a request of a session whose logon had not succeeded
    CHANNEL_RAISED = auto()  # no breach: ChannelSequence went up [ChannelSequence]
    CHANNEL_STALE = auto()  # ChannelSequence is less than in an earlier request of the same open [ChannelSequence]


BREACH = np.dtype(
    [
        ("kind", "u1"), ("connection", "i4"), ("session", "i4"), ("frame", "i8"), ("time", "i8"), ("sender", "u1"),
        ("command", "u2"), ("message_id", "u8"), ("status", "u4"), ("value", "u8"),
    ]
)  # fmt: skip
"""A message and what it does. `session` is -1 for none; `status` means something in responses only."""

_KEPT = 50  # rows of one kind and connection; the rest is counted
_CREDIT = 65536  # bytes that one credit pays for (MS-SMB2 3.1.5.2)
_LARGEST_SINGLE = 68 * 1024  # of a request that cannot cost several credits (3.3.5.2)
_OVERHEAD = 256 + 52  # beside MaxTransactSize (3.3.5.2); a transform header
_WORTH_COMPRESSING = 4096  # note 101
_SIZES = {  # where in the body the request says how much it moves
    Command.READ: 4, Command.WRITE: 4, Command.QUERY_INFO: 4, Command.SET_INFO: 4, Command.CHANGE_NOTIFY: 4,
    Command.QUERY_DIRECTORY: 28,
}  # fmt: skip
_SIZE_PLACES = np.zeros(0x20, np.int64)  # the same by command, 0 for those without
_SIZE_PLACES[list(_SIZES)] = list(_SIZES.values())
_FILE_IDS: dict[int, int] = {
    Command.READ: 16,
    Command.WRITE: 16,
    Command.SET_INFO: 16,
    Command.IOCTL: 8,
}  # where in the body
_MULTI_CREDIT = (*_SIZES, Command.IOCTL)
_READABLE = (Command.NEGOTIATE, Command.SESSION_SETUP, Command.OPLOCK_BREAK)  # note 124
_INVALID, _DAMAGED = SIGNATURES.index(Signature.INVALID), DECRYPTIONS.index(Decryption.DAMAGED)
_MOST_OPENS = 10_000  # whose ChannelSequence is followed one by one
_STALE = 0x8000  # a 16-bit distance from here on is one back (3.3.5.2.10)


@dataclass(slots=True)
class ConductEvidence:
    """Feed it what a sink of `parsers.pipeline.decode` gets.

    `counts` are of all breaches by kind and connection, those that are not kept included.
    """

    counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    _kept: GrowingTable = field(default_factory=lambda: GrowingTable(BREACH))
    _pending: dict[tuple[int, int], int] = field(default_factory=dict)  # AsyncId by connection and MessageId
    _async_ids: dict[tuple[int, int], int] = field(default_factory=dict)  # MessageId by connection and AsyncId
    _sequences: dict[int, int] = field(default_factory=dict)  # highest ChannelSequence by session
    _open_sequences: dict[tuple[int, int], int] = field(default_factory=dict)  # the same by session and FileId

    def take(self, batch: Batch, headers: Headers) -> None:
        """Take one block."""
        if len(batch.messages) == 0:
            return
        for check in (
            self._verdicts, self._unprotected, self._answers, self._oddly_signed, self._charges, self._interim,
            self._compounds, self._unknown, self._sizes, self._compressed, self._channel_sequences, self._early,
        ):  # fmt: skip
            check(batch, headers)

    @property
    def rows(self) -> Rows:
        """Rows of `BREACH`, in order of frames."""
        rows = self._kept.rows
        return rows[np.argsort(rows["frame"], kind="stable")]

    def of(self, *kinds: Breach) -> Rows:
        """The rows of some kinds."""
        rows = self.rows
        chosen: Rows = rows[np.isin(rows["kind"], kinds)]
        return chosen

    # ------------------------------------------------------------------------------------ what is looked at

    def _verdicts(self, batch: Batch, headers: Headers) -> None:
        """What could be checked with keys."""
        messages = batch.messages
        self._note(batch, headers, Breach.BAD_SIGNATURE, np.flatnonzero(messages.signature == _INVALID))
        damaged = np.flatnonzero(messages.decryption == _DAMAGED)
        whole = ~batch.units.incomplete[messages.unit[damaged]]
        self._note(batch, headers, Breach.DAMAGED, damaged[whole])

    def _unprotected(self, batch: Batch, headers: Headers) -> None:
        """Plain requests of sessions that demand more (MS-SMB2 3.3.5.2.4, 3.3.5.2.9, 3.3.5.2.11)."""
        messages = batch.messages
        plain = headers.request & ~messages.encrypted & (messages.session >= 0) & (headers.command >= Command.LOGOFF)
        rows = np.flatnonzero(plain)
        strict = rows[_sessions_that(batch, rows, _demands)]
        if len(strict) == 0:
            return
        unsigned = strict[~headers.signed[strict]]
        required = _sessions_that(batch, unsigned, lambda session: session.signing_required is True)
        self._note(batch, headers, Breach.UNSIGNED_REQUEST, unsigned[required])
        sealed = _sessions_that(batch, strict, lambda session: session.encrypt_data is True)
        with_shares = _sessions_that(batch, strict, _has_encrypted_share)
        sealed[with_shares] |= _on_encrypted_share(batch, headers, strict[with_shares])
        self._note(batch, headers, Breach.PLAIN_REQUEST, strict[sealed])

    def _early(self, batch: Batch, headers: Headers) -> None:
        """What is asked in a session before its logon is done, or after it was refused (3.3.5.2.9)."""
        messages = batch.messages
        rows = np.flatnonzero(headers.request & (messages.session >= 0) & (headers.command > Command.LOGOFF))
        numbers = messages.session[rows]
        since = np.zeros(len(batch.sessions), np.int64)
        since[numbers] = 1
        for number in np.flatnonzero(since).tolist():
            since[number] = _logged_on_since(batch.sessions[number])
        early = batch.units.last_time[messages.unit[rows]] < since[numbers]
        self._note(batch, headers, Breach.BEFORE_LOGON, rows[early])

    def _answers(self, batch: Batch, headers: Headers) -> None:
        """Responses are protected as their requests are (3.3.4.1.1, 3.3.4.1.4), those of the same block compared."""
        messages, block = batch.messages, batch.exchanges.block
        request_of = np.full(len(block.rows), -1)
        request_of[block.asked] = block.requests
        asked = request_of[block.answered]
        seen = asked >= 0
        asked, answers = asked[seen], block.responses[seen]
        plain = ~messages.encrypted[answers]
        unsigned = plain & ~messages.encrypted[asked] & headers.signed[asked] & ~headers.signed[answers]
        self._note(batch, headers, Breach.UNSIGNED_RESPONSE, answers[unsigned])
        self._note(batch, headers, Breach.PLAIN_RESPONSE, answers[plain & messages.encrypted[asked]])

    def _oddly_signed(self, batch: Batch, headers: Headers) -> None:
        """Signatures where none belongs (3.3.4.2, 3.3.4.6), or without a nonce (3.1.4.1)."""
        messages = batch.messages
        signed = headers.signed & ~messages.encrypted
        unsolicited = headers.message_id == UNSOLICITED
        self._note(batch, headers, Breach.SIGNED_INTERIM, np.flatnonzero(signed & headers.interim))
        self._note(batch, headers, Breach.SIGNED_NOTIFICATION, np.flatnonzero(signed & unsolicited & headers.response))
        rows = np.flatnonzero(signed & (unsolicited | (headers.message_id == 0)))
        gmac = _sessions_that(batch, rows, lambda session: session.signing_algorithm == SigningAlgorithm.AES_GMAC)
        self._note(batch, headers, Breach.GMAC_NUMBER, rows[gmac])

    def _charges(self, batch: Batch, headers: Headers) -> None:
        """CreditCharge pays for what a request moves, where there is large MTU (3.3.5.2.5)."""
        messages, arena = batch.messages, batch.arena
        at = _SIZE_PLACES[np.minimum(headers.command, len(_SIZE_PLACES) - 1)]
        rows = np.flatnonzero(headers.request & (at > 0))
        place = messages.offset[rows] + HEADER_SIZE + at[rows]
        there = place + 4 <= messages.end[rows]
        if not there.all():
            rows, place = rows[there], place[there]
        size = everywhere(arena, "<u4")[place].astype(np.int64)
        paid = np.maximum(messages.header["credit_charge"][rows], 1).astype(np.int64) * _CREDIT
        rows, size = rows[size > paid], size[size > paid]
        large = _sessions_that(batch, rows, _has_large_mtu)
        self._note(batch, headers, Breach.CHARGE_TOO_LOW, rows[large], size[large])

    def _interim(self, batch: Batch, headers: Headers) -> None:
        """Asynchronous responses (3.3.4.2 to 3.3.4.4), and that CANCEL has none (3.3.5.16)."""
        messages = batch.messages
        final = headers.response & headers.is_async & ~headers.interim & (headers.message_id != UNSOLICITED)
        credited = np.flatnonzero(final)
        credited = credited[messages.header["credits"][credited] > 0]
        self._note(batch, headers, Breach.CREDITS_TWICE, credited, messages.header["credits"][credited])
        cancelled = np.flatnonzero(headers.response & (headers.command == Command.CANCEL))
        self._note(batch, headers, Breach.CANCEL_ANSWERED, cancelled)
        rows = np.flatnonzero(headers.response & headers.interim)
        if self._pending:
            under_way = np.array([message_id for _, message_id in self._pending], np.uint64)
            rows = np.union1d(rows, np.flatnonzero(headers.response & np.isin(headers.message_id, under_way)))
        elif len(rows):  # their finals stand behind them
            rows = np.flatnonzero(headers.response & np.isin(headers.message_id, headers.message_id[rows]))
        for row in rows.tolist():
            self._follow(batch, headers, row)

    def _follow(self, batch: Batch, headers: Headers, row: int) -> None:
        connection = int(batch.units.connection[batch.messages.unit[row]])
        key = connection, int(headers.message_id[row])
        async_id = int(batch.messages.header["async_id"][row]) if headers.is_async[row] else 0
        place = np.array([row])
        if headers.interim[row]:
            if not async_id:
                self._note(batch, headers, Breach.NO_ASYNC_ID, place)
            elif self._async_ids.setdefault((connection, async_id), key[1]) != key[1]:
                self._note(batch, headers, Breach.ASYNC_ID_TWICE, place, np.array([async_id], np.uint64))
            self._pending[key] = async_id
            return
        promised = self._pending.pop(key, None)
        if promised is None:
            return
        self._async_ids.pop((connection, promised), None)
        if promised not in {0, async_id}:
            self._note(batch, headers, Breach.OTHER_ASYNC_ID, place, np.array([async_id], np.uint64))

    def _compounds(self, batch: Batch, headers: Headers) -> None:
        """3.3.5.2.7."""
        messages = batch.messages
        first = np.append(True, messages.unit[1:] != messages.unit[:-1])
        related = headers.request & headers.related
        self._note(batch, headers, Breach.RELATED_FIRST, np.flatnonzero(related & first))
        if bool(first.all()):
            return
        following = messages.header["next_command"]
        wrong = np.flatnonzero(messages.known & (following % 8 != 0))
        self._note(batch, headers, Breach.MISALIGNED, wrong, following[wrong])
        inner = np.flatnonzero(~first & headers.request)
        before = inner[inner > 0] - 1
        mixed = ~first[before] & (related[before] != related[before + 1])
        self._note(batch, headers, Breach.MIXED, before[mixed] + 1)

    def _unknown(self, batch: Batch, headers: Headers) -> None:
        """3.3.5.2.6."""
        rows = np.flatnonzero(batch.messages.known & (headers.command > Command.SERVER_TO_CLIENT_NOTIFICATION))
        self._note(batch, headers, Breach.UNKNOWN_COMMAND, rows, headers.command[rows])

    def _sizes(self, batch: Batch, headers: Headers) -> None:
        """What a server takes at most (3.3.5.2)."""
        messages, units = batch.messages, batch.units
        large = (units.sender == CLIENT) & (units.length > _LARGEST_SINGLE + _OVERHEAD)
        if not large.any():
            return
        counts = np.bincount(messages.unit, minlength=len(units))
        rows = np.flatnonzero(messages.known & large[messages.unit] & (counts[messages.unit] == 1))
        for row in rows.tolist():
            length, session = int(units.length[messages.unit[row]]), int(messages.session[row])
            if headers.command[row] not in _MULTI_CREDIT or length > _largest(batch, session) + _OVERHEAD:
                self._note(batch, headers, Breach.TOO_LARGE, np.array([row]), np.array([length]))

    def _compressed(self, batch: Batch, headers: Headers) -> None:
        """Notes 101 and 124: what Windows does not compress."""
        messages = batch.messages
        rows = np.flatnonzero(messages.compressed & messages.known)
        length = (messages.end - messages.offset)[rows]
        small = headers.request[rows] & (length <= _WORTH_COMPRESSING)
        small |= np.isin(headers.command[rows], _READABLE)
        self._note(batch, headers, Breach.SMALL_COMPRESSED, rows[small], length[small])

    def _channel_sequences(self, batch: Batch, headers: Headers) -> None:
        """ChannelSequence goes up when a channel is lost (3.2.7.1); what is older is stale (3.3.5.2.10)."""
        messages = batch.messages
        named = headers.request & (messages.session >= 0) & (headers.command > Command.TREE_DISCONNECT)
        counted = named & ((headers.status & 0xFFFF) != 0)
        if not self._sequences and not counted.any():
            return
        wanted = np.zeros(len(batch.sessions), np.bool_)
        wanted[messages.session[counted]] = True
        wanted[list(self._sequences)] = True
        rows = np.flatnonzero(named)
        rows = rows[wanted[messages.session[rows]]]
        if len(self._open_sequences) > _MOST_OPENS:  # then only those whose number is not the session's
            highest = np.array([self._sequences.get(number, 0) for number in range(len(batch.sessions))])
            rows = rows[(headers.status[rows] & 0xFFFF) != highest[messages.session[rows]]]
        for row, number in zip(rows.tolist(), messages.session[rows].tolist(), strict=True):
            if (batch.sessions[number].dialect or 0) < Dialect.SMB_3_0:
                continue
            now, before = int(headers.status[row]) & 0xFFFF, self._sequences.get(number, 0)
            if now != before and (now - before) % 0x10000 < _STALE:
                self._sequences[number] = now
                self._note(batch, headers, Breach.CHANNEL_RAISED, np.array([row]), np.array([now]))
            self._follow_open(batch, headers, row, now)

    def _follow_open(self, batch: Batch, headers: Headers, row: int, now: int) -> None:
        """Open.ChannelSequence is the highest that the open has seen (3.3.5.2.10)."""
        messages, at = batch.messages, _FILE_IDS.get(int(headers.command[row]))
        if at is None or int(messages.offset[row]) + HEADER_SIZE + at + 8 > int(messages.end[row]):
            return
        start = int(messages.offset[row]) + HEADER_SIZE + at
        key = int(messages.session[row]), int.from_bytes(batch.arena[start : start + 8], "little")
        known = self._open_sequences.setdefault(key, now)
        if (now - known) % 0x10000 < _STALE:
            self._open_sequences[key] = now
        else:
            self._note(batch, headers, Breach.CHANNEL_STALE, np.array([row]), np.array([now]))

    def _note(
        self, batch: Batch, headers: Headers, kind: Breach, rows: Column, values: npt.NDArray[Any] | None = None
    ) -> None:
        """Keep messages, unless there are enough of the kind."""
        if len(rows) == 0:
            return
        units, unit = batch.units, batch.messages.unit[rows]
        new = np.zeros(len(rows), BREACH)
        new["kind"], new["connection"], new["session"] = kind, units.connection[unit], batch.messages.session[rows]
        new["frame"], new["time"], new["sender"] = units.last_frame[unit], units.last_time[unit], units.sender[unit]
        new["command"], new["message_id"] = headers.command[rows], headers.message_id[rows]
        new["status"] = headers.status[rows]
        if values is not None:
            new["value"] = values
        for connection in np.unique(new["connection"]).tolist():
            mine = new[new["connection"] == connection]
            self._kept.append(mine[: max(_KEPT - self.counts[int(kind), connection], 0)])
            self.counts[int(kind), connection] += len(mine)


def _sessions_that(batch: Batch, rows: Column, wanted: Callable[[Session], bool]) -> Mask:
    """Which of the messages belong to sessions of which something is true."""
    if len(rows) == 0:
        return np.empty(0, np.bool_)
    numbers = batch.messages.session[rows]
    there = np.zeros(len(batch.sessions) + 1, np.bool_)  # the last is for no session, -1
    there[numbers] = True
    for number in np.flatnonzero(there[:-1]).tolist():
        there[number] = wanted(batch.sessions[number])
    there[-1] = False
    return there[numbers]


def _logged_on_since(session: Session) -> int:
    """From when on a session may be used, nanoseconds; 0 where its logon was not seen."""
    if session.state is State.UNSEEN or session.setup_status is None:
        return 0
    bound = session.channel_list[0].bound
    if bound is not None:
        return bound
    refused = session.setup_status != ntstatus.STATUS_SUCCESS and session.creation_time is None
    return np.iinfo(np.int64).max if refused and session.reauthentications == 0 else 0


def _demands(session: Session) -> bool:
    """Whether it is a session of which plain requests have to be looked at."""
    return session.signing_required is True or session.encrypt_data is True or _has_encrypted_share(session)


def _has_encrypted_share(session: Session) -> bool:
    return any(tree.encrypt_data for tree in session.tree_connect_table)


def _on_encrypted_share(batch: Batch, headers: Headers, rows: Column) -> Mask:
    """Which of the requests name the tree of a share that is encrypted; TREE_CONNECT itself need not be."""
    found = np.zeros(len(rows), np.bool_)
    for index, row in enumerate(rows.tolist()):
        if headers.command[row] == Command.TREE_CONNECT or headers.is_async[row]:
            continue
        tree_id = int(batch.messages.header["async_id"][row]) >> 32
        session, time = batch.sessions[batch.messages.session[row]], batch.units.last_time[batch.messages.unit[row]]
        found[index] = any(
            tree.encrypt_data and tree.tree_id == tree_id and (tree.disconnected is None or time < tree.disconnected)
            for tree in session.tree_connect_table
        )
    return found


def _has_large_mtu(session: Session) -> bool:
    response = session.connection.negotiate_response
    if response is None or not response.capabilities & GlobalCapabilities.LARGE_MTU:
        return False
    return response.dialect_revision != Dialect.SMB_2_0_2


def _largest(batch: Batch, session: int) -> int:
    """The most that READ, WRITE and the others of several credits may carry."""
    response = None if session < 0 else batch.sessions[session].connection.negotiate_response
    if response is None:
        return 1 << 24
    return max(response.max_transact_size, response.max_read_size, response.max_write_size)
