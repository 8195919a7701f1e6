"""Times in which a server let its client wait: where they are, and whom TCP blames."""

import pytest

from analyzer import analyze
from analyzer.policy import Policy
from analyzer.rules.case import Case
from analyzer.rules.stillness import Blame
from tests.analyzer.rules.real import path_of
from tests.witness.decoding import SHARED
from tests.witness.known_keys import store_of


def case_of(name: str) -> Case:
    path = path_of(name)
    analysis = analyze(path, keys=store_of(SHARED, path))
    return Case(analysis, analysis.evidence, Policy())


@pytest.mark.parametrize(
    ("name", "blame", "least", "most"),
    [
        ("srv_stop15_get_signed", Blame.SERVER, 14.5, 15.5),  # stopped for 15 s
        ("srv_stop_negotiate_unanswered", Blame.SERVER, 19.5, 20.5),  # smbclient waits 20 s
        ("srv_stop_giveup_put_enc", Blame.SERVER, 13, 15),  # zero windows, then RST
        ("net_blackout20_get_signed", Blame.PATH, 20, 40),  # 20 s, and the back-off behind them
        ("net_idle_then_blackhole_enc", Blame.PATH, 50, 55),
        ("net_mtu_blackhole_enc", Blame.PATH, 10, 20),
    ],
)
def test_who_let_whom_wait(name: str, blame: Blame, least: float, most: float) -> None:
    (still,) = case_of(name).stillnesses
    assert still.blame is blame
    assert least <= still.seconds <= most


@pytest.mark.parametrize(
    "name",
    [
        "ok_notify_pending_enc",  # CHANGE_NOTIFY may wait for 40 s
        "break_frozen_holder_enc",  # PENDING: the server is awake
        "net_delay40_loss2_enc",
        "srv_deadtime_idle_disconnect_enc",  # nobody waited for anything
    ],
)
def test_waiting_that_is_no_stillness(name: str) -> None:
    assert case_of(name).stillnesses == []
