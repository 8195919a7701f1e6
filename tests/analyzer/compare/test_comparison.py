"""What a comparison is to its user."""

import pandas as pd
import pytest

from analyzer.compare.comparison import TWO_SIDES, Comparison, duration, nanoseconds

COMPARISON = Comparison(
    TWO_SIDES,
    "a<b>.pcap",
    "b.pcap",
    ("Nothing < something.",),
    {"lost": pd.DataFrame({"x": [1]})},
    {"clock_drift": 2.0},
)


def test_tables_and_values_are_attributes() -> None:
    assert COMPARISON.lost["x"].tolist() == [1]
    assert COMPARISON.clock_drift == 2.0
    with pytest.raises(AttributeError, match="there is no 'latency' in this comparison: it is of the mode 'two sides'"):
        _ = COMPARISON.latency


def test_a_notebook_shows_text_as_text() -> None:
    page = COMPARISON._repr_html_()
    assert "a&lt;b&gt;.pcap (A) and b.pcap (B): two sides" in page
    assert "<li>Nothing &lt; something.</li>" in page
    assert repr(COMPARISON) == "<Comparison of a<b>.pcap and b.pcap: two sides>"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(0, "0 ns"), (999, "999 ns"), (1_500, "1.5 us"), (-15_012_345, "-15.012 ms"), (3_217_000_000, "3.217000 s")],
)
def test_durations_are_said_in_a_fitting_unit(nanoseconds: int, text: str) -> None:
    assert duration(nanoseconds) == text


def test_times_and_durations_are_integers() -> None:
    assert nanoseconds(pd.Series(pd.to_timedelta([5], unit="us"))).tolist() == [5_000]
    assert nanoseconds(pd.Series(pd.to_datetime([7], utc=True))).tolist() == [7]
