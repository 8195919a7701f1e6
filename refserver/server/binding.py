"""SESSION_SETUP with the BINDING flag: one session over several connections (MS-SMB2 3.3.5.5, step 4 and 5)."""

from typing import TYPE_CHECKING

from parsers import ntstatus
from parsers.smb2.crypto import Signer, SigningAlgorithm, derive_keys, preauth_hash
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Flags
from parsers.smb2.negotiate import GlobalCapabilities
from parsers.smb2.session_setup import SessionFlags, SessionSetupRequest, SessionSetupResponse
from refserver.errors import StatusError
from refserver.gss.accepted import Accepted
from refserver.gss.acceptor import Acceptor
from refserver.server import send, sessions
from refserver.server.requests import Reply, Request
from refserver.server.state import Channel, Connection, PreauthSession, Session, SessionState

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["bind", "check_algorithm_of_channel", "check_signature"]


def bind(server: "Server", request: Request, setup: SessionSetupRequest) -> Reply:
    """One leg of a binding. Whatever goes wrong, the session stays as it was."""
    connection = request.connection
    session = _session_to_bind(server, request)
    request.session = session
    preauth = connection.preauth_session_table.get(session.session_id)
    if preauth is None:
        preauth = PreauthSession(session.session_id, connection.preauth_integrity_hash_value)
        preauth.acceptor = Acceptor(server.config, server.random)
        connection.preauth_session_table[session.session_id] = preauth
    value = preauth.preauth_integrity_hash_value
    preauth.preauth_integrity_hash_value = preauth_hash(previous=value, message=request.message)
    assert preauth.acceptor is not None  # it was made with the entry
    try:
        if len(session.channel_list) >= server.config.max_channels:
            raise StatusError(ntstatus.STATUS_INSUFFICIENT_RESOURCES)
        token, accepted = preauth.acceptor.step(setup.security_buffer, request.now)
        if accepted is None:
            body = SessionSetupResponse(SessionFlags(0), token).build()
            return Reply(ntstatus.STATUS_MORE_PROCESSING_REQUIRED, body)
        channel = _channel(request, session, preauth, setup, accepted)
    except StatusError:
        del connection.preauth_session_table[session.session_id]
        raise
    del connection.preauth_session_table[session.session_id]
    session.channel_list.append(channel)
    connection.session_table[session.session_id] = session
    flags = SessionFlags.ENCRYPT_DATA if session.encrypt_data else SessionFlags(0)
    return Reply(ntstatus.STATUS_SUCCESS, SessionSetupResponse(flags, token).build())


def _session_to_bind(server: "Server", request: Request) -> Session:
    """The session, after the checks of 3.3.5.5.

    The signature comes first, so that every refusal can be signed. Windows takes a client of another ClientGuid,
    which 3.3.5.5 allows to refuse.
    """
    connection = request.connection
    session = server.global_session_table.get(request.header.session_id)
    if session is None:
        raise StatusError(ntstatus.STATUS_USER_SESSION_DELETED)
    check_signature(request, session)
    _check_same_algorithm(connection, session)
    capable = connection.server_capabilities & GlobalCapabilities.MULTI_CHANNEL or server.config.multichannel
    if connection.dialect < Dialect.SMB_3_0 or not capable:
        raise StatusError(ntstatus.STATUS_REQUEST_NOT_ACCEPTED)
    if connection.dialect != session.connection.dialect or not request.header.flags & Flags.SIGNED:
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
    if connection.cipher_id != session.cipher_id:
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
    if session.state == SessionState.IN_PROGRESS:
        raise StatusError(ntstatus.STATUS_REQUEST_NOT_ACCEPTED)
    if session.state == SessionState.EXPIRED:
        raise StatusError(ntstatus.STATUS_NETWORK_SESSION_EXPIRED)
    if session.is_anonymous or session.is_guest:
        raise StatusError(ntstatus.STATUS_NOT_SUPPORTED)
    if session.session_id in connection.session_table:
        raise StatusError(ntstatus.STATUS_REQUEST_NOT_ACCEPTED)
    return session


def _check_same_algorithm(connection: Connection, session: Session) -> None:
    """AES-GMAC goes with no other signing algorithm; these are the codes of Windows, which asks this first."""
    old, new = session.signing_algorithm_id, connection.signing_algorithm_id
    if old == new:
        return
    if new == SigningAlgorithm.AES_GMAC:
        raise StatusError(ntstatus.STATUS_NOT_SUPPORTED)
    if old == SigningAlgorithm.AES_GMAC:
        raise StatusError(ntstatus.STATUS_REQUEST_OUT_OF_SEQUENCE)
    check_algorithm_of_channel(connection, session)


def check_algorithm_of_channel(connection: Connection, session: Session) -> None:
    """A bound channel with another signing algorithm than the session's is good for no further SESSION_SETUP.

    So it is in Windows and Samba; the specification has nothing on it.
    """
    is_channel = session.session_id in connection.session_table
    if is_channel and session.signing_key and connection.signing_algorithm_id != session.signing_algorithm_id:
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)


def check_signature(request: Request, session: Session) -> None:
    """Verify a signed request with the session's key, or the channel's where it is bound (3.3.5.2.4).

    Raises:
        StatusError: ACCESS_DENIED, which is signed then as any answer.
    """
    if not request.header.flags & Flags.SIGNED or request.encrypted:
        return
    signer = send.signer_of(session, request.connection)
    if signer is None:  # a guest, or a logon that is not complete
        return
    request.session, request.signed = session, True
    if not signer.verify(request.message):
        raise StatusError(ntstatus.STATUS_ACCESS_DENIED)


def _channel(
    request: Request, session: Session, preauth: PreauthSession, setup: SessionSetupRequest, accepted: Accepted
) -> Channel:
    """The new channel and its own signing key, if the same user stands behind it (3.3.5.5.3)."""
    connection = request.connection
    if accepted.session_key is None or not sessions.is_same_user(session, accepted.security_context):
        raise StatusError(ntstatus.STATUS_NOT_SUPPORTED)
    notified = connection.supports_notifications and bool(setup.capabilities & GlobalCapabilities.NOTIFICATIONS)
    if connection.dialect == Dialect.SMB_3_1_1 and notified != session.supports_notification:
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
    keys = derive_keys(
        dialect=connection.dialect,
        session_key=accepted.session_key,
        preauth_hash=preauth.preauth_integrity_hash_value,
    )
    signer = Signer(algorithm=connection.signing_algorithm_id, key=keys.signing)
    return Channel(connection, keys.signing, signer)
