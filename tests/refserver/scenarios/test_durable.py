"""Durable handles whose connection is lost."""

import pytest

from refserver.scenarios.durable import RECONNECT
from tests.refserver.scenarios.played import expected, kinds, played


@pytest.mark.parametrize(("version", "away"), [("1", 100), ("2", 150)])
def test_who_comes_back_in_time_has_the_handle_again(version: str, away: int) -> None:
    truth = played(RECONNECT, version=version, away=away)
    assert expected(truth) == []
    assert [kind for kind in kinds(truth) if kind.startswith("handle")] == ["handle_granted", "handle_reconnected"]


@pytest.mark.parametrize(("version", "away"), [("1", 150), ("2", 240)])
def test_who_comes_back_too_late_has_lost_it(version: str, away: int) -> None:
    truth = played(RECONNECT, version=version, away=away)
    assert expected(truth) == [("handle_lost", "durable_handle_lost")]
    assert kinds(truth).count("open") == 2
