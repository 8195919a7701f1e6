"""Every generated trace: what was planted is found, at its session and time, and nothing else is."""

from pathlib import Path

import pytest

from tests.truth import cases, markdown, missed, play, surplus

CASES = list(cases())


def title(case: object) -> str:
    return case if isinstance(case, str) else ",".join(f"{key}={value}" for key, value in case)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "options"), CASES, ids=title)
def test_what_was_planted_is_found_and_nothing_else(name: str, options: tuple[tuple[str, object], ...]) -> None:
    played = play(name, options)
    assert missed(played) == []
    assert [(row["rule"], row["cause"]) for row in surplus(played)] == []


def test_the_table_is_what_is_found() -> None:
    assert (Path(__file__).parents[1] / "docs" / "accuracy.md").read_text() == markdown()
