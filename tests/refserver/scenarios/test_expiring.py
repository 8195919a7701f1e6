"""Sessions that expire: what happens then, and what has to be found."""

import pytest

from refserver.scenarios.expiring import MASS_EXPIRY, NOT_RENEWED, REAUTH_FAILED, REAUTH_VALID, RENEWED
from tests.refserver.scenarios.played import expected, kinds, played, seconds_between


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_session_is_renewed_as_often_as_it_expires(encrypted: bool) -> None:
    truth = played(RENEWED, times=3, encrypted=encrypted)
    assert expected(truth) == [("session_expired", "session_expired")] * 3
    renewal = ["session_expired", "reauth_started", "reauth_succeeded"]
    assert kinds(truth)[5:-3] == renewal * 3
    assert seconds_between(truth, "auth_succeeded", "session_expired") == pytest.approx(3 * 36_060, abs=1)


def test_a_session_that_is_not_renewed_ends_with_its_logoff() -> None:
    truth = played(NOT_RENEWED, lifetime=2)
    assert expected(truth) == [("session_expired", "session_not_renewed"), ("session_expired", "EXP-05")]
    assert kinds(truth)[-3:] == ["session_expired", "close", "session_logoff"]
    assert seconds_between(truth, "auth_succeeded", "session_expired") == pytest.approx(7260, abs=1)


def test_a_renewal_is_refused_where_the_server_has_an_old_key() -> None:
    truth = played(REAUTH_FAILED)
    assert kinds(truth)[-3:] == ["session_expired", "reauth_started", "reauth_failed"]
    assert expected(truth) == [("reauth_failed", "reauth_failed"), ("reauth_failed", "spn_wrong_account")]


def test_a_valid_session_may_be_renewed() -> None:
    truth = played(REAUTH_VALID)
    assert expected(truth) == []
    assert kinds(truth).count("reauth_succeeded") == 2
    assert "session_expired" not in kinds(truth)


@pytest.mark.parametrize(("spread", "crowd"), [(1, 1), (600, 0)])
def test_only_sessions_that_expire_within_a_minute_expire_together(spread: int, crowd: int) -> None:
    found = [rule for _, rule in expected(played(MASS_EXPIRY, spread=spread))]
    assert (found.count("session_expired"), found.count("EXP-08")) == (8, crowd)
