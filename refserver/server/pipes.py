"""Named pipes of IPC$: what CREATE opens, READ, WRITE and FSCTL_PIPE_TRANSCEIVE use (MS-SMB2 3.3.5.12, 3.3.5.15.10).

Pipes are in message mode: one READ gets one message, or the rest of one that was cut.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from parsers.errors import ParseError
from parsers.ntstatus import (
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_NOT_A_DIRECTORY,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_PIPE_DISCONNECTED,
)
from refserver.errors import StatusError
from refserver.server.rpc import Endpoint
from refserver.server.srvsvc import ShareEntry, srvsvc
from refserver.store.store import Attributes, Node

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["Pipe", "open_pipe"]

_MOST_MESSAGES = 1024  # that wait to be read before the pipe breaks


class Pipe:
    """One instance of a named pipe, as the node of its open. `waiting` are readers to call when a message comes."""

    is_directory = False

    def __init__(self, name: str, endpoint: Endpoint, number: int) -> None:
        self.name = name
        self.file_id = number
        self.stream_of: Node | None = None
        self.messages: deque[bytes] = deque()
        self.waiting: deque[Callable[[int], None]] = deque()
        self._endpoint = endpoint
        self._broken = False

    def send(self, data: bytes | memoryview, now: int) -> None:
        """The client writes; readers that wait get the answer. StatusError PIPE_DISCONNECTED after nonsense."""
        try:
            if self._broken:
                raise ParseError("the pipe is broken")
            self.messages.extend(self._endpoint.received(bytes(data)))
            if len(self.messages) > _MOST_MESSAGES:
                raise ParseError("nobody reads")
        except ParseError as error:
            self._broken = True
            raise StatusError(STATUS_PIPE_DISCONNECTED) from error
        while self.waiting and self.messages:
            self.waiting.popleft()(now)

    def receive(self, length: int) -> tuple[bytes, bool]:
        """Up to `length` bytes of the first message, and whether some of it remains."""
        message = self.messages.popleft()
        if len(message) > length:
            self.messages.appendleft(message[length:])
        return message[:length], len(message) > length

    @property
    def path(self) -> tuple[str, ...]:
        """Its name."""
        return (self.name,)

    def attributes(self) -> Attributes:
        """A pipe has no times."""
        return Attributes(0, 0, 0, 0, 0x80, allocation_size=4096)

    def set_attributes(self, attributes: Attributes) -> None:
        """Nothing of a pipe can be set."""
        del attributes
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)

    def read(self, offset: int, length: int) -> bytes:
        """Pipes are read by `receive`."""
        del offset, length
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Pipes are written by `send`."""
        del offset, data
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)

    def truncate(self, size: int) -> None:
        """A pipe has no end."""
        del size
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)

    def punch(self, offset: int, length: int) -> None:
        """A pipe has no holes."""
        del offset, length
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)

    def allocated(self, offset: int, length: int) -> list[tuple[int, int]]:
        """A pipe has no ranges."""
        del offset, length
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)

    def flush(self) -> None:
        """What is written is with the server already."""

    def children(self) -> list[tuple[str, Node]]:
        """A pipe is no directory."""
        raise StatusError(STATUS_NOT_A_DIRECTORY)

    def streams(self) -> list[tuple[str, int]]:
        """A pipe has none."""
        return []


def open_pipe(server: "Server", name: str) -> Pipe:
    """A new instance of the pipe `name`; StatusError OBJECT_NAME_NOT_FOUND for all but `srvsvc`."""
    if name.lower() != "srvsvc":
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    number = int.from_bytes(server.random(4), "little") | 1
    shares = [ShareEntry(share.name, share.type, share.remark) for share in server.shares.values()]
    return Pipe(name.lower(), Endpoint(srvsvc(shares), name.lower(), number), number)
