"""A client that reads and writes files on a share in clear, as a capture: each message in packets of its own."""

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from parsers.capture.write import PcapngWriter
from parsers.ntstatus import STATUS_SUCCESS
from parsers.smb2.access import AccessMask
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.read_write import ReadFlags, ReadRequest, ReadResponse, WriteRequest, WriteResponse
from parsers.smb2.tree import (
    ShareCapabilities,
    ShareFlags,
    ShareType,
    TreeConnectFlags,
    TreeConnectRequest,
    TreeConnectResponse,
)
from parsers.transport.ip import ACK, SYN
from tests.parsers.smb2.bodies import CLOSED, ERROR, SAME, close_body, create_body, created_body
from tests.parsers.smb2.dialogue import CLIENT, RELATED, SERVER, compound, message
from tests.parsers.smb2.line import framed
from tests.parsers.transport import packets

RAW_IP = 101  # LINKTYPE_RAW
SEGMENT = 1400
SESSION = 5


@dataclass
class Share:
    """What client and server of session 5 send, in order; every method appends to it."""

    said: list[tuple[int, bytes]] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def connect(self, tree_id: int = 1, path: str = r"\\server\share", kind: ShareType = ShareType.DISK) -> "Share":
        """TREE_CONNECT."""
        number = self.ask(Command.TREE_CONNECT, TreeConnectRequest(TreeConnectFlags(0), path).build())
        body = TreeConnectResponse(kind, ShareFlags(0), ShareCapabilities(0), AccessMask(0)).build()
        self.answer(Command.TREE_CONNECT, number, body, tree_id=tree_id)
        return self

    def open(self, name: str, size: int = 0, *, tree_id: int = 1) -> FileId:
        """CREATE; the file is said to have `size` bytes."""
        number = self.ask(Command.CREATE, create_body(name), tree_id=tree_id)
        self.answer(Command.CREATE, number, created_body(FileId(number, 1), size))
        return FileId(number, 1)

    def read(self, file_id: FileId, offset: int, data: bytes) -> None:
        """READ that brings the data."""
        number = self.ask_read(file_id, offset)
        self.answer(Command.READ, number, ReadResponse(data).build())

    def ask_read(self, file_id: FileId, offset: int, *, tree_id: int = 1) -> int:
        """A READ request."""
        body = ReadRequest(0, ReadFlags.NONE, 1 << 20, offset, file_id).build()
        return self.ask(Command.READ, body, tree_id=tree_id)

    def write(
        self, file_id: FileId, offset: int, data: bytes, status: int = STATUS_SUCCESS, *, tree_id: int = 1
    ) -> None:
        """WRITE that the server answers."""
        number = self.ask_write(file_id, offset, data, tree_id=tree_id)
        self.answer(Command.WRITE, number, ERROR if status else WriteResponse(len(data)).build(), status)

    def ask_write(self, file_id: FileId, offset: int, data: bytes, *, tree_id: int = 1) -> int:
        """A WRITE request."""
        return self.ask(Command.WRITE, WriteRequest(offset, file_id, data).build(), tree_id=tree_id)

    def close(self, file_id: FileId) -> None:
        """CLOSE."""
        self.answer(Command.CLOSE, self.ask(Command.CLOSE, close_body(file_id)), CLOSED)

    def ask_at_once(self, name: str, *data: bytes, tree_id: int = 1) -> int:
        """CREATE, WRITEs of data one behind the other, and CLOSE, in one compound; returns the first MessageId."""
        own = {"session_id": RELATED, "related": True, "tree_id": 0xFFFF_FFFF}
        first = self.ask(Command.CREATE, create_body(name), tree_id=tree_id)
        at = 0
        for piece in data:
            self.ask(Command.WRITE, WriteRequest(at, SAME, piece).build(), **own)
            at += len(piece)
        self.ask(Command.CLOSE, close_body(SAME), **own)
        together = compound(*(sent for _, sent in self.said[-2 - len(data) :]))
        self.said[-2 - len(data) :] = [(CLIENT, together)]
        return first

    def answer_at_once(self, first: int, *data: bytes) -> None:
        """The answers to that, one by one."""
        self.answer(Command.CREATE, first, created_body(FileId(first, 1), 0))
        for number, piece in enumerate(data, first + 1):
            self.answer(Command.WRITE, number, WriteResponse(len(piece)).build())
        self.answer(Command.CLOSE, first + len(data) + 1, CLOSED)

    def ask(self, command: int, body: bytes, **header: object) -> int:
        """Any request; returns its MessageId."""
        number = next(self.numbers)
        self.said.append((CLIENT, message(command, number, body, **{"session_id": SESSION, **header})))
        return number

    def answer(self, command: int, number: int, body: bytes, status: int = STATUS_SUCCESS, **header: object) -> None:
        """Any answer."""
        sent = message(command, number, body, answer=True, status=status, session_id=SESSION, **header)
        self.said.append((SERVER, sent))

    def capture(self, path: Path, *, cut: int = 0) -> Path:
        """Write it as pcapng; the last `cut` bytes of the last message never went over the wire."""
        sequence = [1000, 9000]
        with path.open("wb") as file:
            writer = PcapngWriter(file)
            writer.interface(RAW_IP)
            times = count(1_700_000_000_000_000_000, 1000)
            for sender, flags in ((CLIENT, SYN), (SERVER, SYN | ACK)):
                writer.packet(next(times), _packet(sender, sequence, b"", flags))
                sequence[sender] += 1
            for place, (sender, data) in enumerate(self.said, 1):
                sent = framed(data)
                sent = sent[: len(sent) - cut] if place == len(self.said) else sent
                for first in range(0, len(sent), SEGMENT):
                    segment = sent[first : first + SEGMENT]
                    writer.packet(next(times), _packet(sender, sequence, segment, ACK))
                    sequence[sender] += len(segment)
        return path


def _packet(sender: int, sequence: list[int], payload: bytes, flags: int) -> bytes:
    way = slice(None) if sender == CLIENT else slice(None, None, -1)
    ports, ends = (50_000, 445)[way], (packets.CLIENT, packets.SERVER)[way]
    acknowledgment = sequence[1 - sender] if flags & ACK else 0
    segment = packets.tcp(payload, ports=ports, sequence=sequence[sender], acknowledgment=acknowledgment, flags=flags)
    return packets.ipv4(segment, ends=ends)
