"""Every kind of event has a meaning."""

from analyzer.events.kinds import MEANINGS, Kind


def test_every_kind_has_one_line_of_meaning() -> None:
    assert list(MEANINGS) == list(Kind)
    assert all(meaning and "\n" not in meaning and "|" not in meaning for meaning in MEANINGS.values())


def test_kinds_are_told_apart_by_their_names() -> None:
    assert len({kind.value for kind in Kind}) == len(Kind)
    assert all(kind.value == kind.name.lower() for kind in Kind)
