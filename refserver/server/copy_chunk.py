"""Server-side copy (MS-SMB2 3.3.5.15.5, 3.3.5.15.6): resume keys, and chunks from one open to another."""

from typing import TYPE_CHECKING

from parsers.errors import ParseError
from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_INVALID_VIEW_SIZE,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SUCCESS,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.copychunk import (
    COPYCHUNK_RESPONSE,
    CopyChunk,
    CopyChunkCopy,
    CopyChunkResponse,
    ResumeKeyResponse,
)
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.ioctl import IoctlRequest
from refserver.errors import StatusError
from refserver.server import locks
from refserver.server.granted import require
from refserver.server.pipes import Pipe
from refserver.server.read_write import write_at
from refserver.server.requests import Request
from refserver.server.state import Open

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["copy_chunks", "resume_key"]

# What Windows allows by default (MS-SMB2 3.3.3, ServerSideCopy*).
_MOST_CHUNKS = 256
_LARGEST_CHUNK = 1 << 20
_LARGEST_COPY = 16 << 20


def resume_key(server: "Server", request: Request, open_: Open, wanted: IoctlRequest) -> bytes:
    """FSCTL_SRV_REQUEST_RESUME_KEY: 24 bytes that name this open as the source of a copy (3.3.5.15.5)."""
    del server, request
    key = ResumeKeyResponse(open_.durable_file_id.to_bytes(8, "little") + bytes(16)).build()
    if wanted.max_output_response < len(key):
        raise StatusError(STATUS_INVALID_PARAMETER)
    return key


def copy_chunks(server: "Server", request: Request, open_: Open, wanted: IoctlRequest) -> tuple[int, bytes]:
    """FSCTL_SRV_COPYCHUNK and _WRITE (3.3.5.15.6): status and output.

    Raises:
        StatusError: without a response where nothing was copied, and none of the server's limits is the reason.
    """
    if wanted.max_output_response < COPYCHUNK_RESPONSE.size:
        raise StatusError(STATUS_INVALID_PARAMETER)
    try:
        asked = CopyChunkCopy.parse(wanted.input)
    except ParseError as error:
        raise StatusError(STATUS_INVALID_PARAMETER) from error
    source = _source(server, request, asked.source_key)
    _check(source, open_, wanted.ctl_code)
    sizes = [chunk.length for chunk in asked.chunks]
    if len(sizes) > _MOST_CHUNKS or any(not 0 < size <= _LARGEST_CHUNK for size in sizes) or sum(sizes) > _LARGEST_COPY:
        limits = CopyChunkResponse(_MOST_CHUNKS, _LARGEST_CHUNK, _LARGEST_COPY)
        return STATUS_INVALID_PARAMETER, limits.build()
    written = chunks = 0
    for chunk in asked.chunks:
        try:
            _copy(server, source, open_, chunk, request.now)
        except StatusError as error:
            return error.status, CopyChunkResponse(chunks, 0, written).build()
        written, chunks = written + chunk.length, chunks + 1
    return STATUS_SUCCESS, CopyChunkResponse(chunks, 0, written).build()


def _source(server: "Server", request: Request, key: bytes) -> Open:
    """The open of the same session that the key names."""
    source = server.global_open_table.get(int.from_bytes(key[:8], "little"))
    if source is None or source.session is not request.session or any(key[8:]):
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    return source


def _check(source: Open, target: Open, code: int) -> None:
    """3.3.5.15.6: COPYCHUNK wants to read what it has written, COPYCHUNK_WRITE does not."""
    require(source, AccessMask.FILE_READ_DATA | AccessMask.FILE_EXECUTE)
    require(target, AccessMask.FILE_WRITE_DATA | AccessMask.FILE_APPEND_DATA)
    if code == FsctlCode.SRV_COPYCHUNK and not target.granted_access & AccessMask.FILE_READ_DATA:
        raise StatusError(STATUS_ACCESS_DENIED)
    for open_ in (source, target):
        if open_.node.is_directory or isinstance(open_.node, Pipe):
            raise StatusError(STATUS_INVALID_DEVICE_REQUEST)


def _copy(server: "Server", source: Open, target: Open, chunk: CopyChunk, now: int) -> None:
    if chunk.source_offset + chunk.length > source.node.attributes().end_of_file:
        raise StatusError(STATUS_INVALID_VIEW_SIZE)
    locks.check_read(server, source, chunk.source_offset, chunk.length)
    data = source.node.read(chunk.source_offset, chunk.length)
    write_at(server, target, chunk.target_offset, data, now)
