"""Times, amounts and requests in words."""

import pandas as pd
import pytest

from analyzer.rules.words import asked_for, clock, count, rate, seconds, share_of


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0, "0 ms"), (0.0123, "12.3 ms"), (1, "1.00 s"), (35.0308, "35.03 s"), (120.05, "120 s"), (3000, "50 min"),
     (7500, "2 h 5 min")],
)  # fmt: skip
def test_durations(duration: float, text: str) -> None:
    assert seconds(duration) == text


def test_amounts() -> None:
    assert (count(1, "request"), count(2000, "request")) == ("1 request", "2,000 requests")
    assert (share_of(1, 8), share_of(0, 0)) == ("12 %", "0 %")
    assert (rate(250_000, 1), rate(1, 0), rate(10**10, 1)) == ("2.0 Mbit/s", "0.0 bit/s", "80.0 Gbit/s")
    assert clock(1_795_167_715_623_998_242) == "09:41:55.623"


def test_requests() -> None:
    rows = pd.DataFrame(
        {
            "command": ["READ", "READ"],
            "file_name": pd.Series(["a\x1b.txt", None], dtype="string"),
            "request_frame": pd.Series([7, None], dtype="Int64"),
        }
    )
    assert asked_for(rows.iloc[:0]) == "a request"
    assert asked_for(rows.iloc[1:]) == "READ"
    assert asked_for(rows) == r"READ of 'a\x1b.txt' (frame 7) and 1 other request"
