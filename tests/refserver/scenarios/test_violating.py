"""Every rule of re-authentication that can be broken, and that it is broken on the wire."""

import io

import pytest

from analyzer import analyze
from refserver.scenarios.violating import VIOLATION
from tests.refserver.scenarios.played import expected, kinds, played

RENEWED = ("session_expired", "session_expired")
BROKEN = {
    "none": [RENEWED],
    "flags": [RENEWED, ("reauth_started", "REAU-01")],
    "security_mode": [RENEWED, ("reauth_started", "REAU-01")],
    "previous_session_id": [RENEWED, ("reauth_started", "REAU-01"), ("reauth_started", "PREV-01")],
    "new_session": [("session_expired", "session_not_renewed"), ("session_expired", "EXP-05")],
    "plaintext": [("reauth_started", "REAU-04"), ("reauth_failed", "reauth_failed")],
    "new_keys": [RENEWED, ("request", "REAU-02"), ("request", "SIGN-05")],
    "not_retried": [RENEWED, ("session_expired", "EXP-05")],
    "new_requests": [RENEWED, ("request", "EXP-06")],
    "used_after_failure": [("reauth_failed", "reauth_failed"), ("reauth_failed", "spn_wrong_account"),
                           ("request", "EXP-07")],
}  # fmt: skip


def test_all_of_them_are_here() -> None:
    assert tuple(BROKEN) == VIOLATION.all_options["violation"].choices


@pytest.mark.parametrize("violation", BROKEN)
def test_each_is_expected_to_be_found(violation: str) -> None:
    truth = played(VIOLATION, violation=violation)
    assert expected(truth) == BROKEN[violation]
    assert all(event["frames"] for event in truth["events"] if event["findings"])
    assert ("reauth_started" in kinds(truth)) == (violation != "new_session")


def messages_of(violation: str):
    capture = io.BytesIO()
    VIOLATION.generate(capture, values={"violation": violation})
    capture.seek(0)
    return analyze(capture).messages


def test_the_encrypted_session_is_renewed_in_clear() -> None:
    messages = messages_of("plaintext")
    setups = messages[(messages.command == "SESSION_SETUP") & (messages.session_id != 0) & ~messages.is_response]
    assert len(setups) == 1
    assert not setups.encrypted.any()


def test_requests_go_on_though_the_session_has_expired() -> None:
    messages = messages_of("new_requests")
    assert (messages.status == "STATUS_NETWORK_SESSION_EXPIRED").sum() == 3
