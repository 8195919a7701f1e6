"""Which names a search pattern means (MS-FSA 2.1.4.4): `*`, `?`, and the three wildcards that DOS programs need.

The pattern is a machine whose states are the bits of an integer, so no pattern, however it was made, takes more than
a few operations for each character of a name.
"""

from refserver.store.names import fold

__all__ = ["LONGEST_PATTERN", "Pattern"]

LONGEST_PATTERN = 1024  # characters; no name that a file can have needs more
_STAR, _ANY, _DOS_STAR, _DOS_ANY, _DOS_DOT = "*", "?", "<", ">", '"'
_SPECIAL = frozenset((_STAR, _ANY, _DOS_STAR, _DOS_ANY, _DOS_DOT))


class Pattern:
    """A compiled pattern of at most `LONGEST_PATTERN` characters. Case does not matter."""

    def __init__(self, pattern: str) -> None:
        self._length = len(pattern)
        self._everything = pattern == _STAR
        places: dict[str, int] = {}
        for place, symbol in enumerate(fold(pattern)):
            places[symbol] = places.get(symbol, 0) | 1 << place
        self._star = places.get(_STAR, 0)
        self._dos_star = places.get(_DOS_STAR, 0)
        self._dos_any = places.get(_DOS_ANY, 0)
        self._dos_dot = places.get(_DOS_DOT, 0)
        self._any = places.get(_ANY, 0)
        self._literals = {symbol: bits for symbol, bits in places.items() if symbol not in _SPECIAL}

    def matches(self, name: str) -> bool:
        """Whether `name` is one of those that the pattern means."""
        if self._everything:
            return True
        name = fold(name)
        last_dot = name.rfind(".")
        stars = self._star | self._dos_star
        states = 1  # bit i: what was read so far is matched by the first i symbols
        for place, character in enumerate(name):
            is_dot = character == "."
            states = _skip(states, stars | (self._dos_any if is_dot else 0))
            steps = self._any | self._literals.get(character, 0)
            steps |= self._dos_dot if is_dot else self._dos_any
            # The DOS star takes everything up to the last dot, and after that everything but a dot.
            loops = self._star | (0 if place == last_dot else self._dos_star)
            states = (states & steps) << 1 | states & loops
            if not states:
                return False
        states = _skip(states, stars | self._dos_any | self._dos_dot)
        return bool(states >> self._length & 1)


def _skip(states: int, optional: int) -> int:
    """The states that are reached as well when symbols of `optional` stand for nothing: the carry runs along them."""
    return states | (((states & optional) + optional) ^ optional)
