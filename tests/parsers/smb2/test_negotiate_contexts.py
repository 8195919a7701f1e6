"""Witness: contexts of published requests; the rounded lengths of Linux."""

import pytest

from parsers.errors import ParseError
from parsers.smb2.crypto import Cipher, SigningAlgorithm
from parsers.smb2.negotiate_contexts import (
    CompressionCapabilities,
    CompressionFlags,
    ContextType,
    EncryptionCapabilities,
    HashAlgorithm,
    NetnameContext,
    PreauthIntegrityCapabilities,
    RawNegotiateContext,
    RdmaTransform,
    RdmaTransformCapabilities,
    SigningCapabilities,
    TransportCapabilities,
    TransportFlags,
    build_negotiate_contexts,
    parse_negotiate_contexts,
)
from parsers.smb2.transform import CompressionAlgorithm

EXAMPLES = [
    (PreauthIntegrityCapabilities((HashAlgorithm.SHA_512,), b"salt"), "0100 0400 0100 73616c74"),
    (EncryptionCapabilities((Cipher.AES_256_GCM, Cipher.AES_128_CCM)), "0200 0400 0100"),
    (
        CompressionCapabilities(CompressionFlags.CHAINED, (CompressionAlgorithm.PATTERN_V1, CompressionAlgorithm.LZ77)),
        "0200 0000 01000000 0400 0200",
    ),
    (NetnameContext("srv"), "730072007600"),
    (TransportCapabilities(TransportFlags.ACCEPT_TRANSPORT_LEVEL_SECURITY), "01000000"),
    (RdmaTransformCapabilities((RdmaTransform.ENCRYPTION, RdmaTransform.SIGNING)), "0200 0000 00000000 0100 0200"),
    (SigningCapabilities((SigningAlgorithm.AES_GMAC, SigningAlgorithm.HMAC_SHA256)), "0200 0200 0000"),
    (RawNegotiateContext(ContextType.POSIX_EXTENSIONS, b"\x93\xad"), "93ad"),
]


@pytest.mark.parametrize(("context", "data"), EXAMPLES)
def test_a_context_has_the_bytes_of_the_specification(context, data):
    assert context.build() == bytes.fromhex(data)


@pytest.mark.parametrize(("context", "_data"), EXAMPLES[:-1])
def test_a_context_is_read_back_and_refused_when_cut_short(context, _data):
    built = context.build()
    assert type(context).parse(built) == context
    cuts = (1, 3, 5) if isinstance(context, NetnameContext) else range(len(built))
    for length in cuts:
        with pytest.raises(ParseError):
            type(context).parse(built[:length])


@pytest.mark.parametrize("kind", [EncryptionCapabilities, SigningCapabilities])
def test_bytes_after_a_list_are_kept(kind):
    # fs/smb/client/smb2pdu.c rounds DataLength of its signing context up to eight.
    data = bytes.fromhex("0100 0200 00000000")
    assert kind.parse(data).tail == bytes(4)
    assert kind.parse(data).build() == data


def test_all_kinds_go_through_one_list_in_their_order():
    contexts = tuple(context for context, _ in EXAMPLES)
    message = memoryview(bytes(64) + build_negotiate_contexts(contexts))
    assert parse_negotiate_contexts(message, 64, len(contexts)) == contexts


def test_unknown_types_and_algorithms_survive():
    contexts = (RawNegotiateContext(ContextType(0x7777), b"?"), EncryptionCapabilities((Cipher(0x99),)))
    message = memoryview(bytes(64) + build_negotiate_contexts(contexts))
    assert parse_negotiate_contexts(message, 64, 2) == contexts


def test_a_context_too_short_for_its_list_is_refused():
    message = memoryview(bytes(64) + bytes.fromhex("0200 0400 00000000 0200 0100"))
    with pytest.raises(ParseError, match="Cipher"):
        parse_negotiate_contexts(message, 64, 1)
