"""Exit codes, and mistakes as one sentence."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.cli import codes

Sessionscope = Callable[..., tuple[int, str, str]]
COMMAND = [sys.executable, "-m", "analyzer.cli"]


@pytest.fixture
def files(tmp_path: Path, sample: Path) -> dict[str, Path]:
    """Files that are wrong in different ways."""
    contents = {
        "text.pcap": b"this is no capture",
        "empty.pcap": b"",
        "broken.toml": b'[[user]]\nname = "alice',
        "odd.toml": b'[[user]]\nname = "alice"\npasword = "x"\n',
        "line\nend.pcap": b"no capture",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents} | {"good": sample, "folder": tmp_path / "none"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["sessions"], "the following arguments are required: CAPTURE"),
        (["sessions", "{good}", "--frmat", "json"], "unrecognized arguments: --frmat"),
        (["sessions", "{good}", "--format", "xml"], "invalid choice: 'xml'"),
        (["sessions", "{good}", "--limit", "0"], "'0' is no positive number"),
        (["sessions", "/nowhere/a.pcap"], "/nowhere/a.pcap cannot be opened (No such file or directory)"),
        (["sessions", "{text.pcap}"], "is not a capture"),
        (["sessions", "{empty.pcap}"], "is empty"),
        (["sessions", "{line\nend.pcap}"], r"line\x0aend.pcap is not a capture"),
        (["sessions", "{good}", "--keys", "{broken.toml}"], "broken.toml line 2: not valid TOML"),
        (["sessions", "{good}", "--keys", "{odd.toml}"], 'line 3: unknown key "pasword"; did you mean "password"?'),
        (["sessions", "{good}", "--password", "alice"], "there is no colon"),
        (["sessions", "{good}", "--nt-hash", "alice:1"], "32 hexadecimal digits"),
        (["sessions", "{good}", "--password", r"CORPUS\carol:x"], r"no session in the capture is of CORPUS\carol"),
        (["sessions", "{good}", "--columns", "user,pasword"], "sessions has no column 'pasword'; it has session_id, "),
        (["sessions", "{good}", "--columns", "user,user"], "a column is named twice"),
        (["sessions", "{good}", "--where", "usr == 'alice'"], "there is no column 'usr'; the columns of sessions are"),
        (["sessions", "{good}", "--where", "user =="], "it is no expression"),
        (["sessions", "{good}", "--where", "user > 5"], "--where 'user > 5': "),
        (["sessions", "{good}", "-o", "{folder}/out"], "its folder does not exist"),
        (["sessions", "{good}", "-o", "{good}"], "is one of the captures"),
        (["decrypt", "{good}"], "the following arguments are required: -o/--output"),
        (["decrypt", "{good}", "-o", "{good}"], "is one of the captures"),
        (["decrypt", "{text.pcap}", "-o", "{folder}.pcapng"], "is not a capture"),
        (
            ["decrypt", "{good}", "-o", "{folder}.pcapng", "--password", "carol:x"],
            "no session in the capture is of carol",
        ),
        (["describe", "mesages"], "there is no table 'mesages'"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(
    arguments: list[str], message: str, files: dict[str, Path], tmp_path: Path, sessionscope: Sessionscope
) -> None:
    before = {path: path.read_bytes() for path in (*tmp_path.iterdir(), files["good"])}
    for name, path in files.items():
        arguments = [argument.replace(f"{{{name}}}", str(path)) for argument in arguments]
    code, out, err = sessionscope(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("sessionscope: ")
    assert err.count("\n") == 1
    assert before == {path: path.read_bytes() for path in (*tmp_path.iterdir(), files["good"])}


def test_help_shows_examples_and_exit_codes(sessionscope: Sessionscope) -> None:
    code, out, err = sessionscope("--help")
    assert (code, err) == (0, "")
    for part in ("examples:", "sessionscope decrypt trace.pcapng", "exit codes:", "  3  "):
        assert part in out


def test_the_version_is_that_of_the_package(sessionscope: Sessionscope) -> None:
    from importlib.metadata import version

    assert sessionscope("--version") == (0, f"sessionscope {version('sessionscope')}\n", "")


def test_strict_tells_what_is_not_clean(sample: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    passwords = ("--password", "alice:Passw0rd!", "--strict")
    assert sessionscope("trees", sample, *passwords)[0] == 0
    code, out, err = sessionscope("trees", sample, "--strict")
    assert (code, err) == (3, "")
    assert "IPC$" in out
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(sample.read_bytes()[:-10])
    assert sessionscope("trees", cut, *passwords)[0] == 3
    assert sessionscope("trees", cut, "--password", "alice:Passw0rd!")[0] == 0
    assert sessionscope("decrypt", cut, *passwords, "-o", tmp_path / "plain.pcapng")[0] == 3


@pytest.mark.parametrize(
    ("raised", "code", "err"),
    [
        (OSError(28, "No space left on device", "/tmp/x"), 2, "sessionscope: /tmp/x: No space left on device\n"),
        (OSError("odd"), 2, "sessionscope: odd\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_the_machine_refuses_is_a_sentence(
    raised: BaseException, code: int, err: str, sessionscope: Sessionscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_options: object) -> bool:
        raise raised

    monkeypatch.setattr("analyzer.cli.commands.run", refuse)
    assert sessionscope("describe") == (code, "", err)


def test_a_bug_is_not_hidden(sessionscope: Sessionscope, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(_options: object) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr("analyzer.cli.commands.run", stumble)
    with pytest.raises(ZeroDivisionError):
        sessionscope("describe")


def test_a_reader_that_goes_away_is_no_mistake(sample: Path) -> None:
    reading, writing = os.pipe()
    with subprocess.Popen([*COMMAND, "messages", str(sample)], stdout=writing, stderr=subprocess.PIPE) as process:
        os.close(writing)
        os.close(reading)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == codes.FINE


def test_the_codes_of_the_docstring_are_those_of_the_help(sessionscope: Sessionscope) -> None:
    text = sessionscope("--help")[1].partition("exit codes:")[2]
    assert [int(line.split()[0]) for line in text.splitlines() if line[2:3].isdigit()] == [
        codes.FINE, codes.FOUND_WARNINGS, codes.MISTAKE, codes.NOT_CLEAN, codes.FOUND_ERRORS,
    ]  # fmt: skip
