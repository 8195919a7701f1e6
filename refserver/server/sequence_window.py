"""The MessageIds that a client may use (MS-SMB2 3.3.1.1), in room that does not grow with their number."""

__all__ = ["SequenceWindow"]


class SequenceWindow:
    """All ids from the first unused one up to `next`, but for those that were used out of order.

    Args:
        first: the id that a client may begin with.
    """

    __slots__ = ("_used", "lowest", "next")

    def __init__(self, first: int = 0) -> None:
        self.lowest = first
        self.next = first + 1
        self._used: set[int] = set()

    def __len__(self) -> int:
        return self.next - self.lowest - len(self._used)

    def take(self, first: int, count: int) -> bool:
        """Use up `count` ids from `first` on; False, and nothing is used, if one of them is not there."""
        if count > len(self) or first < self.lowest or first + count > self.next:
            return False
        ids = range(first, first + count)
        if self._used and not self._used.isdisjoint(ids):
            return False
        self._used.update(ids)
        while self.lowest in self._used:
            self._used.remove(self.lowest)
            self.lowest += 1
        return True

    def grant(self, count: int) -> None:
        """Add the next `count` ids."""
        self.next += count
