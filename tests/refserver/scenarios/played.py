"""Scenarios as tests play them: without a file, and what their truth says."""

import io
from typing import Any

from refserver.scenarios.scenario import Scenario

Truth = dict[str, Any]


def played(scenario: Scenario, *, seed: int = 1, **values: str | float | bool) -> Truth:
    """The truth about one run. Options are written as on the command line, or as they are."""
    settings = [f"{name}={value}" for name, value in values.items()]
    return scenario.generate(io.BytesIO(), seed=seed, values=scenario.parse(settings)).truth


def expected(truth: Truth) -> list[tuple[str, str]]:
    """Kind of event and rule of everything that has to be found, in the order of time."""
    return [(event["kind"], rule) for event in truth["events"] for rule in event["findings"]]


def kinds(truth: Truth, *, without: str = "tcp_") -> list[str]:
    """What happened, in the order of time, TCP aside."""
    return [event["kind"] for event in truth["events"] if not event["kind"].startswith(without)]


def seconds_between(truth: Truth, first: str, last: str) -> float:
    """From the first event of one kind to the last of another."""
    begin = next(event["time"] for event in truth["events"] if event["kind"] == first)
    end = next(event["time"] for event in reversed(truth["events"]) if event["kind"] == last)
    return (end - begin) / 1e9
