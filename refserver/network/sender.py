"""The sending half of a TCP endpoint: what is unacknowledged, what may be sent, and when to send it again.

Go-back-N after a timeout (RFC 6298), fast retransmit and NewReno recovery after three duplicate acknowledgments
(RFC 6582), slow start and congestion avoidance (RFC 5681), probes of a closed window (RFC 9293 3.8.6.1).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from refserver.network.simulation import MILLISECOND, SECOND

__all__ = ["Sender", "TcpSettings"]

_DUPLICATES = 3  # RFC 5681 3.2
_INITIAL_WINDOW = 10  # segments, RFC 6928


@dataclass(frozen=True, slots=True)
class TcpSettings:
    """How a host does TCP. Times are nanoseconds.

    Attributes:
        mss: payload bytes of a segment at most, announced in the SYN.
        window_scale: RFC 7323 2.2, announced in the SYN.
        receive_buffer: bytes that may wait for the application.
        delayed_ack: how long an acknowledgment may wait for company.
        initial_rto: retransmission timeout before the round trip was measured.
        minimum_rto: its lower bound.
        maximum_rto: its upper bound, which doubling it ends at.
        syn_retries: how often a SYN is sent again.
        retries: how often other segments are sent again before the connection is given up.
    """

    mss: int = 1460
    window_scale: int = 8
    receive_buffer: int = 1 << 20
    delayed_ack: int = 40 * MILLISECOND
    initial_rto: int = SECOND
    minimum_rto: int = 200 * MILLISECOND
    maximum_rto: int = 120 * SECOND
    syn_retries: int = 4
    retries: int = 15


class Sender:
    """Positions are offsets in the stream, which begins at 0 behind the SYN; the FIN counts one at its end.

    Args:
        settings: of the host.
    """

    def __init__(self, settings: TcpSettings) -> None:
        self.unacknowledged = 0
        self.next = 0
        self.furthest = 0  # nothing behind it was ever sent
        self.retries = 0
        self.window = 0  # as the peer offers it
        self.rto = settings.initial_rto
        self._settings = settings
        self._mss = settings.mss
        self._data = bytearray()  # from `unacknowledged` on
        self._fin_at: int | None = None
        self._congestion_window = _INITIAL_WINDOW * self._mss
        self._threshold = 1 << 30
        self._duplicates = 0
        self._recover: int | None = None  # the end of what was in flight when the loss was noticed
        self._timed: tuple[int, int] | None = None  # an offset whose acknowledgment is awaited, and when it was sent
        self._smoothed = 0
        self._variation = 0

    @property
    def end(self) -> int:
        """Where the data ends that the application has given."""
        return self.unacknowledged + len(self._data)

    @property
    def outstanding(self) -> bool:
        """Whether something is sent and not acknowledged."""
        return self.next > self.unacknowledged

    @property
    def finished(self) -> bool:
        """Whether the FIN was acknowledged."""
        return self._fin_at is not None and self.unacknowledged > self._fin_at

    @property
    def stuck(self) -> bool:
        """Whether data waits for a closed window, so that only a probe can find out that it has opened."""
        return not self.outstanding and self.window == 0 and self.next < self.end and not self.finished

    def agree(self, mss: int, window: int) -> None:
        """The peer's SYN has come: segments are no larger than it wants, and this is its window."""
        self._mss = min(mss, self._mss)
        self._congestion_window = _INITIAL_WINDOW * self._mss
        self.window = window

    def write(self, data: bytes) -> None:
        """Append to the stream."""
        self._data += data

    def close(self) -> None:
        """The stream ends here: a FIN follows."""
        if self._fin_at is None:
            self._fin_at = self.end

    def segments(self, now: int) -> Iterator[tuple[int, bytes, bool]]:
        """What may be sent now: offset, payload, and whether it is the FIN."""
        while (size := self._sendable()) > 0:
            offset, payload = self.next, self._slice(self.next, size)
            self._sent(offset + size, now)
            yield offset, payload, False
        if self.next == self._fin_at:
            self._sent(self.next + 1, now)
            yield self._fin_at, b"", True

    def first_again(self) -> tuple[int, bytes, bool]:
        """The oldest segment that is not acknowledged, to be sent again."""
        self._timed = None  # Karn: its acknowledgment would say nothing of the round trip
        if self.unacknowledged == self._fin_at:
            return self._fin_at, b"", True
        size = min(self._mss, self.furthest - self.unacknowledged, len(self._data))
        return self.unacknowledged, self._slice(self.unacknowledged, size), False

    def probe(self) -> tuple[int, bytes, bool]:
        """The next byte, into the closed window."""
        self.furthest = max(self.furthest, self.next + 1)
        self._timed = None
        return self.next, self._slice(self.next, 1), False

    def measured(self, round_trip: int) -> None:
        """A round trip took so long (RFC 6298 2)."""
        if not self._smoothed:
            self._smoothed, self._variation = round_trip, round_trip // 2
        else:
            self._variation += (abs(self._smoothed - round_trip) - self._variation) // 4
            self._smoothed += (round_trip - self._smoothed) // 8
        self._reset_rto()

    def timed_out(self) -> None:
        """Nothing came back in time: begin again with the oldest, slower (RFC 6298 5.4 to 5.6, RFC 5681 3.1)."""
        self._threshold = max((self.furthest - self.unacknowledged) // 2, 2 * self._mss)
        self._congestion_window = self._mss
        self.next = self.unacknowledged
        self._recover, self._duplicates, self._timed = None, 0, None
        self.back_off()

    def back_off(self) -> None:
        """Wait twice as long the next time."""
        self.retries += 1
        self.rto = min(2 * self.rto, self._settings.maximum_rto)

    def acknowledged(self, offset: int, window: int, now: int, *, bare: bool) -> bool:
        """Take an acknowledgment; returns whether `first_again` has to be sent.

        Args:
            offset: what the peer expects next.
            window: what it offers from there on.
            now: nanoseconds since 1970.
            bare: the segment had nothing else to say, so it may be a duplicate.
        """
        if offset > self.furthest or offset < self.unacknowledged:
            return False
        duplicate = bare and offset == self.unacknowledged and window == self.window and self.outstanding
        self.window = window
        if offset > self.unacknowledged:
            return self._advanced(offset, now)
        return duplicate and self._duplicate()

    def _advanced(self, offset: int, now: int) -> bool:
        acknowledged = offset - self.unacknowledged
        del self._data[:acknowledged]
        self.unacknowledged = offset
        self.next = max(self.next, offset)
        self.retries = self._duplicates = 0
        self._reset_rto()
        if self._timed is not None and offset >= self._timed[0]:
            self.measured(now - self._timed[1])
            self._timed = None
        if self._recover is not None and offset < self._recover:
            return True  # a partial acknowledgment: the next hole (RFC 6582 3.2)
        if self._recover is not None:
            self._recover, self._congestion_window = None, self._threshold
        elif self._congestion_window < self._threshold:
            self._congestion_window += min(acknowledged, self._mss)
        else:
            self._congestion_window += max(1, self._mss * self._mss // self._congestion_window)
        return False

    def _duplicate(self) -> bool:
        self._duplicates += 1
        if self._recover is not None:
            self._congestion_window += self._mss  # one segment has left the network
            return False
        if self._duplicates < _DUPLICATES:
            return False
        self._recover = self.furthest
        self._threshold = max((self.furthest - self.unacknowledged) // 2, 2 * self._mss)
        self._congestion_window = self._threshold + _DUPLICATES * self._mss
        return True

    def _sendable(self) -> int:
        """Bytes of the next segment; 0 if none may go out now."""
        waiting = self.end - self.next
        room = self.unacknowledged + min(self.window, self._congestion_window) - self.next
        size = min(self._mss, waiting, room)
        if size < min(self._mss, waiting) and self.outstanding:
            return 0  # no silly windows (RFC 9293 3.8.6.2.1)
        return max(0, size)

    def _sent(self, end: int, now: int) -> None:
        if self._timed is None and end > self.furthest and self.next == self.furthest:
            self._timed = (end, now)
        self.next = end
        self.furthest = max(self.furthest, end)

    def _slice(self, offset: int, size: int) -> bytes:
        begin = offset - self.unacknowledged
        return bytes(self._data[begin : begin + size])

    def _reset_rto(self) -> None:
        if self._smoothed:
            rto = self._smoothed + max(4 * self._variation, MILLISECOND)
            self.rto = min(max(rto, self._settings.minimum_rto), self._settings.maximum_rto)
