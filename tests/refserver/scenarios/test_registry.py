"""Every scenario that is listed."""

import re

import pytest

from parsers.errors import UsageError
from refserver.scenarios.registry import SCENARIOS, scenario_named


@pytest.mark.parametrize("name", SCENARIOS)
def test_names_are_words_and_everything_is_explained(name: str) -> None:
    scenario = scenario_named(name)
    assert re.fullmatch("[a-z0-9]+(_[a-z0-9]+)*", name)
    assert scenario.name == name
    assert scenario.summary
    assert not scenario.summary.endswith(".")
    assert all(option.help for option in scenario.all_options.values())


def test_a_mistyped_name_is_guessed() -> None:
    with pytest.raises(UsageError, match="no scenario named 'nomal'; did you mean normal"):
        scenario_named("nomal")
    with pytest.raises(UsageError, match="generate --list shows them all"):
        scenario_named("xyz")
