"""Sessions that the server ends because nobody uses them."""

import pytest

from refserver.scenarios.idling import REAPED
from tests.refserver.scenarios.played import expected, kinds, played


def test_the_next_request_is_refused() -> None:
    truth = played(REAPED)
    assert expected(truth) == [("request", "SESS-10"), ("request", "session_lost")]
    assert kinds(truth).count("session_ended") == 1


def test_or_the_connection_is_closed() -> None:
    truth = played(REAPED, by="close")
    assert expected(truth) == [("tcp_close", "idle_session_reaped"), ("tcp_close", "TIME-07")]
    closed = next(event for event in truth["events"] if event["kind"] == "tcp_close")
    assert 15 * 60 <= (closed["time"] - truth["events"][0]["time"]) / 1e9 <= 16 * 60
    assert kinds(truth).count("auth_succeeded") == 2


@pytest.mark.parametrize("by", ["status", "close"])
def test_who_comes_back_in_time_finds_the_session(by: str) -> None:
    truth = played(REAPED, by=by, minutes=12)
    assert expected(truth) == []
    assert kinds(truth).count("auth_succeeded") == 1
