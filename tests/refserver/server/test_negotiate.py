"""NEGOTIATE: what is chosen, and what is refused (MS-SMB2 3.3.5.3, 3.3.5.4)."""

import pytest

from parsers import ntstatus
from parsers.gss import spnego
from parsers.smb2.dialects import Dialect
from parsers.smb2.header import Command
from parsers.smb2.multiprotocol import MultiProtocolNegotiateRequest
from parsers.smb2.negotiate import GlobalCapabilities, NegotiateRequest, NegotiateResponse, SecurityMode
from parsers.smb2.negotiate_contexts import (
    CompressionCapabilities,
    CompressionFlags,
    EncryptionCapabilities,
    HashAlgorithm,
    NegotiateContext,
    PreauthIntegrityCapabilities,
    SigningCapabilities,
)
from parsers.smb2.transform import CompressionAlgorithm
from parsers.times import ns_to_filetime
from tests.refserver.server.peer import START, Answer, Peer, server_with

PREAUTH = PreauthIntegrityCapabilities((HashAlgorithm.SHA_512,), b"s" * 32)


def response_of(answer: Answer) -> NegotiateResponse:
    return NegotiateResponse.parse(memoryview(answer.message))


def ask(peer: Peer, *contexts: NegotiateContext, dialects: tuple[Dialect, ...] = (Dialect.SMB_3_1_1,)) -> Answer:
    """A NEGOTIATE of these contexts and no others."""
    body = NegotiateRequest(SecurityMode(1), GlobalCapabilities(0x7F), bytes(16), dialects, contexts).build()
    peer.put(peer.request(Command.NEGOTIATE, body, session_id=0, tree_id=0))
    (answer,) = peer.take()
    return answer


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((0x0202,), 0x0202),
        ((0x0202, 0x0210), 0x0210),
        ((0x0300, 0x0202), 0x0300),
        ((0x0202, 0x0210, 0x0300, 0x0302), 0x0302),
        ((0x0202, 0x0210, 0x0300, 0x0302, 0x0311), 0x0311),
        ((0x0311, 0x0400), 0x0311),
    ],
)
def test_the_greatest_common_dialect_is_chosen(offered: tuple[int, ...], chosen: int) -> None:
    peer = Peer(server_with())
    assert response_of(peer.negotiate(*offered)).dialect_revision == chosen
    assert peer.server.connections[1].dialect == chosen


def test_a_server_may_speak_fewer() -> None:
    peer = Peer(server_with(dialects=(0x0202, 0x0210)))
    assert response_of(peer.negotiate(0x0202, 0x0210, 0x0302)).dialect_revision == 0x0210


def test_no_dialect_and_no_common_one() -> None:
    peer = Peer(server_with())
    assert ask(peer, dialects=()).status == ntstatus.STATUS_INVALID_PARAMETER
    assert ask(peer, dialects=(Dialect(0x0400),)).status == ntstatus.STATUS_NOT_SUPPORTED


def test_a_second_negotiate_ends_the_connection_without_an_answer() -> None:
    peer = Peer(server_with())
    peer.negotiate()
    peer.put(peer.request(Command.NEGOTIATE, bytes(36)))
    assert peer.take() == []
    assert peer.closed


def test_a_signed_negotiate_is_refused() -> None:
    peer = Peer(server_with())
    peer.put(peer.request(Command.NEGOTIATE, bytes(36), flags=8))
    assert [answer.status for answer in peer.take()] == [ntstatus.STATUS_INVALID_PARAMETER]


def test_capabilities_by_dialect() -> None:
    expected = {0x0202: 0x00, 0x0210: 0x06, 0x0300: 0x5E, 0x0302: 0x5E, 0x0311: 0x1E}
    for dialect, capabilities in expected.items():
        assert response_of(Peer(server_with()).negotiate(dialect)).capabilities == capabilities
    assert response_of(Peer(server_with()).negotiate(0x0300, capabilities=0)).capabilities == 0x06


def test_2_0_2_moves_64_kib_at_most() -> None:
    small, large = (response_of(Peer(server_with()).negotiate(dialect)) for dialect in (0x0202, 0x0210))
    assert {small.max_read_size, small.max_write_size, small.max_transact_size} == {65536}
    assert {large.max_read_size, large.max_write_size, large.max_transact_size} == {8 << 20}


def test_time_mode_and_mechanisms() -> None:
    response = response_of(Peer(server_with(require_message_signing=True)).negotiate())
    assert response.system_time == ns_to_filetime(START)
    assert response.security_mode == SecurityMode.SIGNING_ENABLED | SecurityMode.SIGNING_REQUIRED
    token = spnego.parse(response.security_buffer)
    assert isinstance(token, spnego.NegTokenInit)
    assert token.mech_types == (spnego.Mechanism.NTLM,)


def test_the_contexts_of_3_1_1_are_answered_each_with_one_choice() -> None:
    answer = ask(
        Peer(server_with(ciphers=(4, 2))),
        PREAUTH,
        EncryptionCapabilities((1, 2, 4)),  # type: ignore[arg-type]  # numbers will do
        SigningCapabilities((1, 2)),  # type: ignore[arg-type]  # as above
        CompressionCapabilities(CompressionFlags.CHAINED, (CompressionAlgorithm.LZ4, CompressionAlgorithm.LZ77)),
    )
    contexts = {type(context): context for context in response_of(answer).contexts}
    assert contexts[EncryptionCapabilities] == EncryptionCapabilities((4,))  # type: ignore[arg-type]  # as above
    assert contexts[SigningCapabilities] == SigningCapabilities((2,))  # type: ignore[arg-type]  # as above
    compression = contexts[CompressionCapabilities]
    assert isinstance(compression, CompressionCapabilities)
    assert compression.flags == CompressionFlags.CHAINED
    assert compression.compression_algorithms == (CompressionAlgorithm.LZ77, CompressionAlgorithm.LZ4)
    assert len(contexts) == 4


def test_a_context_without_anything_in_common_says_none() -> None:
    answer = ask(
        Peer(server_with(ciphers=(4,), compression=())),
        PREAUTH,
        EncryptionCapabilities((1,)),  # type: ignore[arg-type]  # numbers will do
        CompressionCapabilities(CompressionFlags(0), (CompressionAlgorithm.LZ4,)),
    )
    _, encryption, compression = response_of(answer).contexts
    assert isinstance(encryption, EncryptionCapabilities)
    assert isinstance(compression, CompressionCapabilities)
    assert encryption.ciphers == (0,)
    assert compression.compression_algorithms == (CompressionAlgorithm.NONE,)


def test_every_connection_has_its_own_salt() -> None:
    server = server_with()
    salts = set()
    for number in range(3):
        contexts = response_of(Peer(server, number).negotiate()).contexts
        assert isinstance(contexts[0], PreauthIntegrityCapabilities)
        salts.add(contexts[0].salt)
    assert len(salts) == 3


@pytest.mark.parametrize(
    ("contexts", "status"),
    [
        ((), ntstatus.STATUS_INVALID_PARAMETER),
        ((PREAUTH, PREAUTH), ntstatus.STATUS_INVALID_PARAMETER),
        ((PREAUTH, EncryptionCapabilities((1,)), EncryptionCapabilities((2,))), ntstatus.STATUS_INVALID_PARAMETER),  # type: ignore[arg-type]
        ((PREAUTH, SigningCapabilities((1,)), SigningCapabilities((2,))), ntstatus.STATUS_INVALID_PARAMETER),  # type: ignore[arg-type]
        (
            (PreauthIntegrityCapabilities((HashAlgorithm(9),), b""),),
            ntstatus.STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP,
        ),
    ],
)
def test_contexts_that_must_not_be_so(contexts: tuple[NegotiateContext, ...], status: int) -> None:
    assert ask(Peer(server_with()), *contexts).status == status


# ----------------------------------------------------------------------------------------------- by way of SMB1


def smb1(*dialects: str) -> bytes:
    header = b"\xffSMB\x72" + bytes(27)
    return header + MultiProtocolNegotiateRequest(dialects).build()


def test_smb1_that_offers_smb2_leads_to_any_dialect() -> None:
    peer = Peer(server_with())
    peer.put(smb1("NT LM 0.12", "SMB 2.002", "SMB 2.???"))
    (answer,) = peer.take()
    assert (answer.header.message_id, response_of(answer).dialect_revision) == (0, Dialect.WILDCARD)
    peer.message_id = 1
    assert response_of(peer.negotiate(0x0210, 0x0311)).dialect_revision == 0x0311
    assert peer.log_on().status == 0
    assert peer.tree_connect().status == 0


def test_smb1_that_offers_2_0_2_alone_has_chosen_it() -> None:
    peer = Peer(server_with())
    peer.put(smb1("NT LM 0.12", "SMB 2.002"))
    (answer,) = peer.take()
    assert response_of(answer).dialect_revision == Dialect.SMB_2_0_2
    peer.message_id, peer.dialect, peer.signing_algorithm = 1, 0x0202, 0
    assert peer.log_on().status == 0
    assert peer.tree_connect().status == 0


def test_smb1_that_offers_no_smb2_and_smb1_that_comes_late_end_the_connection() -> None:
    old = Peer(server_with())
    old.put(smb1("NT LM 0.12"))
    old.take()
    assert old.closed
    late = Peer(server_with())
    late.negotiate()
    late.put(smb1("SMB 2.???"))
    late.take()
    assert late.closed
