"""Rules: what is wrong in a capture, who did it, and what to change. One file a family; `RULES` is all of them."""

from analyzer.rules import connecting, endings, expiry, handles, network, refusals, stalls, weakness
from analyzer.rules.rule import Rule

__all__ = ["FAMILIES", "RULES"]

FAMILIES: dict[str, tuple[Rule, ...]] = {
    "Getting a connection": connecting.RULES,
    "Getting in": refusals.RULES,
    "Waiting": stalls.RULES,
    "How it ended": endings.RULES,
    "Sessions that expire or end": expiry.RULES,
    "Files, oplocks and credits": handles.RULES,
    "The network and the capture": network.RULES,
    "Weaker than it could be": weakness.RULES,
}
"""All rules, by the title of their family."""

RULES: tuple[Rule, ...] = tuple(rule for rules in FAMILIES.values() for rule in rules)
