"""Runs of the command line inside of the test process."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from analyzer.cli import main


class Run(NamedTuple):
    """What one command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def sessionscope(capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Run `sessionscope` with arguments."""

    def run(*arguments: object) -> Run:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Run(code, *capfd.readouterr())

    return run
