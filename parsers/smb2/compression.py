"""Compressed messages of SMB 3.1.1 (MS-SMB2 2.2.42, 3.1.4.4, 3.1.5.3) -> plain ones, and back.

A message declares its plain size, and so does every payload of a chain: all decoders stop there, so that a few bytes
never cost more memory than the limit that the caller sets.
"""

from collections.abc import Callable

import lz4.block

from parsers.errors import ParseError
from parsers.layout import Buffer
from parsers.reader import Reader
from parsers.smb2 import lz77, lz77_huffman, lznt1
from parsers.smb2.header import PROTOCOL_ID
from parsers.smb2.transform import (
    CHAINED_PAYLOAD,
    COMPRESSION_CHAINED,
    COMPRESSION_PROTOCOL_ID,
    COMPRESSION_UNCHAINED,
    PATTERN_V1,
    ChainedPayloadFixed,
    CompressionAlgorithm,
    CompressionChainedFixed,
    CompressionUnchainedFixed,
    PatternV1Fixed,
)

__all__ = ["compress_chained", "compress_unchained", "decompress"]

_FLAG_NONE = 0x0000
_FLAG_CHAINED = 0x0001  # on the first payload of a chain (2.2.42.2.1)

_SHORTEST_PATTERN = 64  # 3.1.4.4.1
_LONGEST_PLAIN_REST = 1024  # 3.1.4.4
_LZ4_RATIO = 255  # each further byte of a length says 255 bytes more (LZ4 block format)


def decompress(message: memoryview, *, limit: int) -> bytes:
    """The plain SMB2 message or compound in a compressed one, the transport's four bytes not counted.

    Args:
        message: from the compression transform header on, all of it.
        limit: the most plain bytes that are allowed. A receiver allows 256, the size of the header, and the largest of
            MaxReadSize, MaxWriteSize and MaxTransactSize (3.3.5.2.1.2).

    Raises:
        ParseError: damaged, over the limit, of an unknown algorithm or one that may not stand there, or the sizes
            declared do not come true.
    """
    header = COMPRESSION_UNCHAINED.parse(message)
    if header.protocol_id != COMPRESSION_PROTOCOL_ID:
        raise ParseError(f"ProtocolId is {header.protocol_id.hex()}, not fc534d42")
    size = header.original_compressed_segment_size
    chained = header.flags == _FLAG_CHAINED  # this word lies at the same place in both forms (2.2.42)
    if size + (0 if chained else header.offset) > limit:
        raise ParseError(f"OriginalCompressedSegmentSize {size} with {limit} bytes allowed", 4)
    plain = _read_chain(message, size) if chained else _read_unchained(message, header)
    if plain[:4] != PROTOCOL_ID:
        raise ParseError(f"decompressed message begins with {plain[:4].hex()}, not fe534d42")
    return plain


def compress_unchained(message: Buffer, algorithm: CompressionAlgorithm, *, offset: int = 0) -> bytes:
    """`message` compressed from `offset` on (3.1.4.4), even where this makes it longer: nobody sends it then.

    Args:
        message: a plain message or compound.
        algorithm: one of LZNT1, LZ77, LZ77_HUFFMAN and LZ4.
        offset: bytes that stay as they are at the beginning.
    """
    plain, rest = bytes(message[:offset]), bytes(message[offset:])
    fixed = CompressionUnchainedFixed(COMPRESSION_PROTOCOL_ID, len(rest), algorithm, _FLAG_NONE, offset)
    return COMPRESSION_UNCHAINED.build(fixed) + plain + _ENCODERS[algorithm](rest)


def compress_chained(message: Buffer, algorithm: CompressionAlgorithm, *, offset: int = 0) -> bytes:
    """`message` as a chain (3.1.4.4): a pattern in front, the rest, a pattern at the end; even where this is longer.

    Args:
        message: a plain message or compound.
        algorithm: for what is neither pattern nor short; NONE leaves it plain.
        offset: bytes that become a payload of their own at the beginning, as they are.
    """
    plain, rest = bytes(message[:offset]), bytes(message[offset:])
    front = len(rest) - len(rest.lstrip(rest[:1]))
    front = front if front >= _SHORTEST_PATTERN else 0
    back = len(rest) - front - len(rest[front:].rstrip(rest[-1:]))
    back = back if back >= _SHORTEST_PATTERN else 0
    middle = rest[front : len(rest) - back]
    payloads = [_none(plain)] if plain else []
    payloads += [_pattern(rest[0], front)] if front else []
    if middle:
        payloads.append(_payload(algorithm, middle) if len(middle) > _LONGEST_PLAIN_REST else _none(middle))
    payloads += [_pattern(rest[-1], back)] if back else []
    flags = [_FLAG_CHAINED] + [_FLAG_NONE] * len(payloads)
    chain = (
        CHAINED_PAYLOAD.build(ChainedPayloadFixed(kind, flag, len(data))) + data
        for (kind, data), flag in zip(payloads, flags, strict=False)
    )
    return COMPRESSION_CHAINED.build(CompressionChainedFixed(COMPRESSION_PROTOCOL_ID, len(message))) + b"".join(chain)


# ------------------------------------------------------------------------------------------- reading


def _read_unchained(message: memoryview, header: CompressionUnchainedFixed) -> bytes:
    reader = Reader(message)
    reader.take(COMPRESSION_UNCHAINED.size, "header")
    plain = bytes(reader.take(header.offset, "uncompressed part"))
    decode = _decoder(header.compression_algorithm)
    return plain + decode(reader.rest(), header.original_compressed_segment_size)


def _read_chain(message: memoryview, size: int) -> bytes:
    """The payloads one after the other (3.1.5.3); what is left and no longer than a payload header does not count."""
    reader = Reader(message)
    reader.take(COMPRESSION_CHAINED.size, "header")
    plain = bytearray()
    while reader.remaining > CHAINED_PAYLOAD.size:
        header = CHAINED_PAYLOAD.parse(reader.take(CHAINED_PAYLOAD.size, "payload header"))
        plain += _read_payload(header.compression_algorithm, reader.sub(header.length, "payload"), size - len(plain))
    if len(plain) != size:
        raise ParseError(f"payloads give {len(plain)} bytes, OriginalCompressedSegmentSize is {size}")
    return bytes(plain)


def _read_payload(algorithm: int, payload: Reader, room: int) -> Buffer:
    """The plain bytes of one payload; the message has `room` for so many."""
    if algorithm == CompressionAlgorithm.NONE:
        _check_room(payload.remaining, room)
        return payload.rest()
    if algorithm == CompressionAlgorithm.PATTERN_V1:
        pattern = PATTERN_V1.parse(payload.take(PATTERN_V1.size, "pattern"))
        _check_room(pattern.repetitions, room)
        return bytes([pattern.pattern]) * pattern.repetitions
    declared = payload.u32("OriginalPayloadSize")
    _check_room(declared, room)
    return _decoder(algorithm)(payload.rest(), declared)


def _check_room(declared: int, room: int) -> None:
    if declared > room:
        raise ParseError(f"payload of {declared} bytes, OriginalCompressedSegmentSize leaves room for {room}")


def _decoder(algorithm: int) -> Callable[[Buffer, int], bytes]:
    decoder = _DECODERS.get(algorithm)
    if decoder is None:
        raise ParseError(f"CompressionAlgorithm {CompressionAlgorithm(algorithm)!r} is unknown or not allowed there")
    return decoder


def _read_lz4(data: Buffer, size: int) -> bytes:
    """An LZ4 block. The library takes `size` bytes at once, hence the check of what the data can give at most."""
    if size > len(data) * _LZ4_RATIO:
        raise ParseError(f"{len(data)} bytes of LZ4 cannot hold {size}")
    try:
        plain: bytes = lz4.block.decompress(data, uncompressed_size=size)
    except (lz4.block.LZ4BlockError, OverflowError, ValueError) as error:
        raise ParseError(f"LZ4: {error}") from None
    if len(plain) != size:
        raise ParseError(f"LZ4 data gives {len(plain)} bytes, {size} were declared")
    return plain


_DECODERS: dict[int, Callable[[Buffer, int], bytes]] = {
    CompressionAlgorithm.LZNT1: lznt1.decompress,
    CompressionAlgorithm.LZ77: lz77.decompress,
    CompressionAlgorithm.LZ77_HUFFMAN: lz77_huffman.decompress,
    CompressionAlgorithm.LZ4: _read_lz4,
}

# ------------------------------------------------------------------------------------------- writing


def _none(data: bytes) -> tuple[int, bytes]:
    return CompressionAlgorithm.NONE, data


def _pattern(value: int, repetitions: int) -> tuple[int, bytes]:
    return CompressionAlgorithm.PATTERN_V1, PATTERN_V1.build(PatternV1Fixed(value, 0, 0, repetitions))


def _payload(algorithm: CompressionAlgorithm, data: bytes) -> tuple[int, bytes]:
    """OriginalPayloadSize stands before the data of every algorithm but NONE and Pattern_V1 (2.2.42.2.1)."""
    if algorithm == CompressionAlgorithm.NONE:
        return _none(data)
    return algorithm, len(data).to_bytes(4, "little") + _ENCODERS[algorithm](data)


def _write_lz4(data: Buffer) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    return packed


_ENCODERS: dict[int, Callable[[Buffer], bytes]] = {
    CompressionAlgorithm.LZNT1: lznt1.compress,
    CompressionAlgorithm.LZ77: lz77.compress,
    CompressionAlgorithm.LZ77_HUFFMAN: lz77_huffman.compress,
    CompressionAlgorithm.LZ4: _write_lz4,
}
