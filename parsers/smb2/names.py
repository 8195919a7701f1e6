"""File names as small integers, decoded once each."""

import numpy as np
import numpy.typing as npt

from parsers.layout import cut

__all__ = ["NameTable"]

Column = npt.NDArray[np.int64]


class NameTable:
    """Numbers for names; `names[n]` is the text of number n."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[bytes, int] = {}

    def number(self, raw: bytes) -> int:
        """The number of a UTF-16 name; lone surrogates survive, an odd last byte is dropped."""
        known = self._numbers.get(raw)
        if known is None:
            known = self._numbers[raw] = len(self.names)
            self.names.append(raw[: len(raw) & ~1].decode("utf-16-le", "surrogatepass"))
        return known

    def numbers(self, arena: memoryview, starts: Column, ends: Column) -> Column:
        """The numbers of the names between `starts` and `ends`; all ranges lie inside of the arena."""
        known, number = self._numbers.get, self.number
        return np.array(
            [number(raw) if (n := known(raw)) is None else n for raw in cut(arena, starts, ends).tolist()], np.int64
        )
