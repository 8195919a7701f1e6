"""A peer that opens files, caches them and locks them, and sees what it is told without having asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from parsers.smb2.access import AccessMask
from parsers.smb2.close_flush import CloseFlags, CloseRequest
from parsers.smb2.create import (
    CreateDisposition,
    CreateRequest,
    CreateResponse,
    FileAttributes,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)
from parsers.smb2.create import CreateOptions as Options
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command, Flags
from parsers.smb2.lease import Lease, LeaseFlags, LeaseState, LeaseV2
from parsers.smb2.lock import LockElement, LockFlags, LockRequest
from parsers.smb2.oplock_break import LeaseBreak, LeaseBreakNotification, OplockBreak, parse_oplock_break
from parsers.smb2.read_write import ReadFlags, ReadRequest, WriteRequest
from refserver.server.server import Server
from refserver.server.state import Open, Share
from refserver.store.memory import MemoryStore
from tests.refserver.server.peer import START, Answer, Peer, logged_on, server_with

ALL = 0x001F01FF
SHARED = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE
PENDING = 0x103
R, H, W = LeaseState.READ_CACHING, LeaseState.HANDLE_CACHING, LeaseState.WRITE_CACHING
RH, RW, RHW = R | H, R | W, R | H | W
NOW = LockFlags.FAIL_IMMEDIATELY
SHARE_LOCK, EXCLUSIVE, UNLOCK = LockFlags.SHARED_LOCK, LockFlags.EXCLUSIVE_LOCK, LockFlags.UNLOCK

Break: TypeAlias = OplockBreak | LeaseBreakNotification | LeaseBreak


@dataclass
class Opener:
    """One client at a share; `heard` keeps the break notifications that came with or between answers."""

    peer: Peer
    heard: list[Break]

    @property
    def server(self) -> Server:
        """The one it talks to."""
        return self.peer.server

    # ------------------------------------------------------------------------------------ opening

    def ask(
        self,
        name: str = "f",
        *,
        access: int = ALL,
        share: int = SHARED,
        disposition: int = CreateDisposition.OPEN_IF,
        options: int = 0,
        attributes: int = 0,
        oplock: int = OplockLevel.NONE,
        contexts: Sequence[CreateContext] = (),
        flags: int = 0,
    ) -> Answer:
        """CREATE; its answer, or STATUS_PENDING."""
        lease = any(isinstance(context, Lease | LeaseV2) for context in contexts)
        body = CreateRequest(
            requested_oplock_level=OplockLevel.LEASE if lease else OplockLevel(oplock),
            impersonation_level=ImpersonationLevel.IMPERSONATION,
            desired_access=AccessMask(access),
            file_attributes=FileAttributes(attributes),
            share_access=ShareAccess(share),
            create_disposition=CreateDisposition(disposition),
            create_options=Options(options),
            name=name,
            contexts=tuple(contexts),
        ).build()
        return self._one(self.peer.request(Command.CREATE, body, flags=flags))

    def create(self, name: str = "f", **how: object) -> CreateResponse:
        """CREATE of what can be opened."""
        return created(self.ask(name, **how))  # type: ignore[arg-type]  # as `ask` takes them

    def open(self, name: str = "f", **how: object) -> FileId:
        """Its FileId."""
        return self.create(name, **how).file_id

    def record(self, file_id: FileId) -> Open:
        """What the server knows of an open."""
        return self.server.global_open_table[file_id.persistent]

    def close(self, file_id: FileId) -> int:
        """CLOSE; its status."""
        return self._one(self.peer.request(Command.CLOSE, CloseRequest(CloseFlags(0), file_id).build())).status

    # ------------------------------------------------------------------------------------ caching

    def breaks(self) -> list[Break]:
        """The notifications that came since the last time."""
        answers = self.peer.take()
        assert not [answer for answer in answers if not self._hear(answer)]
        heard, self.heard = self.heard, []
        return heard

    def acknowledge(self, file_id: FileId, level: int) -> int:
        """OPLOCK_BREAK of an oplock; its status."""
        return self._one(
            self.peer.request(Command.OPLOCK_BREAK, OplockBreak(OplockLevel(level), file_id).build())
        ).status

    def acknowledge_lease(self, key: bytes, state: int) -> int:
        """OPLOCK_BREAK of a lease; its status."""
        return self._one(self.peer.request(Command.OPLOCK_BREAK, LeaseBreak(key, LeaseState(state)).build())).status

    # ------------------------------------------------------------------------------------ content

    def write(self, file_id: FileId, data: bytes, offset: int = 0) -> int:
        """WRITE; its status."""
        return self._one(self.peer.request(Command.WRITE, WriteRequest(offset, file_id, data).build())).status

    def read(self, file_id: FileId, length: int, offset: int = 0) -> int:
        """READ; its status."""
        body = ReadRequest(0x50, ReadFlags(0), length, offset, file_id, 0).build()
        return self._one(self.peer.request(Command.READ, body)).status

    def lock(self, file_id: FileId, *ranges: tuple[int, int, int], index: int = 0, number: int = 0) -> Answer:
        """LOCK of (offset, length, flags)."""
        elements = tuple(LockElement(offset, length, LockFlags(flags)) for offset, length, flags in ranges)
        body = LockRequest(number, index, file_id, elements).build()
        return self._one(self.peer.request(Command.LOCK, body))

    def cancel(self, pending: Answer) -> list[Answer]:
        """CANCEL of what was answered by STATUS_PENDING; what comes."""
        flags, body = Flags.ASYNC_COMMAND, bytes((4, 0, 0, 0))
        request = self.peer.request(Command.CANCEL, body, flags=flags, message_id=0, async_id=pending.header.async_id)
        return self.peer.send(request)

    def answers(self) -> list[Answer]:
        """What came since the last time, but for break notifications."""
        return [answer for answer in self.peer.take() if not self._hear(answer)]

    def lose(self) -> None:
        """The connection is gone."""
        self.server.disconnected(self.peer.number, self.peer.now)
        self.peer.take()

    def _one(self, message: bytes) -> Answer:
        (answer,) = [answer for answer in self.peer.send(message) if not self._hear(answer)]
        return answer

    def _hear(self, answer: Answer) -> bool:
        unasked = answer.header.message_id == 0xFFFF_FFFF_FFFF_FFFF
        if unasked:
            assert answer.header.command == Command.OPLOCK_BREAK
            self.heard.append(parse_oplock_break(memoryview(answer.message)))
        return unasked


def created(answer: Answer) -> CreateResponse:
    """What a CREATE that succeeded tells."""
    assert answer.status == 0, hex(answer.status)
    return CreateResponse.parse(memoryview(answer.message))


def v1(key: int, state: int) -> Lease:
    """A lease context; keys are small numbers here."""
    return Lease(bytes([key]) * 16, LeaseState(state), LeaseFlags(0))


def v2(key: int, state: int, epoch: int = 0) -> LeaseV2:
    """A lease context of version 2."""
    return LeaseV2(bytes([key]) * 16, LeaseState(state), LeaseFlags(0), bytes(16), epoch)


def state_of(response: CreateResponse) -> int:
    """The lease state that was granted."""
    (lease,) = (context for context in response.contexts if isinstance(context, Lease | LeaseV2))
    return int(lease.lease_state)


def opener(*dialects: int, **settings: object) -> Opener:
    """A client of a new server with one share."""
    server = server_with(**settings)
    server.shares["data"] = Share("data", MemoryStore(now=START))
    return another(server, 1, *dialects)


def another(server: Server, number: int, *dialects: int, guid: int | None = None) -> Opener:
    """One more client, with a ClientGuid of its own unless it shares `guid`."""
    identity = (number if guid is None else guid).to_bytes(16, "big")
    peer = logged_on(server, *dialects, number=number, now=server.timers.now or START, guid=identity)
    assert peer.tree_connect("data").status == 0
    return Opener(peer, [])
