"""Compressed units are found, decompressed within bounds, and put in their place; the decoder's tests show the rest."""

import numpy as np
import pytest

from parsers.smb2.compression import compress_unchained
from parsers.smb2.decrypt import Opened
from parsers.smb2.header import Command
from parsers.smb2.inflate import compressed_units, inflate
from parsers.smb2.messages import DECRYPTIONS, Units
from parsers.smb2.session import SmbConnection
from parsers.smb2.transform import CompressionAlgorithm
from parsers.verdicts import Decryption
from tests.parsers.smb2.dialogue import message

ECHO = message(Command.ECHO, 1) + bytes(200)
SENT = compress_unchained(ECHO, CompressionAlgorithm.LZ77, offset=64)


def units(*protocols: int, present: int = len(SENT)) -> Units:
    """Units of one size, one behind another, on connection 0."""
    zeros = np.zeros(len(protocols), np.int64)
    start = np.arange(len(protocols)) * len(SENT)
    length = zeros + len(SENT)
    return Units(start, length, zeros + present, start, *[zeros] * 4, zeros, zeros, np.array(protocols, np.int64))


def opened(verdict: Decryption | None = None) -> Opened:
    """No encrypted unit, or one whose plain bytes stand at the start of the arena."""
    rows = np.arange(0 if verdict is None else 1)
    verdicts = np.full(len(rows), DECRYPTIONS.index(verdict or Decryption.DECRYPTED))
    return Opened(rows, rows.astype(np.uint64), rows, verdicts, rows * 0, rows * 0 + len(SENT))


def arena(data: bytes) -> memoryview:
    """The bytes, writable, with room behind them."""
    return memoryview(bytearray(data + bytes(1024)))


def test_only_whole_compressed_units_are_taken() -> None:
    place = arena(SENT * 3)
    assert compressed_units(place, units(0xFC, 0xFE, 0xFC), opened()).unit.tolist() == [0, 2]
    assert len(compressed_units(place, units(0xFC, present=10), opened())) == 0


@pytest.mark.parametrize(("verdict", "found"), [(Decryption.DECRYPTED, [0]), (Decryption.NO_KEY, [])])
def test_what_was_encrypted_is_taken_if_it_was_opened(verdict: Decryption, found: list[int]) -> None:
    jobs = compressed_units(arena(SENT), units(0xFD), opened(verdict))
    assert jobs.unit.tolist() == found
    assert jobs.encrypted.all()


def test_plain_bytes_are_put_one_behind_another() -> None:
    place = arena(SENT + b"\xfcSMB" + bytes(len(SENT) - 4) + SENT)
    jobs = compressed_units(place, units(0xFC, 0xFC, 0xFC), opened())
    messages = inflate(place, units(0xFC, 0xFC, 0xFC), jobs, {0: SmbConnection(0, (1, 445))})
    assert messages == [ECHO, b"", ECHO]
    assert jobs.done.tolist() == [True, False, True]
    assert jobs.failed.tolist() == [1]
    assert list(jobs.reasons) == [1]
    jobs.place(place, messages, 3 * len(SENT))
    for row in (0, 2):
        assert bytes(place[jobs.start[row] : jobs.end[row]]) == ECHO
