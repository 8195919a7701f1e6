"""The CREATE response, of a new open and of one that is taken up again (MS-SMB2 2.2.14, 3.3.5.9)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from parsers.ntstatus import STATUS_SUCCESS
from parsers.smb2.create import CreateAction, CreateResponse, CreateResponseFlags, FileAttributes, OplockLevel
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.file_id import FileId
from parsers.times import ns_to_filetime
from refserver.server import leases
from refserver.server.file_information import allocated
from refserver.server.requests import Reply
from refserver.server.state import Open

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["created"]


def created(server: "Server", open_: Open, action: int, contexts: Iterable[CreateContext] = ()) -> Reply:
    """What the client learns of its open; the lease comes behind the other `contexts`."""
    known = open_.node.attributes()
    lease = () if open_.lease is None else (leases.response(open_.lease),)
    response = CreateResponse(
        OplockLevel(open_.oplock_level) if open_.lease is None else OplockLevel.LEASE,
        CreateResponseFlags(0),
        CreateAction(action),
        ns_to_filetime(known.creation_time),
        ns_to_filetime(known.last_access_time),
        ns_to_filetime(known.last_write_time),
        ns_to_filetime(known.change_time),
        allocated(server, open_, known),
        known.end_of_file,
        FileAttributes(known.attributes),
        FileId(open_.durable_file_id, open_.file_id),
        (*contexts, *lease),
    )
    return Reply(STATUS_SUCCESS, response.build())
