"""SMB2 CLOSE (MS-SMB2 3.3.5.10)."""

from typing import TYPE_CHECKING

from parsers.ntstatus import STATUS_SUCCESS
from parsers.smb2.close_flush import CloseFlags, CloseRequest, CloseResponse
from parsers.smb2.create import FileAttributes
from parsers.times import ns_to_filetime
from refserver.server import handles
from refserver.server.requests import Reply, Request
from refserver.server.state import Open

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["close"]

_NOTHING = CloseResponse(CloseFlags(0), 0, 0, 0, 0, 0, 0, FileAttributes(0))


def close(server: "Server", request: Request) -> Reply:
    """Close the open, and tell what its file has become where the client asks for that.

    Raises:
        ParseError: the body is no CLOSE request.
        StatusError: FILE_CLOSED.
    """
    asked = CloseRequest.parse(request.message)
    open_ = server.open_of(request, asked.file_id)
    response = _attributes(open_) if asked.flags & CloseFlags.POSTQUERY_ATTRIB else _NOTHING
    handles.close_open(server, open_, request.now)
    return Reply(STATUS_SUCCESS, response.build())


def _attributes(open_: Open) -> CloseResponse:
    known = open_.node.attributes()
    return CloseResponse(
        CloseFlags.POSTQUERY_ATTRIB,
        ns_to_filetime(known.creation_time),
        ns_to_filetime(known.last_access_time),
        ns_to_filetime(known.last_write_time),
        ns_to_filetime(known.change_time),
        known.allocation_size,
        known.end_of_file,
        FileAttributes(known.attributes),
    )
