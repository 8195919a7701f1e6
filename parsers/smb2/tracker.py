"""Drives sessions by the messages that change them: NEGOTIATE, SESSION_SETUP, LOGOFF, TREE_CONNECT, TREE_DISCONNECT.

One tracker holds all SMB2 connections and sessions of a capture. Messages must come in the order of their completion.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from parsers import ntstatus
from parsers.smb2.crypto import preauth_hash
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, HeaderFixed
from parsers.smb2.keying import KeyFinder
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from parsers.smb2.negotiate_contexts import CompressionCapabilities, EncryptionCapabilities, SigningCapabilities
from parsers.smb2.session import Authentication, Channel, Session, SmbConnection, TreeConnect
from parsers.smb2.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from parsers.smb2.state import Event, State
from parsers.smb2.tree import TreeConnectRequest, TreeConnectResponse

__all__ = ["NO_SESSION_IDS", "SessionTracker"]

NO_SESSION_IDS = (0, 0xFFFF_FFFF_FFFF_FFFF)  # never given to a session (MS-SMB2 3.3.5.5.1)
# The request was turned away before authentication: a valid session goes on (MS-SMB2 3.3.5.2.4, 3.3.5.5).
_NOT_JUDGED = (
    ntstatus.STATUS_REQUEST_NOT_ACCEPTED,
    ntstatus.STATUS_ACCESS_DENIED,
    ntstatus.STATUS_INVALID_PARAMETER,
)
_MAX_PENDING = 4096  # unanswered setups or tree connects of one connection; a real client has a handful


class SessionTracker:
    """All sessions of a capture. `sessions[n].number == n`."""

    def __init__(self, keys: KeyFinder) -> None:
        self.connections: dict[int, SmbConnection] = {}
        self.sessions: list[Session] = []
        self.trees: list[TreeConnect] = []
        self._keys = keys
        self._by_server: dict[tuple[bytes | tuple[int, int], int], Session] = {}

    @staticmethod
    def handles(header: HeaderFixed) -> bool:
        """Whether messages with this header can change state here."""
        return (header.command, header.is_response) in _HANDLERS

    def handle(
        self, connection: SmbConnection, header: HeaderFixed, message: memoryview, frame: int, time: int
    ) -> None:
        """Take one message that `handles` accepts.

        Raises:
            ParseError: the body does not follow its specification; nothing has changed.
        """
        handler = _HANDLERS[header.command, header.is_response]
        handler(self, connection, header, message, frame, time)

    def session_of(self, connection: SmbConnection, session_id: int, frame: int) -> Session | None:
        """The session that `session_id` names on this connection at this frame.

        One that was never set up here is taken from another connection to the same server, also when it has ended:
        clients try whether it has. Or it is begun as unseen.
        """
        if session_id in NO_SESSION_IDS:
            return None
        instances = connection.sessions.get(session_id)
        if instances:
            return next((session for since, session in reversed(instances) if since <= frame), instances[0][1])
        known = self._by_server.get((self._server_key(connection), session_id))
        if known is None:
            known = self._begin(connection, session_id, frame)
        else:
            connection.sessions[session_id] = [(frame, known)]
        return known

    def sessions_of(
        self, connections: npt.NDArray[np.int64], session_ids: npt.NDArray[np.uint64], frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int64]:
        """The number of the session of each message, in columns; none of the ids may be in `NO_SESSION_IDS`."""
        numbers = np.empty(len(session_ids), np.int64)
        for connection, rows in _groups(connections):
            for identifier, inner in _groups(session_ids[rows]):
                mine = rows[inner]
                smb = self.connections[connection]
                self.session_of(smb, identifier, int(frames[mine[0]]))
                instances = smb.sessions[identifier]
                since = np.array([frame for frame, _ in instances])
                place = np.maximum(np.searchsorted(since, frames[mine], side="right") - 1, 0)
                numbers[mine] = np.array([session.number for _, session in instances])[place]
        return numbers

    def note_status(self, connection: SmbConnection, session: Session, status: int, time: int) -> None:
        """A response on this connection carried a status that tells of the session's state."""
        if status == ntstatus.STATUS_NETWORK_SESSION_EXPIRED:
            session.apply(Event.EXPIRED, time)
        elif status == ntstatus.STATUS_USER_SESSION_DELETED and _carries(connection, session):
            # On a connection that the session was not bound to, it says no more than that (MS-SMB2 3.3.5.2.9).
            session.apply(Event.DELETED, time, "deleted by the server (STATUS_USER_SESSION_DELETED)")

    # ------------------------------------------------------------------------------------ NEGOTIATE

    def _negotiate_request(
        self, connection: SmbConnection, _header: HeaderFixed, message: memoryview, _frame: int, _time: int
    ) -> None:
        connection.negotiate_request = NegotiateRequest.parse(message)
        # Only the SMB2 pair is hashed, also behind a multi-protocol negotiation (MS-SMB2 3.3.5.4).
        _extend_hash(connection, message)

    def _negotiate_response(
        self, connection: SmbConnection, header: HeaderFixed, message: memoryview, _frame: int, _time: int
    ) -> None:
        if header.status != ntstatus.STATUS_SUCCESS:
            return
        response = NegotiateResponse.parse(message)
        if response.dialect_revision == Dialect.WILDCARD:
            connection.multi_protocol = True
            return
        _extend_hash(connection, message)
        if connection.negotiate_request is None and not connection.multi_protocol:
            connection.preauth_integrity_hash_value = None
        connection.negotiate_response = response
        connection.dialect = response.dialect_revision
        for context in response.contexts:
            if isinstance(context, EncryptionCapabilities) and context.ciphers:
                connection.cipher = context.ciphers[0] or None
            elif isinstance(context, SigningCapabilities) and context.signing_algorithms:
                connection.signing_algorithm = context.signing_algorithms[0]
            elif isinstance(context, CompressionCapabilities):
                connection.compression = tuple(context.compression_algorithms)

    # ------------------------------------------------------------------------------------ SESSION_SETUP

    def _setup_request(
        self, connection: SmbConnection, header: HeaderFixed, message: memoryview, frame: int, time: int
    ) -> None:
        request = SessionSetupRequest.parse(message)
        authentication = connection.authentications.get(header.session_id)
        if authentication is None:
            begun = connection.preauth_integrity_hash_value if connection.negotiate_response is not None else None
            authentication = Authentication(begun or b"", time)
            if header.session_id == 0:
                authentication.new_session = True
                _remember(connection.pending_setups, header.message_id, authentication)
            else:
                self._setup_of_known(connection, header, request, authentication, frame)
        if not authentication.new_session:
            authentication.binding |= bool(request.flags & SessionSetupFlags.BINDING)
        if request.previous_session_id:
            authentication.previous_session_id = request.previous_session_id
        authentication.security_mode |= request.security_mode
        authentication.client_tokens.append(request.security_buffer)
        if authentication.preauth_hash:
            authentication.preauth_hash = preauth_hash(previous=authentication.preauth_hash, message=message)

    def _setup_of_known(
        self,
        connection: SmbConnection,
        header: HeaderFixed,
        request: SessionSetupRequest,
        authentication: Authentication,
        frame: int,
    ) -> None:
        """The first leg for a session that exists: a binding, a re-authentication, or a setup that began unseen."""
        connection.authentications[header.session_id] = authentication
        authentication.binding = bool(request.flags & SessionSetupFlags.BINDING)
        session = self.session_of(connection, header.session_id, frame)
        if session is not None and not authentication.binding:
            authentication.reauthentication = session.state in (State.VALID, State.EXPIRED)
            if not authentication.reauthentication:
                authentication.preauth_hash = b""  # the legs before, which gave the SessionId, were not seen

    def _setup_response(
        self, connection: SmbConnection, header: HeaderFixed, message: memoryview, frame: int, time: int
    ) -> None:
        session_id = header.session_id
        if header.status == ntstatus.STATUS_PENDING:
            return
        goes_on = header.status == ntstatus.STATUS_MORE_PROCESSING_REQUIRED
        succeeded = header.status == ntstatus.STATUS_SUCCESS
        response = SessionSetupResponse.parse(message) if goes_on or succeeded else None
        authentication = connection.pending_setups.pop(header.message_id, None)
        if authentication is None:
            authentication = connection.authentications.get(session_id)
        if session_id in NO_SESSION_IDS:
            return
        if authentication is None:
            authentication = Authentication(b"", time)  # its request is not in the capture
        if response is not None:
            _take_answer(authentication, response.security_buffer)
            session = self._session_of_setup(connection, authentication, header, frame)
            if succeeded:
                connection.authentications.pop(session_id, None)
                self._setup_succeeded(connection, session, authentication, response, message, time)
                return
            connection.authentications[session_id] = authentication
            if authentication.preauth_hash:
                authentication.preauth_hash = preauth_hash(previous=authentication.preauth_hash, message=message)
            if not authentication.binding:
                session.apply(Event.SETUP_CONTINUES, time)
            return
        connection.authentications.pop(session_id, None)
        session = self._session_of_setup(connection, authentication, header, frame)
        # On a connection that the session was not bound to, a refusal says no more than that (MS-SMB2 3.3.5.5).
        if not authentication.binding and _carries(connection, session):
            self._setup_refused(session, authentication, header.status, time)

    def _setup_refused(self, session: Session, authentication: Authentication, status: int, time: int) -> None:
        self._keys.describe(session, authentication)
        if authentication.reauthentication and status in _NOT_JUDGED:
            return
        what = "re-authentication" if authentication.reauthentication else "logon"
        session.apply(Event.SETUP_FAILS, time, f"{what} refused ({ntstatus.name(status)})")

    def _session_of_setup(
        self, connection: SmbConnection, authentication: Authentication, header: HeaderFixed, frame: int
    ) -> Session:
        """The session that these legs are about; the first answer to a leg without SessionId begins it."""
        if authentication.session is None:
            if authentication.new_session:
                authentication.session = self._begin(connection, header.session_id, frame)
            else:
                authentication.session = self.session_of(connection, header.session_id, frame)
        assert authentication.session is not None  # callers have excluded the ids that name no session
        if not authentication.binding:
            authentication.session.setup_status = header.status
        return authentication.session

    def _begin(self, connection: SmbConnection, session_id: int, frame: int) -> Session:
        session = Session(len(self.sessions), session_id, connection, first_frame=frame)
        session.channel_list.append(Channel(connection, None))
        _take_negotiated(session, connection)
        self.sessions.append(session)
        connection.sessions.setdefault(session_id, []).append((frame, session))
        self._by_server[self._server_key(connection), session_id] = session
        self._keys.prepare_unseen(session)
        return session

    def _setup_succeeded(
        self,
        connection: SmbConnection,
        session: Session,
        authentication: Authentication,
        response: SessionSetupResponse,
        message: memoryview,
        time: int,
    ) -> None:
        if authentication.binding:
            self._bind(connection, session, authentication, message, time)
            return
        if authentication.reauthentication or session.state in (State.VALID, State.EXPIRED):
            # Keys stay those of the first authentication (MS-SMB2 3.3.5.5.3).
            session.reauthentications += 1
            self._keys.describe(session, authentication)
            session.apply(Event.SETUP_SUCCEEDS, time)
            return
        if session.connection is not connection:  # it was seen elsewhere before its set-up
            session.connection, session.channel_list[0] = connection, Channel(connection, None)
            _take_negotiated(session, connection)
        session.creation_time = authentication.started
        session.previous_session_id = authentication.previous_session_id
        session.is_guest = bool(response.session_flags & SessionFlags.IS_GUEST)
        session.is_anonymous = bool(response.session_flags & SessionFlags.IS_NULL)
        session.encrypt_data = bool(response.session_flags & SessionFlags.ENCRYPT_DATA)
        session.signing_required = _signing_required(connection, session, authentication)
        session.supports_notification = _supports_notification(connection)
        session.preauth_integrity_hash_value = authentication.preauth_hash or None
        session.channel_list[0].bound = time
        session.apply(Event.SETUP_SUCCEEDS, time)
        self._keys.describe(session, authentication)
        self._keys.prepare(session, authentication)
        self._keys.prove_by_signature(session, message)
        self._replace_previous(connection, session, time)

    def _bind(
        self,
        connection: SmbConnection,
        session: Session,
        authentication: Authentication,
        message: memoryview,
        time: int,
    ) -> None:
        """Another connection carries the session from now on (MS-SMB2 3.3.5.5.2, 3.3.5.5.3)."""
        channel = Channel(connection, time)
        session.channel_list.append(channel)
        self._keys.prepare_channel(session, channel, authentication, message)

    def _replace_previous(self, connection: SmbConnection, session: Session, time: int) -> None:
        """PreviousSessionId: the client reconnected; the old session goes (MS-SMB2 3.3.5.5.3)."""
        previous = session.previous_session_id
        if not previous or previous == session.session_id:
            return
        old = self._by_server.get((self._server_key(connection), previous))
        if old is not None:
            old.apply(Event.REPLACED, time, f"replaced by session 0x{session.session_id:016x} (PreviousSessionId)")

    def _server_key(self, connection: SmbConnection) -> bytes | tuple[int, int]:
        """What tells servers apart: the ServerGuid (one server has many addresses), else the endpoint."""
        response = connection.negotiate_response
        return response.server_guid if response is not None else connection.server

    # ------------------------------------------------------------------------------------ LOGOFF, trees

    def _logoff_response(
        self, connection: SmbConnection, header: HeaderFixed, _message: memoryview, frame: int, time: int
    ) -> None:
        session = self.session_of(connection, header.session_id, frame)
        if session is not None and header.status == ntstatus.STATUS_SUCCESS:
            session.apply(Event.LOGGED_OFF, time, "logoff by the client")

    def _tree_request(
        self, connection: SmbConnection, header: HeaderFixed, message: memoryview, _frame: int, _time: int
    ) -> None:
        _remember(connection.pending_trees, header.message_id, TreeConnectRequest.parse(message).path)

    def _tree_response(
        self, connection: SmbConnection, header: HeaderFixed, message: memoryview, frame: int, time: int
    ) -> None:
        if header.status == ntstatus.STATUS_PENDING:
            return
        path = connection.pending_trees.pop(header.message_id, None)
        session = self.session_of(connection, header.session_id, frame)
        if session is None or header.status != ntstatus.STATUS_SUCCESS or header.tree_id is None:
            return
        response = TreeConnectResponse.parse(message)
        tree = TreeConnect(
            header.tree_id,
            session,
            path,
            response.share_type,
            response.share_flags,
            response.capabilities,
            response.maximal_access,
            time,
        )
        session.tree_connect_table.append(tree)
        self.trees.append(tree)

    def _tree_disconnect_response(
        self, connection: SmbConnection, header: HeaderFixed, _message: memoryview, frame: int, time: int
    ) -> None:
        session = self.session_of(connection, header.session_id, frame)
        if session is None or header.status != ntstatus.STATUS_SUCCESS:
            return
        for tree in reversed(session.tree_connect_table):
            if tree.tree_id == header.tree_id and tree.disconnected is None:
                tree.disconnected = time
                return


_Handler = Callable[[SessionTracker, SmbConnection, HeaderFixed, memoryview, int, int], None]
V = TypeVar("V")
_HANDLERS: dict[tuple[int, bool], _Handler] = {
    (Command.NEGOTIATE, False): SessionTracker._negotiate_request,  # noqa: SLF001  # the table belongs to the class
    (Command.NEGOTIATE, True): SessionTracker._negotiate_response,  # noqa: SLF001
    (Command.SESSION_SETUP, False): SessionTracker._setup_request,  # noqa: SLF001
    (Command.SESSION_SETUP, True): SessionTracker._setup_response,  # noqa: SLF001
    (Command.LOGOFF, True): SessionTracker._logoff_response,  # noqa: SLF001
    (Command.TREE_CONNECT, False): SessionTracker._tree_request,  # noqa: SLF001
    (Command.TREE_CONNECT, True): SessionTracker._tree_response,  # noqa: SLF001
    (Command.TREE_DISCONNECT, True): SessionTracker._tree_disconnect_response,  # noqa: SLF001
}


def _groups(values: npt.NDArray[Any]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """Each value with the rows that hold it, in order."""
    if len(values) == 0:
        return
    if bool((values == values[0]).all()):
        yield int(values[0]), np.arange(len(values))
        return
    small = values.astype(np.uint16) if int(values.max()) < 1 << 16 else values  # sixteen bits are sorted by counting
    order = np.argsort(small, kind="stable")
    ordered = values[order]
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    for first, last in pairwise([0, *edges.tolist(), len(order)]):
        yield int(ordered[first]), order[first:last]


def _carries(connection: SmbConnection, session: Session) -> bool:
    return any(channel.connection is connection for channel in session.channel_list)


def _take_negotiated(session: Session, connection: SmbConnection) -> None:
    session.dialect, session.cipher = connection.dialect, _cipher(connection)
    session.signing_algorithm = connection.signing_algorithm


def _take_answer(authentication: Authentication, token: bytes) -> None:
    """Each leg is a request and its answer: where one is missing, the hash over all of them is not known."""
    authentication.server_tokens.append(token)
    if len(authentication.server_tokens) != len(authentication.client_tokens):
        authentication.preauth_hash = b""


def _remember(pending: dict[int, V], message_id: int, value: V) -> None:
    if len(pending) >= _MAX_PENDING:
        del pending[next(iter(pending))]
    pending[message_id] = value


def _extend_hash(connection: SmbConnection, message: memoryview) -> None:
    previous = connection.preauth_integrity_hash_value
    if previous is not None:
        connection.preauth_integrity_hash_value = preauth_hash(previous=previous, message=message)


def _cipher(connection: SmbConnection) -> int | None:
    """3.0 and 3.0.2 know one cipher only, announced by a capability (MS-SMB2 3.3.5.4)."""
    if connection.dialect in (Dialect.SMB_3_0, Dialect.SMB_3_0_2) and connection.negotiate_response is not None:
        return 1 if connection.negotiate_response.capabilities & GlobalCapabilities.ENCRYPTION else None
    return connection.cipher


def _signing_required(connection: SmbConnection, session: Session, authentication: Authentication) -> bool | None:
    """Session.SigningRequired (MS-SMB2 3.3.5.5.3)."""
    if session.is_guest or session.is_anonymous:
        return False
    if authentication.security_mode & SecurityMode.SIGNING_REQUIRED:
        return True
    response = connection.negotiate_response
    return None if response is None else bool(response.security_mode & SecurityMode.SIGNING_REQUIRED)


def _supports_notification(connection: SmbConnection) -> bool | None:
    request, response = connection.negotiate_request, connection.negotiate_response
    if request is None or response is None:
        return None
    return bool(request.capabilities & response.capabilities & GlobalCapabilities.NOTIFICATIONS)
