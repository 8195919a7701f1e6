"""The receiving half of a TCP endpoint: bytes in order, what came early, and the window that is offered."""

__all__ = ["Receiver"]


class Receiver:
    """Positions are offsets in the stream of the peer, which begins at 0 behind its SYN.

    Args:
        buffer_size: bytes that may wait for the application.
        scale: window scale (RFC 7323 2.2): windows can only be offered in steps of 2**scale.
    """

    def __init__(self, buffer_size: int, scale: int) -> None:
        self.next = 0
        self.finished = False  # the peer's FIN was reached
        self._buffer_size = buffer_size
        self._scale = scale
        self._edge = buffer_size  # the furthest that was ever offered
        self._closed = False  # a window of 0 was offered
        self._unread = bytearray()
        self._early: dict[int, bytes] = {}
        self._end: int | None = None

    @property
    def acknowledged(self) -> int:
        """What to acknowledge: the next offset, and one more behind the FIN."""
        return self.next + self.finished

    @property
    def has_gap(self) -> bool:
        """Whether something came early."""
        return bool(self._early)

    def window(self) -> int:
        """Bytes that the peer may send from `next` on; remembered as offered."""
        self._edge = max(self._edge, self.next + self._buffer_size - len(self._unread))
        window = (self._edge - self.next) >> self._scale << self._scale
        self._closed = window == 0
        return window

    def accept(self, offset: int, payload: bytes, *, fin: bool) -> bool:
        """Take a segment; returns whether the stream has grown in order.

        Args:
            offset: of its first byte; may lie before `next`, if it was sent again.
            payload: its bytes; what lies outside of the window is not taken.
            fin: the stream ends behind it.
        """
        kept = payload[: max(0, (self.next if self._closed else self._edge) - offset)]
        if fin and len(kept) == len(payload):
            self._end = offset + len(payload)
        before = self.acknowledged
        if offset > self.next:
            if len(kept) > len(self._early.get(offset, b"")):
                self._early[offset] = kept
        else:
            self._append(offset, kept)
        self.finished = self.next == self._end
        return self.acknowledged > before

    def take(self) -> bytes:
        """Everything that waits for the application."""
        data = bytes(self._unread)
        self._unread.clear()
        return data

    def _append(self, offset: int, payload: bytes) -> None:
        fresh = payload[self.next - offset :]
        self._unread += fresh
        self.next += len(fresh)
        while reached := [early for early in self._early if early <= self.next]:
            for early in sorted(reached):
                fresh = self._early.pop(early)[self.next - early :]
                self._unread += fresh
                self.next += len(fresh)
