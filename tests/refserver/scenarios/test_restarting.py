"""Servers that are gone for a while, or for good."""

import pytest

from refserver.scenarios.restarting import DEATH, REFUSED, RESTART, UNANSWERED
from tests.refserver.scenarios.played import expected, kinds, played


@pytest.mark.parametrize(("how", "kind"), [("reset", "tcp_reset"), ("fin", "tcp_close")])
def test_a_service_goes_down_refuses_and_comes_back(how: str, kind: str) -> None:
    truth = played(RESTART, how=how)
    assert expected(truth) == [(kind, "server_restarted"), ("tcp_reset", "connection_refused")]
    assert kinds(truth).count("auth_succeeded") == 2
    assert kinds(truth, without="?").count("tcp_connect") == 5


def test_an_answer_is_half_sent_when_its_process_dies() -> None:
    truth = played(DEATH)
    assert expected(truth) == [("request", "server_died"), ("request", "response_never_complete")]
    assert kinds(truth)[-1] == "session_logoff"  # the next process does its work


def test_every_attempt_is_refused() -> None:
    truth = played(REFUSED, attempts=4)
    assert expected(truth) == [("tcp_reset", "connection_refused")]
    assert kinds(truth, without="?") == ["tcp_connect", "tcp_reset"] * 4


def test_nobody_answers() -> None:
    truth = played(UNANSWERED, attempts=2)
    assert expected(truth) == [("tcp_connect", "connect_timeout")]
    assert [len(event["frames"]) for event in truth["events"]] == [5, 5]
