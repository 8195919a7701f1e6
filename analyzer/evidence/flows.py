"""TCP segments of a block in order of connections, with what each side had sent and acknowledged at every row.

Positions count payload bytes of one direction from its first one: the byte after a SYN is position 0, or, where the
capture begins inside of a connection, the lowest byte of its first segments. A SYN stands at -1; a FIN takes a number.
Sides are told apart by their endpoints, because who is the client may become known later: side 0 has the lower one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers.transport.ip import ACK, FIN, RST, SYN, Segments
from parsers.transport.tcp import signed_distance

__all__ = ["FLOW", "UNKNOWN_TRIP", "FlowRows", "FlowStates", "endpoint_key", "stable_order"]

Column = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FLOW = np.dtype(
    [
        ("started", "?"), ("base_sequence", "i8"), ("base", "i8"), ("sent", "i8"), ("acknowledged", "i8"),
        ("last_time", "i8"), ("zero_window", "?"), ("window", "i8"), ("round_trip", "i8"), ("largest_delivered", "i8"),
    ]
)  # fmt: skip
"""What is known of one side of a connection after a block.

`base` is the position of the sequence number `base_sequence`; `sent` the highest position that this side has sent,
`acknowledged` the highest of the other side's that it has acknowledged; `window` what it last advertised, unscaled;
`round_trip` the shortest time that it took to acknowledge something, `UNKNOWN_TRIP` where it has not yet;
`largest_delivered` the payload of its longest segment that was acknowledged.
"""

UNKNOWN_TRIP = (1 << 63) - 1

_BEFORE = -(1 << 42)  # lower than every position
_FAR = np.int64(44)  # bits between the positions of neighbouring connections in one running maximum
_FIRST_SEGMENTS = 64  # among which the lowest is position 0, as in reassembly


def endpoint_key(address: int, port: int) -> int:
    """One number for an endpoint; the side with the lower one is side 0."""
    return address << 16 | port


@dataclass(slots=True)
class FlowRows:
    """Segments of a block that belong to connections, each connection's together, in order of frames. Shape (n,).

    `sent` and `acknowledged` are pairs by side, values after each row; `before` is what the row's own side had sent
    before it, `confirmed` what the other side had acknowledged of that. `position` and `end` are of the row itself
    (SYN and FIN counted), `acknowledges` the position it acknowledges, far below zero where it does not.
    """

    segments: Segments
    row: Column  # of `segments`
    connection: Column
    side: Column
    flags: Column
    time: Column
    payload: Column
    position: Column
    end: Column
    acknowledges: Column
    sent: tuple[Column, Column]
    acknowledged: tuple[Column, Column]
    before: Column
    confirmed: Column
    own_acknowledged_before: Column
    first: Column  # the rows that begin a connection
    last: Column  # the rows that end it
    shift: Column  # added to positions, it makes those of one connection higher than those of the one before

    def __len__(self) -> int:
        return len(self.row)

    def other_sent(self, rows: Column) -> Column:
        """What the other side had sent when each of `rows` was captured."""
        return np.where(self.side[rows] == 0, self.sent[1][rows], self.sent[0][rows])


class FlowStates:
    """The state of both sides of every connection between blocks."""

    def __init__(self) -> None:
        self._table = np.zeros((0, 2), FLOW)

    def __getitem__(self, field: str) -> npt.NDArray[Any]:
        """One field of `FLOW` of all connections: shape (connections, 2), a view."""
        column: npt.NDArray[Any] = self._table[field]
        return column

    def feed(self, segments: Segments) -> FlowRows | None:
        """Bring the segments of a block in order and move the states on; None where there is no segment."""
        if len(segments) == 0:
            return None
        connection = segments.connection
        self._grow(int(connection.max()) + 1)
        row = stable_order(connection)
        connection = connection[row]
        changes = np.flatnonzero(connection[1:] != connection[:-1])
        first, last = np.append(0, changes + 1), np.append(changes, len(row) - 1)
        source = segments.source[row] << 16 | segments.source_port[row]
        side = (source > (segments.destination[row] << 16 | segments.destination_port[row])).astype(np.int64)
        flags, sequence = segments.flags[row], segments.sequence[row]
        payload = segments.length[row] + segments.missing[row]
        numbers = connection[first]
        for place in np.flatnonzero(~self._table["started"][numbers].all(axis=1)).tolist():
            rows = slice(int(first[place]), int(last[place]) + 1)
            self._start(
                int(numbers[place]), side[rows], flags[rows], sequence[rows], segments.acknowledgment[row[rows]],
                payload[rows],
            )  # fmt: skip
        flat, own = self._table.reshape(-1), connection * 2 + side
        position = flat["base"][own] + signed_distance(sequence, flat["base_sequence"][own])
        position[(flags & SYN) != 0] = -1
        occupied = payload + (flags & SYN) // SYN + (flags & FIN)
        end = position + occupied
        valid = (flags & RST) == 0
        speaks = valid & (occupied > 0)
        other = own ^ 1
        acknowledges = flat["base"][other] + signed_distance(segments.acknowledgment[row], flat["base_sequence"][other])
        acknowledges[(flags & (ACK | RST)) != ACK] = _BEFORE
        shift = np.repeat(np.arange(len(first)) << _FAR, last - first + 1)
        tops = [
            _running(np.where(mask & (side == s), value, _BEFORE), shift, first, flat[field][numbers * 2 + s])
            for field, value, mask in (("sent", end, speaks), ("acknowledged", acknowledges, valid))
            for s in (0, 1)
        ]
        befores = [np.where(side == 0, tops[k][1], tops[k + 1][1]) for k in (0, 2)]
        confirmed = np.where(side == 0, tops[3][0], tops[2][0])
        rows_ = FlowRows(
            segments, row, connection, side, flags, segments.time[row], payload, position, end, acknowledges,
            (tops[0][0], tops[1][0]), (tops[2][0], tops[3][0]), befores[0], confirmed, befores[1], first, last, shift,
        )  # fmt: skip
        self._advance(rows_, numbers)
        return rows_

    def _advance(self, rows: FlowRows, numbers: Column) -> None:
        """Positions after the block; sequence numbers are unwrapped from there the next time."""
        table = self._table
        for s in (0, 1):
            sent = rows.sent[s][rows.last]
            moved = table["started"][numbers, s] & (sent > table["base"][numbers, s])
            who = numbers[moved]
            step = sent[moved] - table["base"][who, s]
            table["base_sequence"][who, s] = (table["base_sequence"][who, s] + step) & 0xFFFF_FFFF
            table["base"][who, s] = sent[moved]
            table["sent"][numbers, s] = sent
            table["acknowledged"][numbers, s] = rows.acknowledged[s][rows.last]

    def _start(
        self, number: int, side: Column, flags: Column, sequence: Column, acknowledgment: Column, payload: Column
    ) -> None:
        """Find position 0 of the sides of a connection that have none yet."""
        for s in (0, 1):
            state = self._table[number, s]
            if state["started"]:
                continue
            zero = _first_byte(side == s, flags, sequence, acknowledgment, payload)
            if zero is not None:
                state["started"], state["base_sequence"] = True, zero & 0xFFFF_FFFF
                state["base"] = state["sent"] = 0
                self._table[number, s] = state

    def _grow(self, connections: int) -> None:
        if connections > len(self._table):
            grown = np.zeros((2 * connections, 2), FLOW)
            grown["acknowledged"], grown["round_trip"] = _BEFORE, UNKNOWN_TRIP
            grown[: len(self._table)] = self._table
            self._table = grown


def _first_byte(mine: Mask, flags: Column, sequence: Column, acknowledgment: Column, payload: Column) -> int | None:
    """The sequence number of the first byte of a side, by the best that the block has of it."""
    syn, reset = (flags & SYN) != 0, (flags & RST) != 0
    rows = np.flatnonzero(mine & syn)
    if len(rows):
        return int(sequence[rows[0]]) + 1
    answers = np.flatnonzero(~mine & ((flags & (ACK | RST)) == ACK))
    greetings = answers[syn[answers]]
    if len(greetings):
        return int(acknowledgment[greetings[0]])
    rows = np.flatnonzero(mine & ~reset & (payload > 0))[:_FIRST_SEGMENTS]
    if len(rows):
        reference = int(sequence[rows[0]])
        return reference + int(signed_distance(sequence[rows], reference).min())
    rows = np.flatnonzero(mine & ~reset)
    if len(rows):
        return int(sequence[rows[0]])
    return int(acknowledgment[answers[0]]) if len(answers) else None


def stable_order(values: Column) -> Column:
    """Rows in order of values; 16-bit values are sorted in linear time."""
    if bool((values == values[0]).all()):
        return np.arange(len(values))
    return np.argsort(values.astype(np.uint16) if int(values.max()) < 1 << 16 else values, kind="stable")


def _running(value: Column, shift: Column, first: Column, start: Column) -> tuple[Column, Column]:
    """Running maxima within each connection that begin with `start`: after each row, and before it."""
    value[first] = np.maximum(value[first], start)
    top = np.maximum.accumulate(value + shift) - shift
    before = np.empty_like(top)
    before[1:] = top[:-1]
    before[first] = start
    return top, before
