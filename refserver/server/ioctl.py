"""IOCTL (MS-SMB2 3.3.5.15): what the server does itself, and what it asks of a file (MS-FSA 2.1.5.10).

A handler of a control code gives the output buffer, or status and output where that is not success.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from parsers.errors import ParseError
from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL,
    STATUS_FS_DRIVER_REQUIRED,
    STATUS_INVALID_DEVICE_REQUEST,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import CompletionFilter
from parsers.smb2.create import FileAttributes
from parsers.smb2.dialects import Dialect
from parsers.smb2.file_id import FILE_ID_RELATED
from parsers.smb2.fsctl import (
    FsctlCode,
    NetworkResiliencyRequest,
    PipeWaitRequest,
    ValidateNegotiateRequest,
    ValidateNegotiateResponse,
)
from parsers.smb2.ioctl import IoctlFlags, IoctlRequest, IoctlResponse
from parsers.smb2.network_interface import build_network_interfaces
from refserver.errors import StatusError
from refserver.server import change_notify, durable, locks, oplocks, stamps
from refserver.server.copy_chunk import copy_chunks, resume_key
from refserver.server.fs_information import object_id
from refserver.server.granted import require
from refserver.server.pipes import Pipe, open_pipe
from refserver.server.requests import Reply, Request
from refserver.server.state import Open

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["ioctl"]

Answer: TypeAlias = bytes | tuple[int, bytes]
OfServer: TypeAlias = "Callable[[Server, Request, IoctlRequest], Answer]"
OfFile: TypeAlias = "Callable[[Server, Request, Open, IoctlRequest], Answer]"

_WITH_OUTPUT = (STATUS_SUCCESS, STATUS_BUFFER_OVERFLOW)
_RANGE_SIZE = 16
_LARGEST = (1 << 63) - 1


def ioctl(server: "Server", request: Request) -> Reply:
    """Handle an IOCTL."""
    wanted = IoctlRequest.parse(request.message)
    if not wanted.flags & IoctlFlags.IS_FSCTL:
        raise StatusError(STATUS_NOT_SUPPORTED)
    longest = request.connection.max_transact_size
    if max(len(wanted.input), wanted.max_output_response, wanted.max_input_response) > longest:
        raise StatusError(STATUS_INVALID_PARAMETER)
    answer = _answer(server, request, wanted)
    status, output = answer if isinstance(answer, tuple) else (STATUS_SUCCESS, answer)
    if len(output) > wanted.max_output_response:
        raise StatusError(STATUS_BUFFER_TOO_SMALL)
    return Reply(status, IoctlResponse(wanted.ctl_code, wanted.file_id, output).build())


def _answer(server: "Server", request: Request, wanted: IoctlRequest) -> Answer:
    of_server = _OF_SERVER.get(wanted.ctl_code)
    if of_server is not None:
        if wanted.file_id != FILE_ID_RELATED:  # these name no file (2.2.31)
            raise StatusError(STATUS_INVALID_PARAMETER)
        return of_server(server, request, wanted)
    open_ = server.open_of(request, wanted.file_id)
    of_file = _OF_FILE.get(wanted.ctl_code)
    if of_file is None:
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)
    if isinstance(open_.node, Pipe) and wanted.ctl_code not in _OF_PIPE:
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)
    return of_file(server, request, open_, wanted)


# ---------------------------------------------------------------------------------------------- the server


def _validate_negotiate(server: "Server", request: Request, wanted: IoctlRequest) -> bytes:
    """3.3.5.15.12: somebody has changed NEGOTIATE on its way if the two sides do not agree; the connection ends."""
    connection = request.connection
    try:
        asked = ValidateNegotiateRequest.parse(wanted.input)
    except ParseError:
        asked = None
    if (
        asked is None
        or connection.dialect == Dialect.SMB_3_1_1
        or asked.guid != connection.client_guid
        or asked.security_mode != connection.client_security_mode
        or asked.capabilities != connection.client_capabilities
        or tuple(asked.dialects) != tuple(connection.client_dialects)
    ):
        server.drop(connection, request.now)
        raise StatusError(STATUS_ACCESS_DENIED)
    dialect = Dialect(connection.dialect)
    return ValidateNegotiateResponse(
        connection.server_capabilities, server.config.server_guid, connection.server_security_mode, dialect
    ).build()


def _network_interfaces(server: "Server", request: Request, _: IoctlRequest) -> bytes:
    """3.3.5.15.11."""
    known = server.config.network_interfaces
    if request.connection.dialect < Dialect.SMB_3_0 or not server.config.multichannel or not known:
        raise StatusError(STATUS_NOT_SUPPORTED)
    return build_network_interfaces(known)


def _dfs_referrals(_: "Server", __: Request, ___: IoctlRequest) -> bytes:
    """3.3.5.15.2: no share here is in a DFS."""
    raise StatusError(STATUS_FS_DRIVER_REQUIRED)


def _pipe_wait(server: "Server", _: Request, wanted: IoctlRequest) -> bytes:
    """3.3.5.15: a pipe that exists can always be opened once more."""
    open_pipe(server, PipeWaitRequest.parse(wanted.input).name)
    return b""


# ---------------------------------------------------------------------------------------------- files


def _resiliency(server: "Server", request: Request, open_: Open, wanted: IoctlRequest) -> bytes:
    """3.3.5.15.9."""
    if request.connection.dialect < Dialect.SMB_2_1:
        raise StatusError(STATUS_INVALID_DEVICE_REQUEST)
    durable.request_resiliency(server, open_, NetworkResiliencyRequest.parse(wanted.input).timeout)
    return b""


def _object_id(server: "Server", _: Request, open_: Open, __: IoctlRequest) -> bytes:
    """FSCTL_CREATE_OR_GET_OBJECT_ID: the volume's identifier and the file's (MS-FSCC 2.3.1)."""
    store = server.open_files[open_.node].share.store
    assert store is not None  # pipes were sorted out
    volume = object_id(store.volume())
    own = open_.node.file_id.to_bytes(8, "little") + volume[:8]
    return own + volume + own + bytes(16)


def _get_compression(_: "Server", __: Request, ___: Open, ____: IoctlRequest) -> bytes:
    return bytes(2)  # COMPRESSION_FORMAT_NONE


def _set_compression(_: "Server", __: Request, open_: Open, wanted: IoctlRequest) -> bytes:
    require(open_, AccessMask.FILE_WRITE_DATA)
    if len(wanted.input) < 2:
        raise StatusError(STATUS_INVALID_PARAMETER)
    if wanted.input[:2] != bytes(2):
        raise StatusError(STATUS_NOT_SUPPORTED)
    return b""


def _set_sparse(server: "Server", request: Request, open_: Open, wanted: IoctlRequest) -> bytes:
    """FSCTL_SET_SPARSE (MS-FSCC 2.3.70): no input means yes."""
    require(open_, AccessMask.FILE_WRITE_DATA | AccessMask.FILE_WRITE_ATTRIBUTES | AccessMask.FILE_APPEND_DATA)
    if open_.node.is_directory:
        raise StatusError(STATUS_INVALID_PARAMETER)
    known = open_.node.attributes()
    known.attributes &= ~FileAttributes.SPARSE_FILE
    if not wanted.input or wanted.input[0]:
        known.attributes |= FileAttributes.SPARSE_FILE
    open_.node.set_attributes(known)
    change_notify.modified(server, open_, CompletionFilter.ATTRIBUTES, request.now)
    return b""


def _zero_data(server: "Server", request: Request, open_: Open, wanted: IoctlRequest) -> bytes:
    """FSCTL_SET_ZERO_DATA (MS-FSA 2.1.5.10.38)."""
    start, end = _two_numbers(wanted)
    require(open_, AccessMask.FILE_WRITE_DATA)
    if start > end or open_.node.is_directory:
        raise StatusError(STATUS_INVALID_PARAMETER)
    locks.check_write(server, open_, start, end - start)
    if start < end:
        oplocks.break_on_write(server, open_, request.now)
        open_.node.punch(start, end - start)
        stamps.was_written(open_, request.now)
        change_notify.content_changed(server, open_, grows=False, now=request.now)
    return b""


def _allocated_ranges(_: "Server", __: Request, open_: Open, wanted: IoctlRequest) -> Answer:
    """FSCTL_QUERY_ALLOCATED_RANGES (MS-FSA 2.1.5.10.22): a file that is not sparse has no holes to tell of."""
    start, length = _two_numbers(wanted)
    require(open_, AccessMask.FILE_READ_DATA)
    if open_.node.is_directory or start + length > _LARGEST:
        raise StatusError(STATUS_INVALID_PARAMETER)
    known = open_.node.attributes()
    if known.attributes & FileAttributes.SPARSE_FILE:
        ranges = open_.node.allocated(start, length)
    else:
        end = min(start + length, known.end_of_file)
        ranges = [(start, end - start)] if start < end else []
    room = wanted.max_output_response // _RANGE_SIZE
    if ranges and not room:
        raise StatusError(STATUS_BUFFER_TOO_SMALL)
    output = b"".join(number.to_bytes(8, "little") for one in ranges[:room] for number in one)
    return (STATUS_BUFFER_OVERFLOW if len(ranges) > room else STATUS_SUCCESS), output


def _two_numbers(wanted: IoctlRequest) -> tuple[int, int]:
    if len(wanted.input) < _RANGE_SIZE:
        raise StatusError(STATUS_INVALID_PARAMETER)
    first = int.from_bytes(wanted.input[:8], "little", signed=True)
    second = int.from_bytes(wanted.input[8:16], "little", signed=True)
    if first < 0 or second < 0:
        raise StatusError(STATUS_INVALID_PARAMETER)
    return first, second


# ---------------------------------------------------------------------------------------------- pipes


def _transceive(_: "Server", request: Request, open_: Open, wanted: IoctlRequest) -> Answer:
    """FSCTL_PIPE_TRANSCEIVE (3.3.5.15.10): write, and read what comes of it."""
    if not isinstance(open_.node, Pipe):
        raise StatusError(STATUS_NOT_SUPPORTED)
    open_.node.send(wanted.input, request.now)
    if not open_.node.messages:
        return b""
    data, more = open_.node.receive(wanted.max_output_response)
    return (STATUS_BUFFER_OVERFLOW if more else STATUS_SUCCESS), data


def _peek(_: "Server", __: Request, open_: Open, wanted: IoctlRequest) -> Answer:
    """FSCTL_PIPE_PEEK (MS-FSCC 2.3.46): state, sizes, and the first message, which stays."""
    if not isinstance(open_.node, Pipe):
        raise StatusError(STATUS_NOT_SUPPORTED)
    messages = open_.node.messages
    numbers = (3, sum(map(len, messages)), len(messages), len(messages[0]) if messages else 0)
    output = b"".join(number.to_bytes(4, "little") for number in numbers) + (messages[0] if messages else b"")
    if len(output) > wanted.max_output_response:
        return STATUS_BUFFER_OVERFLOW, output[: wanted.max_output_response]
    return output


_OF_SERVER: Mapping[int, OfServer] = {
    FsctlCode.VALIDATE_NEGOTIATE_INFO: _validate_negotiate,
    FsctlCode.QUERY_NETWORK_INTERFACE_INFO: _network_interfaces,
    FsctlCode.DFS_GET_REFERRALS: _dfs_referrals,
    FsctlCode.DFS_GET_REFERRALS_EX: _dfs_referrals,
    FsctlCode.PIPE_WAIT: _pipe_wait,
}
_OF_PIPE = (FsctlCode.PIPE_TRANSCEIVE, FsctlCode.PIPE_PEEK)
_OF_FILE: Mapping[int, OfFile] = {
    FsctlCode.SRV_REQUEST_RESUME_KEY: resume_key,
    FsctlCode.SRV_COPYCHUNK: copy_chunks,
    FsctlCode.SRV_COPYCHUNK_WRITE: copy_chunks,
    FsctlCode.LMR_REQUEST_RESILIENCY: _resiliency,
    FsctlCode.CREATE_OR_GET_OBJECT_ID: _object_id,
    FsctlCode.GET_OBJECT_ID: _object_id,
    FsctlCode.GET_COMPRESSION: _get_compression,
    FsctlCode.SET_COMPRESSION: _set_compression,
    FsctlCode.SET_SPARSE: _set_sparse,
    FsctlCode.SET_ZERO_DATA: _zero_data,
    FsctlCode.QUERY_ALLOCATED_RANGES: _allocated_ranges,
    FsctlCode.PIPE_TRANSCEIVE: _transceive,
    FsctlCode.PIPE_PEEK: _peek,
}
