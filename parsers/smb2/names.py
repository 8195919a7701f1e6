"""File names as small integers, decoded once each."""

import numpy as np
import numpy.typing as npt

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
        number = self.number
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return np.array([number(bytes(arena[start:end])) for start, end in pairs], np.int64)
