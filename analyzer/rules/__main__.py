"""`python -m analyzer.rules > docs/findings.md` writes the catalogue of findings."""

import sys

from analyzer.rules import FAMILIES
from analyzer.rules.rule import Rule

__all__ = ["markdown"]

_HEAD = """\
# Findings

Generated from `analyzer/rules/` by `python -m analyzer.rules > docs/findings.md`.

`sessionscope diagnose trace.pcapng` and `Analysis.findings` report what these rules find, the worst first. Severity is
`security` (lets others read, change or impersonate), `error` (a MUST is violated, or work was lost), `warning` (it
cost time, or will), `info` (worth knowing). A finding may be milder than its rule, and says how sure it is: near
packets that are missing from the capture, or near its ends, a verdict is lowered or withheld.

Rules with a number are the conformance checks of MS-SMB2, by the section that they come from. Those with a name are
diagnoses: they put several facts together.
"""


def markdown() -> str:
    """The catalogue of all rules."""
    parts = [_HEAD]
    for title, rules in FAMILIES.items():
        parts.append(f"## {title}\n\n| rule | what it finds | severity | at fault | source |\n|---|---|---|---|---|\n")
        parts[-1] += "".join(
            f"| [`{rule.id}`](#{rule.id.lower()}) | {rule.title} | {rule.severity} | {rule.party} | {rule.spec} |\n"
            for rule in rules
        )
        parts += map(_entry, rules)
    return "\n".join(parts)


def _entry(rule: Rule) -> str:
    covers = f"\nIt says {', '.join(rule.covers)} as well.\n" if rule.covers else ""
    remedy = f"\n**What to do.** {rule.remedy}\n" if rule.remedy else ""
    return f'### <a id="{rule.id.lower()}"></a>`{rule.id}` {rule.title}\n\n{rule.explanation}\n{covers}{remedy}'


if __name__ == "__main__":
    sys.stdout.write(markdown())
