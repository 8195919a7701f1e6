"""A peer that works with files: one method a command, each gives the answer or what is in it."""

from dataclasses import dataclass

from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import (
    Change,
    ChangeNotifyFlags,
    ChangeNotifyRequest,
    ChangeNotifyResponse,
    CompletionFilter,
)
from parsers.smb2.close_flush import CloseFlags, CloseRequest, FlushRequest
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
from parsers.smb2.directory_entries import DirectoryEntry, parse_directory_entries
from parsers.smb2.file_id import FILE_ID_RELATED, FileId
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command, Flags
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.ioctl import IoctlRequest, IoctlResponse
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest, QueryInfoResponse
from parsers.smb2.read_write import ReadFlags, ReadRequest, ReadResponse, WriteFlags, WriteRequest
from parsers.smb2.set_info import SetInfoRequest
from refserver.server.server import Server
from refserver.server.state import Share
from refserver.store.memory import MemoryStore
from refserver.store.store import Store
from tests.refserver.server.peer import START, Answer, Peer, logged_on, server_with

ALL = 0x001F01FF
SHARED = ShareAccess.READ | ShareAccess.WRITE | ShareAccess.DELETE


@dataclass
class Desk:
    """One client at a share."""

    peer: Peer

    @property
    def server(self) -> Server:
        """The one it talks to."""
        return self.peer.server

    def open(
        self,
        name: str,
        *,
        access: int = ALL,
        share: int = SHARED,
        disposition: int = CreateDisposition.OPEN_IF,
        options: int = 0,
        attributes: int = 0,
    ) -> FileId:
        """A file that can be opened."""
        answer = self.create(name, access, share, disposition, options, attributes)
        assert answer.status == 0, hex(answer.status)
        return CreateResponse.parse(memoryview(answer.message)).file_id

    def create(self, name: str, access: int, share: int, disposition: int, options: int, attributes: int) -> Answer:
        """CREATE."""
        body = CreateRequest(
            requested_oplock_level=OplockLevel.NONE,
            impersonation_level=ImpersonationLevel.IMPERSONATION,
            desired_access=AccessMask(access),
            file_attributes=FileAttributes(attributes),
            share_access=ShareAccess(share),
            create_disposition=CreateDisposition(disposition),
            create_options=CreateOptions(options),
            name=name,
            contexts=(),
        ).build()
        return self.peer.ask(Command.CREATE, body)

    def directory(self, name: str = "", access: int = ALL) -> FileId:
        """A directory, made if it is not there."""
        return self.open(name, access=access, options=CreateOptions.DIRECTORY_FILE)

    def close(self, file_id: FileId) -> list[Answer]:
        """CLOSE, and all that comes of it."""
        return self.peer.send(self.peer.request(Command.CLOSE, CloseRequest(CloseFlags(0), file_id).build()))

    def write(self, file_id: FileId, data: bytes, offset: int = 0, flags: int = 0) -> int:
        """WRITE; its status."""
        charge = max((len(data) - 1) // 65536 + 1, 1)
        request = WriteRequest(offset, file_id, data, flags=WriteFlags(flags))
        return self._large(Command.WRITE, request.build(), charge).status

    def read(self, file_id: FileId, length: int = 65536, offset: int = 0, minimum: int = 0) -> bytes | int:
        """READ; its data, or its status where that is not success."""
        request = ReadRequest(0x50, ReadFlags(0), length, offset, file_id, minimum)
        answer = self._large(Command.READ, request.build(), max((length - 1) // 65536 + 1, 1))
        return ReadResponse.parse(memoryview(answer.message)).data if answer.status == 0 else answer.status

    def flush(self, file_id: FileId) -> int:
        """FLUSH; its status."""
        return self.peer.ask(Command.FLUSH, FlushRequest(file_id).build()).status

    def entries(
        self,
        file_id: FileId,
        pattern: str = "*",
        *,
        information_class: int = FileInformationClass.FileIdBothDirectoryInformation,
        flags: int = 0,
        index: int = 0,
        length: int = 65536,
    ) -> list[DirectoryEntry] | int:
        """QUERY_DIRECTORY; its entries, or its status where that is not success."""
        answer = self.entries_raw(file_id, pattern, information_class, flags, index, length)
        if answer.status:
            return answer.status
        output = QueryDirectoryResponse.parse(memoryview(answer.message)).output
        return parse_directory_entries(information_class, output)

    def entries_raw(
        self, file_id: FileId, pattern: str, information_class: int, flags: int, index: int, length: int
    ) -> Answer:
        """QUERY_DIRECTORY; its answer."""
        wanted, flags = FileInformationClass(information_class), QueryDirectoryFlags(flags)
        request = QueryDirectoryRequest(wanted, flags, index, file_id, pattern, length)
        return self._large(Command.QUERY_DIRECTORY, request.build(), max((length - 1) // 65536 + 1, 1))

    def names(self, file_id: FileId, pattern: str = "*", flags: int = QueryDirectoryFlags.RESTART_SCANS) -> list[str]:
        """The names of one listing, without the two that every directory has."""
        entries = self.entries(file_id, pattern, flags=flags)
        assert not isinstance(entries, int), hex(entries)
        return [entry.file_name for entry in entries if entry.file_name not in {".", ".."}]

    def query(
        self,
        file_id: FileId,
        file_info_class: int,
        *,
        info_type: int = InfoType.FILE,
        length: int = 65536,
        additional: int = 0,
        flags: int = 0,
        input_: bytes = b"",
    ) -> tuple[int, bytes]:
        """QUERY_INFO; status and output, the whole message where it is an error."""
        request = QueryInfoRequest(
            InfoType(info_type), file_info_class, length, additional, QueryInfoFlags(flags), file_id, input_
        )
        answer = self._large(Command.QUERY_INFO, request.build(), max((length - 1) // 65536 + 1, 1))
        if answer.status and answer.status >> 30 == 3:
            return answer.status, answer.message
        return answer.status, QueryInfoResponse.parse(memoryview(answer.message)).output

    def set(
        self,
        file_id: FileId,
        file_info_class: int,
        buffer: bytes,
        *,
        info_type: int = InfoType.FILE,
        additional: int = 0,
    ) -> int:
        """SET_INFO; its status."""
        request = SetInfoRequest(InfoType(info_type), file_info_class, additional, file_id, buffer)
        return self.peer.ask(Command.SET_INFO, request.build()).status

    def ioctl(
        self, code: int, input_: bytes = b"", file_id: FileId = FILE_ID_RELATED, *, room: int = 65536
    ) -> tuple[int, bytes]:
        """IOCTL; status and output, nothing where the answer is an ERROR response."""
        request = IoctlRequest(FsctlCode(code), file_id, input_, 0, room)
        answer = self._large(Command.IOCTL, request.build(), max((max(room, len(input_)) - 1) // 65536 + 1, 1))
        if int.from_bytes(answer.message[64:66], "little") == 9:
            return answer.status, b""
        return answer.status, IoctlResponse.parse(memoryview(answer.message)).output

    def watch(self, file_id: FileId, completion_filter: int, *, tree: bool = False, length: int = 4096) -> list[Answer]:
        """CHANGE_NOTIFY, and what comes at once."""
        flags = ChangeNotifyFlags(ChangeNotifyFlags.WATCH_TREE if tree else 0)
        request = ChangeNotifyRequest(flags, length, file_id, CompletionFilter(completion_filter))
        return self.peer.send(self.peer.request(Command.CHANGE_NOTIFY, request.build()))

    def cancel(self, pending: Answer) -> list[Answer]:
        """CANCEL of what was answered by STATUS_PENDING."""
        flags = Flags.ASYNC_COMMAND
        message = self.peer.request(
            Command.CANCEL, bytes((4, 0, 0, 0)), flags=flags, message_id=0, async_id=pending.header.async_id
        )
        return self.peer.send(message)

    def _large(self, command: int, body: bytes, charge: int) -> Answer:
        message = self.peer.request(command, body, credit_charge=charge, credits_=64)
        self.peer.message_id += charge - 1
        (answer,) = self.peer.send(message)
        return answer


def changes_of(answer: Answer) -> list[Change]:
    """What a CHANGE_NOTIFY response reports."""
    return list(ChangeNotifyResponse.parse(memoryview(answer.message)).changes)


def desk(store: Store | None = None, *dialects: int, share: str = "data", **settings: object) -> Desk:
    """A client of a new server that has one share."""
    server = server_with(**settings)
    server.shares["data"] = Share("data", store or MemoryStore(now=START))
    return another_desk(server, 1, *dialects, share=share)


def another_desk(server: Server, number: int, *dialects: int, share: str = "data") -> Desk:
    """One more client, with a ClientGuid of its own."""
    peer = logged_on(server, *dialects, number=number, guid=number.to_bytes(16, "big"))
    assert peer.tree_connect(share).status == 0
    # One request so large that the credits for large ones are there afterwards.
    peer.echo(credits_=256)
    return Desk(peer)
