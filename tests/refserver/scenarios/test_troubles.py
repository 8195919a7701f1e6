"""Troubles of networks and machines, and the same without them."""

import pytest

from refserver.scenarios.scenario import Scenario
from refserver.scenarios.troubles import (
    BLACK_HOLE,
    IDLE_PATH,
    LOSS,
    PATH_DEAD,
    REORDERING,
    STALL,
    ZERO_WINDOW,
)
from tests.refserver.scenarios.played import expected, kinds, played, seconds_between

FOUND = [
    (LOSS, ["path_loss"]),
    (REORDERING, ["path_reorders"]),
    (ZERO_WINDOW, ["client_slow"]),
    (STALL, ["server_stalled"]),
    (PATH_DEAD, ["path_dead"]),
    (IDLE_PATH, ["idle_path_dropped", "request_timeout", "TIME-01"]),
    (BLACK_HOLE, ["mtu_black_hole", "request_never_sent", "request_timeout", "TIME-01"]),
]
CLEAN = [
    (LOSS, {"loss": 0}),
    (REORDERING, {"reorder": 0}),
    (ZERO_WINDOW, {"busy": 1}),
    (STALL, {"frozen": 1}),
    (PATH_DEAD, {"dead": 1}),
    (IDLE_PATH, {"idle": 5}),
    (BLACK_HOLE, {"mtu": 1500}),
]


@pytest.mark.parametrize(("scenario", "rules"), FOUND, ids=lambda value: getattr(value, "name", ""))
def test_the_trouble_is_expected_at_the_request_that_suffers(scenario: Scenario, rules: list[str]) -> None:
    truth = played(scenario)
    assert expected(truth) == [("request", rule) for rule in rules]
    (request,) = (event for event in truth["events"] if event["kind"] == "request")
    assert request["frames"]


@pytest.mark.parametrize(("scenario", "values"), CLEAN, ids=lambda value: getattr(value, "name", ""))
def test_without_it_nothing_is_to_be_found(scenario: Scenario, values: dict[str, float]) -> None:
    truth = played(scenario, **values)
    assert expected(truth) == []
    assert kinds(truth)[-1] == "session_logoff"


@pytest.mark.parametrize(
    ("scenario", "length"),
    [(ZERO_WINDOW, 20), (STALL, 25), (PATH_DEAD, 25)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_it_lasts_as_long_as_it_was_told_to(scenario: Scenario, length: float) -> None:
    assert length <= seconds_between(played(scenario), "request", "close") < length + 15  # the back-off of TCP
