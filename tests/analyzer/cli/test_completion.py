"""Shell completion, asked in the shells themselves."""

import shutil
import subprocess
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.cli.completion import nodes, script
from tests.analyzer.cli.conftest import Run
from tests.conftest import WITNESSES_REQUIRED

_FUNCTION = """
ask() {
  COMP_WORDS=(sessionscope "$@"); COMP_CWORD=$#; COMPREPLY=()
  _sessionscope
  echo "${COMPREPLY[*]}"
}
"""
_ASK = {
    "bash": ["bash", "--norc", "-c", f'source "$0"; {_FUNCTION} ask "$@"'],
    "zsh": ["zsh", "-f", "-c", f'source "$0"; emulate sh; setopt KSH_ARRAYS; {_FUNCTION} ask "$@"'],
    "fish": ["fish", "--no-config", "-c", 'source $argv[1]; complete -C "sessionscope $argv[2..]" | cut -f1'],
}
_QUESTIONS = [
    (["comp"], {"compare", "compare-with-tshark", "completion"}),
    (["keys", ""], {"check", "export"}),
    (["keys", "check", "--fo"], {"--format"}),
    (["sessions", "--format", ""], {"text", "json", "csv", "parquet"}),
    (["keys", "export", "--format", "w"], {"wireshark"}),
    (["completion", ""], {"bash", "zsh", "fish"}),
    (["--vers"], {"--version"}),
]


def ask(shell: str, path: Path, words: list[str]) -> set[str]:
    if shutil.which(shell) is None:
        if shell == "bash" and WITNESSES_REQUIRED:
            pytest.fail("needs bash, which is not installed")
        pytest.skip(f"needs {shell}, which is not installed")
    run = subprocess.run([*_ASK[shell], path, *words], capture_output=True, text=True, check=True, cwd=path.parent)
    assert run.stderr == ""
    answers = run.stdout.split()
    if shell == "zsh":  # itself takes those that fit what was typed
        answers = [answer for answer in answers if answer.startswith(words[-1])]
    return set(answers)


@pytest.fixture(params=_ASK)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def completion(shell: str, tmp_path: Path, sessionscope: Callable[..., Run]) -> Path:
    run = sessionscope("completion", shell)
    assert (run.code, run.err) == (0, "")
    path = tmp_path / "completion"
    path.write_text(run.out)
    return path


@pytest.mark.witness
@pytest.mark.parametrize(("words", "answer"), _QUESTIONS, ids=[" ".join(words) for words, _ in _QUESTIONS])
def test_the_shell_offers_what_the_parser_knows(
    shell: str, completion: Path, words: list[str], answer: set[str]
) -> None:
    assert ask(shell, completion, words) == answer


@pytest.mark.witness
def test_captures_and_files_are_completed_as_files(shell: str, completion: Path) -> None:
    (completion.parent / "trace.pcapng").touch()
    assert ask(shell, completion, ["sessions", "trace"]) == {"trace.pcapng"}
    assert ask(shell, completion, ["sessions", "--keys", "trace"]) == {"trace.pcapng"}


def test_every_command_and_option_is_in_the_script() -> None:
    parser = ArgumentParser("tool")
    commands = parser.add_subparsers()
    inner = commands.add_parser("do", help="does it's 100% thing")
    inner.add_argument("--how", choices=("well", "badly"))
    inner.add_argument("-q", "--quiet", action="store_true")
    inner.add_argument("--file")
    root, found = nodes(parser)
    assert root.commands == ("do",)
    assert (found.words, found.help) == (("do",), "does it's 100% thing")
    assert {name: values for name, values in found.options.items() if name not in {"-h", "--help"}} == {
        "--how": ("well", "badly"), "-q": None, "--quiet": None, "--file": (),
    }  # fmt: skip
    assert r"-d 'does it\'s 100% thing'" in script(parser, "fish")
    assert '"do --how") echo "well badly" ;;' in script(parser, "bash")


def test_other_shells_are_refused(sessionscope: Callable[..., Run]) -> None:
    assert "invalid choice: 'tcsh'" in sessionscope("completion", "tcsh").err
