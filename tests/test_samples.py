"""The generated samples: the commands of samples/README.md make the very bytes that lie there."""

import shlex
from pathlib import Path

import pytest

from analyzer.cli import main
from refserver.scenarios.registry import SCENARIOS

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "samples" / "scenarios"
COMMANDS = [
    shlex.split(line)[1:]
    for line in (ROOT / "samples" / "README.md").read_text().splitlines()
    if line.startswith("sessionscope generate")
]


def test_every_scenario_has_its_sample_and_every_file_its_command() -> None:
    assert [command[1] for command in COMMANDS] == list(SCENARIOS)
    assert {path.name.partition(".")[0] for path in FOLDER.iterdir()} == {Path(command[3]).stem for command in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[1])
def test_the_command_makes_the_files_that_are_there(command: list[str], tmp_path: Path) -> None:
    path = Path(command[3])
    assert main([*command[:3], str(tmp_path / path.name), *command[4:]]) == 0
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert made == {file.name: file.read_bytes() for file in FOLDER.iterdir() if file.name.split(".")[0] == path.stem}
