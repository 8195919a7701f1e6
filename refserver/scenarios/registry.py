"""All scenarios, by name."""

import difflib

from parsers.errors import UsageError
from refserver.scenarios.normal import NORMAL
from refserver.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "scenario_named"]

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in (NORMAL,)}


def scenario_named(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in SCENARIOS:
        nearest = difflib.get_close_matches(name, SCENARIOS, n=1, cutoff=0.5)
        hint = f"did you mean {nearest[0]}?" if nearest else "sessionscope generate --list shows them all"
        raise UsageError(f"there is no scenario named {name!r}; {hint}")
    return SCENARIOS[name]
