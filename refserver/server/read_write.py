"""READ, WRITE and FLUSH (MS-SMB2 3.3.5.11, 3.3.5.12, 3.3.5.13)."""

from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_CANCELLED,
    STATUS_END_OF_FILE,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_PIPE_BROKEN,
    STATUS_SUCCESS,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.close_flush import FlushRequest, FlushResponse
from parsers.smb2.read_write import Channel, ReadRequest, ReadResponse, WriteFlags, WriteRequest, WriteResponse
from refserver.errors import StatusError
from refserver.server import change_notify, locks, oplocks, stamps
from refserver.server.granted import require
from refserver.server.pipes import Pipe
from refserver.server.requests import Pending, Reply, Request
from refserver.server.state import Open

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["flush", "read", "write"]

READS = AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE
WRITES = AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA
_AT_END = 0xFFFF_FFFF_FFFF_FFFF  # as offset of a write (MS-FSA 2.1.5.4)
_LARGEST = (1 << 63) - 1  # offsets are signed where they are kept


def read(server: "Server", request: Request) -> Reply | Pending:
    """Handle a READ (3.3.5.12)."""
    wanted = ReadRequest.parse(request.message)
    open_ = server.open_of(request, wanted.file_id)
    if wanted.length > request.connection.max_read_size or wanted.channel != Channel.NONE:
        raise StatusError(STATUS_INVALID_PARAMETER)
    if open_.node.is_directory:
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)
    require(open_, READS)
    if isinstance(open_.node, Pipe):
        return _read_pipe(server, request, open_, open_.node, wanted.length)
    _check_range(wanted.offset, wanted.length)
    locks.check_read(server, open_, wanted.offset, wanted.length)
    data = open_.node.read(wanted.offset, wanted.length)
    if len(data) < wanted.minimum_count or (wanted.length and not data):
        raise StatusError(STATUS_END_OF_FILE)
    open_.position = wanted.offset + len(data)
    return Reply(STATUS_SUCCESS, ReadResponse(data).build())


def write(server: "Server", request: Request) -> Reply:
    """Handle a WRITE (3.3.5.13)."""
    wanted = WriteRequest.parse(request.message)
    open_ = server.open_of(request, wanted.file_id)
    if len(wanted.data) > request.connection.max_write_size or wanted.channel != Channel.NONE:
        raise StatusError(STATUS_INVALID_PARAMETER)
    if open_.node.is_directory:
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)
    require(open_, WRITES)
    if isinstance(open_.node, Pipe):
        open_.node.send(wanted.data, request.now)
    else:
        offset = open_.node.attributes().end_of_file if wanted.offset == _AT_END else wanted.offset
        write_at(server, open_, offset, wanted.data, request.now)
        if wanted.flags & WriteFlags.WRITE_THROUGH:
            open_.node.flush()
    return Reply(STATUS_SUCCESS, WriteResponse(len(wanted.data)).build())


def write_at(server: "Server", open_: Open, offset: int, data: bytes, now: int) -> None:
    """Write to a file with all that belongs to it: locks, caches of others, times, notifications (MS-FSA 2.1.5.4)."""
    _check_range(offset, len(data))
    locks.check_write(server, open_, offset, len(data))
    if not data:
        return
    oplocks.break_on_write(server, open_, now)
    grows = offset + len(data) > open_.node.attributes().end_of_file
    open_.node.write(offset, data)
    stamps.was_written(open_, now)
    change_notify.content_changed(server, open_, grows=grows, now=now)


def flush(server: "Server", request: Request) -> Reply:
    """Handle a FLUSH (3.3.5.11); for a directory the same bits mean adding to it."""
    open_ = server.open_of(request, FlushRequest.parse(request.message).file_id)
    require(open_, WRITES)
    open_.node.flush()
    return Reply(STATUS_SUCCESS, FlushResponse().build())


def _check_range(offset: int, length: int) -> None:
    if offset + length > _LARGEST:
        raise StatusError(STATUS_INVALID_PARAMETER)


def _read_pipe(server: "Server", request: Request, open_: Open, pipe: Pipe, length: int) -> Reply | Pending:
    """What the pipe has, or wait for it; a message that does not fit comes in parts, with BUFFER_OVERFLOW."""
    if pipe.messages:
        return _received(pipe, length)

    def came(now: int) -> None:
        server.complete(request, _received(pipe, length), now)

    def end(status: int, now: int) -> None:
        if came in pipe.waiting:
            pipe.waiting.remove(came)
            server.complete(request, StatusError(status), now)

    pipe.waiting.append(came)
    open_.on_close.append(lambda now: end(STATUS_PIPE_BROKEN, now))
    return Pending(lambda: end(STATUS_CANCELLED, server.timers.now))


def _received(pipe: Pipe, length: int) -> Reply:
    data, more = pipe.receive(length)
    return Reply(STATUS_BUFFER_OVERFLOW if more else STATUS_SUCCESS, ReadResponse(data).build())
