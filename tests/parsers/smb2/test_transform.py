"""Witness: the encrypted messages of the published traces, which name nonce, size and session."""

import json
from pathlib import Path

import pytest

from parsers.errors import ParseError
from parsers.smb2.transform import (
    CHAINED_PAYLOAD,
    COMPRESSION_CHAINED,
    COMPRESSION_PROTOCOL_ID,
    COMPRESSION_UNCHAINED,
    PATTERN_V1,
    TRANSFORM_ENCRYPTED,
    TRANSFORM_HEADER,
    ChainedPayloadFixed,
    CompressionAlgorithm,
    CompressionChainedFixed,
    CompressionUnchainedFixed,
    PatternV1Fixed,
    associated_data,
    parse_transform_header,
)

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "smb_vectors.json").read_text())
ENCRYPTED = [message for vector in VECTORS.values() for message in vector.get("enc", [])]
WIRE = bytes.fromhex(VECTORS["B"]["enc"][0]["wire"])


@pytest.mark.parametrize("message", ENCRYPTED, ids=lambda message: message["name"])
def test_a_published_transform_header_announces_its_plain_message(message):
    wire, plain = bytes.fromhex(message["wire"]), bytes.fromhex(message["plain"])
    header = parse_transform_header(wire)
    assert header.original_message_size == len(plain) == len(wire) - TRANSFORM_HEADER.size
    assert header.session_id == int.from_bytes(plain[40:48], "little")
    assert header.flags == TRANSFORM_ENCRYPTED
    assert TRANSFORM_HEADER.build(header) == wire[:52]


def test_the_associated_data_is_all_but_protocol_and_signature():
    assert associated_data(b"##" + WIRE, 2) == WIRE[20:52]


def test_a_truncated_or_foreign_transform_header_is_refused():
    for length in range(TRANSFORM_HEADER.size):
        with pytest.raises(ParseError):
            parse_transform_header(WIRE[:length])
    with pytest.raises(ParseError, match="ProtocolId"):
        parse_transform_header(b"\xfe" + WIRE[1:])


def test_compression_headers_have_the_sizes_and_places_of_the_specification():
    unchained = CompressionUnchainedFixed(COMPRESSION_PROTOCOL_ID, 4096, CompressionAlgorithm.LZ77, 0, 104)
    wire = bytes.fromhex("fc534d42 00100000 0200 0000 68000000")
    assert COMPRESSION_UNCHAINED.build(unchained) == wire
    assert COMPRESSION_UNCHAINED.parse(wire) == unchained
    chained = bytes.fromhex("fc534d42 00100000 0400 0100 08000000 2a 00 0000 00100000")
    assert COMPRESSION_CHAINED.parse(chained) == CompressionChainedFixed(COMPRESSION_PROTOCOL_ID, 4096)
    assert CHAINED_PAYLOAD.parse(chained, 8) == ChainedPayloadFixed(CompressionAlgorithm.PATTERN_V1, 1, 8)
    assert PATTERN_V1.parse(chained, 16) == PatternV1Fixed(0x2A, 0, 0, 4096)
