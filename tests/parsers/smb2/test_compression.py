"""Compressed messages: round trips of every algorithm and form, refusals, bounded memory, and tshark as reader."""

import random
import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.access import AccessMask
from parsers.smb2.compression import compress_chained, compress_unchained, decompress
from parsers.smb2.create import (
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    FileAttributes,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)
from parsers.smb2.file_id import FileId
from parsers.smb2.header import HEADER_SIZE, Command, build_header
from parsers.smb2.negotiate import NegotiateRequest, NegotiateResponse
from parsers.smb2.negotiate_contexts import CompressionCapabilities
from parsers.smb2.read_write import WriteFlags, WriteRequest
from parsers.smb2.transform import CompressionAlgorithm
from tests.parsers.smb2.messages import dissect, find, read_messages

LIMIT = (8 << 20) + 256 + HEADER_SIZE
ALGORITHMS = (
    CompressionAlgorithm.LZNT1,
    CompressionAlgorithm.LZ77,
    CompressionAlgorithm.LZ77_HUFFMAN,
    CompressionAlgorithm.LZ4,
)
KNOWN_TO_TSHARK = ALGORITHMS[:3]  # tshark 4.0 does not know LZ4
FORMS = (compress_unchained, compress_chained)
OFFSETS = (0, HEADER_SIZE, HEADER_SIZE + 48)

NAME = "reports\\" + "the quarter of last year, and " * 40 + "the rest.txt"
CREATE = (
    build_header(Command.CREATE, 5, session_id=0x1234, tree_id=7)
    + CreateRequest(
        OplockLevel.NONE,
        ImpersonationLevel.IMPERSONATION,
        AccessMask.FILE_READ_DATA,
        FileAttributes.NORMAL,
        ShareAccess.READ,
        CreateDisposition.OPEN,
        CreateOptions.NON_DIRECTORY_FILE,
        NAME,
    ).build()
)


def words(size: int) -> bytes:
    source = random.Random(size)
    drawn = (b"%d" % int(source.random() ** 3 * 100_000) for _ in range(size))
    return b" ".join(drawn)[:size]


def write(data: bytes) -> bytes:
    return (
        build_header(Command.WRITE, 6, session_id=0x1234, tree_id=7)
        + WriteRequest(0, FileId(1, 2), data, flags=WriteFlags.WRITE_THROUGH).build()
    )


PADDED_WRITE = write(bytes(100) + words(5000) + b"\xee" * 200)
MESSAGES = [CREATE, write(words(3000)), PADDED_WRITE, write(bytes(5000)), write(words(70_000)), CREATE[:HEADER_SIZE]]


def unchained(algorithm: int, data: bytes, size: int, *, offset: int = 0, flags: int = 0) -> memoryview:
    return memoryview(b"\xfcSMB" + struct.pack("<IHHI", size, algorithm, flags, offset) + data)


def chained(size: int, *payloads: tuple[int, bytes]) -> memoryview:
    headers = (struct.pack("<HHI", kind, not place, len(data)) for place, (kind, data) in enumerate(payloads))
    pieces = (header + data for header, (_, data) in zip(headers, payloads, strict=True))
    return memoryview(b"\xfcSMB" + struct.pack("<I", size) + b"".join(pieces))


def pattern(value: int, repetitions: int) -> tuple[int, bytes]:
    return CompressionAlgorithm.PATTERN_V1, struct.pack("<BBHI", value, 0, 0, repetitions)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("offset", OFFSETS)
def test_every_message_comes_back(form, algorithm, offset):
    for message in MESSAGES:
        if offset <= len(message):
            packed = form(message, algorithm, offset=offset)
            assert packed[:4] == b"\xfcSMB"
            assert decompress(memoryview(packed), limit=LIMIT) == message


def kinds(packed: bytes) -> list[tuple[int, int, int]]:
    """(algorithm, flags, length) of the payloads of a chain."""
    found, place = [], 8
    while place < len(packed):
        kind, flags, length = struct.unpack_from("<HHI", packed, place)
        found.append((kind, flags, length))
        place += 8 + length
    return found


def test_a_chain_is_made_as_the_specification_orders():
    packed = compress_chained(PADDED_WRITE, CompressionAlgorithm.LZ77, offset=HEADER_SIZE + 48)
    lengths = [length for _, _, length in kinds(packed)]
    assert [(kind, flags) for kind, flags, _ in kinds(packed)] == [(0, 1), (4, 0), (2, 0), (4, 0)]
    assert lengths[:2] + lengths[3:] == [HEADER_SIZE + 48, 8, 8]
    assert struct.pack("<BBHI", 0, 0, 0, 100) in packed
    assert struct.pack("<BBHI", 0xEE, 0, 0, 200) in packed


def test_short_runs_and_short_rests_stay_as_they_are():
    short = write(bytes(63) + b"x" * 800 + b"\xee" * 63)
    assert kinds(compress_chained(short, CompressionAlgorithm.LZ77, offset=112)) == [(0, 1, 112), (0, 0, 926)]
    whole = write(bytes(5000))
    assert kinds(compress_chained(whole, CompressionAlgorithm.LZ77, offset=112)) == [(0, 1, 112), (4, 0, 8)]
    plain = write(words(3000))
    assert kinds(compress_chained(plain, CompressionAlgorithm.NONE)) == [(0, 1, len(plain))]


@given(
    st.sampled_from(FORMS),
    st.sampled_from(ALGORITHMS),
    st.lists(st.binary(max_size=30) | st.binary(min_size=1, max_size=2).map(lambda piece: piece * 120), max_size=30),
    st.integers(0, 100),
)
def test_any_message_comes_back(form, algorithm, pieces, offset):
    message = b"\xfeSMB" + b"".join(pieces)
    packed = form(message, algorithm, offset=min(offset, len(message)))
    assert decompress(memoryview(packed), limit=len(message)) == message


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_every_prefix_is_refused(form, algorithm):
    packed = memoryview(form(CREATE, algorithm, offset=HEADER_SIZE))
    spare = 4 if algorithm == CompressionAlgorithm.LZ77_HUFFMAN else 0  # its end is not needed to have all bytes
    for length in range(len(packed) - spare):
        with pytest.raises(ParseError):
            decompress(packed[:length], limit=LIMIT)


def test_the_limit_counts_what_is_plain_too():
    for form in FORMS:
        packed = memoryview(form(CREATE, CompressionAlgorithm.LZ77, offset=HEADER_SIZE))
        assert decompress(packed, limit=len(CREATE)) == CREATE
        with pytest.raises(ParseError, match="OriginalCompressedSegmentSize"):
            decompress(packed, limit=len(CREATE) - 1)


SHORT = b"\xfeSMB" + bytes(60)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (memoryview(b"\xfdSMB" + bytes(20)), "ProtocolId is fd534d42"),
        (unchained(0, SHORT, 64), r"NONE: 0.* is unknown or not allowed"),
        (unchained(4, pattern(0, 64)[1], 64), r"PATTERN_V1: 4.* is unknown or not allowed"),
        (unchained(9, SHORT, 64), r"0x9: 9.* is unknown or not allowed"),
        (unchained(5, b"\xf0" + SHORT, 64), "LZ4: Decompression failed"),
        (unchained(5, b"\x40\xfeSMB", 5), "LZ4 data gives 4 bytes, 5 were declared"),
        (unchained(5, b"\x40\xfeSMB", 3), "LZ4: Decompression failed"),
        (unchained(5, b"\x40/SMB", 4), "begins with 2f534d42"),
        (unchained(5, b"\x00", 0), "begins with , not"),
        (unchained(5, b"", 4), "0 bytes of LZ4 cannot hold 4"),
        (unchained(2, SHORT, 64, offset=65), "uncompressed part needs 65 bytes"),
        (unchained(1, b"\xff" * 20, 0xFFFF_FFFF, offset=0x10), "OriginalCompressedSegmentSize 4294967295"),  # SMBGhost
        (unchained(1, b"\xff" * 20, 16, offset=0xFFFF_FFFF), "OriginalCompressedSegmentSize 16"),
        (chained(64, (0, SHORT), (0, b"x")), "payload of 1 bytes, .* leaves room for 0"),
        (chained(65, (0, SHORT)), "payloads give 64 bytes"),
        (chained(64, (0, SHORT), (4, b"\0" * 7)), "pattern needs 8 bytes, 7 remain"),
        (chained(70, (0, SHORT), pattern(0, 7)), "payload of 7 bytes, .* leaves room for 6"),
        (chained(70, (0, SHORT), (2, b"\6\0\0")), "OriginalPayloadSize needs 4 bytes"),
        (chained(70, (0, SHORT), (2, b"\7\0\0\0" + bytes(11))), "payload of 7 bytes"),
        (chained(70, (0, SHORT), (2, b"\6\0\0\0" + bytes(9))), "LZ77 data gives 5 bytes, 6 were declared"),
        (chained(70, (0, SHORT), (7, b"\6\0\0\0" + bytes(9))), "unknown or not allowed"),
        (chained(64, pattern(0xFE, 64)), "begins with fefefefe"),
    ],
)
def test_broken_promises_are_refused(message, reason):
    with pytest.raises(ParseError, match=reason):
        decompress(message, limit=LIMIT)


def test_a_payload_that_leaves_the_message_is_refused():
    packed = bytearray(chained(64, (0, SHORT)))
    packed[12] += 1
    with pytest.raises(ParseError, match="payload needs 65 bytes, 64 remain"):
        decompress(memoryview(packed), limit=LIMIT)


def test_a_tail_too_short_for_a_payload_does_not_count():
    assert decompress(memoryview(bytes(chained(64, (0, SHORT))) + bytes(8)), limit=LIMIT) == SHORT


BOMBS = {
    "LZ77": unchained(2, bytes.fromhex("ffffff7f 61 0700 0f ff 0000 f0ffffff"), 8 << 20),
    "LZ4": unchained(5, b"\x1fa\x01\x00" + b"\xff" * 10, 8 << 20),
    "pattern": chained(8 << 20, pattern(0, 0xFFFF_FFFF)),
    "patterns": chained(1000, *[pattern(0, 900)] * 10_000),
    "LZNT1": unchained(1, bytes.fromhex("03b0 02 61 fc0f") * 2000, 1000),
    "payload": chained(1000, (2, b"\xff\xff\xff\x7f" + bytes.fromhex("ffffff7f 61 0700 0f ff 0000 f0ffffff"))),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_before_it_costs_memory(bomb):
    tracemalloc.start()
    try:
        with pytest.raises(ParseError):
            decompress(bomb, limit=LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_what_is_allowed_costs_less_than_three_times_its_size(algorithm):
    plain = b"\xfeSMB" + bytes(8 << 20)
    packed = compress_unchained(plain, algorithm)
    assert len(packed) < 40_000
    tracemalloc.start()
    try:
        assert decompress(memoryview(packed), limit=LIMIT) == plain
        assert tracemalloc.get_traced_memory()[1] < 3 * len(plain)
    finally:
        tracemalloc.stop()


@given(st.sampled_from(FORMS), st.sampled_from(ALGORITHMS), st.data())
def test_damage_gives_a_message_or_a_parse_error(form, algorithm, data):
    packed = bytearray(form(CREATE, algorithm, offset=HEADER_SIZE))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        plain = decompress(memoryview(packed), limit=4 * len(CREATE))
    except ParseError:
        return
    assert plain[:4] == b"\xfeSMB"
    assert len(plain) <= 4 * len(CREATE)


@pytest.mark.witness
def test_tshark_reads_what_is_compressed(tshark: str, tmp_path: Path):
    written = PADDED_WRITE[112:]
    packed, wanted = [], []
    for algorithm in KNOWN_TO_TSHARK:
        for form in FORMS:
            for offset in OFFSETS:
                packed.append((0, form(CREATE, algorithm, offset=offset)))
                wanted.append([["5"], [NAME], []])
                packed.append((0, form(PADDED_WRITE, algorithm, offset=offset)))
                wanted.append([["9"], [], [written.hex()]])
    for message, row in ((CREATE, wanted[0]), (PADDED_WRITE, wanted[1])):
        packed.append((0, compress_chained(message, CompressionAlgorithm.NONE, offset=HEADER_SIZE)))
        wanted.append(row)
    shown = dissect(tshark, tmp_path, packed, "smb2.cmd", "smb2.filename", "data.data")
    assert shown == wanted


@pytest.mark.witness
def test_tshark_reads_the_lz77_of_a_large_message(tshark: str, tmp_path: Path):
    data = words(80_000)
    packed = [(0, form(write(data), kind)) for form in FORMS for kind in KNOWN_TO_TSHARK[:2]]
    assert dissect(tshark, tmp_path, packed, "data.data") == [[[data.hex()]]] * 4


@pytest.mark.witness
def test_real_messages_come_back(shared: Path, tshark: str):
    capture = shared / "captures/samba/ntlm_311_unsigned.pcapng"
    messages = read_messages(tshark, capture)
    commands = {message.header.command for message in messages}
    assert {Command.CREATE, Command.WRITE, Command.QUERY_DIRECTORY} <= commands
    for message in [message for message in messages if len(message.data) < 5000][:100]:
        for algorithm in ALGORITHMS:
            packed = compress_chained(message.data, algorithm, offset=HEADER_SIZE)
            assert decompress(memoryview(packed), limit=LIMIT) == message.data


@pytest.mark.witness
def test_the_algorithms_that_peers_offer_are_known(shared: Path, tshark: str):
    capture = shared / "captures/public/zeek/smb/SMBGhost.pcap"  # zeek's compression-cap test: one algorithm, LZNT1
    (request,) = find(tshark, capture, Command.NEGOTIATE, responses=False)
    (response,) = find(tshark, capture, Command.NEGOTIATE, responses=True)
    for negotiated in (NegotiateRequest.parse(request.data), NegotiateResponse.parse(response.data)):
        (offer,) = [found for found in negotiated.contexts if isinstance(found, CompressionCapabilities)]
        assert offer.compression_algorithms == (CompressionAlgorithm.LZNT1,)
        packed = compress_unchained(CREATE, offer.compression_algorithms[0])
        assert decompress(memoryview(packed), limit=LIMIT) == CREATE
