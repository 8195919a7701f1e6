"""What is checked before a command is handled, which handler it gets, and how its answer goes out (MS-SMB2 3.3.5.2).

The order of the checks is that of 3.3.5.2: signature, credit charge, compound, session, tree.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags
from parsers.smb2.lock import LockFlags, LockRequest
from refserver.errors import StatusError
from refserver.server import (
    binding,
    change_notify,
    close,
    create,
    ioctl,
    locks,
    negotiate,
    oplocks,
    query_directory,
    query_info,
    read_write,
    send,
    session_setup,
    set_info,
    simple,
    tree,
)
from refserver.server import credits as credit_window
from refserver.server.requests import Compound, Pending, Reply, Request
from refserver.server.state import Connection, Session, SessionState

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["HANDLERS", "Handler", "complete", "process"]

Handler: TypeAlias = "Callable[[Server, Request], Reply | Pending]"

HANDLERS: Mapping[int, Handler] = {
    Command.NEGOTIATE: negotiate.negotiate,
    Command.SESSION_SETUP: session_setup.session_setup,
    Command.LOGOFF: simple.logoff,
    Command.TREE_CONNECT: tree.tree_connect,
    Command.TREE_DISCONNECT: tree.tree_disconnect,
    Command.CREATE: create.create,
    Command.CLOSE: close.close,
    Command.FLUSH: read_write.flush,
    Command.READ: read_write.read,
    Command.WRITE: read_write.write,
    Command.LOCK: locks.lock,
    Command.IOCTL: ioctl.ioctl,
    Command.ECHO: simple.echo,
    Command.QUERY_DIRECTORY: query_directory.query_directory,
    Command.CHANGE_NOTIFY: change_notify.change_notify,
    Command.QUERY_INFO: query_info.query_info,
    Command.SET_INFO: set_info.set_info,
    Command.OPLOCK_BREAK: oplocks.acknowledge,
}

_WITHOUT_SESSION = (Command.NEGOTIATE, Command.SESSION_SETUP)
_WITHOUT_TREE = (*_WITHOUT_SESSION, Command.LOGOFF, Command.TREE_CONNECT, Command.ECHO)
_MAY_BE_UNSIGNED = (Command.NEGOTIATE, Command.SESSION_SETUP, Command.CANCEL)
# Whatever the state of the session is (3.3.5.2.9); ECHO is Samba's addition, whose tests ask for it.
_ALWAYS = (Command.LOGOFF, Command.CLOSE, Command.LOCK, Command.ECHO)
_RELATED = (1 << 64) - 1  # SessionId, and with 32 bits TreeId, of a related request (3.3.5.2.7.2)


def process(server: "Server", connection: Connection, requests: list[Request], now: int) -> None:
    """Handle what came in one message."""
    compound = Compound(requests)
    for request in requests:
        request.compound = compound
        if request.header.command != Command.CANCEL:
            connection.request_list[request.header.message_id] = request
    if requests:
        _run(server, connection, compound, now)


def _run(server: "Server", connection: Connection, compound: Compound, now: int) -> None:
    """Handle the requests of a compound in their order, up to its end or to one that has to wait."""
    compound.running = True
    while compound.next < len(compound.requests) and not connection.closed:
        request = compound.requests[compound.next]
        compound.next += 1
        result = _answer(server, request, compound)
        if isinstance(result, Reply):
            _finish(request, result)
        elif result is not None and not request.answered:
            request.cancel = result.cancel
            _wait(server, request, compound, now)
            break
    compound.running = False
    if not connection.closed:
        _flush(server, connection, compound)


def _inherit(compound: Compound, request: Request) -> None:
    """Session, tree and open of the request before, for a related one (3.3.5.2.7.2)."""
    if not request.header.flags & Flags.RELATED_OPERATIONS:
        return
    before = compound.requests[request.place - 1]
    header, tree_id = request.header, request.header.tree_id or 0
    session_id = before.header.session_id if header.session_id == _RELATED else header.session_id
    if before.session is not None and header.session_id == _RELATED:
        session_id = before.session.session_id
    if tree_id == _RELATED >> 32:
        tree_id = before.tree_connect.tree_id if before.tree_connect is not None else before.header.tree_id or 0
    request.header = header._replace(session_id=session_id, async_id=tree_id << 32)
    request.open, request.status_before = before.open, before.status
    if before.session is None and before.status:
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)


def _answer(server: "Server", request: Request, compound: Compound) -> Reply | Pending | None:
    """The answer to one request; None for a CANCEL, and where the connection had to be closed."""
    try:
        if request.header.flags & Flags.RELATED_OPERATIONS and request.place == 0:
            raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
        _inherit(compound, request)
        if request.header.command > Command.OPLOCK_BREAK:
            raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)  # within a compound; alone it ends the connection
        _check(server, request)
        if request.header.command == Command.CANCEL:
            simple.cancel(server, request)
            return None
        result = HANDLERS[request.header.command](server, request)
        if isinstance(result, Pending) and not request.answered:
            _check_waiting(server, request, result, compound)
        return result
    except StatusError as error:
        return None if request.header.command == Command.CANCEL else send.error_reply(request, error)
    except ParseError:
        return send.error_reply(request, StatusError(ntstatus.STATUS_INVALID_PARAMETER))


def _check_waiting(server: "Server", request: Request, pending: Pending, compound: Compound) -> None:
    """Refuse to wait for too many at once (3.3.4.2), or in the middle of a compound, but for a CREATE (3.3.5.2.7)."""
    status = 0
    if compound.next < len(compound.requests) and request.header.command != Command.CREATE:
        status = ntstatus.STATUS_INTERNAL_ERROR
    elif len(request.connection.async_command_list) >= server.config.max_async:
        status = ntstatus.STATUS_INSUFFICIENT_RESOURCES
    if status:
        request.answered = True  # so that what `cancel` completes it with is not sent
        pending.cancel()
        request.answered = False
        raise StatusError(status)


# ----------------------------------------------------------------------------------------------- checks


def _check(server: "Server", request: Request) -> None:
    """Find session and tree, and raise StatusError for whatever forbids the request."""
    header, connection = request.header, request.connection
    session = connection.session_table.get(header.session_id)
    _check_signature(server, request, session)
    credit_window.check_charge(connection, header, request.message)
    if header.command in _WITHOUT_SESSION:
        return
    if header.command in (Command.CANCEL, Command.ECHO) and not _names_session(request):
        return  # 3.3.5.16, 3.3.5.17
    if session is None or (request.encrypted and session is not request.sealed_by):
        raise StatusError(ntstatus.STATUS_USER_SESSION_DELETED)
    request.session = session
    session.idle_time = request.now
    if header.command == Command.CANCEL:
        return
    _check_session(server, request, session)
    if header.command in _WITHOUT_TREE:
        return
    request.tree_connect = session.tree_connect_table.get(header.tree_id or 0)
    if request.tree_connect is None:
        raise StatusError(ntstatus.STATUS_NETWORK_NAME_DELETED)  # 3.3.5.2.11
    if request.tree_connect.share.encrypt_data:
        _check_encrypted(server, request)


def _names_session(request: Request) -> bool:
    header = request.header
    if header.flags & Flags.SIGNED:
        return True
    return header.command == Command.ECHO and header.session_id != 0 and not request.encrypted


def _check_signature(server: "Server", request: Request, session: Session | None) -> None:
    """3.3.5.2.4. What was encrypted is not looked at; what binds a channel is verified when the session is found."""
    header = request.header
    if request.encrypted:
        return
    if not header.flags & Flags.SIGNED:
        if session is not None and session.signing_required and header.command not in _MAY_BE_UNSIGNED:
            request.session = session
            raise StatusError(ntstatus.STATUS_ACCESS_DENIED)
        return
    if header.command == Command.NEGOTIATE:
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
    if session is None:
        _recognise(request, server.global_session_table.get(header.session_id))
        if header.command != Command.SESSION_SETUP:
            raise StatusError(ntstatus.STATUS_USER_SESSION_DELETED)
        return
    binding.check_signature(request, session)


def _recognise(request: Request, session: Session | None) -> None:
    """Let a session that lives on other connections sign the refusal, if its key signed the request."""
    signer = None if session is None else send.signer_of(session, request.connection)
    if signer is not None and signer.verify(request.message):
        request.session, request.signed = session, True


def _check_session(server: "Server", request: Request, session: Session) -> None:
    """3.3.5.2.9."""
    if session.encrypt_data:
        _check_encrypted(server, request)
    if session.state == SessionState.EXPIRED and not _frees_something(request):
        raise StatusError(ntstatus.STATUS_NETWORK_SESSION_EXPIRED)
    if session.state == SessionState.IN_PROGRESS and request.header.command not in _ALWAYS:
        raise StatusError(ntstatus.SEC_E_UNSUPPORTED_FUNCTION)  # what Windows answers, <272>


def _frees_something(request: Request) -> bool:
    """What an expired session may still do: of LOCK, which 3.3.5.2.9 names, Windows means only the unlock."""
    if request.header.command != Command.LOCK:
        return request.header.command in _ALWAYS
    return all(lock.flags & LockFlags.UNLOCK for lock in LockRequest.parse(request.message).locks)


def _check_encrypted(server: "Server", request: Request) -> None:
    """Refuse what should have been encrypted (3.3.5.2.9, 3.3.5.2.11): always in 3.1.1, else if so configured."""
    strict = request.connection.dialect == Dialect.SMB_3_1_1 or server.config.reject_unencrypted_access
    if strict and not request.encrypted:
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)


# ----------------------------------------------------------------------------------------------- answers


def _finish(request: Request, reply: Reply) -> None:
    """Take the answer of a request into what is to be sent."""
    request.answered = True
    request.cancel = None
    request.status = reply.status
    request.connection.request_list.pop(request.header.message_id, None)
    request.connection.async_command_list.pop(request.async_id, None)
    assert request.compound is not None  # `process` has set it
    request.compound.replies.append((request, reply))


def _flush(server: "Server", connection: Connection, compound: Compound) -> None:
    replies, compound.replies = compound.replies, []
    if replies:
        send.send_replies(server, connection, replies)


def _wait(server: "Server", request: Request, compound: Compound, now: int) -> None:
    """Answers that are there go out; the waiting request gets its interim response, at once or after a while."""
    _flush(server, request.connection, compound)
    if server.config.interim_after:
        server.timers.at(now + server.config.interim_after, lambda _: _interim(server, request))
    else:
        _interim(server, request)


def _interim(server: "Server", request: Request) -> None:
    """3.3.4.2: the request becomes asynchronous. AsyncId is its MessageId, which no other request can have."""
    connection = request.connection
    if request.answered or connection.closed:
        return
    request.async_id = request.header.message_id
    connection.async_command_list[request.async_id] = request
    send.send_interim(server, request)


def complete(server: "Server", request: Request, reply: Reply | StatusError, now: int) -> None:
    """The answer of a request that waited; see `Server.complete`."""
    compound, connection = request.compound, request.connection
    if request.answered or compound is None:
        return
    _finish(request, send.error_reply(request, reply) if isinstance(reply, StatusError) else reply)
    if not compound.running and not connection.closed:
        _run(server, connection, compound, now)
