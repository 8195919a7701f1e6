"""Sessions: logging on, again, on a further connection, and off (MS-SMB2 3.2.4.2.2, 3.2.4.2.3, 3.2.5.2, 3.2.5.3).

Each function is a script that a `Client` runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from parsers.errors import ParseError
from parsers.ntstatus import (
    SEC_E_INVALID_TOKEN,
    STATUS_ACCESS_DENIED,
    STATUS_INVALID_NETWORK_RESPONSE,
    STATUS_MORE_PROCESSING_REQUIRED,
    STATUS_SUCCESS,
)
from parsers.smb2.crypto import (
    Cipher,
    Decryptor,
    SessionKeys,
    Signer,
    SigningAlgorithm,
    derive_keys,
    preauth_hash,
)
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags
from parsers.smb2.negotiate import GlobalCapabilities, SecurityMode
from parsers.smb2.session_setup import SessionFlags, SessionSetupFlags, SessionSetupRequest, SessionSetupResponse
from refserver.client.calls import Call
from refserver.client.script import Steps, settled
from refserver.client.state import Channel, Request, Session
from refserver.errors import StatusError
from refserver.gss.initiator import Credential, Initiator

if TYPE_CHECKING:
    from refserver.client.client import Client
    from refserver.client.connection import Connection

__all__ = ["SetupFields", "bind", "reauthenticate", "session_setup"]


@dataclass(frozen=True, slots=True)
class SetupFields:
    """What stands in the SESSION_SETUP requests of one logon besides the token (2.2.5)."""

    flags: SessionSetupFlags
    security_mode: SecurityMode
    capabilities: GlobalCapabilities
    previous_session_id: int


@dataclass(slots=True)
class _Authentication:
    """What the legs of one logon came to."""

    last: Request[SessionSetupResponse]
    session_flags: SessionFlags
    key: bytes | None
    preauth_hash: bytes


def session_setup(
    client: "Client", credential: Credential, change: Callable[[SetupFields], SetupFields], previous_session_id: int
) -> Steps[Session]:
    """A new session (3.2.4.2.3, 3.2.5.3.1)."""
    session = Session(0, credential)
    fields = change(_fields(client, client.config.security_mode, previous_session_id=previous_session_id))
    authentication = yield _legs(client, session, credential, fields)
    flags = authentication.session_flags
    session.is_guest = bool(flags & SessionFlags.IS_GUEST)
    session.is_anonymous = bool(flags & SessionFlags.IS_NULL)
    channel = session.channels[client] = Channel(client)
    session.authenticated_at = client.timers.now
    if session.is_guest and (client.config.reject_guest or client.config.require_signing):
        client.close()  # 3.2.5.3.1: such a session cannot be signed
        raise StatusError(STATUS_ACCESS_DENIED)
    if authentication.key is not None and not session.is_guest and not session.is_anonymous:
        _take_keys(client, session, authentication)
        channel.signer = channel.setup_signer = _signer(client, session.keys)
        session.signing_required = client.config.require_signing or bool(
            client.server_security_mode & SecurityMode.SIGNING_REQUIRED
        )
        session.encrypt_data = bool(flags & SessionFlags.ENCRYPT_DATA)
        _check_last(client, session, channel, authentication.last)
    client.sessions[session.session_id] = session
    return session


def reauthenticate(
    client: "Client",
    session: Session,
    credential: Credential,
    change: Callable[[SetupFields], SetupFields],
    *,
    encrypt: bool | None,
    new_keys: bool,
) -> Steps[Session]:
    """A valid or expired session again (3.2.4.2.3.1, 3.2.5.3.2): its keys stay, unless `new_keys` deviates in that.

    Where it fails, the session is gone.
    """
    mode = SecurityMode.SIGNING_REQUIRED if session.signing_required else SecurityMode.SIGNING_ENABLED
    encrypted = session.encrypt_data if encrypt is None else encrypt
    legs = _legs(client, session, credential, change(_fields(client, mode)), encrypt=encrypted)
    outcome = yield settled(legs)
    if not outcome.succeeded:
        session.ended = True  # its keys stay: what is under way may still be answered
        raise StatusError(outcome.status)
    session.credential = credential
    session.expired = False
    session.authenticated_at = client.timers.now
    if new_keys:
        _take_keys(client, session, outcome.result)
        for connection, channel in session.channels.items():
            channel.signer = channel.setup_signer = _signer(connection, session.keys)
    return session


def bind(
    client: "Client", session: Session, credential: Credential, change: Callable[[SetupFields], SetupFields]
) -> Steps[Session]:
    """A further connection for a session (3.2.4.2.3, 3.2.5.3.3): signed with its key, later with an own one."""
    before = session.channels.get(client)
    channel = session.channels[client] = Channel(client, setup_signer=_signer(client, session.keys))
    fields = replace(_fields(client, client.config.security_mode), flags=SessionSetupFlags.BINDING)
    outcome = yield settled(_legs(client, session, credential, change(fields), sign=True))
    if not outcome.succeeded:
        del session.channels[client]
        if before is not None:
            session.channels[client] = before
        raise StatusError(outcome.status)
    authentication = outcome.result
    if authentication.key is None or authentication.session_flags & SessionFlags.IS_GUEST:
        raise StatusError(STATUS_INVALID_NETWORK_RESPONSE)
    keys = derive_keys(dialect=client.dialect, session_key=authentication.key, preauth_hash=authentication.preauth_hash)
    channel.signer = _signer(client, keys)
    _check_last(client, session, channel, authentication.last)
    client.sessions[session.session_id] = session
    return session


def _fields(client: "Client", mode: SecurityMode, previous_session_id: int = 0) -> SetupFields:
    capabilities = client.config.capabilities & GlobalCapabilities.DFS
    return SetupFields(SessionSetupFlags(0), mode, capabilities, previous_session_id)


def _legs(
    client: "Client",
    session: Session,
    credential: Credential,
    fields: SetupFields,
    *,
    sign: bool | None = None,
    encrypt: bool = False,
) -> Call[_Authentication]:
    """All requests of one logon; those of a first one begin with SessionId 0 and go on with the one that came back."""
    deviation = client.deviation

    def steps() -> Steps[_Authentication]:
        initiator = Initiator(credential.begin(client.random, client.timers.now))
        preauth, token = client.preauth_hash, initiator.first()
        while True:
            body = SessionSetupRequest(
                fields.flags, fields.security_mode, fields.capabilities, fields.previous_session_id, token
            ).build()
            request = Request(
                Command.SESSION_SETUP, body, SessionSetupResponse.parse, session=session, sign=sign, encrypt=encrypt
            )
            with client.deviating(deviation):
                client.submit(request)
            leg = yield settled(request)
            if leg.header is None or leg.status not in (STATUS_SUCCESS, STATUS_MORE_PROCESSING_REQUIRED):
                raise StatusError(leg.status)
            session.session_id = session.session_id or leg.header.session_id
            response = SessionSetupResponse.parse(leg.response)
            preauth = preauth_hash(previous=preauth, message=leg.message)
            try:
                if leg.status == STATUS_SUCCESS:
                    initiator.finish(response.security_buffer)
                    return _Authentication(leg, response.session_flags, initiator.session_key, preauth)
                preauth = preauth_hash(previous=preauth, message=leg.response)  # 3.1.1, success is not hashed
                token = initiator.answer(response.security_buffer)
            except ParseError as error:
                client.fault(f"the server's GSS token: {error.reason}")
                raise StatusError(SEC_E_INVALID_TOKEN) from None

    return client.run(steps())


def _take_keys(client: "Client", session: Session, authentication: _Authentication) -> None:
    """3.2.5.3.1: the keys of the session, and what is prepared from them."""
    assert authentication.key is not None
    session.session_key = authentication.key
    session.cipher = _cipher(client)
    session.keys = derive_keys(
        dialect=client.dialect,
        session_key=authentication.key,
        preauth_hash=authentication.preauth_hash,
        cipher=session.cipher,
    )
    if session.cipher is not None and session.keys.server_to_client is not None:
        session.decryptor = Decryptor(cipher=session.cipher, key=session.keys.server_to_client)


def _cipher(client: "Client") -> int | None:
    """The cipher of the connection's sessions; 3.0.x has one (3.1.4.3)."""
    if client.dialect == Dialect.SMB_3_1_1:
        return client.cipher_id or None
    if client.dialect >= Dialect.SMB_3_0 and client.server_capabilities & GlobalCapabilities.ENCRYPTION:
        return Cipher.AES_128_CCM
    return None


def _signer(client: "Connection", keys: SessionKeys | None) -> Signer | None:
    if keys is None:
        return None
    algorithm = client.signing_algorithm
    if algorithm is None:
        algorithm = SigningAlgorithm.AES_CMAC if client.dialect >= Dialect.SMB_3_0 else SigningAlgorithm.HMAC_SHA256
    return Signer(algorithm=algorithm, key=keys.signing)


def _check_last(client: "Client", session: Session, channel: Channel, last: Request[SessionSetupResponse]) -> None:
    """The signature of the response that completes a logon (3.2.5.3.1, 3.2.5.3.3): 3.1.1 demands it."""
    assert last.header is not None
    assert last.response is not None
    if last.header.flags & Flags.SIGNED:
        believed = channel.signer is not None and channel.signer.verify(last.response)
    else:
        believed = client.dialect != Dialect.SMB_3_1_1 and not session.signing_required
    if believed:
        return
    client.fault("the signature of the answer to SESSION_SETUP is wrong or missing")
    if client.config.drop_on_bad_signature:
        client.close()
    raise StatusError(STATUS_ACCESS_DENIED)
