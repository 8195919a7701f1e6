"""The server: its tables, its clockless timers, and the events of its transport (MS-SMB2 3.3.1, 3.3.5.1, 3.3.7.1).

It does no input or output. Whoever owns the sockets and the clock tells what arrived and when, sends what lies in
`outgoing`, and fires `timers`.
"""

from collections import deque
from collections.abc import Callable

from parsers import ntstatus
from parsers.smb2.file_id import FILE_ID_RELATED, FileId
from parsers.smb2.header import Command, Flags
from refserver.errors import StatusError
from refserver.server import dispatch, expiration, receive, send, sessions
from refserver.server.config import ServerConfig
from refserver.server.requests import Reply, Request
from refserver.server.state import Connection, LeaseTable, Open, OpenFile, Session, Share
from refserver.store.store import Node
from refserver.timers import Timers

__all__ = ["Server"]

_NEWER = 0x7FFF  # the largest distance at which a 16-bit ChannelSequence counts as newer (3.3.5.2.10)
_CHANGES = (Command.WRITE, Command.SET_INFO, Command.IOCTL)


class Server:
    """MS-SMB2 3.3.1.5.

    `outgoing` is what the transport has to do, in order: bytes to send on a connection, or None to close it. `on_keys`,
    if set, is told of every session that has got keys: for whoever writes them down.

    Args:
        config: what the administrator decides; shares are added to `shares` by their name in lower case.
        random: gives so many random bytes; everything random comes from here.
        timers: those of the clock's owner, where it has others too.
    """

    def __init__(self, config: ServerConfig, *, random: Callable[[int], bytes], timers: Timers | None = None) -> None:
        self.config = config
        self.random = random
        self.timers = Timers() if timers is None else timers
        self.outgoing: deque[tuple[int, bytes | None]] = deque()
        self.on_keys: Callable[[Session], object] | None = None
        self.connections: dict[int, Connection] = {}
        self.global_session_table: dict[int, Session] = {}
        self.global_open_table: dict[int, Open] = {}  # by the persistent part of FileId
        self.lease_tables: dict[bytes, LeaseTable] = {}  # by ClientGuid
        self.open_files: dict[Node, OpenFile] = {}
        self.shares: dict[str, Share] = {"ipc$": Share("IPC$", None, type=0x02, remark="Remote IPC")}
        self.scanning = False

    # ------------------------------------------------------------------------------------ transport events

    def connected(self, number: int, now: int, client_name: str = "") -> None:
        """A client has connected (3.3.5.1); `number` is the transport's name for the connection."""
        self.connections[number] = Connection(number, now, client_name)
        expiration.start(self, now)

    def received(self, number: int, data: bytes, now: int) -> None:
        """Bytes have come, cut wherever the transport cut them; those behind a connection's end are ignored."""
        connection = self.connections.get(number)
        if connection is not None:
            receive.receive(self, connection, data, now)

    def disconnected(self, number: int, now: int) -> None:
        """The connection is gone, whoever ended it (3.3.7.1)."""
        connection = self.connections.pop(number, None)
        if connection is not None:
            connection.closed = True
            sessions.connection_lost(self, connection, now)

    # ------------------------------------------------------------------------------------ for the handlers

    def open_of(self, request: Request, file_id: FileId) -> Open:
        """The open that a request means (3.3.5.2.7.2, 3.3.5.2.10).

        Raises:
            StatusError: FILE_CLOSED; what the request before came to, if it should have opened the file; or
                FILE_NOT_AVAILABLE where another channel of the client has moved on.
        """
        if file_id == FILE_ID_RELATED and request.header.flags & Flags.RELATED_OPERATIONS:
            found = request.open
            if found is None:
                raise StatusError(request.status_before or ntstatus.STATUS_INVALID_PARAMETER)
        else:
            assert request.session is not None  # every command with a FileId needs a session
            found = request.session.open_table.get(file_id.volatile)
        request.open = None
        if (
            found is None
            or found.session is not request.session
            or found.tree_connect is not request.tree_connect
            or (file_id != FILE_ID_RELATED and found.durable_file_id != file_id.persistent)
        ):
            raise StatusError(ntstatus.STATUS_FILE_CLOSED)
        request.open = found
        self._check_channel_sequence(request, found)
        return found

    def _check_channel_sequence(self, request: Request, found: Open) -> None:
        """3.3.5.2.10: a change that comes late, over a channel that the client has given up, is refused."""
        if request.connection.dialect < 0x0300:
            return
        ahead = (request.header.channel_sequence - found.channel_sequence) & 0xFFFF
        if 0 < ahead <= _NEWER:
            found.channel_sequence = request.header.channel_sequence
        elif ahead and request.header.command in _CHANGES:
            raise StatusError(ntstatus.STATUS_FILE_NOT_AVAILABLE)

    def complete(self, request: Request, reply: Reply | StatusError, now: int) -> None:
        """Answer a request for which a handler returned `Pending`; once is enough, later calls are ignored."""
        dispatch.complete(self, request, reply, now)

    def notify(  # `now` belongs to every event, though nothing needs it here
        self,
        session: Session,
        connection: Connection,
        command: int,
        body: bytes,
        now: int,  # noqa: ARG002
    ) -> None:
        """Send what nobody asked for: a break notification (3.3.4.6), the end of a session (3.3.4.8)."""
        send.send_notification(self, session, connection, command, body)

    def drop(self, connection: Connection, now: int) -> None:
        """Close the transport, and do what its loss asks for."""
        if not connection.closed:
            self.outgoing.append((connection.number, None))
            self.disconnected(connection.number, now)
