"""Sessions with two channels."""

import pytest

from refserver.scenarios.binding import CHANNEL_LOST
from tests.refserver.scenarios.played import expected, kinds, played


@pytest.mark.parametrize("encrypted", [False, True])
def test_the_session_goes_on_over_the_other_channel(encrypted: bool) -> None:
    truth = played(CHANNEL_LOST, encrypted=encrypted)
    assert expected(truth) == [("channel_lost", "channel_lost")]
    assert kinds(truth)[kinds(truth).index("channel_lost") + 1 :] == [
        "close", "open", "close", "tree_disconnected", "session_logoff",
    ]  # fmt: skip


def test_a_channel_that_is_closed_after_the_logoff_is_not_lost() -> None:
    truth = played(CHANNEL_LOST, lost=False)
    assert expected(truth) == []
    assert "channel_bound" in kinds(truth)
    assert "channel_lost" not in kinds(truth)
