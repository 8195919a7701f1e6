"""Captures with compressed traffic, built from the specification's own examples: what is in them is what comes out.

A client writes a file whose content is the plain text of an example, with the example's bytes as the compressed part of
the message; so each algorithm goes through the whole program, from packets to the extracted file.
"""

import struct
import subprocess
import sys
from pathlib import Path

import lz4.block
import pytest

from analyzer import Analysis, analyze
from parsers.keys.store import DirectionKeys, KeyStore
from parsers.smb2.crypto import Cipher, encrypt
from parsers.smb2.header import Command
from parsers.smb2.read_write import WriteResponse
from tests.analyzer.export.share import SESSION, Share
from tests.parsers.smb2.test_lz77_huffman import ABC as ABC_HUFFMAN
from tests.parsers.smb2.test_lz77_huffman import ALPHABET as ALPHABET_HUFFMAN
from tests.parsers.smb2.test_lznt1 import PACKED as TUNE_LZNT1
from tests.parsers.smb2.test_lznt1 import PLAIN as TUNE

LZNT1, LZ77, LZ77_HUFFMAN, PATTERN_V1, LZ4 = 1, 2, 3, 4, 5  # MS-SMB2 2.2.3.1.3
ALPHABET, ABC = b"abcdefghijklmnopqrstuvwxyz", b"abc" * 100
EXAMPLES = {
    "LZNT1": (LZNT1, TUNE, TUNE_LZNT1),  # MS-XCA 3.3
    "LZ77": (LZ77, ALPHABET, b"\x3f\0\0\0" + ALPHABET),  # MS-XCA 3.1
    "LZ77 with a match": (LZ77, ABC, bytes.fromhex("ffffff1f61626317000fff2601")),
    "LZ77+Huffman": (LZ77_HUFFMAN, ALPHABET, ALPHABET_HUFFMAN),  # MS-XCA 3.2
    "LZ77+Huffman with a match": (LZ77_HUFFMAN, ABC, ABC_HUFFMAN),
    "LZ4": (LZ4, ABC, lz4.block.compress(ABC, store_size=False)),  # the format's own library
}
KEYS = DirectionKeys(SESSION, b"client to server", b"server to client")
COMMANDS = ("TREE_CONNECT", "CREATE", "WRITE", "CLOSE")
IN_FRONT = 64 + 48  # bytes of a WRITE request before its data: they stay plain


def unchained(message: bytes, algorithm: int, plain: bytes, packed: bytes) -> bytes:
    """MS-SMB2 2.2.42.1; the message ends with `plain`."""
    offset = len(message) - len(plain)
    return b"\xfcSMB" + struct.pack("<IHHI", len(plain), algorithm, 0, offset) + message[:offset] + packed


def chained(message: bytes, algorithm: int, plain: bytes, packed: bytes) -> bytes:
    """MS-SMB2 2.2.42.2: the beginning as it is, then the example, then nothing of a pattern's own."""
    front = message[: len(message) - len(plain)]
    payloads = (
        struct.pack("<HHI", 0, 1, len(front)) + front,
        struct.pack("<HHII", algorithm, 0, 4 + len(packed), len(plain)) + packed,
    )
    return b"\xfcSMB" + struct.pack("<I", len(message)) + b"".join(payloads)


def with_pattern(message: bytes, count: int) -> bytes:
    """A chain that ends in `count` times the same byte (MS-SMB2 2.2.42.2.2)."""
    front = message[: len(message) - count]
    payloads = (
        struct.pack("<HHI", 0, 1, len(front)) + front,
        struct.pack("<HHIBBHI", PATTERN_V1, 0, 8, message[-1], 0, 0, count),
    )
    return b"\xfcSMB" + struct.pack("<I", len(message)) + b"".join(payloads)


FORMS = {"unchained": unchained, "chained": chained}


def sealed(share: Share) -> Share:
    """The same, encrypted."""
    for place, (sender, data) in enumerate(share.said):
        key = (KEYS.client_to_server, KEYS.server_to_client)[sender]
        nonce = place.to_bytes(12, "little")
        sent = encrypt(cipher=Cipher.AES_128_GCM, key=key, nonce=nonce, session_id=SESSION, plaintext=data)
        share.said[place] = (sender, sent)
    return share


def upload(plain: bytes) -> tuple[Share, int]:
    """A client writes a file; the place of the WRITE request in what was said."""
    share = Share().connect()
    file_id = share.open("example")
    number = share.ask_write(file_id, 0, plain)
    place = len(share.said) - 1
    share.answer(Command.WRITE, number, WriteResponse(len(plain)).build())
    share.close(file_id)
    return share, place


def analyzed(share: Share, path: Path) -> Analysis:
    store = KeyStore()
    store.add(KEYS)
    return analyze(share.capture(path), keys=store)


def check(analysis: Analysis, plain: bytes, folder: Path, *, encrypted: bool) -> None:
    """The one compressed message is the WRITE, its signature and bytes are sound, the file is what was sent."""
    assert len(analysis.undecoded) == 0
    messages = analysis.messages
    assert messages.command.tolist() == [name for name in COMMANDS for _ in range(2)]
    assert messages.compressed.tolist() == [False] * 4 + [True] + [False] * 3
    assert set(messages.decryption) == ({"decrypted"} if encrypted else {"plaintext"})
    assert messages.encrypted.all() == encrypted
    row = analysis.accounting
    assert (row.captured == row.decoded).all()
    files = analysis.extract(folder)
    assert (files.path.tolist(), files.complete.tolist()) == (["share/example"], [True])
    assert (folder / "share" / "example").read_bytes() == plain


@pytest.mark.parametrize("encrypted", [False, True], ids=["clear", "encrypted"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_specification_s_examples_are_read(name: str, form: str, encrypted: bool, tmp_path: Path) -> None:
    algorithm, plain, packed = EXAMPLES[name]
    share, place = upload(plain)
    sender, message = share.said[place]
    assert message.endswith(plain)
    assert len(message) == IN_FRONT + len(plain)
    share.said[place] = (sender, FORMS[form](message, algorithm, plain, packed))
    share = sealed(share) if encrypted else share
    check(analyzed(share, tmp_path / "trace.pcapng"), plain, tmp_path / "files", encrypted=encrypted)


@pytest.mark.parametrize("encrypted", [False, True], ids=["clear", "encrypted"])
def test_a_pattern_is_read(encrypted: bool, tmp_path: Path) -> None:
    """It stands in chains alone (MS-SMB2 2.2.42.2.2)."""
    plain = b"\xaa" * 70_000
    share, place = upload(plain)
    sender, message = share.said[place]
    share.said[place] = (sender, with_pattern(message, len(plain)))
    share = sealed(share) if encrypted else share
    check(analyzed(share, tmp_path / "trace.pcapng"), plain, tmp_path / "files", encrypted=encrypted)


def test_what_is_compressed_changes_the_session_in_its_turn(tmp_path: Path) -> None:
    """A tree that is connected in compressed messages, and disconnected in others."""
    share = Share().connect()
    for place, (sender, message) in enumerate(share.said):
        share.said[place] = (sender, with_pattern(message + bytes(100), 100))
    empty = b"\x04\0\0\0"
    share.answer(Command.TREE_DISCONNECT, share.ask(Command.TREE_DISCONNECT, empty, tree_id=1), empty, tree_id=1)
    analysis = analyzed(sealed(share), tmp_path / "trace.pcapng")
    assert analysis.messages.compressed.tolist() == [True, True, False, False]
    assert analysis.trees.disconnected.notna().tolist() == [True]
    assert analysis.trees.path.tolist() == [r"\\server\share"]


def test_the_examples_are_compressed_by_these_captures(tmp_path: Path) -> None:
    """What the other tests read is not there as it is."""
    share, place = upload(ABC)
    plain = share.capture(tmp_path / "plain.pcapng").read_bytes()
    sender, message = share.said[place]
    share.said[place] = (sender, unchained(message, *EXAMPLES["LZ77 with a match"]))
    assert ABC in plain
    assert ABC not in share.capture(tmp_path / "packed.pcapng").read_bytes()


# ----------------------------------------------------------------------------------------------- bombs

MIB = 1 << 20
LARGEST = 8 * MIB  # what a peer may send where the negotiated sizes were not seen
PEAK = """
import sys
from analyzer.cli import main
code = main(sys.argv[1:])
# Not ru_maxrss, which a process inherits from the one that started it.
print(next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


def bombs(count: int, size: int) -> Share:
    """Many WRITEs that say of 16 bytes that they are a pattern of `size`."""
    share = Share().connect()
    file_id = share.open("bomb")
    for _ in range(count):
        share.ask_write(file_id, 0, b"x")
        sender, message = share.said[-1]
        front = message[:-1]
        payloads = struct.pack("<HHI", 0, 1, len(front)) + front
        payloads += struct.pack("<HHIBBHI", PATTERN_V1, 0, 8, 0, 0, 0, size)
        share.said[-1] = (sender, b"\xfcSMB" + struct.pack("<I", len(front) + size) + payloads)
    return share


def peak(capture: Path, output: Path) -> int:
    """The most memory that a process has while it writes the messages of a capture, in bytes."""
    command = [sys.executable, "-c", PEAK, "messages", str(capture), "--format", "parquet", "-o", str(output)]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    return int(run.stdout.split()[-1])


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        (0xFFFF_FF00 - IN_FRONT, "OriginalCompressedSegmentSize .* bytes allowed"),
        (LARGEST + 1000, "OriginalCompressedSegmentSize .* bytes allowed"),
    ],
)
def test_a_bomb_is_refused_and_costs_nothing(size: int, reason: str, tmp_path: Path) -> None:
    """4 GiB in 16 bytes, a hundred times; measured beside the same messages that say nothing of the kind."""
    bomb = bombs(100, size).capture(tmp_path / "bomb.pcapng")
    tame = bombs(100, 1).capture(tmp_path / "tame.pcapng")
    analysis = analyze(bomb)
    assert len(analysis.undecoded) == 100
    assert analysis.undecoded.reason.str.contains(reason).all()
    row = analysis.accounting
    assert (row.captured == row.decoded + row.undecoded).all()
    assert peak(bomb, tmp_path / "bomb.parquet") - peak(tame, tmp_path / "tame.parquet") < 16 * MIB


def test_many_messages_of_the_largest_size_cost_bounded_memory(tmp_path: Path) -> None:
    """3 GiB in a capture of 100 kB: the first 256 MiB are read, twice as much is held at once at most."""
    capture = bombs(400, LARGEST - 100).capture(tmp_path / "bombs.pcapng")
    assert capture.stat().st_size < 150_000
    assert peak(capture, tmp_path / "bombs.parquet") < (2 * 256 + 256) * MIB
    analysis = analyze(capture)
    assert analysis.messages.compressed.sum() == 400
    assert analysis.undecoded.reason.str.contains("OriginalCompressedSegmentSize .* bytes allowed").all()
    assert 300 < len(analysis.undecoded) < 400
