"""MessageIds against the window: used out of order, passed over, and those that may not be used."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from analyzer.evidence.headers import Headers
from analyzer.evidence.sequence import Misnumbering, SequenceEvidence
from parsers.smb2.header import HEADER, Flags

REQUEST, RESPONSE = 0, Flags.SERVER_TO_REDIR.value


def fed(*blocks: list[tuple[int, int, int, int]]) -> list[tuple[Misnumbering, int]]:
    """What is wrong with messages of (flags, MessageId, CreditCharge, credits), and with which of them."""
    evidence = SequenceEvidence()
    frame = 0
    for block in blocks:
        header = np.zeros(len(block), HEADER.dtype)
        for row, (flags, number, charge, credits_) in zip(header, block, strict=True):
            row["flags"], row["message_id"], row["credit_charge"], row["credits"] = flags, number, charge, credits_
        count = len(block)
        frames = np.arange(frame, frame + count)
        messages = SimpleNamespace(
            header=header, known=np.ones(count, np.bool_), unit=np.arange(count), session=np.full(count, -1),
            encrypted=np.zeros(count, np.bool_),
        )  # fmt: skip
        units = SimpleNamespace(connection=np.zeros(count, np.int64), last_frame=frames, last_time=frames)
        batch: Any = SimpleNamespace(messages=messages, units=units)
        evidence.take(batch, Headers(batch))
        frame += count
    return [(Misnumbering(int(row["kind"])), int(row["message_id"])) for row in evidence.rows]


def test_one_after_the_other_is_right() -> None:
    assert fed([(REQUEST, 0, 0, 1), (RESPONSE, 0, 0, 1), (REQUEST, 1, 1, 1)], [(RESPONSE, 1, 1, 1)]) == []


def test_numbers_within_the_window_may_come_in_any_order() -> None:
    grant = [(REQUEST, 0, 0, 1), (RESPONSE, 0, 0, 10)]
    assert fed(grant, [(REQUEST, 3, 1, 1), (REQUEST, 1, 2, 1), (REQUEST, 4, 5, 1)]) == []


def test_a_number_behind_the_window() -> None:
    assert fed([(REQUEST, 0, 0, 1), (RESPONSE, 0, 0, 2), (REQUEST, 3, 1, 1)]) == [(Misnumbering.OUTSIDE, 3)]


def test_a_charge_that_reaches_behind_the_window() -> None:
    assert fed([(REQUEST, 0, 0, 1), (RESPONSE, 0, 0, 2), (REQUEST, 1, 3, 1)]) == [(Misnumbering.OUTSIDE, 1)]


def test_a_number_that_was_used_in_another_block() -> None:
    grant = [(REQUEST, 0, 0, 1), (RESPONSE, 0, 0, 10), (REQUEST, 1, 2, 1)]
    assert fed(grant, [(REQUEST, 2, 1, 1)]) == [(Misnumbering.REUSED, 2)]


def test_a_number_that_was_passed_over_may_be_used_once() -> None:
    grant = [(REQUEST, 0, 0, 1), (RESPONSE, 0, 0, 10), (REQUEST, 5, 1, 1)]
    assert fed(grant, [(REQUEST, 2, 1, 1), (REQUEST, 2, 1, 1)]) == [(Misnumbering.REUSED, 2)]


def test_a_number_as_large_as_can_be() -> None:
    assert fed([(REQUEST, 0, 0, 1), (RESPONSE, 0, 0, 1), (REQUEST, (1 << 64) - 2, 1, 1)])[0][0] is Misnumbering.OUTSIDE
