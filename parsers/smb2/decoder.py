"""The SMB2 stage: what TCP connections deliver in one block -> messages, sessions, exchanges.

The order within a block: units are framed; plain messages drive the sessions, which yields keys; encrypted units are
opened and drive them too; signatures are checked; requests meet answers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.layout import everywhere, take_rows
from parsers.smb2.decrypt import LENT, Opened, UnitOpener
from parsers.smb2.exchanges import ExchangeTable
from parsers.smb2.framing import PREFIX, Framer, Frames
from parsers.smb2.header import HEADER, HEADER_SIZE, NO_SIGNATURE, PROTOCOL_ID, Command, Flags, HeaderFixed
from parsers.smb2.inflate import Inflated, compressed_units, inflate
from parsers.smb2.keying import KeyFinder
from parsers.smb2.ledger import Ledger
from parsers.smb2.messages import DECRYPTIONS, SIGNATURES, Fault, Messages, Units, split_units
from parsers.smb2.multiprotocol import MultiProtocolNegotiateRequest
from parsers.smb2.session import Session, SmbConnection
from parsers.smb2.signatures import SIGNED_REQUEST, verify_signatures
from parsers.smb2.state import Event, State
from parsers.smb2.tracker import NO_SESSION_IDS, SessionTracker
from parsers.smb2.transfers import Transfers, find_transfers
from parsers.smb2.transform import TRANSFORM_HEADER
from parsers.transport.connections import CLIENT, Connection, Delivery
from parsers.transport.undecoded import Undecoded
from parsers.verdicts import Decryption, Signature

__all__ = ["Batch", "Smb2Decoder"]

Column = npt.NDArray[np.int64]

_DRIVING = (
    Command.NEGOTIATE, Command.SESSION_SETUP, Command.LOGOFF, Command.TREE_CONNECT, Command.TREE_DISCONNECT,
)  # fmt: skip
_PAIRED = (Command.NEGOTIATE, Command.SESSION_SETUP, Command.TREE_CONNECT)  # what an answer means, its request tells
_TELLING = (ntstatus.STATUS_NETWORK_SESSION_EXPIRED, ntstatus.STATUS_USER_SESSION_DELETED)
_SIGNATURE_OFFSET = 48
_SMB2_ID = int.from_bytes(PROTOCOL_ID, "little")
_ALL_ONES = NO_SESSION_IDS[1]
_SMB1_NEGOTIATE = 0x72


@dataclass(slots=True)
class Batch:
    """What one block gave. `arena` is reused: everything that is to be kept has to be copied.

    `exchanges` is the table of the whole capture; a sink may take what has been answered out of it. `sessions` are all
    of the capture so far, by number.
    """

    arena: memoryview
    units: Units
    messages: Messages
    exchanges: ExchangeTable
    sessions: list[Session]

    def transfers(self) -> Transfers:
        """The data that READ and WRITE moved in this block."""
        return find_transfers(self.arena, self.messages, self.exchanges.block)


@dataclass(slots=True)
class _Link:
    """An SMB connection with the framers of its two directions."""

    connection: Connection
    smb: SmbConnection
    framers: list[Framer]


class Smb2Decoder:
    """All SMB2 traffic of a capture."""

    def __init__(self, keys: KeyFinder) -> None:
        self.tracker = SessionTracker(keys)
        self.exchanges = ExchangeTable()
        self.ledger = Ledger()
        self._keys = keys
        self._opener = UnitOpener(self.tracker, keys)
        self._links: dict[int, _Link] = {}
        self._storage = bytearray()
        self._signed_requests = np.empty(0, SIGNED_REQUEST)

    def add(self, connection: Connection) -> None:
        """A connection was recognised as SMB; its deliveries may come now."""
        smb = SmbConnection(connection.number, (connection.server.address, connection.server.port))
        framers = [Framer(at_boundary=direction.initial_sequence is not None) for direction in connection.directions]
        self._links[connection.number] = _Link(connection, smb, framers)
        self.tracker.connections[connection.number] = smb

    def knows(self, connection: Connection) -> bool:
        """Whether the connection was added."""
        return connection.number in self._links

    def feed(self, deliveries: list[Delivery]) -> Batch:
        """Decode what the connections deliver in one block."""
        links = [self._links[delivery.connection.number] for delivery in deliveries]
        room = sum(
            link.framers[delivery.sender].carried + delivery.pieces.size + PREFIX
            for link, delivery in zip(links, deliveries, strict=True)
        )
        arena = self._arena(2 * room)
        framed: list[tuple[int, int, Frames]] = []
        at = 0
        for link, delivery in zip(links, deliveries, strict=True):
            framer = link.framers[delivery.sender]
            for run in delivery.pieces.runs():
                used = framer.carried + run.size
                framed.append((link.connection.number, delivery.sender, framer.feed(run, arena, at)))
                at += used
        return self._decode(arena, at + LENT, framed)

    def finish(self) -> Batch:
        """The capture ends: begun messages become incomplete rows, open exchanges and sessions are closed."""
        arena = self._arena(2 * sum(framer.carried for link in self._links.values() for framer in link.framers))
        framed: list[tuple[int, int, Frames]] = []
        at = 0
        for number, link in self._links.items():
            for sender, framer in enumerate(link.framers):
                used = framer.carried
                framed.append((number, sender, framer.finish(arena, at)))
                at += used
        batch = self._decode(arena, at + LENT, framed)
        self.exchanges.finish()
        for link in self._links.values():
            for sender, framer in enumerate(link.framers):
                self.ledger.decoded[link.connection.number, sender] += framer.control
                self.ledger.undecoded += [
                    Undecoded(link.connection.number, sender, "framing", s.position, s.length, s.frame, s.reason)
                    for s in framer.skipped
                ]
        self._end_sessions()
        return batch

    def _arena(self, size: int) -> memoryview:
        size += 2 * LENT
        if len(self._storage) < size:
            self._storage = bytearray(size + size // 4)  # fresh memory is dear: the next block may need a little more
        return memoryview(self._storage)

    def _decode(self, arena: memoryview, plain: int, framed: list[tuple[int, int, Frames]]) -> Batch:
        units = _join_units(arena, framed)
        clear = self._clear_messages(arena, units)
        self._drive(arena, units, clear)
        opened = self._opener.open(arena, units, plain)
        arena, inflated = self._inflate(arena, units, opened, plain)
        encrypted = self._encrypted_messages(arena, units, opened, inflated)
        self._drive(arena, units, _in_order(encrypted[:2]))
        messages = _in_order([clear, *encrypted])
        self._assign_sessions(units, messages)
        self._note_use(units, messages)
        self._signed_requests = verify_signatures(
            arena, units, messages, self.tracker.sessions, self.tracker.connections, self._keys, self._signed_requests
        )
        self.exchanges.feed(arena, units, messages)
        self.ledger.count_decoded(units, messages)
        return Batch(arena, units, messages, self.exchanges, self.tracker.sessions)

    # ------------------------------------------------------------------------------------ messages

    def _clear_messages(self, arena: memoryview, units: Units) -> Messages:
        self._note_smb1(arena, units)
        rows = np.flatnonzero(units.protocol == 0xFE)
        start = units.start[rows]
        # A snap length often cuts inside of the header: before the signature, everything that tells is there.
        least = np.where(units.incomplete[rows], _SIGNATURE_OFFSET, HEADER_SIZE)
        messages, faults = _split(arena, rows, start, start + units.present[rows], least, encrypted=False)
        messages.header["signature"][messages.end - messages.offset < HEADER_SIZE] = np.void(NO_SIGNATURE)
        self.ledger.note_faults(units, messages, faults)
        # A message of which even less is there still is a row.
        short = np.array(
            [f.unit for f in faults if f.length and units.present[f.unit] < units.length[f.unit]], np.int64
        )
        if len(short) == 0:
            return messages
        begun = Messages.unopened(
            short, units.start[short], units.start[short] + units.present[short],
            np.zeros(len(short), np.int64), np.full(len(short), DECRYPTIONS.index(Decryption.PLAINTEXT)),
        )  # fmt: skip
        begun.encrypted[:], begun.signature[:] = False, SIGNATURES.index(Signature.NO_KEY)
        return Messages.concatenate([messages, begun])

    def _inflate(self, arena: memoryview, units: Units, opened: Opened, plain: int) -> tuple[memoryview, Inflated]:
        """Decompress what is compressed, encrypted or not; the arena may become a longer one that begins alike."""
        jobs = compressed_units(arena, units, opened)
        if not len(jobs):
            return arena, jobs
        messages = inflate(arena, units, jobs, self.tracker.connections)
        end = int(opened.end.max(initial=plain))
        size = end + sum(map(len, messages)) + LENT
        if size > len(arena):
            self._storage = bytearray(arena[:end]) + bytes(size - end)
            arena = memoryview(self._storage)
        jobs.place(arena, messages, end)
        return arena, jobs

    def _encrypted_messages(
        self, arena: memoryview, units: Units, opened: Opened, inflated: Inflated
    ) -> list[Messages]:
        """The messages of encrypted and of compressed units; those in encrypted ones come first."""
        is_open = opened.verdict == DECRYPTIONS.index(Decryption.DECRYPTED)
        opened.verdict[is_open & np.isin(opened.unit, inflated.failed)] = DECRYPTIONS.index(Decryption.DAMAGED)
        is_open &= ~np.isin(opened.unit, inflated.unit)
        covered = inflated.encrypted & inflated.done
        messages, faults = _split(
            arena,
            np.concatenate([opened.unit[is_open], inflated.unit[covered]]),
            np.concatenate([opened.start[is_open], inflated.start[covered]]),
            np.concatenate([opened.end[is_open], inflated.end[covered]]),
            encrypted=True,
        )
        clear = ~inflated.encrypted & inflated.done
        plain, more = _split(arena, inflated.unit[clear], inflated.start[clear], inflated.end[clear], encrypted=False)
        messages.compressed[:] = np.isin(messages.unit, inflated.unit)
        plain.compressed[:] = True
        self.ledger.note_faults(units, messages, faults)
        self.ledger.note_faults(units, plain, more)
        closed = opened.verdict != DECRYPTIONS.index(Decryption.DECRYPTED)
        shut = Messages.unopened(
            opened.unit[closed], opened.start[closed], opened.end[closed], opened.session_id[closed],
            opened.verdict[closed],
        )  # fmt: skip
        shut.session[:] = opened.session[closed]
        self.ledger.note_closed(units, opened.unit[closed], opened.verdict[closed], inflated.reasons)
        return [messages, plain, shut, self._cut_messages(units), self._closed_compressed(units, inflated)]

    def _cut_messages(self, units: Units) -> Messages:
        """Encrypted units of which not even the transform header is whole: one row each."""
        rows = np.flatnonzero((units.protocol == 0xFD) & (units.present < TRANSFORM_HEADER.size))
        verdict = np.full(len(rows), DECRYPTIONS.index(Decryption.DAMAGED))
        zeros = np.zeros(len(rows), np.int64)
        return Messages.unopened(rows, units.start[rows], units.start[rows] + units.present[rows], zeros, verdict)

    def _closed_compressed(self, units: Units, inflated: Inflated) -> Messages:
        """Compressed units, not encrypted, that are damaged or of which the end is missing: one row each."""
        rows = np.flatnonzero((units.protocol == 0xFC) & ~np.isin(np.arange(len(units)), inflated.unit[inflated.done]))
        verdict = np.full(len(rows), DECRYPTIONS.index(Decryption.DAMAGED))
        zeros = np.zeros(len(rows), np.int64)
        messages = Messages.unopened(rows, units.start[rows], units.start[rows] + units.present[rows], zeros, verdict)
        messages.encrypted[:], messages.compressed[:] = False, True
        messages.signature[:] = SIGNATURES.index(Signature.NO_KEY)
        self.ledger.note_closed(units, rows, verdict, inflated.reasons)
        return messages

    # ------------------------------------------------------------------------------------ state

    def _drive(self, arena: memoryview, units: Units, messages: Messages) -> None:
        """Hand the whole messages that change or tell a state to the tracker, one by one."""
        command, flags, status = (messages.header[name] for name in ("command", "flags", "status"))
        telling = ((flags & Flags.SERVER_TO_REDIR.value) != 0) & np.isin(status, _TELLING)
        chosen = messages.known & ~units.incomplete[messages.unit] & (np.isin(command, _DRIVING) | telling)
        for row in _in_logical_order(units, messages, np.flatnonzero(chosen)).tolist():
            header = HeaderFixed._make(HEADER.parse(arena, int(messages.offset[row])))
            unit = int(messages.unit[row])
            connection = self.tracker.connections[int(units.connection[unit])]
            frame, time = int(units.last_frame[unit]), int(units.last_time[unit])
            if self.tracker.handles(header):
                message = arena[int(messages.offset[row]) : int(messages.end[row])]
                try:
                    self.tracker.handle(connection, header, message, frame, time)
                except ParseError as error:
                    self.ledger.note(units, unit, f"SMB2 {Command(header.command).name}", 0, error.reason)
            if telling[row]:
                session = self.tracker.session_of(connection, header.session_id, frame)
                if session is not None:
                    self.tracker.note_status(connection, session, header.status, time)

    def _assign_sessions(self, units: Units, messages: Messages) -> None:
        """Fill `messages.session` by SessionId; a related request of a compound has that of the one before it."""
        session_id = messages.header["session_id"].copy()
        borrowed = np.flatnonzero(session_id == _ALL_ONES)
        for row in borrowed.tolist():
            if row and messages.unit[row] == messages.unit[row - 1]:
                session_id[row] = session_id[row - 1]
        rows = np.flatnonzero((session_id != NO_SESSION_IDS[0]) & (session_id != _ALL_ONES))
        connection, frame = units.connection[messages.unit[rows]], units.last_frame[messages.unit[rows]]
        messages.session[rows] = self.tracker.sessions_of(connection, session_id[rows], frame)

    def _note_use(self, units: Units, messages: Messages) -> None:
        """When each session was last asked for something."""
        header = messages.header
        response = (header["flags"] & Flags.SERVER_TO_REDIR.value) != 0
        requests = np.flatnonzero(messages.known & ~response & (messages.session >= 0))
        latest = np.zeros(len(self.tracker.sessions), np.int64)
        np.maximum.at(latest, messages.session[requests], units.last_time[messages.unit[requests]])
        for number in np.flatnonzero(latest).tolist():
            self.tracker.sessions[number].idle_time = int(latest[number])

    def _end_sessions(self) -> None:
        """A session whose every channel's connection was closed has lost its transport (MS-SMB2 3.3.7.1)."""
        for session in self.tracker.sessions:
            links = [self._links[channel.connection.number].connection for channel in session.channel_list]
            closed = [link.closed_time for link in links if link.closed_time is not None]
            if session.state is not State.REMOVED and len(closed) == len(links):
                last = max(links, key=lambda link: link.closed_time or 0)
                session.apply(Event.TRANSPORT_LOST, max(closed), f"connection closed ({last.closed_by})")

    # ------------------------------------------------------------------------------------ accounting

    def _note_smb1(self, arena: memoryview, units: Units) -> None:
        """SMB1 is not decoded, except for the negotiation that may lead to SMB2."""
        for unit in np.flatnonzero((units.protocol == 0xFF) & ~units.incomplete).tolist():
            start = int(units.start[unit])
            message = arena[start : start + int(units.present[unit])]
            reason = "SMB1 is not decoded yet"
            if message[4] == _SMB1_NEGOTIATE and units.sender[unit] == CLIENT:
                try:
                    request = MultiProtocolNegotiateRequest.parse(message)
                except ParseError as error:
                    reason = error.reason
                else:
                    if request.offers_smb2:
                        link = self._links[int(units.connection[unit])]
                        link.smb.multi_protocol = True
                        self.ledger.decoded[link.connection.number, CLIENT] += int(units.present[unit]) + PREFIX
                        continue
            self.ledger.note(units, unit, "SMB1", int(units.present[unit]) + PREFIX, reason)


def _in_logical_order(units: Units, messages: Messages, rows: Column) -> Column:
    """The rows in order, but none of the exchanges that build on one another with the answer before the request.

    Captured packets change places, and a handshake that is read in the wrong order gives wrong keys.
    """
    header, connections = take_rows(messages.header, rows), units.connection[messages.unit[rows]]
    places = np.flatnonzero(np.isin(header["command"], _PAIRED))
    header, connection = header[places], connections[places]
    is_response = header["flags"] & Flags.SERVER_TO_REDIR.value
    ordered = rows.copy()
    ordered[places[np.lexsort((places, connection))]] = rows[
        places[np.lexsort((places, is_response, header["message_id"], connection))]
    ]
    return ordered


def _split(
    arena: memoryview, rows: Column, starts: Column, ends: Column, least: Column | int = HEADER_SIZE, *, encrypted: bool
) -> tuple[Messages, list[Fault]]:
    other = (ends - starts >= HEADER_SIZE) & (everywhere(arena, "<u4")[starts] != _SMB2_ID)
    no_smb2 = _faults(rows[other], starts[other], ends[other])
    least = np.broadcast_to(np.asarray(least), rows.shape)[~other]
    unit, offset, end, faults = split_units(arena, rows[~other], starts[~other], ends[~other], least)
    messages = Messages.of_headers(arena, unit, offset, end, encrypted=encrypted)
    wrong = messages.header["structure_size"] != HEADER_SIZE
    wrong |= everywhere(arena, "<u4")[offset] != _SMB2_ID
    if wrong.any():
        faults += _faults(unit[wrong], offset[wrong], end[wrong])
        messages = messages.take(np.flatnonzero(~wrong))
    return messages, no_smb2 + faults


def _faults(units: Column, starts: Column, ends: Column) -> list[Fault]:
    reason = "not an SMB2 header: another ProtocolId or StructureSize"
    columns = zip(units.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return [Fault(unit, start, end - start, reason) for unit, start, end in columns]


def _in_order(parts: list[Messages]) -> Messages:
    """All messages in the order of units, compounds in their own order."""
    filled = [part for part in parts if len(part)] or parts[:1]
    messages = filled[0] if len(filled) == 1 else Messages.concatenate(filled)
    if bool((messages.unit[:-1] <= messages.unit[1:]).all()):
        return messages
    return messages.take(np.lexsort((messages.offset, messages.unit)))


def _join_units(arena: memoryview, framed: list[tuple[int, int, Frames]]) -> Units:
    """One table of all units of the block, ordered by the frames that complete them."""
    framed = [part for part in framed if len(part[2])]
    if not framed:
        return Units(*(np.empty(0, np.int64) for _ in range(11)))

    def column(name: str) -> Column:
        return np.concatenate([getattr(frames, name) for _, _, frames in framed])

    last_frame = column("last_frame")
    order = np.argsort(last_frame, kind="stable")
    start = column("start")[order]
    return Units(
        start,
        column("length")[order],
        column("present")[order],
        column("position")[order],
        column("first_frame")[order],
        column("first_time")[order],
        last_frame[order],
        column("last_time")[order],
        np.concatenate([np.full(len(frames), number) for number, _, frames in framed])[order],
        np.concatenate([np.full(len(frames), side) for _, side, frames in framed])[order],
        everywhere(arena, "u1")[start].astype(np.int64),
    )
