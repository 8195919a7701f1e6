"""Bytes are counted once: decoded, or undecoded with a reason. `Line.finish` holds the sums on every dialogue."""

import numpy as np

from parsers.smb2.framing import PREFIX
from parsers.smb2.header import HEADER
from parsers.smb2.ledger import Ledger
from parsers.smb2.messages import DECRYPTIONS, Fault, Messages, Units
from parsers.verdicts import Decryption


def units(*present: int) -> Units:
    """Units of 100 declared bytes in frames 1, 2, ... of connection 3, sent by its server."""
    count = len(present)
    zeros, length = np.zeros(count, np.int64), np.full(count, 100)
    frame = np.arange(1, count + 1)
    return Units(
        zeros, length, np.array(present), frame * 1000, frame, frame, frame, frame, zeros + 3, zeros + 1, zeros + 0xFE
    )


def messages(*units_of: int, known: bool = True) -> Messages:
    """One message in each of the given units."""
    count = len(units_of)
    zeros, flags = np.zeros(count, np.int64), np.zeros(count, np.bool_)
    verdicts = zeros.astype(np.uint8)
    header = np.zeros(count, HEADER.dtype)
    return Messages(
        header,
        flags | known,
        np.array(units_of, np.int64),
        zeros,
        zeros,
        flags,
        verdicts,
        verdicts,
        zeros,
        zeros,
        flags,
    )


def test_a_unit_with_a_known_message_is_decoded_once() -> None:
    ledger = Ledger()
    ledger.count_decoded(units(100, 100, 100, 40), messages(0, 0, 2, 3))
    assert ledger.decoded == {(3, 1): 2 * (100 + PREFIX)}
    ledger.count_decoded(units(100), messages(0, known=False))
    assert ledger.decoded == {(3, 1): 2 * (100 + PREFIX)}


def test_a_unit_with_several_faults_and_no_message_is_counted_with_the_first() -> None:
    ledger = Ledger()
    faults = [
        Fault(0, 0, 10, "one"),
        Fault(0, 10, 10, "two"),
        Fault(1, 0, 5, "beside a message"),
        Fault(2, 0, 5, "cut"),
    ]
    ledger.note_faults(units(100, 100, 40), messages(1), faults)
    assert [(row.reason, row.length) for row in ledger.undecoded] == [
        ("one", 100 + PREFIX),
        ("two", 0),
        ("beside a message", 0),
    ]
    assert {(row.connection, row.sender) for row in ledger.undecoded} == {(3, 1)}
    assert [row.frame for row in ledger.undecoded] == [1, 1, 2]


def test_a_closed_unit_says_why_unless_the_framer_has_counted_it() -> None:
    ledger = Ledger()
    verdicts = np.array([DECRYPTIONS.index(Decryption.NO_KEY), DECRYPTIONS.index(Decryption.DAMAGED), 0])
    ledger.note_closed(units(100, 100, 40), np.arange(3), verdicts, {1: "compressed, and broken"})
    assert [row.reason for row in ledger.undecoded] == [
        "encrypted, and no key was given for the session",
        "compressed, and broken",
    ]
    assert [row.length for row in ledger.undecoded] == [100 + PREFIX] * 2
