"""SMB2 CREATE (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1).

A CREATE may have to wait for a client that caches: it is then tried again from the start, as everything may have
changed meanwhile.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_CANNOT_DELETE,
    STATUS_DELETE_PENDING,
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_A_DIRECTORY,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_SHARING_VIOLATION,
)
from parsers.smb2.access import AccessMask
from parsers.smb2.app_contexts import AppInstanceId
from parsers.smb2.change_notify import CompletionFilter, FileAction
from parsers.smb2.create import (
    CreateAction,
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    FileAttributes,
    OplockLevel,
)
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.lease import Lease, LeaseV2
from refserver.errors import StatusError
from refserver.server import access, change_notify, create_contexts, durable, handles, leases, oplocks, pipes, sharing
from refserver.server.create_request import check, path_of
from refserver.server.opened import created
from refserver.server.requests import Pending, Reply, Request
from refserver.server.state import Open, OpenFile, Session, Share, TreeConnect
from refserver.store.store import Node, Store
from refserver.store.tree import attribute_bits

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["create"]

_OVERWRITES = (CreateDisposition.SUPERSEDE, CreateDisposition.OVERWRITE, CreateDisposition.OVERWRITE_IF)
_NEEDS_FILE = (CreateDisposition.OPEN, CreateDisposition.OVERWRITE)
_NEW_CONTENT = CompletionFilter.SIZE | CompletionFilter.LAST_WRITE | CompletionFilter.ATTRIBUTES
_HIDING = FileAttributes.HIDDEN | FileAttributes.SYSTEM
_DIALECT_2_1, _DIALECT_3 = 0x0210, 0x0300


@dataclass(slots=True)
class _Plan:
    """One CREATE: what is asked for, and where."""

    request: Request
    asked: CreateRequest
    session: Session
    tree_connect: TreeConnect
    store: Store
    path: tuple[str, ...]
    lease: leases.LeaseContext | None
    again: bool = False

    @property
    def share(self) -> Share:
        return self.tree_connect.share

    @property
    def overwrites(self) -> bool:
        return self.asked.create_disposition in _OVERWRITES

    @property
    def deletes(self) -> bool:
        return bool(self.asked.create_options & CreateOptions.DELETE_ON_CLOSE)

    def wants(self, option: CreateOptions) -> bool:
        return bool(self.asked.create_options & option)


def create(server: "Server", request: Request) -> Reply | Pending:
    """Open or create a file, a directory or a pipe, or take up an open that its connection had lost.

    Raises:
        ParseError: the body is no CREATE request.
        StatusError: whatever stands against it.
    """
    asked = CreateRequest.parse(request.message)
    assert request.session is not None  # CREATE needs both
    assert request.tree_connect is not None
    durable.check_contexts(asked.contexts)
    reply = durable.reconnect(server, request, asked) or durable.replay(server, request, asked)
    if reply is not None:
        return reply
    check(asked)
    share = request.tree_connect.share
    if share.store is None:
        return _open_pipe(server, request, asked)
    path = path_of(request, asked)
    lease = _lease_asked(server, request, asked)
    plan = _Plan(request, asked, request.session, request.tree_connect, share.store, path, lease)
    create_contexts.check(asked.contexts)
    durable.end_other_instances(server, request, asked.contexts, request.now)
    result = _attempt(server, plan, request.now)
    if isinstance(result, Reply):
        return result
    plan.again = True
    return handles.wait(server, request, result, partial(_attempt, server, plan))


def _lease_asked(server: "Server", request: Request, asked: CreateRequest) -> leases.LeaseContext | None:
    """The lease that the client wants, where the dialect and the server know it (3.3.5.9, 3.3.5.9.11)."""
    dialect = request.connection.dialect
    if asked.requested_oplock_level != OplockLevel.LEASE or dialect < _DIALECT_2_1 or not server.config.leasing:
        return None
    kinds = Lease | LeaseV2 if dialect >= _DIALECT_3 else Lease
    return next((context for context in asked.contexts if isinstance(context, kinds)), None)


def _attempt(server: "Server", plan: _Plan, now: int) -> Reply | OpenFile:
    """Do it; the file to wait for where a client has to give up what it caches first."""
    try:
        node = plan.store.find(plan.path)
    except StatusError as error:
        if error.status != STATUS_OBJECT_NAME_NOT_FOUND or plan.asked.create_disposition in _NEEDS_FILE:
            raise
        return _create_new(server, plan, now)
    if plan.asked.create_disposition == CreateDisposition.CREATE:
        raise StatusError(STATUS_OBJECT_NAME_COLLISION)
    return _open_existing(server, plan, node, now)


# ---------------------------------------------------------------------------------------------- a new file


def _create_new(server: "Server", plan: _Plan, now: int) -> Reply:
    """MS-FSA 2.1.5.1.1."""
    asked = plan.asked
    allowed = access.maximal_access(plan.tree_connect, None)
    if not allowed & AccessMask.FILE_WRITE_DATA:
        raise StatusError(STATUS_ACCESS_DENIED)
    granted = access.granted_access(asked.desired_access, allowed)
    if plan.deletes and asked.file_attributes & FileAttributes.READONLY:
        raise StatusError(STATUS_CANNOT_DELETE)
    if plan.lease is not None:
        leases.find(server, plan.request.connection, plan.lease.lease_key, None)
    directory = plan.wants(CreateOptions.DIRECTORY_FILE)
    attributes = asked.file_attributes if directory else asked.file_attributes | FileAttributes.ARCHIVE
    node = plan.store.create(plan.path, directory=directory, attributes=attributes, now=now)
    create_contexts.apply(node, asked.contexts)
    create_contexts.protect(node, asked.contexts)
    _report_new(server, plan, node, now)
    return _open(server, plan, handles.file_of(server, node, plan.share), granted, CreateAction.CREATED, now)


def _report_new(server: "Server", plan: _Plan, node: Node, now: int) -> None:
    if node.stream_of is not None:
        action, name = FileAction.ADDED_STREAM, CompletionFilter.STREAM_NAME
    else:
        action = FileAction.ADDED
        name = CompletionFilter.DIR_NAME if node.is_directory else CompletionFilter.FILE_NAME
    change_notify.changed(server, plan.share, node.path, action, name, now)


# ---------------------------------------------------------------------------------------------- one that exists


def _open_existing(server: "Server", plan: _Plan, node: Node, now: int) -> Reply | OpenFile:
    """MS-FSA 2.1.5.1.2."""
    _check_kind(plan, node)
    file = handles.file_of(server, node, plan.share)
    if file.delete_pending:
        raise StatusError(STATUS_DELETE_PENDING)
    granted = _granted(plan, node)
    asked = plan.lease
    lease = None if asked is None else leases.find(server, plan.request.connection, asked.lease_key, node)
    was_open = bool(file.opens)
    violates = sharing.violates(server, file, granted, plan.asked.share_access)
    if oplocks.break_for_open(
        server,
        file,
        now,
        access=granted,
        lease=lease,
        overwrites=plan.overwrites,
        violates=violates,
        again=plan.again,
    ):
        return file
    if was_open and server.open_files.get(node) is not file:  # closed by the break, and perhaps deleted
        return _attempt(server, plan, now)
    if violates and sharing.violates(server, file, granted, plan.asked.share_access):
        raise StatusError(STATUS_SHARING_VIOLATION)
    action = CreateAction.OPENED
    if plan.overwrites:
        action = _overwrite(server, plan, node, now)
    return _open(server, plan, file, granted, action, now)


def _check_kind(plan: _Plan, node: Node) -> None:
    """Files and directories are not taken for each other, and a directory has no content to overwrite."""
    as_stream = bool(plan.path) and ":" in plan.path[-1]  # `name::$DATA`, which a directory has not
    if node.is_directory and (as_stream or plan.wants(CreateOptions.NON_DIRECTORY_FILE)):
        raise StatusError(STATUS_FILE_IS_A_DIRECTORY)
    if not node.is_directory and plan.wants(CreateOptions.DIRECTORY_FILE):
        raise StatusError(STATUS_NOT_A_DIRECTORY)
    if node.is_directory and plan.overwrites:
        directory = plan.wants(CreateOptions.DIRECTORY_FILE)
        raise StatusError(STATUS_INVALID_PARAMETER if directory else STATUS_OBJECT_NAME_COLLISION)


def _granted(plan: _Plan, node: Node) -> int:
    """The rights of the open (MS-FSA 2.1.5.1.2.1).

    Raises:
        StatusError: ACCESS_DENIED, CANNOT_DELETE.
    """
    allowed = access.maximal_access(plan.tree_connect, node)
    granted = access.granted_access(plan.asked.desired_access, allowed)
    existing = node.attributes().attributes
    if plan.deletes and existing & FileAttributes.READONLY:
        raise StatusError(STATUS_CANNOT_DELETE)
    if plan.overwrites:
        hidden = existing & _HIDING & ~plan.asked.file_attributes
        if hidden or not allowed & AccessMask.FILE_WRITE_DATA:
            raise StatusError(STATUS_ACCESS_DENIED)
    return granted


def _overwrite(server: "Server", plan: _Plan, node: Node, now: int) -> CreateAction:
    """Nothing of the old content stays; SUPERSEDE takes a new creation time too (MS-FSA 2.1.5.1.2)."""
    node.truncate(0)
    attributes = node.attributes()
    supersedes = plan.asked.create_disposition == CreateDisposition.SUPERSEDE
    bits = plan.asked.file_attributes | FileAttributes.ARCHIVE
    if not supersedes:
        bits |= FileAttributes(attributes.attributes)
    attributes.attributes = attribute_bits(bits & ~FileAttributes.NORMAL, directory=False)
    attributes.last_write_time = attributes.change_time = now
    attributes.ea = {}
    node.set_attributes(attributes)
    create_contexts.apply(node, plan.asked.contexts)
    change_notify.changed(server, plan.share, node.path, FileAction.MODIFIED, _NEW_CONTENT, now)
    return CreateAction.SUPERSEDED if supersedes else CreateAction.OVERWRITTEN


# ---------------------------------------------------------------------------------------------- the open


def _open(server: "Server", plan: _Plan, file: OpenFile, granted: int, action: CreateAction, now: int) -> Reply:
    """Enter the open with its oplock or lease, and make it durable if it can be (3.3.5.9)."""
    asked = plan.asked
    open_ = _new_open(server, plan.request, asked, file.node, granted)
    open_.create_action = action
    if action != CreateAction.OPENED and not file.node.is_directory:
        file.reserved = create_contexts.allocation(asked.contexts)
    if plan.deletes:
        open_.delete_on_close = True
    if not file.node.is_directory:
        if plan.lease is not None:
            leases.grant(server, plan.request.connection, file, open_, plan.lease)
        elif asked.requested_oplock_level != OplockLevel.LEASE:
            only_level_ii = plan.share.force_level2_oplock
            oplocks.grant(file, open_, asked.requested_oplock_level, only_level_ii=only_level_ii)
    handles.enter(server, open_, file)
    plan.request.open = open_
    if plan.deletes:
        oplocks.break_handles(server, open_, now)
    maximal = access.maximal_access(plan.tree_connect, file.node)
    contexts: list[CreateContext] = create_contexts.answers(plan.store, open_, maximal, asked.contexts)
    if not file.node.is_directory:
        contexts += durable.grant(server, open_, asked.contexts)
    return created(server, open_, action, contexts)


def _new_open(server: "Server", request: Request, asked: CreateRequest, node: Node, granted: int) -> Open:
    assert request.session is not None  # CREATE needs one
    instance = next((one.app_instance_id for one in asked.contexts if isinstance(one, AppInstanceId)), bytes(16))
    return Open(
        file_id=handles.unused_id(server, request.session.open_table),
        durable_file_id=handles.unused_id(server, server.global_open_table),
        session=request.session,
        tree_connect=request.tree_connect,
        connection=request.connection,
        node=node,
        granted_access=granted,
        share_access=asked.share_access,
        create_options=asked.create_options,
        path=asked.name,
        create_disposition=asked.create_disposition,
        file_attributes=asked.file_attributes,
        durable_owner=durable.owner(request.session),
        app_instance_id=instance,
        client_guid=request.connection.client_guid,
        channel_sequence=request.header.channel_sequence if request.connection.dialect >= _DIALECT_3 else 0,
    )


def _open_pipe(server: "Server", request: Request, asked: CreateRequest) -> Reply:
    """A new instance of a named pipe (3.3.5.9, Share is IPC$)."""
    assert request.tree_connect is not None  # CREATE needs one
    pipe = pipes.open_pipe(server, asked.name)
    granted = access.granted_access(asked.desired_access, access.ALL)
    open_ = _new_open(server, request, asked, pipe, granted)
    open_.create_action = CreateAction.OPENED
    handles.enter(server, open_, OpenFile(pipe, request.tree_connect.share))
    request.open = open_
    return created(server, open_, CreateAction.OPENED)
