"""LOGOFF, ECHO and CANCEL (MS-SMB2 3.3.5.6, 3.3.5.17, 3.3.5.16)."""

from typing import TYPE_CHECKING

from parsers import ntstatus
from parsers.smb2.header import Flags
from parsers.smb2.simple import SimpleBody
from refserver.server import sessions
from refserver.server.requests import Reply, Request

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["cancel", "echo", "logoff"]


def logoff(server: "Server", request: Request) -> Reply:
    """The session ends on all of its channels (3.3.5.6)."""
    SimpleBody.parse(request.message)
    assert request.session is not None  # LOGOFF needs a session
    sessions.log_off(server, request.session, request.now, last=request)
    return Reply(ntstatus.STATUS_SUCCESS, SimpleBody().build())


def echo(server: "Server", request: Request) -> Reply:  # noqa: ARG001  # the signature of handlers
    """3.3.5.17."""
    SimpleBody.parse(request.message)
    return Reply(ntstatus.STATUS_SUCCESS, SimpleBody().build())


def cancel(server: "Server", request: Request) -> None:  # noqa: ARG001  # the signature of handlers
    """End the request that is named by AsyncId or by MessageId, if it waits; a CANCEL has no response (3.3.5.16)."""
    connection, header = request.connection, request.header
    if header.flags & Flags.ASYNC_COMMAND:
        target = connection.async_command_list.get(header.async_id)
    else:
        target = connection.request_list.get(header.message_id)
    if target is not None and target.cancel is not None:
        withdraw, target.cancel = target.cancel, None
        withdraw()
