"""Events of credits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from analyzer.events import Kind
from analyzer.events.credits import credit_events
from analyzer.evidence.credits import EXHAUSTION


@dataclass
class Credits:
    exhaustions: Any


@dataclass
class Found:
    credits: Credits


@pytest.mark.parametrize(
    ("end", "kinds"),
    [(90, [Kind.CREDITS_EXHAUSTED, Kind.CREDITS_REFILLED]), (0, [Kind.CREDITS_EXHAUSTED])],
)
def test_a_want_has_a_begin_and_an_end_if_it_was_seen(end: int, kinds: list[Kind]) -> None:
    row = np.array([(4, 10_000_000, 7, end * 1_000_000, 9 if end else 0, 2)], EXHAUSTION)
    events = list(credit_events(Found(Credits(row))))
    assert [event.kind for event in events] == kinds
    assert events[0].frames == (7,)
    assert events[0].connection == 4
    assert events[0].details == {"outstanding": 2, "length_ns": 80_000_000 if end else None}
    assert ("for 80.0 ms" if end else "and got none") in events[0].text
