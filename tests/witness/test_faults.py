"""Real captures with planted faults: every statement of the truth beside them is said by a finding, at its time."""

from pathlib import Path

import pytest

from tests.witness.decoding import captures
from tests.witness.faults import (
    EVENTS,
    NOTHING,
    OTHERWISE,
    Planted,
    events,
    faults,
    findings,
    markdown,
    planted,
    sayings,
)

FAULTS = faults()
STATEMENTS = [(path, each) for path in FAULTS for each in planted(path)]
TOLERANCE = (
    2_000_000_000  # the truth is of the one who planted the fault, the finding of the first packet that shows it
)
HEALTHY = [path for path in captures("faults") if path.name.startswith(("ok_", "cli_"))]
ORDINARY = [
    path
    for path in captures("samba")
    if path.name.startswith(("ntlm_", "krb5_")) and "torture" not in path.name and "nt1" not in path.name
]
NO_FAULT = ("security weak_dialect",)  # true weaknesses of captures that are otherwise healthy


def name_of(value: object) -> str:
    return value.name.split(".")[0] if isinstance(value, Path) else getattr(value, "kind", "")


@pytest.mark.parametrize(("path", "truth"), STATEMENTS, ids=name_of)
def test_what_was_planted_is_found_at_its_time(path: Path, truth: Planted) -> None:
    if truth.kind in EVENTS:
        near = {kind for kind, time in events(path) if abs(time - truth.time) <= TOLERANCE}
        assert near & set(EVENTS[truth.kind])
        return
    if is_usual(truth):
        assert not any("PREAUTH_REQUIRED" in row["evidence"] for row in findings(path))
        return
    found = list(sayings(path, truth, TOLERANCE))
    if truth.kind in NOTHING or (truth.capture, truth.kind) in OTHERWISE:
        assert not found, "the packets show it after all"
        return
    assert found, f"{truth.explanation}; found: {[(row['rule'], row['cause']) for row in findings(path)]}"


def is_usual(truth: Planted) -> bool:
    """KDC_ERR_PREAUTH_REQUIRED is how every logon begins."""
    return truth.kind == "kerberos_error" and ("KRB-ERROR 25 " in truth.explanation or "code 25 " in truth.explanation)


@pytest.mark.parametrize("path", HEALTHY + ORDINARY, ids=name_of)
def test_what_is_healthy_is_left_alone(path: Path) -> None:
    bad = {f"{row['severity']} {row['rule']}" for row in findings(path) if row["severity"] != "info"}
    assert bad <= set(NO_FAULT)


def test_the_table_is_what_is_found(shared: Path) -> None:
    assert (Path(__file__).parents[2] / "docs" / "faults.md").read_text() == markdown()
