"""QUERY_DIRECTORY (MS-SMB2 3.3.5.18, MS-FSA 2.1.5.6.3).

A listing is what the directory held when it began; what has gone meanwhile is left out.
"""

from typing import TYPE_CHECKING

from parsers.errors import UnsupportedError
from parsers.ntstatus import (
    STATUS_BUFFER_OVERFLOW,
    STATUS_INFO_LENGTH_MISMATCH,
    STATUS_INVALID_INFO_CLASS,
    STATUS_INVALID_PARAMETER,
    STATUS_NO_MORE_FILES,
    STATUS_NO_SUCH_FILE,
    STATUS_OBJECT_NAME_INVALID,
    STATUS_SUCCESS,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.chain import link_entries
from parsers.smb2.create import FileAttributes
from parsers.smb2.directory_entries import DirectoryEntry, build_directory_entries
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest, QueryDirectoryResponse
from parsers.times import ns_to_filetime
from refserver.errors import StatusError
from refserver.server.file_information import ea_size
from refserver.server.granted import require
from refserver.server.patterns import LONGEST_PATTERN, Pattern
from refserver.server.requests import Reply, Request
from refserver.server.state import Open
from refserver.store.names import short_name
from refserver.store.store import Node

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["query_directory"]

_ALIGNMENT = 8  # of entries (MS-FSCC 2.4)
_NAMES_FIRST = QueryDirectoryFlags.RESTART_SCANS | QueryDirectoryFlags.REOPEN
_FORBIDDEN = frozenset("\\/:|") | frozenset(map(chr, range(0x20)))


def query_directory(server: "Server", request: Request) -> Reply:
    """Handle a QUERY_DIRECTORY."""
    wanted = QueryDirectoryRequest.parse(request.message)
    open_ = server.open_of(request, wanted.file_id)
    if not open_.node.is_directory or wanted.output_buffer_length > request.connection.max_transact_size:
        raise StatusError(STATUS_INVALID_PARAMETER)
    smallest = _smallest(wanted.file_information_class)
    require(open_, AccessMask.FILE_LIST_DIRECTORY)
    if len(wanted.file_name) > LONGEST_PATTERN or not _FORBIDDEN.isdisjoint(wanted.file_name):
        raise StatusError(STATUS_OBJECT_NAME_INVALID)
    first = _position(open_, wanted)
    if wanted.output_buffer_length < smallest:
        raise StatusError(STATUS_INFO_LENGTH_MISMATCH)
    entries, status = _take(open_, wanted)
    if not entries:
        raise StatusError(STATUS_NO_SUCH_FILE if first else STATUS_NO_MORE_FILES)
    output = link_entries(entries, _ALIGNMENT)[: wanted.output_buffer_length]
    return Reply(status, QueryDirectoryResponse(output).build())


def _smallest(information_class: int) -> int:
    """Bytes of an entry without a name; StatusError INVALID_INFO_CLASS."""
    try:
        return len(build_directory_entries(information_class, [DirectoryEntry(file_name="")]))
    except UnsupportedError as error:
        raise StatusError(STATUS_INVALID_INFO_CLASS) from error


def _position(open_: Open, wanted: QueryDirectoryRequest) -> bool:
    """Where the listing goes on, and of what (MS-SMB2 3.3.5.18); whether it is the first of this open."""
    first = open_.enumeration_search_pattern == "" or bool(wanted.flags & QueryDirectoryFlags.REOPEN)
    if first or (wanted.flags & QueryDirectoryFlags.RESTART_SCANS and wanted.file_name):
        open_.enumeration_search_pattern = wanted.file_name or "*"
    if first or wanted.flags & _NAMES_FIRST or open_.enumeration is None:
        finished = open_.enumeration is None and not first and not wanted.flags & _NAMES_FIRST
        open_.enumeration = [] if finished else _listing(open_)
        open_.enumeration_location = 0
    if wanted.flags & QueryDirectoryFlags.INDEX_SPECIFIED and wanted.file_index:
        open_.enumeration_location = min(wanted.file_index, len(open_.enumeration))
    return first


def _listing(open_: Open) -> list[tuple[str, Node]]:
    pattern = Pattern(open_.enumeration_search_pattern)
    # The directory's own parent is not told apart from it: what lies above may be out of the share.
    named: list[tuple[str, Node]] = [(".", open_.node), ("..", open_.node), *open_.node.children()]
    return [(name, node) for name, node in named if pattern.matches(name)]


def _take(open_: Open, wanted: QueryDirectoryRequest) -> tuple[list[bytes], int]:
    """The entries that fit, with which the listing has moved on; the first one is cut if it alone does not."""
    assert open_.enumeration is not None  # _position has made it
    entries: list[bytes] = []
    size = 0
    while open_.enumeration_location < len(open_.enumeration):
        name, node = open_.enumeration[open_.enumeration_location]
        entry = _entry(wanted.file_information_class, open_.enumeration_location + 1, name, node)
        if entry is not None:
            start = size + -size % _ALIGNMENT
            if start + len(entry) > wanted.output_buffer_length:
                if entries:
                    return entries, STATUS_SUCCESS
                open_.enumeration_location += 1
                return [entry], STATUS_BUFFER_OVERFLOW
            entries.append(entry)
            size = start + len(entry)
        open_.enumeration_location += 1
        if entries and wanted.flags & QueryDirectoryFlags.RETURN_SINGLE_ENTRY:
            return entries, STATUS_SUCCESS
    if not entries:
        open_.enumeration, open_.enumeration_location = None, 0  # a listing that has ended keeps nothing
    return entries, STATUS_SUCCESS


def _short_name(name: str) -> str:
    short = short_name(name)
    return short if "~" in short and name not in {".", ".."} else ""


def _entry(information_class: int, index: int, name: str, node: Node) -> bytes | None:
    """One entry; None for a file that has gone."""
    try:
        known = node.attributes()
    except StatusError:
        return None
    if not known.number_of_links:
        return None
    entry = DirectoryEntry(
        file_index=index,
        creation_time=ns_to_filetime(known.creation_time),
        last_access_time=ns_to_filetime(known.last_access_time),
        last_write_time=ns_to_filetime(known.last_write_time),
        change_time=ns_to_filetime(known.change_time),
        end_of_file=known.end_of_file,
        allocation_size=known.allocation_size,
        file_attributes=FileAttributes(known.attributes),
        ea_size=ea_size(known),
        short_name=_short_name(name),
        file_id=node.file_id,
        file_name=name,
    )
    return build_directory_entries(information_class, [entry])
