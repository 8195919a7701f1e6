"""Clients without credits."""

import io

from analyzer import analyze
from refserver.scenarios.starving import STARVATION
from tests.refserver.scenarios.played import expected, played


def test_a_client_without_credits_asks_for_nothing_more() -> None:
    capture = io.BytesIO()
    truth = STARVATION.generate(capture).truth
    assert expected(truth) == [("credits_exhausted", "credit_starvation"), ("credits_exhausted", "CRED-03")]
    capture.seek(0)
    messages = analyze(capture).messages
    charged = messages[~messages.is_response].credit_charge.clip(lower=1).sum()
    assert charged == 1 + messages[messages.is_response].credits.sum()
    (event,) = (event for event in truth["events"] if event["kind"] == "credits_exhausted")
    assert event["frames"][-1] == messages.frame.max()


def test_few_credits_are_enough_to_go_on() -> None:
    assert expected(played(STARVATION, grants="few")) == []
