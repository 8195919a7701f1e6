"""Requests that may wait: CHANGE_NOTIFY, blocking locks, named pipes."""

import pytest

from analyzer import analyze
from analyzer.policy import Policy
from analyzer.rules.case import Case
from analyzer.rules.exempt import exempt
from tests.analyzer.rules.test_stillness import case_of
from tests.witness.decoding import SHARED
from tests.witness.known_keys import store_of


def test_a_notification_may_wait_and_nothing_else() -> None:
    case = case_of("ok_notify_pending_enc")
    rows = case.exchanges[exempt(case, case.exchanges)]
    assert set(rows["command"].astype(str)) == {"CHANGE_NOTIFY"}
    assert len(rows) == 3


@pytest.mark.usefixtures("shared")
def test_a_lock_may_wait_unless_it_fails_at_once() -> None:
    path = SHARED / "captures" / "samba" / "torture_lock.pcapng"
    analysis = analyze(path, keys=store_of(SHARED, path))
    case = Case(analysis, analysis.evidence, Policy())
    locks = case.exchanges[case.exchanges["command"] == "LOCK"]
    patient = exempt(case, locks)
    assert 0 < patient.sum() < len(locks)
    assert locks[~patient]["pending_time"].isna().all()  # only what may wait is answered STATUS_PENDING
