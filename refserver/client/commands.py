"""What is done with files: every command on a tree or an open as a call (MS-SMB2 3.2.4.3 to 3.2.4.20).

Each method sends its request as soon as there are credits and gives back a `Call`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import (
    Change,
    ChangeNotifyFlags,
    ChangeNotifyRequest,
    ChangeNotifyResponse,
    CompletionFilter,
)
from parsers.smb2.close_flush import (
    CloseFlags,
    CloseRequest,
    CloseResponse,
    FlushRequest,
    FlushResponse,
)
from parsers.smb2.create import (
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    FileAttributes,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.directory_entries import DirectoryEntry, parse_directory_entries
from parsers.smb2.durable import (
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
)
from parsers.smb2.file_id import FILE_ID_RELATED
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass, FsInformationClass, InfoType
from parsers.smb2.ioctl import IoctlRequest, IoctlResponse
from parsers.smb2.lease import Lease, LeaseV2
from parsers.smb2.lock import LockElement, LockFlags, LockRequest, LockResponse
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest, QueryInfoResponse
from parsers.smb2.read_write import ReadFlags, ReadRequest, ReadResponse, WriteFlags, WriteRequest, WriteResponse
from parsers.smb2.set_info import SetInfoRequest, SetInfoResponse
from refserver.client.calls import Call
from refserver.client.connection import Connection
from refserver.client.state import Open, Request, TreeConnect

__all__ = ["EVERYBODY", "READ_ACCESS", "READ_WRITE_DELETE", "Commands"]

T = TypeVar("T")

READ_ACCESS = AccessMask.FILE_READ_DATA | AccessMask.FILE_READ_ATTRIBUTES | AccessMask.FILE_READ_EA
READ_ACCESS |= AccessMask.READ_CONTROL | AccessMask.SYNCHRONIZE
READ_WRITE_DELETE = READ_ACCESS | AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA | AccessMask.DELETE
READ_WRITE_DELETE |= AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.FILE_WRITE_EA
EVERYBODY = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE
_UNTIMED_FSCTLS = (FsctlCode.PIPE_PEEK, FsctlCode.PIPE_TRANSCEIVE, FsctlCode.PIPE_WAIT)  # note 103
_OUTPUT = 65536  # bytes that queries ask for, one credit's worth


class Commands(Connection):
    """The commands that work on trees and opens."""

    def create(
        self,
        tree_connect: TreeConnect,
        name: str,
        *,
        access: int = READ_ACCESS,
        disposition: CreateDisposition = CreateDisposition.OPEN,
        options: int = 0,
        share_access: int = EVERYBODY,
        attributes: int = 0,
        oplock: OplockLevel = OplockLevel.NONE,
        contexts: tuple[CreateContext, ...] = (),
    ) -> Request[Open]:
        """CREATE (3.2.4.3). A lease or durability is asked for by its context; `oplock` is then LEASE or BATCH."""
        request = CreateRequest(
            oplock,
            ImpersonationLevel.IMPERSONATION,
            AccessMask(access),
            FileAttributes(attributes),
            ShareAccess(share_access),
            disposition,
            CreateOptions(options),
            name,
            contexts,
        )
        open_ = Open(FILE_ID_RELATED, tree_connect, name, contexts=contexts)
        return self._create(open_, request)

    def reconnect(self, tree_connect: TreeConnect, open_: Open) -> Request[Open]:
        """Get a durable open back on a new connection (3.2.4.4): the same `Open`, on another tree."""
        contexts: list[CreateContext] = []
        for context in open_.contexts:
            if isinstance(context, DurableRequestV2):
                contexts.append(DurableReconnectV2(open_.file_id, context.create_guid, context.flags))
            elif isinstance(context, DurableRequest):
                contexts.append(DurableReconnect(open_.file_id))
            elif isinstance(context, Lease | LeaseV2):
                contexts.append(replace(context, lease_state=open_.lease_state))
        request = CreateRequest(
            OplockLevel.LEASE if open_.lease_key is not None else open_.oplock_level,
            ImpersonationLevel.IMPERSONATION,
            AccessMask(0),  # ignored, as all that follows is, where an open is given back (3.3.5.9.7)
            FileAttributes(0),
            ShareAccess(0),
            CreateDisposition.OPEN,
            CreateOptions(0),
            open_.name,
            tuple(contexts),
        )
        return self._create(replace(open_, tree_connect=tree_connect), request)

    def _create(self, open_: Open, request: CreateRequest) -> Request[Open]:
        tree = open_.tree_connect

        def parse(message: memoryview) -> Open:
            response = CreateResponse.parse(message)
            open_.response, open_.file_id, open_.oplock_level = response, response.file_id, response.oplock_level
            for context in response.contexts:
                if isinstance(context, Lease | LeaseV2):
                    open_.lease_key, open_.lease_state = context.lease_key, context.lease_state
                    open_.lease_epoch = context.epoch if isinstance(context, LeaseV2) else 0
                open_.durable |= isinstance(context, DurableResponse | DurableResponseV2)
            tree.session.open_table[open_.file_id] = open_
            return open_

        return self.on_tree(Command.CREATE, request.build(), parse, tree)

    def close_file(self, open_: Open, *, flags: int = 0) -> Request[CloseResponse]:
        """CLOSE (3.2.4.5)."""

        def closed(call: Call[CloseResponse]) -> None:
            if call.succeeded:
                open_.closed = True
                open_.tree_connect.session.open_table.pop(open_.file_id, None)

        body = CloseRequest(CloseFlags(flags), open_.file_id).build()
        return self._on_open(Command.CLOSE, body, CloseResponse.parse, open_).then(closed)

    def flush(self, open_: Open) -> Request[FlushResponse]:
        """FLUSH (3.2.4.8)."""
        return self._on_open(Command.FLUSH, FlushRequest(open_.file_id).build(), FlushResponse.parse, open_)

    def read(
        self, open_: Open, offset: int, length: int, *, minimum: int = 0, compressed: bool = False
    ) -> Request[bytes]:
        """READ (3.2.4.6); `compressed` asks for a compressed answer."""
        flags = ReadFlags.REQUEST_COMPRESSED if compressed else ReadFlags(0)
        body = ReadRequest(0x50, flags, length, offset, open_.file_id, minimum).build()
        timed = not open_.tree_connect.is_pipe
        return self._on_open(Command.READ, body, _read_data, open_, payload=length, timed=timed)

    def write(self, open_: Open, offset: int, data: bytes, *, flags: int = 0) -> Request[int]:
        """WRITE (3.2.4.7); the result is how much was written."""
        body = WriteRequest(offset, open_.file_id, data, flags=WriteFlags(flags)).build()
        timed = not open_.tree_connect.is_pipe
        return self._on_open(Command.WRITE, body, _written, open_, payload=len(data), timed=timed)

    def lock(
        self, open_: Open, locks: tuple[LockElement, ...], *, sequence_number: int = 0, sequence_index: int = 0
    ) -> Request[LockResponse]:
        """LOCK (3.2.4.19): locks and unlocks; one that may block has no time limit."""
        body = LockRequest(sequence_number, sequence_index, open_.file_id, locks).build()
        immediate = LockFlags.FAIL_IMMEDIATELY | LockFlags.UNLOCK
        timed = all(element.flags & immediate for element in locks)
        return self._on_open(Command.LOCK, body, LockResponse.parse, open_, timed=timed)

    def ioctl(
        self,
        where: Open | TreeConnect,
        code: FsctlCode,
        data: bytes = b"",
        *,
        max_output: int = _OUTPUT,
    ) -> Request[IoctlResponse]:
        """IOCTL (3.2.4.20), on an open, or on a share without one."""
        tree = where if isinstance(where, TreeConnect) else where.tree_connect
        file_id = FILE_ID_RELATED if isinstance(where, TreeConnect) else where.file_id
        body = IoctlRequest(code, file_id, data, 0, max_output).build()
        timed, payload = code not in _UNTIMED_FSCTLS, max(len(data), max_output)
        return self.on_tree(Command.IOCTL, body, IoctlResponse.parse, tree, payload=payload, timed=timed)

    def query_directory(
        self,
        open_: Open,
        pattern: str = "*",
        *,
        information_class: FileInformationClass = FileInformationClass.FileIdBothDirectoryInformation,
        flags: int = 0,
        file_index: int = 0,
        max_output: int = _OUTPUT,
    ) -> Request[list[DirectoryEntry]]:
        """QUERY_DIRECTORY (3.2.4.17): the next entries; NO_MORE_FILES after the last."""
        body = QueryDirectoryRequest(
            information_class, QueryDirectoryFlags(flags), file_index, open_.file_id, pattern, max_output
        ).build()

        def parse(message: memoryview) -> list[DirectoryEntry]:
            return parse_directory_entries(information_class, QueryDirectoryResponse.parse(message).output)

        return self._on_open(Command.QUERY_DIRECTORY, body, parse, open_, payload=max_output)

    def query_info(
        self,
        open_: Open,
        information_class: FileInformationClass | FsInformationClass | int,
        *,
        info_type: InfoType = InfoType.FILE,
        additional: int = 0,
        flags: int = 0,
        data: bytes = b"",
        max_output: int = _OUTPUT,
    ) -> Request[bytes]:
        """QUERY_INFO (3.2.4.9 to 3.2.4.16); the result is the buffer."""
        body = QueryInfoRequest(
            info_type, information_class, max_output, additional, QueryInfoFlags(flags), open_.file_id, data
        ).build()
        return self._on_open(Command.QUERY_INFO, body, _read_info, open_, payload=max(max_output, len(data)))

    def set_info(
        self,
        open_: Open,
        information_class: FileInformationClass | FsInformationClass | int,
        buffer: bytes,
        *,
        info_type: InfoType = InfoType.FILE,
        additional: int = 0,
    ) -> Request[SetInfoResponse]:
        """SET_INFO (3.2.4.9 to 3.2.4.16)."""
        body = SetInfoRequest(info_type, information_class, additional, open_.file_id, buffer).build()
        return self._on_open(Command.SET_INFO, body, SetInfoResponse.parse, open_, payload=len(buffer))

    def change_notify(
        self,
        open_: Open,
        completion_filter: CompletionFilter = CompletionFilter.FILE_NAME | CompletionFilter.DIR_NAME,
        *,
        flags: int = 0,
        max_output: int = _OUTPUT,
    ) -> Request[tuple[Change, ...]]:
        """CHANGE_NOTIFY (3.2.4.18): ends with the next changes in the directory; it has no time limit."""
        body = ChangeNotifyRequest(ChangeNotifyFlags(flags), max_output, open_.file_id, completion_filter).build()
        return self._on_open(Command.CHANGE_NOTIFY, body, _changes, open_, payload=max_output, timed=False)

    def on_tree(
        self,
        command: Command,
        body: bytes,
        parse: Callable[[memoryview], T],
        tree_connect: TreeConnect,
        *,
        payload: int = 0,
        timed: bool = True,
    ) -> Request[T]:
        """Send a command on a share; `parse` makes the result of the whole response."""
        request = Request(
            command,
            body,
            parse,
            session=tree_connect.session,
            tree_connect=tree_connect,
            payload=payload,
            timed=timed,
        )
        return self.submit(request)

    def _on_open(
        self,
        command: Command,
        body: bytes,
        parse: Callable[[memoryview], T],
        open_: Open,
        *,
        payload: int = 0,
        timed: bool = True,
    ) -> Request[T]:
        return self.on_tree(command, body, parse, open_.tree_connect, payload=payload, timed=timed)


def _read_data(message: memoryview) -> bytes:
    return ReadResponse.parse(message).data


def _written(message: memoryview) -> int:
    return WriteResponse.parse(message).count


def _read_info(message: memoryview) -> bytes:
    return QueryInfoResponse.parse(message).output


def _changes(message: memoryview) -> tuple[Change, ...]:
    return ChangeNotifyResponse.parse(message).changes
