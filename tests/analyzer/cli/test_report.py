"""`sessionscope report`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer import Analysis
from analyzer.report.page import page

Sessionscope = Callable[..., tuple[int, str, str]]
KEYS = ("--password", r"CORPUS\alice:Passw0rd!", "--password", r"CORPUS\bob:B0bPass#")


def test_it_writes_the_page_of_the_analysis(
    sample: Path, mixed: Analysis, tmp_path: Path, sessionscope: Sessionscope
) -> None:
    path = tmp_path / "report.html"
    # The keys are named as given on the command line, which is where the analysis has them from as well.
    code, out, err = sessionscope("report", sample, *KEYS, "-o", path)
    assert (code, out, err) == (0, "", "")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.count('class="finding ') == page(mixed).count('class="finding ')


def test_a_password_of_nobody_is_told_and_written(sample: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    path = tmp_path / "report.html"
    code, _, err = sessionscope("report", sample, "--password", "carol:x", "-o", path)
    assert code == 0
    assert "carol" in err
    assert "no session in the capture is of carol" in path.read_text(encoding="utf-8")


def test_a_policy_changes_what_is_found(sample: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[timers]\nno_such_timer = 1\n")
    code, _, err = sessionscope("report", sample, "--policy", policy, "-o", tmp_path / "report.html")
    assert code == 2
    assert "no_such_timer" in err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(
    ("output", "message"),
    [("{sample}", "is one of the captures"), ("/nowhere/report.html", "its folder does not exist")],
)
def test_mistakes_are_one_sentence(output: str, message: str, sample: Path, sessionscope: Sessionscope) -> None:
    before = sample.read_bytes()
    code, out, err = sessionscope("report", sample, "-o", output.format(sample=sample))
    assert (code, out) == (2, "")
    assert message in err
    assert sample.read_bytes() == before


def test_strict_complains_of_what_stayed_undecoded(shared: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    snapped = shared / "captures" / "faults" / "dmg_enc_snap96.pcapng"
    assert sessionscope("report", snapped, "-o", tmp_path / "a.html", "--strict")[0] == 3
    assert (tmp_path / "a.html").exists()
