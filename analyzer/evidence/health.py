"""Questions about TCP connections after the capture has been read: who was silent, what was acknowledged when.

Times are integer nanoseconds since 1970. A sender is `CLIENT` or `SERVER` of `parsers.transport.connections`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.marks import Mark
from parsers.transport.connections import Connection

__all__ = ["Closing", "Silence", "TcpHealth"]

Rows = npt.NDArray[Any]
_GRAIN = 10_000_000  # ns: how exact positions in time are


@dataclass(frozen=True, slots=True)
class Silence:
    """A side that sent no packet: `start` is its last one before, `end` its next one, None if there is none."""

    connection: int
    sender: int
    start: int
    end: int | None
    start_frame: int
    end_frame: int | None

    @property
    def length(self) -> int | None:
        """Nanoseconds; None if it did not end in the capture."""
        return None if self.end is None else self.end - self.start


@dataclass(frozen=True, slots=True)
class Closing:
    """The first FIN or RST of a connection: `how` names which, `time` is in nanoseconds since 1970."""

    connection: int
    sender: int
    how: str
    frame: int
    time: int


class TcpHealth:
    """What became of the segments of every connection.

    Positions count the payload bytes of a direction; they, and answers about a time, are exact where at least 10 ms
    lie between two segments, and up to that much late where there are more.

    Attributes:
        marks: rows of `analyzer.evidence.marks.MARK`, in order of frames.
        series: rows of `analyzer.evidence.marks.SERIES`, by connection and sender, in order of frames.
    """

    def __init__(self, marks: Rows, series: Rows, largest: Rows, connections: list[Connection]) -> None:
        self.marks = marks
        self.series = series
        self._largest = largest
        self._connections = connections
        keys = series["connection"].astype(np.int64) * 2 + series["sender"]
        ways = np.arange(2 * len(connections) + 1)
        self._bounds = np.searchsorted(keys, ways)
        self._by_connection = np.argsort(marks["connection"], kind="stable")
        numbers = marks["connection"][self._by_connection]
        self._mark_bounds = np.searchsorted(numbers, np.arange(len(connections) + 1))

    def rows(self, connection: int, sender: int) -> Rows:
        """The series of one direction, in order of time."""
        way = connection * 2 + sender
        return self.series[self._bounds[way] : self._bounds[way + 1]]

    def marks_of(
        self,
        connection: int,
        *kinds: Mark,
        sender: int | None = None,
        since: int | None = None,
        until: int | None = None,
    ) -> Rows:
        """The marks of one connection, in order of frames.

        Args:
            connection: its number.
            kinds: which marks; none means all.
            sender: whose; None means both.
            since: not before this time.
            until: not after this time.
        """
        rows = self.marks[self._by_connection[self._mark_bounds[connection] : self._mark_bounds[connection + 1]]]
        wanted = np.ones(len(rows), np.bool_)
        if kinds:
            wanted &= np.isin(rows["kind"], kinds)
        if sender is not None:
            wanted &= rows["sender"] == sender
        if since is not None:
            wanted &= rows["time"] >= since
        if until is not None:
            wanted &= rows["time"] <= until
        return rows[wanted]

    def closing(self, connection: int) -> Closing | None:
        """The first FIN or RST of a connection, whoever sent it; None if nobody closed it."""
        marks = self.marks_of(connection, Mark.FIN, Mark.RST)
        if len(marks) == 0:
            return None
        first = marks[0]
        how = "FIN" if first["kind"] == Mark.FIN else "RST"
        return Closing(connection, int(first["sender"]), how, int(first["frame"]), int(first["time"]))

    def retransmitted(self, connection: int, sender: int, since: int, until: int) -> int:
        """How many segments the sender repeated between two times, those that were not needed left out."""
        return len(self.marks_of(connection, Mark.RETRANSMISSION, sender=sender, since=since, until=until))

    def sent_by(self, connection: int, sender: int, time: int) -> int:
        """The highest position that the sender had sent at a time; 0 if nothing had been seen of it."""
        return self._reached(connection, sender, time, "sent")

    def sent_at(self, connection: int, sender: int, position: int) -> int | None:
        """When the sender had sent its bytes up to `position`; None: it never did."""
        rows = self.rows(connection, sender)
        row = int(np.searchsorted(np.maximum.accumulate(rows["sent"]), position))
        return int(rows["time"][row]) if row < len(rows) else None

    def acknowledged_by(self, connection: int, sender: int, time: int) -> int:
        """The highest position of the sender's bytes that its peer had acknowledged at a time."""
        return self._reached(connection, 1 - sender, time, "acknowledged")

    def acknowledged_at(self, connection: int, sender: int, position: int) -> int | None:
        """When the peer had acknowledged the sender's bytes up to `position`; None: it never did."""
        rows = self.rows(connection, 1 - sender)
        reached = np.maximum.accumulate(rows["acknowledged"])
        row = int(np.searchsorted(reached, position))
        return int(rows["time"][row]) if row < len(rows) else None

    def delivered_at(self, connection: int, sender: int, time: int) -> int | None:
        """When everything had been acknowledged that the sender had sent until `time`; None: it never was.

        What was acknowledged and not answered waits in the peer, above TCP; what was not acknowledged, on the way.
        The answer may lie before `time`, where nothing was outstanding.
        """
        return self.acknowledged_at(connection, sender, self.sent_by(connection, sender, time))

    def quiet(self, connection: int, sender: int, since: int, until: int) -> bool:
        """Whether the sender sent no packet between two times, both left out."""
        times = self.rows(connection, sender)["time"]
        return bool(np.searchsorted(times, since, side="right") >= np.searchsorted(times, until))

    def last_packet(self, connection: int, sender: int, time: int) -> int | None:
        """The time of the sender's last packet at or before `time`; None: it had sent none."""
        times = self.rows(connection, sender)["time"]
        row = int(np.searchsorted(times, time, side="right"))
        return int(times[row - 1]) if row else None

    def silences(self, connection: int, sender: int, least: int) -> list[Silence]:
        """Every pause of the sender that took `least` nanoseconds or more; the last one where it sent nothing more.

        The last one is there only if the other side sent something that long after it.
        """
        rows = self.rows(connection, sender)
        if len(rows) == 0:
            return []
        times, frames = rows["time"], rows["frame"]
        found = [
            Silence(connection, sender, int(times[i]), int(times[i + 1]), int(frames[i]), int(frames[i + 1]))
            for i in np.flatnonzero(np.diff(times) >= least).tolist()
        ]
        other = self.rows(connection, 1 - sender)
        if len(other) and other["time"][-1] - times[-1] >= least:
            found.append(Silence(connection, sender, int(times[-1]), None, int(frames[-1]), None))
        return found

    def largest_delivered(self, connection: int, sender: int) -> int:
        """Bytes of payload of the longest segment of the sender that was acknowledged."""
        return int(self._largest[connection, sender])

    def outstanding(self, connection: int, sender: int, time: int) -> int:
        """Bytes of the sender that were on the way, or not acknowledged, at a time."""
        sent = self.sent_by(connection, sender, time)
        return max(sent - max(self.acknowledged_by(connection, sender, time), 0), 0)

    def window_closed(self, connection: int, sender: int, time: int) -> int | None:
        """Since when the sender's receive window had been zero at a time; None if it was open."""
        rows = self.marks_of(connection, Mark.ZERO_WINDOW, Mark.WINDOW_OPEN, sender=sender, until=time)
        closed = len(rows) > 0 and rows["kind"][-1] == Mark.ZERO_WINDOW
        return int(rows["time"][-1]) if closed else None

    def round_trips(self, connection: int, sender: int) -> npt.NDArray[np.int64]:
        """How long the sender took to acknowledge, in nanoseconds, a sample for each row of the series that has one.

        Between the place of the capture and the sender, and back. An acknowledgment may ride on an answer and then
        holds the time of its making as well, so the shortest ones are those of the network.
        """
        trips = self.rows(connection, sender)["round_trip"]
        return trips[trips > 0]

    def round_trip(self, connection: int) -> int | None:
        """The shortest time between client and server and back: the handshake's, or the sum of both sides' samples.

        None where nothing tells.
        """
        samples = [self.round_trips(connection, sender) for sender in (0, 1)]
        syn, answer = self._connections[connection].syn_time, self._connections[connection].syn_ack_time
        sides = [int(trips.min()) if len(trips) else None for trips in samples]
        if syn is not None and answer is not None and answer > syn:
            sides[1] = min(sides[1] or answer - syn, answer - syn)
        known = [side for side in sides if side is not None]
        return sum(known) if known else None

    def near_gap(self, connection: int, since: int, until: int) -> bool:
        """Whether bytes of the connection that were sent between two times are not in the capture."""
        return len(self.marks_of(connection, Mark.GAP, since=since, until=until)) > 0

    def _reached(self, connection: int, sender: int, time: int, column: str) -> int:
        rows = self.rows(connection, sender)
        row = int(np.searchsorted(rows["time"], time, side="right"))
        return max(int(rows[column][row - 1]), 0) if row else 0
