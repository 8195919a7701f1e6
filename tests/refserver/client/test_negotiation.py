"""NEGOTIATE against the reference server, and answers that no server should give."""

from dataclasses import replace

import pytest

from parsers.ntstatus import STATUS_ACCESS_DENIED, STATUS_INVALID_NETWORK_RESPONSE, STATUS_NOT_SUPPORTED
from parsers.smb2.crypto import Cipher, SigningAlgorithm, preauth_hash
from parsers.smb2.dialects import Dialect
from parsers.smb2.fsctl import FsctlCode, ValidateNegotiateResponse
from parsers.smb2.header import Command
from parsers.smb2.ioctl import IoctlResponse
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from parsers.smb2.negotiate_contexts import (
    EncryptionCapabilities,
    NegotiateContext,
    NetnameContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from parsers.smb2.transform import CompressionAlgorithm
from refserver.client.config import ALL_DIALECTS, ClientConfig
from refserver.client.state import TreeConnect
from refserver.errors import StatusError
from refserver.server.config import ServerConfig
from tests.refserver.client.pair import ALICE, Pair, log_on
from tests.refserver.client.peer import FILE_ID, Peer

ANSWER = NegotiateResponse(
    SecurityMode(1), Dialect.SMB_3_0, bytes(16), GlobalCapabilities(0), 65536, 65536, 65536, 0, 0, b""
)


@pytest.mark.parametrize("dialect", ALL_DIALECTS, ids=lambda dialect: dialect.display)
def test_the_best_dialect_that_both_know_is_chosen(dialect: Dialect) -> None:
    pair = Pair()
    client = pair.connect(ClientConfig(dialects=ALL_DIALECTS[: ALL_DIALECTS.index(dialect) + 1]))
    response = pair.finish(client.negotiate())
    assert client.dialect == response.dialect_revision == dialect
    assert client.server_guid == pair.config.server_guid
    assert client.server_security_mode & SecurityMode.SIGNING_ENABLED
    assert bool(client.server_capabilities & GlobalCapabilities.LARGE_MTU) == (dialect != Dialect.SMB_2_0_2)


def test_cipher_signature_and_compression_are_agreed_on(pair: Pair) -> None:
    client = pair.connect(
        ClientConfig(
            ciphers=(Cipher.AES_256_CCM,),
            signing_algorithms=(SigningAlgorithm.AES_CMAC,),
            compression_algorithms=(CompressionAlgorithm.LZ77, CompressionAlgorithm.PATTERN_V1),
            chained_compression=True,
        )
    )
    pair.finish(client.negotiate())
    assert (client.cipher_id, client.signing_algorithm) == (Cipher.AES_256_CCM, SigningAlgorithm.AES_CMAC)
    assert set(client.compression_ids) == {CompressionAlgorithm.LZ77, CompressionAlgorithm.PATTERN_V1}
    assert client.supports_chained_compression


def test_what_is_not_offered_is_not_agreed_on(pair: Pair) -> None:
    client = pair.connect(ClientConfig(ciphers=(), signing_algorithms=()))
    pair.finish(client.negotiate())
    assert (client.cipher_id, client.signing_algorithm, client.compression_ids) == (0, None, ())


def test_the_hash_covers_both_messages(pair: Pair) -> None:
    client = pair.connect()
    pair.finish(client.negotiate())
    request, response = pair.sent[0][1][4:], pair.heard[0][1][4:]
    expected = preauth_hash(previous=preauth_hash(previous=bytes(64), message=request), message=response)
    assert client.preauth_hash == expected
    contexts = NegotiateRequest.parse(memoryview(request)).contexts
    assert NetnameContext("server") in contexts
    assert [len(context.salt) for context in contexts if isinstance(context, PreauthIntegrityCapabilities)] == [32]


def test_nothing_in_common_is_a_failure() -> None:
    pair = Pair(ServerConfig(dialects=(Dialect.SMB_3_1_1,)))
    client = pair.connect(ClientConfig(dialects=(Dialect.SMB_2_1,)))
    assert pair.settle(client.negotiate()) == STATUS_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("dialects", "chosen", "messages"),
    [(ALL_DIALECTS, Dialect.SMB_3_1_1, 2), (ALL_DIALECTS[:1], Dialect.SMB_2_0_2, 1)],
    ids=["wildcard", "2.0.2"],
)
def test_a_negotiation_that_begins_in_smb1_goes_on_in_smb2(
    pair: Pair, dialects: tuple[Dialect, ...], chosen: Dialect, messages: int
) -> None:
    client = pair.connect(ClientConfig(dialects=dialects))
    pair.finish(client.negotiate(multi_protocol=True))
    assert client.dialect == chosen
    assert len(pair.sent) == messages
    assert pair.sent[0][1][4:8] == b"\xffSMB"
    pair.finish(client.session_setup(ALICE))


@pytest.mark.parametrize(
    ("context", "what"),
    [
        (EncryptionCapabilities((Cipher.AES_256_GCM,)), "cipher 0x0004"),
        (EncryptionCapabilities((Cipher(0x99),)), "cipher 0x0099"),
        (SigningCapabilities((SigningAlgorithm.AES_CMAC,)), "signing algorithm 0x0001"),
    ],
)
def test_a_choice_that_was_not_offered_ends_the_connection(context: NegotiateContext, what: str) -> None:
    peer = Peer(
        ClientConfig(ciphers=(Cipher.AES_128_GCM,), signing_algorithms=(SigningAlgorithm.AES_GMAC,)),
    )
    call = peer.client.negotiate()
    body = replace(ANSWER, dialect_revision=Dialect.SMB_3_1_1, contexts=(context,)).build()
    peer.answer(5, Command.NEGOTIATE, body)
    assert call.status == STATUS_INVALID_NETWORK_RESPONSE
    assert peer.client.closed
    assert peer.client.faults == [f"the server chose {what}, which was not offered"]


def test_no_common_cipher_is_no_cipher() -> None:
    peer = Peer()
    call = peer.client.negotiate()
    context = EncryptionCapabilities((Cipher(0),))
    peer.answer(5, Command.NEGOTIATE, replace(ANSWER, dialect_revision=Dialect.SMB_3_1_1, contexts=(context,)).build())
    assert call.succeeded
    assert peer.client.cipher_id == 0


def test_a_dialect_that_was_not_offered_ends_the_connection() -> None:
    peer = Peer(ClientConfig(dialects=(Dialect.SMB_2_1,)), dialect=Dialect.SMB_2_1)
    call = peer.client.negotiate()
    peer.answer(5, Command.NEGOTIATE, ANSWER.build())
    assert call.status == STATUS_INVALID_NETWORK_RESPONSE
    assert peer.client.closed


# ----------------------------------------------------------------------------------------------- validation


@pytest.mark.parametrize("dialects", [ALL_DIALECTS[:3], ALL_DIALECTS[:4]])
def test_the_server_confirms_what_was_negotiated(pair: Pair, dialects: tuple[Dialect, ...]) -> None:
    client = pair.connect(ClientConfig(dialects=dialects))
    _, tree = pair.run(log_on(client))
    pair.finish(client.validate_negotiate(tree))
    assert not client.closed


def test_a_server_that_was_asked_something_else_drops_the_connection(pair: Pair) -> None:
    client = pair.connect(ClientConfig(dialects=ALL_DIALECTS[:4]))
    _, tree = pair.run(log_on(client))
    client.config = replace(client.config, client_guid=b"somebody else...")
    call = client.validate_negotiate(tree)
    with pytest.raises(StatusError):
        pair.finish(call)
    assert client.closed


def validated(peer: Peer, tree: TreeConnect, said: ValidateNegotiateResponse) -> int | None:
    call = peer.client.validate_negotiate(tree)
    body = IoctlResponse(FsctlCode.VALIDATE_NEGOTIATE_INFO, FILE_ID, said.build()).build()
    peer.answer(5, Command.IOCTL, body)
    return call.status


def test_a_server_that_says_something_else_than_before_is_left() -> None:
    peer = Peer(dialect=Dialect.SMB_3_0_2)
    client = peer.client
    same = ValidateNegotiateResponse(
        client.server_capabilities, client.server_guid, client.server_security_mode, Dialect.SMB_3_0_2
    )
    assert validated(peer, peer.tree, same) == 0
    peer = Peer(dialect=Dialect.SMB_3_0_2)
    assert validated(peer, peer.tree, replace(same, dialect=Dialect.SMB_3_0)) == STATUS_ACCESS_DENIED
    assert peer.client.closed


def test_an_old_server_that_does_not_know_the_question_is_believed() -> None:
    peer = Peer(dialect=Dialect.SMB_2_1)
    call = peer.client.validate_negotiate(peer.tree)
    peer.answer(5, Command.IOCTL, status=STATUS_NOT_SUPPORTED)
    assert call.succeeded
