from pathlib import Path

import pytest

from analyzer import Analysis
from analyzer.evidence.marks import Mark
from analyzer.plots.tcp import tcp_figure
from parsers.errors import UsageError
from tests.analyzer.captures import analyzed

LOSSY = "faults/net_delay40_loss2_enc.pcapng.gz"


def test_the_last_positions_are_what_each_side_sent(mixed: Analysis) -> None:
    accounting = mixed.accounting[mixed.accounting["connection"] == 0]
    for axes, from_client in zip(tcp_figure(mixed.evidence.tcp, 0).axes, (True, False), strict=True):
        (row,) = accounting[accounting["from_client"] == from_client].to_dict("records")
        sent, acknowledged = axes.lines[:2]
        assert axes.get_ylabel() == "kB"
        # A FIN takes a place in the sequence as well (RFC 9293 3.4).
        assert 0 <= round(sent.get_ydata()[-1] * 1000) - (row["captured"] - row["retransmitted"] + row["gap"]) <= 1
        assert max(acknowledged.get_ydata()) <= max(sent.get_ydata()) + 0.001


def test_troubles_are_marked_as_often_as_they_happened(shared: Path) -> None:
    health = analyzed(shared, LOSSY).evidence.tcp
    for sender, axes in enumerate(tcp_figure(health, 0).axes):
        drawn = {str(line.get_label()).partition(" (")[0]: len(line.get_xdata()) for line in axes.lines[2:]}
        assert drawn["sent again"] == len(health.marks_of(0, Mark.RETRANSMISSION, sender=sender))
        # It is the receiver that asks again for what the sender has to send.
        assert drawn["asked again"] == len(health.marks_of(0, Mark.DUPLICATE_ACK, sender=1 - sender))


def test_many_bytes_are_shown_as_megabytes(shared: Path) -> None:
    assert [axes.get_ylabel() for axes in tcp_figure(analyzed(shared, LOSSY).evidence.tcp, 0).axes] == ["MB", "MB"]


@pytest.mark.parametrize("number", [-1, 1000])
def test_a_connection_that_is_not_there_is_a_mistake(mixed: Analysis, number: int) -> None:
    with pytest.raises(UsageError, match="there is no connection"):
        mixed.plot.tcp(number)
    assert len(mixed.plot.tcp(1).axes) == 2
