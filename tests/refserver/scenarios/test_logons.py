"""Logons, good and bad."""

import pytest

from refserver.scenarios.logons import GUEST, LOCKOUT, ROLLOVER, WRONG_PASSWORD
from tests.refserver.scenarios.played import expected, kinds, played


@pytest.mark.parametrize("encrypted", [False, True])
def test_each_of_three_logons_on_one_connection_has_its_session(encrypted: bool) -> None:
    truth = played(ROLLOVER, encrypted=encrypted)
    assert expected(truth) == []
    sessions = {event["session_id"] for event in truth["events"] if event["kind"] == "auth_succeeded"}
    assert len(sessions) == 3
    assert len({event["connection"] for event in truth["events"]}) == 1


def test_a_wrong_password_is_a_finding_unless_it_was_a_slip() -> None:
    assert expected(played(WRONG_PASSWORD)) == [("auth_failed", "logon_refused")]
    assert expected(played(WRONG_PASSWORD, corrected=True)) == []


def test_too_many_wrong_passwords_lock_the_account() -> None:
    truth = played(LOCKOUT, threshold=4)
    assert [rule for _, rule in expected(truth)] == ["logon_refused"] * 4 + ["account_locked"]
    assert "auth_succeeded" not in kinds(truth)


@pytest.mark.parametrize(("user", "findings"), [("mallory", [("auth_succeeded", "guest_session")]), ("alice", [])])
def test_only_who_is_not_known_becomes_a_guest(user: str, findings: list[tuple[str, str]]) -> None:
    assert expected(played(GUEST, user=user)) == findings
