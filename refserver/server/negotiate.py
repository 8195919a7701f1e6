"""NEGOTIATE, also by way of SMB1 (MS-SMB2 3.3.5.3, 3.3.5.4)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from parsers import ntstatus
from parsers.errors import ParseError
from parsers.smb2.crypto import Cipher, SigningAlgorithm, preauth_hash
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command, Flags, build_header
from parsers.smb2.multiprotocol import SMB_2_002, SMB_2_WILDCARD, MultiProtocolNegotiateRequest
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from parsers.smb2.negotiate_contexts import (
    CompressionCapabilities,
    CompressionFlags,
    EncryptionCapabilities,
    HashAlgorithm,
    NegotiateContext,
    PreauthIntegrityCapabilities,
    RdmaTransformCapabilities,
    SigningCapabilities,
)
from parsers.smb2.transform import CompressionAlgorithm
from parsers.times import ns_to_filetime
from refserver.errors import StatusError
from refserver.gss.acceptor import negotiate_token
from refserver.server.config import ServerConfig
from refserver.server.requests import Reply, Request
from refserver.server.sequence_window import SequenceWindow
from refserver.server.state import Connection

if TYPE_CHECKING:
    from refserver.server.server import Server

__all__ = ["multi_protocol", "negotiate"]

_UNDECIDED = 0xFFFF
_SMALL = 65536  # MaxTransactSize and the like of a dialect without multi-credit requests
_SALT_SIZE = 32  # as Windows has it, <287>
_AT_MOST_ONCE = (
    EncryptionCapabilities,
    CompressionCapabilities,
    RdmaTransformCapabilities,
    SigningCapabilities,
)

C = TypeVar("C")


def multi_protocol(server: "Server", connection: Connection, message: memoryview, now: int) -> None:
    """Answer an SMB1 NEGOTIATE that offers SMB2 (3.3.5.3).

    Raises:
        ParseError: it does not, or the time for it is over; the connection ends.
    """
    request = MultiProtocolNegotiateRequest.parse(message)
    if connection.negotiate_dialect != _UNDECIDED:
        raise ParseError("SMB1 after the dialect was chosen")
    dialects = server.config.dialects
    if SMB_2_WILDCARD in request.dialects and max(dialects) >= Dialect.SMB_2_1:
        dialect = Dialect.WILDCARD
    elif SMB_2_002 in request.dialects and Dialect.SMB_2_0_2 in dialects:
        dialect = Dialect.SMB_2_0_2
        connection.dialect = dialect
        _set_limits(server.config, connection)
    else:
        raise ParseError("no dialect of SMB2 is offered")
    connection.negotiate_dialect = dialect
    connection.server_capabilities = _capabilities(server.config, dialect, GlobalCapabilities(0))
    # The SMB1 request counts as MessageId 0; the SMB2 NEGOTIATE that may follow is 1 (3.2.4.2.2.1).
    connection.command_sequence_window = SequenceWindow(1)
    header = build_header(Command.NEGOTIATE, 0, flags=Flags.SERVER_TO_REDIR)
    answer = header + _response(server, connection, dialect, (), now).build()
    server.outgoing.append((connection.number, len(answer).to_bytes(4, "big") + answer))


def negotiate(server: "Server", request: Request) -> Reply:
    """Choose dialect, ciphers and the rest (3.3.5.4); a second NEGOTIATE ends the connection without an answer."""
    connection, config = request.connection, server.config
    if connection.negotiate_dialect not in (_UNDECIDED, Dialect.WILDCARD):
        server.drop(connection, request.now)
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
    offer = NegotiateRequest.parse(request.message)
    if not offer.dialects:
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
    common = set(offer.dialects) & set(config.dialects)
    if not common:
        raise StatusError(ntstatus.STATUS_NOT_SUPPORTED)
    dialect = Dialect(max(common))
    contexts = _negotiate_contexts(server, connection, offer, request) if dialect == Dialect.SMB_3_1_1 else ()
    connection.dialect = connection.negotiate_dialect = dialect
    connection.client_guid = offer.client_guid
    connection.client_capabilities = offer.capabilities
    connection.client_security_mode = offer.security_mode
    connection.client_dialects = tuple(int(one) for one in offer.dialects)
    connection.should_sign = bool(offer.security_mode & SecurityMode.SIGNING_REQUIRED)
    if dialect in (Dialect.SMB_3_0, Dialect.SMB_3_0_2) and offer.capabilities & GlobalCapabilities.ENCRYPTION:
        connection.cipher_id = Cipher.AES_128_CCM if config.ciphers else 0
    connection.server_capabilities = _capabilities(config, dialect, offer.capabilities)
    _set_limits(config, connection)
    response = _response(server, connection, dialect, contexts, request.now)
    return Reply(ntstatus.STATUS_SUCCESS, response.build())


def _response(
    server: "Server", connection: Connection, dialect: Dialect, contexts: tuple[NegotiateContext, ...], now: int
) -> NegotiateResponse:
    config = server.config
    mode = SecurityMode.SIGNING_ENABLED
    if config.require_message_signing:
        mode |= SecurityMode.SIGNING_REQUIRED
    connection.server_security_mode = mode
    return NegotiateResponse(
        mode,
        dialect,
        config.server_guid,
        connection.server_capabilities,
        connection.max_transact_size or _SMALL,
        connection.max_read_size or _SMALL,
        connection.max_write_size or _SMALL,
        ns_to_filetime(now),
        ns_to_filetime(config.start_time) if config.start_time else 0,
        negotiate_token(config),
        contexts,
    )


def _set_limits(config: ServerConfig, connection: Connection) -> None:
    """Sizes, and whether a request may cost more than one credit: not in 2.0.2 (3.3.5.4)."""
    large = connection.dialect != Dialect.SMB_2_0_2
    connection.supports_multi_credit = large
    connection.max_transact_size = config.max_transact_size if large else _SMALL
    connection.max_read_size = config.max_read_size if large else _SMALL
    connection.max_write_size = config.max_write_size if large else _SMALL
    if connection.dialect < Dialect.SMB_3_0:
        connection.signing_algorithm_id = SigningAlgorithm.HMAC_SHA256
    elif connection.dialect < Dialect.SMB_3_1_1:
        connection.signing_algorithm_id = SigningAlgorithm.AES_CMAC


def _capabilities(config: ServerConfig, dialect: Dialect, offered: GlobalCapabilities) -> GlobalCapabilities:
    """What the server can, of that what the dialect knows (2.2.4, 3.3.5.4)."""
    found = GlobalCapabilities(0)
    if dialect >= Dialect.SMB_2_1 and dialect != Dialect.WILDCARD:
        found |= GlobalCapabilities.LARGE_MTU
        found |= GlobalCapabilities.LEASING if config.leasing else GlobalCapabilities(0)
    if dialect == Dialect.WILDCARD:
        return found | GlobalCapabilities.LARGE_MTU
    if dialect >= Dialect.SMB_3_0:
        found |= _capabilities_of_3_0(config, dialect, offered)
    return found


def _capabilities_of_3_0(config: ServerConfig, dialect: Dialect, offered: GlobalCapabilities) -> GlobalCapabilities:
    """What came with 3.0 is there if the client has it as well; encryption of 3.1.1 stands in a context instead.

    Directories are not leased here.
    """
    known = GlobalCapabilities.PERSISTENT_HANDLES
    if config.multichannel:
        known |= GlobalCapabilities.MULTI_CHANNEL
    if dialect != Dialect.SMB_3_1_1 and config.ciphers:
        known |= GlobalCapabilities.ENCRYPTION
    if dialect == Dialect.SMB_3_1_1 and config.notifications:
        known |= GlobalCapabilities.NOTIFICATIONS
    return known & offered


# ----------------------------------------------------------------------------------------------- contexts of 3.1.1


def _negotiate_contexts(
    server: "Server", connection: Connection, offer: NegotiateRequest, request: Request
) -> tuple[NegotiateContext, ...]:
    """The answers to the client's contexts, and what they decide (3.3.5.4)."""
    preauth = list(_of_type(PreauthIntegrityCapabilities, offer.contexts))
    if len(preauth) != 1 or any(len(list(_of_type(kind, offer.contexts))) > 1 for kind in _AT_MOST_ONCE):
        raise StatusError(ntstatus.STATUS_INVALID_PARAMETER)
    if HashAlgorithm.SHA_512 not in preauth[0].hash_algorithms:
        raise StatusError(ntstatus.STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP)
    value = connection.preauth_integrity_hash_value
    connection.preauth_integrity_hash_value = preauth_hash(previous=value, message=request.message)
    connection.signing_algorithm_id = SigningAlgorithm.AES_CMAC  # where nothing else is agreed on
    connection.supports_notifications = server.config.notifications and bool(
        offer.capabilities & GlobalCapabilities.NOTIFICATIONS
    )
    answers: list[NegotiateContext] = [
        PreauthIntegrityCapabilities((HashAlgorithm.SHA_512,), server.random(_SALT_SIZE))
    ]
    for encryption in _of_type(EncryptionCapabilities, offer.contexts):
        connection.cipher_id = _first(server.config.ciphers, encryption.ciphers)
        answers.append(EncryptionCapabilities((Cipher(connection.cipher_id),)))
    compressions = _of_type(CompressionCapabilities, offer.contexts)
    answers.extend(_compression(server.config, connection, compression) for compression in compressions)
    for signing in _of_type(SigningCapabilities, offer.contexts):
        common = [one for one in server.config.signing_algorithms if one in signing.signing_algorithms]
        if common:
            connection.signing_algorithm_id = common[0]
            answers.append(SigningCapabilities((SigningAlgorithm(common[0]),)))
    return tuple(answers)


def _compression(
    config: ServerConfig, connection: Connection, offered: CompressionCapabilities
) -> CompressionCapabilities:
    """All common algorithms, in the order of the server; NONE if there are none."""
    chained = bool(offered.flags & CompressionFlags.CHAINED)
    common = [one for one in config.compression if one in offered.compression_algorithms]
    if not chained:
        common = [one for one in common if one != CompressionAlgorithm.PATTERN_V1]
    connection.compression_ids = tuple(common)
    connection.supports_chained_compression = chained and bool(common)
    flags = CompressionFlags.CHAINED if connection.supports_chained_compression else CompressionFlags(0)
    return CompressionCapabilities(flags, tuple(CompressionAlgorithm(one) for one in common or [0]))


def _first(preferred: Iterable[int], offered: Iterable[int]) -> int:
    """The first of the server's that the client has too; 0 says that there is none."""
    return next((one for one in preferred if one in tuple(offered)), 0)


def _of_type(kind: type[C], contexts: tuple[NegotiateContext, ...]) -> Iterable[C]:
    return (context for context in contexts if isinstance(context, kind))
