"""All scenarios, by name."""

import difflib

from parsers.errors import UsageError
from refserver.scenarios import (
    binding,
    breaking,
    durable,
    expiring,
    idling,
    logons,
    restarting,
    starving,
    tampering,
    troubles,
    violating,
    waiting,
)
from refserver.scenarios.normal import NORMAL
from refserver.scenarios.scenario import Scenario

__all__ = ["SCENARIOS", "scenario_named"]

_ALL = (
    NORMAL,
    expiring.RENEWED,
    expiring.NOT_RENEWED,
    expiring.REAUTH_FAILED,
    expiring.REAUTH_VALID,
    expiring.MASS_EXPIRY,
    violating.VIOLATION,
    waiting.LATE,
    waiting.TIMEOUT,
    waiting.PENDING,
    waiting.LONG_WAITS,
    breaking.OPLOCK_BREAK,
    breaking.LEASE_BREAK,
    breaking.HOLDER_DEAD,
    idling.REAPED,
    durable.RECONNECT,
    starving.STARVATION,
    restarting.RESTART,
    restarting.DEATH,
    restarting.REFUSED,
    restarting.UNANSWERED,
    troubles.LOSS,
    troubles.REORDERING,
    troubles.ZERO_WINDOW,
    troubles.STALL,
    troubles.PATH_DEAD,
    troubles.IDLE_PATH,
    troubles.BLACK_HOLE,
    binding.CHANNEL_LOST,
    logons.ROLLOVER,
    logons.WRONG_PASSWORD,
    logons.LOCKOUT,
    logons.GUEST,
    tampering.UNSIGNED,
    tampering.WRONG_SIGNATURE,
    tampering.TAMPERED,
    tampering.REPLAYED,
)
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}


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
