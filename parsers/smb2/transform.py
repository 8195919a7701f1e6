"""The headers that wrap SMB2 messages: encryption (MS-SMB2 2.2.41) and compression (2.2.42)."""

from typing import NamedTuple

from parsers.enums import OpenEnum
from parsers.errors import ParseError
from parsers.layout import U8, U16, U32, U64, Buffer, Bytes4, Bytes16, Layout

__all__ = [
    "CHAINED_PAYLOAD",
    "COMPRESSION_CHAINED",
    "COMPRESSION_PROTOCOL_ID",
    "COMPRESSION_UNCHAINED",
    "PATTERN_V1",
    "TRANSFORM_ENCRYPTED",
    "TRANSFORM_HEADER",
    "TRANSFORM_PROTOCOL_ID",
    "ChainedPayloadFixed",
    "CompressionAlgorithm",
    "CompressionChainedFixed",
    "CompressionUnchainedFixed",
    "PatternV1Fixed",
    "TransformHeaderFixed",
    "associated_data",
    "parse_transform_header",
]

TRANSFORM_PROTOCOL_ID = b"\xfdSMB"
COMPRESSION_PROTOCOL_ID = b"\xfcSMB"

TRANSFORM_ENCRYPTED = 0x0001
"""Flags of a 3.1.1 transform header; the same two bytes are EncryptionAlgorithm, AES-128-CCM, in 3.0 and 3.0.2."""


class CompressionAlgorithm(OpenEnum):
    """MS-SMB2 2.2.3.1.3 and 2.2.42."""

    NONE = 0x0000
    LZNT1 = 0x0001
    LZ77 = 0x0002
    LZ77_HUFFMAN = 0x0003
    PATTERN_V1 = 0x0004
    LZ4 = 0x0005


class TransformHeaderFixed(NamedTuple):
    """MS-SMB2 2.2.41; the associated data of the cipher is everything from `nonce` on.

    `nonce` begins with 11 bytes (CCM) or 12 bytes (GCM) that count; `flags` is EncryptionAlgorithm before 3.1.1.
    """

    protocol_id: Bytes4
    signature: Bytes16
    nonce: Bytes16
    original_message_size: U32
    reserved: U16
    flags: U16
    session_id: U64


class CompressionUnchainedFixed(NamedTuple):
    """MS-SMB2 2.2.42.1: `offset` bytes after it are plain, the rest is compressed."""

    protocol_id: Bytes4
    original_compressed_segment_size: U32
    compression_algorithm: U16
    flags: U16
    offset: U32


class CompressionChainedFixed(NamedTuple):
    """MS-SMB2 2.2.42.2: followed by chained payloads up to the end of the message."""

    protocol_id: Bytes4
    original_compressed_segment_size: U32


class ChainedPayloadFixed(NamedTuple):
    """MS-SMB2 2.2.42.2.1; `length` counts what follows, OriginalPayloadSize included where there is one."""

    compression_algorithm: U16
    flags: U16
    length: U32


class PatternV1Fixed(NamedTuple):
    """MS-SMB2 2.2.42.2.2: `pattern` stands `repetitions` times."""

    pattern: U8
    reserved1: U8
    reserved2: U16
    repetitions: U32


TRANSFORM_HEADER = Layout(TransformHeaderFixed)
COMPRESSION_UNCHAINED = Layout(CompressionUnchainedFixed)
COMPRESSION_CHAINED = Layout(CompressionChainedFixed)
CHAINED_PAYLOAD = Layout(ChainedPayloadFixed)
PATTERN_V1 = Layout(PatternV1Fixed)

_ASSOCIATED_DATA_START = 20


def parse_transform_header(data: Buffer, offset: int = 0) -> TransformHeaderFixed:
    """The transform header at `offset`.

    Raises:
        ParseError: too short, or not a transform header.
    """
    header = TRANSFORM_HEADER.parse(data, offset)
    if header.protocol_id != TRANSFORM_PROTOCOL_ID:
        raise ParseError(f"ProtocolId is {header.protocol_id.hex()}, not fd534d42", offset)
    return header


def associated_data(data: Buffer, offset: int = 0) -> memoryview:
    """The 32 bytes of the transform header at `offset` that the tag covers: all but ProtocolId and Signature."""
    return memoryview(data)[offset + _ASSOCIATED_DATA_START : offset + TRANSFORM_HEADER.size]
