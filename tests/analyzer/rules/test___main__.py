"""The catalogue of findings is generated from the rules, and current."""

import re
from pathlib import Path

from analyzer.rules import FAMILIES, RULES
from analyzer.rules.__main__ import markdown

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "findings.md"
_CONFORMANCE = re.compile(r"[A-Z]+-\d\d")


def test_the_document_is_current() -> None:
    assert DOCUMENT.read_text() == markdown(), "run: python -m analyzer.rules > docs/findings.md"


def test_every_rule_is_in_it_once() -> None:
    text = markdown()
    assert all(text.count(f'<a id="{rule.id.lower()}"></a>') == 1 for rule in RULES)
    assert [text.index(f"## {title}\n") for title in FAMILIES] == sorted(text.index(f"## {t}\n") for t in FAMILIES)


def test_ids_are_those_of_the_catalogue_or_names() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(_CONFORMANCE.fullmatch(rule.id) or re.fullmatch(r"[a-z][a-z0-9_]+", rule.id) for rule in RULES)


def test_every_rule_says_where_it_comes_from_and_why() -> None:
    for rule in RULES:
        assert rule.spec, rule.id
        assert rule.explanation.endswith("."), rule.id
        assert rule.title.rstrip(".") == rule.title != "", rule.id
