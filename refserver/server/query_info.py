"""QUERY_INFO (MS-SMB2 3.3.5.20): which answer, who may have it, and what a client gets whose buffer is small."""

from typing import TYPE_CHECKING

from parsers.errors import ParseError
from parsers.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL,
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_INFO_CLASS,
    STATUS_INVALID_PARAMETER,
    STATUS_NO_EAS_ON_FILE,
    STATUS_NO_MORE_EAS,
    STATUS_NONEXISTENT_EA_ENTRY,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)
from parsers.smb2.dialects import Dialect
from parsers.smb2.extended_attributes import ExtendedAttribute, build_eas, parse_ea_names
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest, QueryInfoResponse
from refserver.errors import StatusError
from refserver.server.file_information import QUERIES
from refserver.server.fs_information import FS_QUERIES
from refserver.server.granted import require
from refserver.server.requests import Reply, Request
from refserver.server.security import selected
from refserver.server.state import Open

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["query_info"]


def query_info(server: "Server", request: Request) -> Reply:
    """Handle a QUERY_INFO."""
    wanted = QueryInfoRequest.parse(request.message)
    open_ = server.open_of(request, wanted.file_id)
    longest = request.connection.max_transact_size
    if wanted.output_buffer_length > longest or len(wanted.input) > longest:
        raise StatusError(STATUS_INVALID_PARAMETER)
    match wanted.info_type:
        case InfoType.FILE:
            return _file(server, request, open_, wanted)
        case InfoType.FILESYSTEM:
            return _file_system(server, open_, wanted)
        case InfoType.SECURITY:
            return _security(open_, wanted)
        case InfoType.QUOTA:
            raise StatusError(STATUS_NOT_SUPPORTED)
        case _:
            raise StatusError(STATUS_INVALID_PARAMETER)


def _file(server: "Server", request: Request, open_: Open, wanted: QueryInfoRequest) -> Reply:
    query = QUERIES.get(wanted.file_info_class)
    if query is None:
        raise StatusError(STATUS_INVALID_INFO_CLASS)
    normalized = wanted.file_info_class == FileInformationClass.FileNormalizedNameInformation
    if normalized and request.connection.dialect < Dialect.SMB_3_1_1:
        raise StatusError(STATUS_NOT_SUPPORTED)  # 3.3.5.20.1
    if query.access:
        require(open_, query.access)
    if wanted.output_buffer_length < query.smallest:
        raise StatusError(STATUS_INFO_LENGTH_MISMATCH)
    if wanted.file_info_class == FileInformationClass.FileFullEaInformation:
        return _extended_attributes(open_, wanted)
    return _cut(query.build(server, open_, open_.node.attributes()), wanted.output_buffer_length)


def _file_system(server: "Server", open_: Open, wanted: QueryInfoRequest) -> Reply:
    smallest, build = FS_QUERIES.get(wanted.file_info_class, (0, None))
    store = server.open_files[open_.node].share.store
    if build is None or store is None:
        raise StatusError(STATUS_INVALID_INFO_CLASS)
    if wanted.output_buffer_length < smallest:
        raise StatusError(STATUS_INFO_LENGTH_MISMATCH)
    return _cut(build(store.volume()), wanted.output_buffer_length)


def _cut(output: bytes, length: int) -> Reply:
    """What fits, and BUFFER_OVERFLOW where that is not all (3.3.5.20.1, 3.3.5.20.2)."""
    status = STATUS_BUFFER_OVERFLOW if len(output) > length else STATUS_SUCCESS
    return Reply(status, QueryInfoResponse(output[:length]).build())


def _security(open_: Open, wanted: QueryInfoRequest) -> Reply:
    """All or nothing, with the size that it takes (3.3.5.20.3)."""
    output = selected(open_, wanted.additional_information)
    if len(output) > wanted.output_buffer_length:
        raise StatusError(STATUS_BUFFER_TOO_SMALL, len(output).to_bytes(4, "little"))
    return Reply(STATUS_SUCCESS, QueryInfoResponse(output).build())


def _extended_attributes(open_: Open, wanted: QueryInfoRequest) -> Reply:
    """Those that the input names, or from where the last answer ended (MS-FSA 2.1.5.12.10)."""
    known = open_.node.attributes().ea
    if not known:
        raise StatusError(STATUS_NO_EAS_ON_FILE)
    attributes = [ExtendedAttribute(name, value) for name, value in known.items()]
    if wanted.input:
        attributes = _named(attributes, wanted.input)
        return _whole(build_eas(attributes), wanted.output_buffer_length)
    if wanted.flags & QueryInfoFlags.INDEX_SPECIFIED:
        start = wanted.additional_information - 1
        if not 0 <= start < len(attributes):
            raise StatusError(STATUS_NONEXISTENT_EA_ENTRY)
    else:
        start = 0 if wanted.flags & QueryInfoFlags.RESTART_SCAN else open_.current_ea_index
    return _listed(open_, wanted, attributes, start)


def _named(attributes: list[ExtendedAttribute], names: bytes) -> list[ExtendedAttribute]:
    """One entry for each name; the value of one that the file has not is empty."""
    by_name = {attribute.name.upper(): attribute for attribute in attributes}
    try:
        wanted = parse_ea_names(names)
    except ParseError as error:
        raise StatusError(STATUS_INVALID_PARAMETER) from error
    return [by_name.get(name.upper(), ExtendedAttribute(name, b"")) for name in wanted]


def _listed(open_: Open, wanted: QueryInfoRequest, attributes: list[ExtendedAttribute], start: int) -> Reply:
    if start >= len(attributes):
        open_.current_ea_index = 0
        raise StatusError(STATUS_NO_MORE_EAS)
    end = start + 1 if wanted.flags & QueryInfoFlags.RETURN_SINGLE_ENTRY else len(attributes)
    output = build_eas(attributes[start:end])
    while len(output) > wanted.output_buffer_length and end > start + 1:
        end -= 1
        output = build_eas(attributes[start:end])
    reply = _whole(output, wanted.output_buffer_length)
    open_.current_ea_index = end if end < len(attributes) else 0
    return reply


def _whole(output: bytes, length: int) -> Reply:
    if len(output) > length:
        raise StatusError(STATUS_BUFFER_TOO_SMALL, len(output).to_bytes(4, "little"))
    return Reply(STATUS_SUCCESS, QueryInfoResponse(output).build())
