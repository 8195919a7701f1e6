"""NEGOTIATE, in SMB2 or begun in SMB1 (MS-SMB2 3.2.4.2.2, 3.2.5.2), and its validation (3.2.5.5)."""

from typing import TYPE_CHECKING

from parsers.ntstatus import STATUS_ACCESS_DENIED, STATUS_INVALID_NETWORK_RESPONSE, STATUS_NOT_SUPPORTED
from parsers.smb2.crypto import preauth_hash
from parsers.smb2.dialects import Dialect
from parsers.smb2.file_id import FILE_ID_RELATED
from parsers.smb2.fsctl import FsctlCode, ValidateNegotiateRequest, ValidateNegotiateResponse
from parsers.smb2.header import Command
from parsers.smb2.ioctl import IoctlRequest, IoctlResponse
from parsers.smb2.multiprotocol import (
    SMB1_PROTOCOL_ID,
    SMB_2_002,
    SMB_2_WILDCARD,
    MultiProtocolNegotiateRequest,
)
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse
from parsers.smb2.negotiate_contexts import (
    CompressionCapabilities,
    CompressionFlags,
    EncryptionCapabilities,
    HashAlgorithm,
    NegotiateContext,
    NetnameContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from refserver.client.script import Steps, settled
from refserver.client.state import Request, TreeConnect
from refserver.errors import StatusError

if TYPE_CHECKING:
    from refserver.client.client import Client

__all__ = ["negotiate", "validate"]

_SALT_SIZE = 32
_SMB1_HEADER = SMB1_PROTOCOL_ID + b"\x72" + bytes(4) + b"\x18\x53\xc8" + bytes(12) + b"\xff\xff\xff\xfe" + bytes(4)


def negotiate(client: "Client", *, multi_protocol: bool) -> Steps[NegotiateResponse]:
    """Agree on a dialect and what belongs to it; `multi_protocol` begins in SMB1, as old clients do (3.2.4.2.2.1)."""
    if multi_protocol:
        response: NegotiateResponse = yield from _begin_in_smb1(client)
        if response.dialect_revision != Dialect.WILDCARD:
            return response
    body = NegotiateRequest(
        client.config.security_mode,
        client.config.capabilities,
        client.config.client_guid,
        client.config.dialects,
        _contexts(client) if Dialect.SMB_3_1_1 in client.config.dialects else (),
    ).build()
    request = Request(Command.NEGOTIATE, body, NegotiateResponse.parse)
    response = yield client.submit(request)
    _check_offered(client, "dialect", response.dialect_revision, client.config.dialects)
    _apply(client, response)
    if client.dialect == Dialect.SMB_3_1_1:
        assert request.response is not None
        client.preauth_hash = preauth_hash(previous=client.preauth_hash, message=request.message)
        client.preauth_hash = preauth_hash(previous=client.preauth_hash, message=request.response)
        _apply_contexts(client, response.contexts)
    return response


def validate(client: "Client", tree_connect: TreeConnect) -> Steps[None]:
    """FSCTL_VALIDATE_NEGOTIATE_INFO: did somebody change the NEGOTIATE (3.2.5.5)? The connection ends if so.

    Raises:
        StatusError: ACCESS_DENIED, if the server says something else than it did then.
    """
    asked = ValidateNegotiateRequest(
        client.config.capabilities, client.config.client_guid, client.config.security_mode, client.config.dialects
    ).build()
    ioctl = IoctlRequest(FsctlCode.VALIDATE_NEGOTIATE_INFO, FILE_ID_RELATED, asked, 0, 24)
    session = tree_connect.session
    request = Request(
        Command.IOCTL, ioctl.build(), IoctlResponse.parse, session=session, tree_connect=tree_connect, sign=True
    )
    answer = yield settled(client.submit(request))
    if answer.status == STATUS_NOT_SUPPORTED:  # an old server, whose signed refusal proves as much (3.2.5.14.12)
        return
    got = ValidateNegotiateResponse.parse(answer.result.output)
    said = (client.server_capabilities, client.server_guid, client.server_security_mode, client.dialect)
    if (got.capabilities, got.guid, got.security_mode, got.dialect) != said:
        client.fault("the server's NEGOTIATE was changed on its way")
        client.close()
        raise StatusError(STATUS_ACCESS_DENIED)


def _begin_in_smb1(client: "Client") -> Steps[NegotiateResponse]:
    strings = ["NT LM 0.12", SMB_2_002]
    if max(client.config.dialects) > Dialect.SMB_2_0_2:
        strings.append(SMB_2_WILDCARD)
    request = Request(Command.NEGOTIATE, b"", NegotiateResponse.parse)
    client.submit_raw(request, _SMB1_HEADER + MultiProtocolNegotiateRequest(tuple(strings)).build())
    response: NegotiateResponse = yield request
    if response.dialect_revision != Dialect.WILDCARD:
        _apply(client, response)
    return response


def _contexts(client: "Client") -> tuple[NegotiateContext, ...]:
    """What 3.1.1 negotiates besides (3.2.4.2.2.2)."""
    config = client.config
    contexts: list[NegotiateContext] = [
        PreauthIntegrityCapabilities((HashAlgorithm.SHA_512,), client.random(_SALT_SIZE))
    ]
    if config.ciphers:
        contexts.append(EncryptionCapabilities(config.ciphers))
    if config.compression_algorithms:
        flags = CompressionFlags.CHAINED if config.chained_compression else CompressionFlags(0)
        contexts.append(CompressionCapabilities(flags, config.compression_algorithms))
    if config.signing_algorithms:
        contexts.append(SigningCapabilities(config.signing_algorithms))
    contexts.append(NetnameContext(config.server_name))
    return tuple(contexts)


def _apply(client: "Client", response: NegotiateResponse) -> None:
    """3.2.5.2."""
    client.dialect = response.dialect_revision
    client.server_guid = response.server_guid
    client.server_security_mode = response.security_mode
    client.server_capabilities = response.capabilities
    client.max_transact_size = response.max_transact_size
    client.max_read_size = response.max_read_size
    client.max_write_size = response.max_write_size
    if client.dialect == Dialect.SMB_2_0_2:
        client.server_capabilities = response.capabilities & ~GlobalCapabilities.LARGE_MTU


def _apply_contexts(client: "Client", contexts: tuple[NegotiateContext, ...]) -> None:
    for context in contexts:
        match context:
            case EncryptionCapabilities(ciphers=(cipher, *_)):
                _check_offered(client, "cipher", cipher, (*client.config.ciphers, 0))  # 0: there is no common one
                client.cipher_id = cipher
            case SigningCapabilities(signing_algorithms=(algorithm, *_)):
                _check_offered(client, "signing algorithm", algorithm, client.config.signing_algorithms)
                client.signing_algorithm = algorithm
            case CompressionCapabilities(flags=flags, compression_algorithms=algorithms):
                offered = client.config.compression_algorithms
                client.compression_ids = tuple(item for item in algorithms if item in offered)
                client.supports_chained_compression = bool(flags & CompressionFlags.CHAINED)


def _check_offered(client: "Client", what: str, chosen: int, offered: tuple[int, ...]) -> None:
    """End the connection unless the server chose something that was offered (3.2.5.2)."""
    if chosen not in offered:
        client.fault(f"the server chose {what} {chosen:#06x}, which was not offered")
        client.close()
        raise StatusError(STATUS_INVALID_NETWORK_RESPONSE)
