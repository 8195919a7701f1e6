"""SESSION_SETUP: new sessions and re-authentication (MS-SMB2 3.3.5.5).

A failed re-authentication destroys the session; a successful one keeps its keys.
"""

from typing import TYPE_CHECKING

from parsers import ntstatus
from parsers.smb2.crypto import Cipher, Signer, derive_keys, preauth_hash
from parsers.smb2.dialects import Dialect
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from refserver.errors import StatusError
from refserver.gss.accepted import Accepted
from refserver.gss.acceptor import Acceptor
from refserver.server import binding, expiration, sessions
from refserver.server.requests import Reply, Request
from refserver.server.state import Channel, Connection, Session, SessionState

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["session_setup"]

_SESSION_KEY_SIZE = 16
_LONG_KEYS = (Cipher.AES_256_CCM, Cipher.AES_256_GCM)


def session_setup(server: "Server", request: Request) -> Reply:
    """One leg of a logon, a binding or a re-authentication, in the order of 3.3.5.5."""
    setup = SessionSetupRequest.parse(request.message)
    if server.config.encrypt_data and server.config.reject_unencrypted_access:
        _check_can_encrypt(request.connection)
    if request.header.session_id == 0:
        session = _new(server, request)
    elif setup.flags & SessionSetupFlags.BINDING:
        return binding.bind(server, request, setup)
    else:
        session = _existing(request)
    request.session = session
    if session.session_key is None and request.connection.dialect == Dialect.SMB_3_1_1:
        value = session.preauth_integrity_hash_value
        session.preauth_integrity_hash_value = preauth_hash(previous=value, message=request.message)
    return _authenticate(server, request, session, setup)


def _check_can_encrypt(connection: Connection) -> None:
    """Steps 1 and 2: a client that cannot encrypt has no business here."""
    if connection.dialect < Dialect.SMB_3_0 or connection.cipher_id == 0:
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)


def _new(server: "Server", request: Request) -> Session:
    """3.3.5.5.1."""
    connection = request.connection
    session_id = sessions.new_session_id(server)
    session = Session(session_id, connection, request.now, request.now)
    session.session_global_id = session_id & 0xFFFF_FFFF
    session.cipher_id, session.signing_algorithm_id = connection.cipher_id, connection.signing_algorithm_id
    session.preauth_integrity_hash_value = connection.preauth_integrity_hash_value
    server.global_session_table[session_id] = session
    connection.session_table[session_id] = session
    return session


def _existing(request: Request) -> Session:
    """A further leg, or the start of a re-authentication (3.3.5.5.2)."""
    session = request.connection.session_table.get(request.header.session_id)
    if session is None:
        raise StatusError(ntstatus.STATUS_USER_SESSION_DELETED)
    request.session = session
    binding.check_algorithm_of_channel(request.connection, session)
    if session.encrypt_data and not request.encrypted:
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)
    if session.state == SessionState.EXPIRED:
        session.state = SessionState.IN_PROGRESS
        session.security_context = None
    return session


def _authenticate(server: "Server", request: Request, session: Session, setup: SessionSetupRequest) -> Reply:
    """3.3.5.5.3."""
    if session.acceptor is None:
        session.acceptor = Acceptor(server.config, server.random)
    try:
        token, accepted = session.acceptor.step(setup.security_buffer, request.now)
        if accepted is None:
            body = SessionSetupResponse(SessionFlags(0), token).build()
            return Reply(ntstatus.STATUS_MORE_PROCESSING_REQUIRED, body)
        _check_one_dialect(server, request.connection)
    except StatusError:
        sessions.log_off(server, session, request.now, last=request)
        raise
    session.acceptor = None
    _accept(server, request.connection, session, setup, accepted)
    _set_times(server, session, accepted, request.now)
    _replace_previous(server, session, setup, request.now)
    return Reply(ntstatus.STATUS_SUCCESS, SessionSetupResponse(_flags(session), token).build())


def _check_one_dialect(server: "Server", connection: Connection) -> None:
    """A client speaks one dialect on all of its connections (3.3.5.5.3); 2.0.2 has no ClientGuid to know it by."""
    for other in server.connections.values():
        same_client = other.client_guid == connection.client_guid and other.session_table
        if (
            same_client
            and other.dialect != connection.dialect
            and Dialect.SMB_2_0_2
            not in (
                other.dialect,
                connection.dialect,
            )
        ):
            raise StatusError(ntstatus.STATUS_USER_SESSION_DELETED)


def _accept(
    server: "Server", connection: Connection, session: Session, setup: SessionSetupRequest, accepted: Accepted
) -> None:
    """The session becomes Valid; keys and their use are decided once, by the first authentication."""
    first = not session.channel_list
    session.security_context = accepted.security_context
    session.user_name = accepted.security_context.user
    session.state = SessionState.VALID
    if not first:
        return
    session.is_guest, session.is_anonymous = accepted.is_guest, accepted.is_anonymous
    wants = bool(setup.capabilities & GlobalCapabilities.NOTIFICATIONS)
    session.supports_notification = wants and connection.supports_notifications
    if accepted.session_key is not None:
        _derive(session, connection, accepted.session_key)
        if server.on_keys is not None:
            server.on_keys(session)
        asked = bool(setup.security_mode & SecurityMode.SIGNING_REQUIRED)
        session.signing_required = asked or connection.should_sign or server.config.require_message_signing
    session.encrypt_data = server.config.encrypt_data and session.encryption_key is not None
    signer = None
    if session.signing_key is not None:
        signer = Signer(algorithm=connection.signing_algorithm_id, key=session.signing_key)
    session.channel_list.append(Channel(connection, session.signing_key or b"", signer))


def _derive(session: Session, connection: Connection, key: bytes) -> None:
    """Session keys of the GSS key (3.3.5.5.3, 3.3.1.8)."""
    cipher = connection.cipher_id or None
    keys = derive_keys(
        dialect=connection.dialect,
        session_key=key,
        preauth_hash=session.preauth_integrity_hash_value,
        cipher=cipher,
    )
    session.session_key = key[:_SESSION_KEY_SIZE].ljust(_SESSION_KEY_SIZE, b"\x00")
    session.full_session_key = key if cipher in _LONG_KEYS else None
    session.signing_key, session.application_key = keys.signing, keys.application
    if cipher is not None:
        session.encryption_key, session.decryption_key = keys.server_to_client, keys.client_to_server


def _set_times(server: "Server", session: Session, accepted: Accepted, now: int) -> None:
    """When the session ends: with the ticket, else after the configured time, else never (3.3.5.5.3)."""
    session.idle_time = now
    session.expiration_time = accepted.expiration
    if accepted.expiration is None and server.config.session_lifetime is not None:
        session.expiration_time = now + server.config.session_lifetime
    expiration.end_with_logon_hours(server, session, now)


def _replace_previous(server: "Server", session: Session, setup: SessionSetupRequest, now: int) -> None:
    """The session that the client had before a reconnect ends, if it is the same user's (3.3.5.5.3)."""
    previous = server.global_session_table.get(setup.previous_session_id)
    if previous is None or previous is session or previous.security_context is None:
        return
    if sessions.is_same_user(previous, session.security_context):
        sessions.lose(server, previous, now)


def _flags(session: Session) -> SessionFlags:
    if session.is_guest:
        return SessionFlags.IS_GUEST
    if session.is_anonymous:
        return SessionFlags.IS_NULL
    return SessionFlags.ENCRYPT_DATA if session.encrypt_data else SessionFlags(0)
