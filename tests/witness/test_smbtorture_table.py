"""docs/smbtorture.md stays true: a sample of the tests that pass by it, from every suite, still pass."""

import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import WITNESSES_REQUIRED
from tests.witness.torture import SUITES, TABLE, Target, passing, run_one, serving

pytestmark = pytest.mark.witness
SAMPLE = {  # of each suite some that are quick; test_smbtorture.py runs all of four suites
    "smb2.connect": (),
    "smb2.session": ("reauth1", "reauth6", "reconnect1", "bind1", "signing-aes-128-gmac", "encryption-aes-256-gcm"),
    "smb2.read": ("eof", "position", "dir", "access"),
    "smb2.oplock": ("exclusive1", "batch1", "batch9a", "batch24", "levelii501", "statopen1", "brl1", "doc"),
    "smb2.lease": ("request", "upgrade3", "break_twice", "breaking3", "complex1", "v2_epoch2", "v2_rename", "statopen"),
    "smb2.compound": ("related1", "unrelated1", "invalid1", "interim1"),
    "smb2.credits": ("skipped_mid",),
    "smb2.durable-open": ("open-oplock", "open-lease", "reopen1a", "reopen2", "lock-lease", "delete_on_close1"),
    "smb2.lock": ("valid-request", "rw-shared", "async", "cancel-tdis", "contend", "truncate", "range"),
    "smb2.notify": ("valid-req", "dir", "mask-change", "rec", "close", "tcp"),
    "smb2.dir": ("find", "fixed", "one", "modify"),
    "smb2.getinfo": ("complex", "fsinfo", "qsec_buffercheck", "getinfo_access"),
}
TESTS = [f"{suite}.{test}" for suite, tests in SAMPLE.items() for test in tests] + ["smb2.connect"]


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    if shutil.which("smbtorture") is None:
        (pytest.fail if WITNESSES_REQUIRED else pytest.skip)("needs smbtorture, which is not installed")
    with serving() as target:
        yield target


@pytest.mark.parametrize("test", TESTS)
def test_what_passes_by_the_table_passes(test: str, target: Target) -> None:
    assert test in passing()
    assert run_one(target, test) == ("success", "")


def test_the_table_has_every_suite_and_the_share_that_was_demanded() -> None:
    text = TABLE.read_text()
    assert [suite for suite in SUITES if f"\n## {suite}\n" not in text] == []
    rows = [line.split("|") for line in text.splitlines() if line.endswith("| success |")]
    assert sum(row[2].strip() == "success" for row in rows) >= 0.7 * len(rows) > 0.7 * 200
