"""The order of findings, and what a finding may say differently than its rule."""

from collections.abc import Iterable
from typing import cast

from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity, run

NO_CASE = cast("Case", None)


def rule(name: str, severity: Severity, *found: Found) -> Rule:
    def check(case: Case) -> Iterable[Found]:
        return found

    return Rule(name, "a title", severity, Party.SERVER, "3.3.5", "why", "change it", check)


def test_the_worst_comes_first_and_then_the_earliest() -> None:
    rules = [
        rule("B", Severity.WARNING, Found(5, "late", ""), Found(3, "early", "")),
        rule("A", Severity.INFO, Found(1, "harmless", "")),
        rule("C", Severity.SECURITY, Found(9, "open", "")),
        rule("D", Severity.ERROR, Found(8, "broken", "")),
    ]
    assert [finding.found.cause for finding in run(rules, NO_CASE)] == ["open", "broken", "early", "late", "harmless"]


def test_what_was_found_may_be_milder_than_its_rule() -> None:
    (finding,) = run([rule("A", Severity.ERROR, Found(1, "", "", severity=Severity.INFO, remedy="wait"))], NO_CASE)
    assert (finding.severity, finding.remedy) == (Severity.INFO, "wait")
    (finding,) = run([rule("A", Severity.ERROR, Found(1, "", "", confidence=Confidence.POSSIBLE))], NO_CASE)
    assert (finding.severity, finding.remedy) == (Severity.ERROR, "change it")
