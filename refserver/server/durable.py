"""Opens that outlive their connection (MS-SMB2 3.3.5.9.6 to 3.3.5.9.13): durable, persistent, or resilient."""

from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DUPLICATE_OBJECTID,
    STATUS_FILE_NOT_AVAILABLE,
    STATUS_INVALID_PARAMETER,
    STATUS_OBJECT_NAME_NOT_FOUND,
)
from parsers.smb2.app_contexts import AppInstanceId
from parsers.smb2.create import CreateAction, CreateRequest, OplockLevel
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.durable import (
    DurableFlags,
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
)
from parsers.smb2.header import Command, Flags
from parsers.smb2.lease import Lease, LeaseState, LeaseV2
from parsers.smb2.negotiate import GlobalCapabilities
from refserver.errors import StatusError
from refserver.server import handles
from refserver.server.opened import created
from refserver.server.requests import Reply, Request
from refserver.server.state import Open, Session
from refserver.store.names import fold

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["check_contexts", "end_other_instances", "grant", "owner", "reconnect", "replay", "request_resiliency"]

_DIALECT_3 = 0x0300
_V2 = (DurableRequestV2, DurableReconnectV2)
_ANY = (DurableRequest, DurableReconnect, *_V2)


def owner(session: Session) -> str:
    """Open.DurableOwner (3.3.1.10): who may take the open up again."""
    context = session.security_context
    return f"{context.domain}\\{context.user}".lower() if context else ""


def check_contexts(contexts: tuple[CreateContext, ...]) -> None:
    """Raise StatusError INVALID_PARAMETER for durable contexts that exclude each other (3.3.5.9.6 to 3.3.5.9.12)."""
    kinds = [type(context) for context in contexts if isinstance(context, _ANY)]
    if len(kinds) > 1 and (any(kind in _V2 for kind in kinds) or len(set(kinds)) < len(kinds)):
        raise StatusError(STATUS_INVALID_PARAMETER)


# ---------------------------------------------------------------------------------------------- asking


def grant(server: "Server", open_: Open, contexts: tuple[CreateContext, ...]) -> list[CreateContext]:
    """Make a new open durable if the client asks and its caching carries it (3.3.5.9.6, 3.3.5.9.10)."""
    assert open_.connection is not None  # a new open has it
    for context in contexts:
        if isinstance(context, DurableRequest) and _carries(open_):
            open_.is_durable, open_.durable_open_timeout = True, server.config.durable_v1_timeout
            return [DurableResponse()]
        if isinstance(context, DurableRequestV2) and open_.connection.dialect >= _DIALECT_3:
            open_.create_guid = context.create_guid
            return _grant_v2(server, open_, context)
    return []


def _carries(open_: Open) -> bool:
    """Whether the client keeps the handle to itself: a batch oplock, or a lease with handle caching."""
    if open_.lease is not None:
        return bool(open_.lease.lease_state & LeaseState.HANDLE_CACHING)
    return open_.oplock_level == OplockLevel.BATCH


def _grant_v2(server: "Server", open_: Open, asked: DurableRequestV2) -> list[CreateContext]:
    assert open_.connection is not None  # a new open has both
    assert open_.tree_connect is not None
    share, config = open_.tree_connect.share, server.config
    able = open_.connection.server_capabilities & GlobalCapabilities.PERSISTENT_HANDLES and share.continuously_available
    open_.is_persistent = bool(able and asked.flags & DurableFlags.PERSISTENT)
    if not (open_.is_persistent or _carries(open_)):
        return []
    open_.is_durable = True
    wanted = asked.timeout or share.ca_timeout or config.durable_v2_timeout
    open_.durable_open_timeout = min(wanted, config.max_durable_timeout)
    flags = DurableFlags.PERSISTENT if open_.is_persistent else DurableFlags(0)
    return [DurableResponseV2(open_.durable_open_timeout, flags)]


def request_resiliency(server: "Server", open_: Open, timeout: int) -> None:
    """FSCTL_LMR_REQUEST_RESILIENCY (3.3.5.15.9); `timeout` in milliseconds, 0 leaves it to the server.

    Raises:
        StatusError: INVALID_PARAMETER for a timeout that is too long.
    """
    if timeout > server.config.max_resilient_timeout:
        raise StatusError(STATUS_INVALID_PARAMETER)
    open_.is_durable = False
    open_.is_resilient = True
    open_.resilient_open_timeout = timeout or server.config.resilient_timeout


def end_other_instances(server: "Server", request: Request, contexts: tuple[CreateContext, ...], now: int) -> None:
    """An application that has moved to another client loses what the old one has open (3.3.5.9.13)."""
    identifier = next((one.app_instance_id for one in contexts if isinstance(one, AppInstanceId)), bytes(16))
    if not any(identifier):
        return
    for open_ in list(server.global_open_table.values()):
        if open_.app_instance_id == identifier and open_.client_guid != request.connection.client_guid:
            handles.close_open(server, open_, now)


# ---------------------------------------------------------------------------------------------- coming back


def reconnect(server: "Server", request: Request, asked: CreateRequest) -> Reply | None:
    """Give the client its open again; None where it does not ask for one (3.3.5.9.7, 3.3.5.9.12).

    All else that the request asks for is ignored, as the open keeps what it was created with.

    Raises:
        StatusError: OBJECT_NAME_NOT_FOUND, ACCESS_DENIED, INVALID_PARAMETER.
    """
    context = next((one for one in asked.contexts if isinstance(one, DurableReconnect | DurableReconnectV2)), None)
    if context is None:
        return None
    open_ = server.global_open_table.get(context.file_id.persistent)
    if open_ is None or open_.session is not None:
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    if isinstance(context, DurableReconnectV2) and open_.create_guid != context.create_guid:
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    _check_lease(request, asked, open_)
    assert request.session is not None  # CREATE needs one
    assert request.tree_connect is not None
    file = server.open_files[open_.node]
    if open_.durable_owner != owner(request.session):
        raise StatusError(STATUS_ACCESS_DENIED)
    if file.share is not request.tree_connect.share:
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    handles.join(server, open_, request)
    request.open = open_
    again = any(isinstance(one, DurableRequest) for one in asked.contexts)
    return created(server, open_, CreateAction.OPENED, [DurableResponse()] if again else [])


def _check_lease(request: Request, asked: CreateRequest, open_: Open) -> None:
    """An open with a lease comes back with the lease, under its name, to the same client (3.3.5.9.7)."""
    lease = next((one for one in asked.contexts if isinstance(one, Lease | LeaseV2)), None)
    if open_.lease is None:
        if lease is not None:
            raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
        return
    if lease is None or lease.lease_key != open_.lease.lease_key:
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    if open_.client_guid != request.connection.client_guid:
        raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
    if fold(asked.name) != fold("\\".join(open_.node.path)):
        raise StatusError(STATUS_INVALID_PARAMETER)


def replay(server: "Server", request: Request, asked: CreateRequest) -> Reply | None:
    """The answer to a CREATE that was done before and whose response was lost; None for a new one (3.3.5.9.10).

    Raises:
        StatusError: DUPLICATE_OBJECTID where the client does not say that it repeats itself, ACCESS_DENIED where the
            repetition does not fit the open, FILE_NOT_AVAILABLE where the first request still waits.
    """
    context = next((one for one in asked.contexts if isinstance(one, DurableRequestV2)), None)
    if context is None:
        return None
    open_ = _created_with(server, request, context.create_guid)
    if open_ is None:
        if request.header.flags & Flags.REPLAY_OPERATION and _is_waiting(server, request, context.create_guid):
            raise StatusError(STATUS_FILE_NOT_AVAILABLE)
        return None
    if not request.header.flags & Flags.REPLAY_OPERATION:
        raise StatusError(STATUS_DUPLICATE_OBJECTID)
    assert request.session is not None  # CREATE needs one
    if open_.durable_owner != owner(request.session):
        raise StatusError(STATUS_ACCESS_DENIED)
    lease = next((one for one in asked.contexts if isinstance(one, Lease | LeaseV2)), None)
    if (lease.lease_key if lease else None) != (open_.lease.lease_key if open_.lease else None):
        raise StatusError(STATUS_ACCESS_DENIED)
    if open_.session is None:
        handles.join(server, open_, request)
    open_.connection = request.connection
    request.open = open_
    flags = DurableFlags.PERSISTENT if open_.is_persistent else DurableFlags(0)
    granted = [DurableResponseV2(open_.durable_open_timeout, flags)] if open_.is_durable else []
    return created(server, open_, open_.create_action, granted)


def _created_with(server: "Server", request: Request, guid: bytes) -> Open | None:
    for open_ in server.global_open_table.values():
        if open_.create_guid == guid and open_.client_guid == request.connection.client_guid:
            return open_
    return None


def _is_waiting(server: "Server", request: Request, guid: bytes) -> bool:
    """Whether another CREATE of the client with the same CreateGuid waits on any of its connections."""
    connections = [
        connection
        for connection in server.connections.values()
        if connection.client_guid == request.connection.client_guid
    ]
    return any(
        other is not request and other.header.command == Command.CREATE and guid in bytes(other.message)
        for connection in connections
        for other in connection.request_list.values()
    )
