"""Rules: what is wrong in a capture, who did it, and what to change. One file a family; `RULES` is all of them."""

from analyzer.rules import (
    asynchronous,
    connecting,
    crediting,
    encrypting,
    endings,
    expired,
    expiry,
    forms,
    handles,
    losses,
    negotiating,
    network,
    reauthenticating,
    refusals,
    sessions,
    shares,
    signing,
    slowness,
    stalls,
    tickets,
    weakness,
)
from analyzer.rules.rule import Rule

__all__ = ["FAMILIES", "RULES"]

FAMILIES: dict[str, tuple[Rule, ...]] = {
    "Getting a connection": connecting.RULES,
    "Getting in": (*refusals.RULES, *tickets.RULES, *shares.RULES),
    "Waiting": (*stalls.RULES, *slowness.RULES),
    "How it ended": endings.RULES,
    "Sessions that expire or end": (*expiry.RULES, *losses.RULES),
    "Files, oplocks and credits": handles.RULES,
    "The network and the capture": network.RULES,
    "Weaker than it could be": weakness.RULES,
    "Conformance: connections and NEGOTIATE": negotiating.RULES,
    "Conformance: sessions": sessions.RULES,
    "Conformance: expired sessions": expired.RULES,
    "Conformance: re-authentication and channels": reauthenticating.RULES,
    "Conformance: signatures": signing.RULES,
    "Conformance: encryption and compression": encrypting.RULES,
    "Conformance: MessageIds and credits": crediting.RULES,
    "Conformance: asynchronous requests and time": asynchronous.RULES,
    "Conformance: messages and trees": forms.RULES,
}
"""All rules, by the title of their family."""

RULES: tuple[Rule, ...] = tuple(rule for rules in FAMILIES.values() for rule in rules)
