"""`sessionscope generate`: the files that it writes, and its mistakes."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.cli.generate import document

Sessionscope = Callable[..., tuple[int, str, str]]


def test_the_capture_its_keys_and_the_truth_are_written(sessionscope: Sessionscope, tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    settings = ("--set", "cipher=aes-128-gcm", "--set", "auth=kerberos", "--set", "size=1000")
    assert sessionscope("generate", "normal", "-o", path, *settings) == (0, "", "")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.keys.toml", "a.keytab", "a.pcapng", "a.truth.json"]
    for name in ("a.keys.toml", "a.keytab"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    truth = json.loads((tmp_path / "a.truth.json").read_text())
    assert truth["options"]["cipher"] == "aes-128-gcm"
    _, out, _ = sessionscope("sessions", path, "--keys", tmp_path / "a.keys.toml", "--format", "json")
    (session,) = json.loads(out)
    assert (session["user"], session["decryption"]) == ("alice", "decrypted")


def test_the_same_call_writes_the_same_bytes(sessionscope: Sessionscope, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        sessionscope("generate", "normal", "-o", tmp_path / name / "t.pcapng", "--seed", "4", "--set", "loss=0.02")
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_scenarios_and_their_options_are_listed(sessionscope: Sessionscope) -> None:
    code, out, _ = sessionscope("generate", "--list")
    assert code == 0
    assert "normal" in out
    _, out, _ = sessionscope("generate", "normal", "--list")
    assert "dialect=3.1.1\n" in out
    assert "one of 2.0.2, 2.1, " in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a scenario"),
        (["normal"], "name the file to write with -o"),
        (["nomal", "-o", "a"], "did you mean normal"),
        (["normal", "-o", "a", "--set", "dialect=4"], "it is one of 2.0.2"),
        (["normal", "-o", "a", "--set", "dialect=2.1", "--set", "cipher=aes-128-gcm"], "does not have the cipher"),
        (["normal", "-o", "none/a"], "cannot be written"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    arguments: list[str], message: str, sessionscope: Sessionscope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = sessionscope("generate", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_truth_has_a_line_for_each_event() -> None:
    truth = {"seed": 1, "options": {"a": 2}, "connections": [{"connection": 0}], "events": [{"time": 1}, {"time": 2}]}
    text = document(truth)
    assert json.loads(text) == truth
    assert text.splitlines()[-4:] == ['  {"time": 1},', '  {"time": 2}', " ]", "}"]
    assert json.loads(document(truth | {"events": []}))["events"] == []
