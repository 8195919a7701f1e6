"""A sink that picks from every block what tells of the health of TCP connections."""

from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.flows import UNKNOWN_TRIP, FlowRows, FlowStates, endpoint_key
from analyzer.evidence.losses import Hole, Holes, Late, identification
from analyzer.evidence.marks import MARK, SERIES, Mark
from parsers.capture.packets import PacketBlock
from parsers.growing import GrowingTable
from parsers.smb2.decoder import Batch
from parsers.transport.connections import CLIENT, Connection
from parsers.transport.ip import ACK, FIN, RST, SYN, Segments

__all__ = ["TcpEvidence"]

_BIN = 23  # bits of a nanosecond time: 8.4 ms, the grain of the series
_PAUSE = 10_000_000  # ns after which the next segment is kept as well
_SAME_PACKET = 2_000_000  # ns within which a packet without identification is the same one captured twice
_PORTS = Struct(">HH").pack

Column = npt.NDArray[np.int64]


class TcpEvidence:
    """Feed it as a sink of `parsers.pipeline.decode`, then ask `marks` and `series`.

    What is kept grows with time and with trouble, not with the number of packets.
    """

    def __init__(self) -> None:
        self._states = FlowStates()
        self._holes = Holes()
        self._marks = GrowingTable(MARK)
        self._series = GrowingTable(SERIES)

    def __call__(self, _block: PacketBlock | None, segments: Segments | None, _batch: Batch) -> None:
        """Take one block."""
        rows = None if segments is None else self._states.feed(segments)
        if rows is None:
            return
        self._follow(rows)
        self._note_flags(rows)
        self._note_repeats(rows)
        self._note_windows(rows)
        self._note_delivered(rows)

    def marks(self, connections: list[Connection]) -> npt.NDArray[Any]:
        """Rows of `MARK` in order of frames; `connections` are all of the capture, by number."""
        for (connection, side), hole in self._holes.left():
            acknowledged = self._states["acknowledged"][connection, 1 - side]
            kind = Mark.GAP if acknowledged >= hole.end else Mark.HOLE
            row = (connection, side, kind, hole.frame, hole.time, hole.start, hole.end - hole.start, 0)
            self._marks.append(np.array([row], MARK))
        self._holes = Holes()
        rows = self._marks.rows
        rows = rows[np.argsort(rows["frame"], kind="stable")]
        return _oriented(rows, connections)

    def series(self, connections: list[Connection]) -> npt.NDArray[Any]:
        """Rows of `SERIES`, by connection and sender, each in order of frames."""
        rows = _oriented(self._series.rows.copy(), connections)
        return rows[np.lexsort((rows["frame"], rows["sender"], rows["connection"]))]

    def largest(self, connections: list[Connection]) -> Column:
        """Bytes of payload of the longest acknowledged segment, by connection and sender: shape (connections, 2)."""
        sizes = self._states["largest_delivered"][: len(connections)].copy()
        swapped = _client_is_high(connections)
        sizes[swapped] = sizes[swapped, ::-1]
        return sizes

    def _mark(self, kind: Mark, rows: FlowRows, which: Column, **fields: npt.ArrayLike) -> None:
        """Remember rows as they are; `fields` say what is different."""
        marks = np.zeros(len(which), MARK)
        marks["connection"], marks["sender"], marks["kind"] = rows.connection[which], rows.side[which], kind
        marks["frame"], marks["time"] = rows.segments.frame[rows.row[which]], rows.time[which]
        marks["position"], marks["length"] = rows.position[which], rows.payload[which]
        for name, values in fields.items():
            marks[name] = values
        self._marks.append(marks)

    def _follow(self, rows: FlowRows) -> None:
        """Keep the series, and from it the shortest round trips."""
        for side in (0, 1):
            mine = np.flatnonzero(rows.side == side)
            if len(mine) == 0:
                continue
            time, connection = rows.time[mine], rows.connection[mine]
            fresh = np.append(True, connection[1:] != connection[:-1])
            ends = np.append(fresh[1:], True)
            before = np.append(0, time[:-1])
            before[fresh] = self._states["last_time"][connection[fresh], side]
            self._states["last_time"][connection[ends], side] = time[ends]
            places = time >> _BIN
            keep = time - before >= _PAUSE
            keep[:-1] |= places[1:] != places[:-1]
            keep |= ends
            self._keep(rows, mine[keep], side)

    def _keep(self, rows: FlowRows, chosen: Column, side: int) -> None:
        kept = np.zeros(len(chosen), SERIES)
        kept["connection"], kept["sender"], kept["time"] = rows.connection[chosen], side, rows.time[chosen]
        kept["frame"] = rows.segments.frame[rows.row[chosen]]
        kept["sent"], kept["acknowledged"] = rows.sent[side][chosen], rows.acknowledged[side][chosen]
        kept["window"] = rows.segments.window[rows.row[chosen]]
        kept["round_trip"] = self._round_trips(rows, chosen, side)
        self._series.append(kept)

    def _round_trips(self, rows: FlowRows, chosen: Column, side: int) -> Column:
        """How long ago that had been captured which each of the chosen rows acknowledges, and nothing before it did."""
        acknowledges = rows.acknowledges[chosen]
        fresh = acknowledges > rows.own_acknowledged_before[chosen]
        sent = rows.sent[1 - side]
        origin = np.searchsorted(sent + rows.shift, acknowledges + rows.shift[chosen])
        origin = np.minimum(origin, chosen)
        fresh &= (sent[origin] == acknowledges) & (rows.side[origin] != side)
        fresh &= rows.connection[origin] == rows.connection[chosen]
        trips = np.where(fresh, rows.time[chosen] - rows.time[origin], 0)
        known = np.flatnonzero(trips > 0)
        np.minimum.at(self._states["round_trip"][:, side], rows.connection[chosen[known]], trips[known])
        return trips

    def _note_flags(self, rows: FlowRows) -> None:
        special = np.flatnonzero(rows.flags & (SYN | FIN | RST))
        if len(special) == 0:
            return
        flags = rows.flags[special]
        reset, syn = (flags & RST) != 0, (flags & SYN) != 0
        for kind, chosen in (
            (Mark.RST, reset),
            (Mark.SYN_ACK, ~reset & syn & ((flags & ACK) != 0)),
            (Mark.SYN, ~reset & syn & ((flags & ACK) == 0)),
            (Mark.FIN, ~reset & ~syn),
        ):
            self._mark(kind, rows, special[chosen])

    def _note_windows(self, rows: FlowRows) -> None:
        """Where a side closes its window, and where it opens it again."""
        closed = (rows.segments.window[rows.row] == 0) & ((rows.flags & (SYN | RST)) == 0)
        were_closed = self._states["zero_window"]
        if not closed.any() and not were_closed.any():
            return
        numbers = rows.connection[rows.first]
        affected = numbers[were_closed[numbers].any(axis=1)]
        chosen = np.flatnonzero(np.isin(rows.connection, np.union1d(affected, rows.connection[closed])))
        chosen = chosen[(rows.flags[chosen] & (SYN | RST)) == 0]
        since = self._states["window"]  # the time at which it closed
        for row in chosen.tolist():
            way = int(rows.connection[row]), int(rows.side[row])
            if closed[row] and not were_closed[way]:
                were_closed[way], since[way] = True, rows.time[row]
                self._mark(Mark.ZERO_WINDOW, rows, np.array([row]), position=rows.acknowledges[row])
            elif not closed[row] and were_closed[way]:
                were_closed[way] = False
                self._mark(Mark.WINDOW_OPEN, rows, np.array([row]), position=rows.acknowledges[row], since=since[way])

    def _note_delivered(self, rows: FlowRows) -> None:
        """How long a segment may be and still arrive. One acknowledged in a later block does not count."""
        numbers = rows.connection[rows.first]
        counts = rows.last - rows.first + 1
        for side in (0, 1):
            final = np.repeat(rows.acknowledged[1 - side][rows.last], counts)
            delivered = np.where((rows.side == side) & (rows.end <= final), rows.payload, 0)
            column = self._states["largest_delivered"][:, side]
            column[numbers] = np.maximum(column[numbers], np.maximum.reduceat(delivered, rows.first))

    def _note_repeats(self, rows: FlowRows) -> None:
        """Everything that is below what its side had sent, or leaves a hole, or acknowledges the same again."""
        plain = (rows.flags & (SYN | FIN | RST)) == 0
        late = plain & (rows.position < rows.before)
        idle = late & (rows.payload <= 1) & (rows.position == rows.before - 1)
        holes = (rows.end > rows.position) & (rows.position > rows.before) & ((rows.flags & RST) == 0)
        same = np.flatnonzero((rows.acknowledges == rows.own_acknowledged_before) & (rows.payload == 0) & plain & ~idle)
        same = same[rows.other_sent(same) > rows.acknowledges[same]]
        repeated = np.zeros(len(rows), np.bool_)
        repeated[same] = True
        exceptional = np.flatnonzero((late & (idle | (rows.payload > 0))) | holes | repeated)
        if len(exceptional) == 0:
            return
        copies = _copies(rows, np.flatnonzero((late & (rows.payload > 0)) | repeated))
        probes = self._against_closed(rows, np.flatnonzero(idle))
        found: list[tuple[int, ...]] = []
        for row in exceptional.tolist():
            way = int(rows.connection[row]), int(rows.side[row])
            time, frame = int(rows.time[row]), int(rows.segments.frame[rows.row[row]])
            position, since = int(rows.position[row]), 0
            if row in copies:
                kind = Mark.CAPTURED_TWICE
            elif idle[row]:
                kind = Mark.PROBE if row in probes else Mark.KEEP_ALIVE
            elif repeated[row]:
                kind, position = Mark.DUPLICATE_ACK, int(rows.acknowledges[row])
            elif holes[row]:
                start, marker = int(rows.before[row]), _identification(rows, row)
                self._holes.open(way, Hole(start, position, frame, time, marker))
                continue
            else:
                segment = Late(position, int(rows.end[row]), time, _identification(rows, row), int(rows.confirmed[row]))
                trip = int(self._states["round_trip"][way])
                kind, since = self._holes.judge(way, segment, None if trip == UNKNOWN_TRIP else trip)
            found.append((*way, kind, frame, time, position, int(rows.payload[row]), since))
        self._marks.append(np.array(found, MARK))

    def _against_closed(self, rows: FlowRows, idle: Column) -> set[int]:
        """Those of the idle segments whose receiver had closed its window."""
        if len(idle) == 0:
            return set()
        place = np.arange(len(rows))
        latest = [np.maximum.accumulate(np.where(rows.side == side, place, -1))[idle] for side in (0, 1)]
        answer = np.where(rows.side[idle] == 0, latest[1], latest[0])  # what the receiver said last
        seen = (answer >= 0) & (rows.connection[answer] == rows.connection[idle])
        before = self._states["zero_window"][rows.connection[idle], 1 - rows.side[idle]]
        closed = np.where(seen, rows.segments.window[rows.row[answer]] == 0, before)
        return set(idle[closed].tolist())


def _identification(rows: FlowRows, row: int) -> int:
    segments, place = rows.segments, int(rows.row[row])
    ports = _PORTS(int(segments.source_port[place]), int(segments.destination_port[place]))
    return identification(segments.buffer, int(segments.offset[place]), ports)


def _copies(rows: FlowRows, suspects: Column) -> set[int]:
    """Those of the suspects that are an earlier packet of the block once more."""
    if len(suspects) == 0:
        return set()
    columns = (
        rows.segments.window[rows.row], rows.flags, rows.acknowledges, rows.payload, rows.position,
        rows.connection * 2 + rows.side,
    )  # fmt: skip
    ways = np.unique(columns[-1][suspects])
    rows_ = np.flatnonzero(np.isin(columns[-1], ways))
    keys = [column[rows_] for column in columns]
    order = np.lexsort((rows_, *keys))
    equal = np.ones(len(order) - 1, np.bool_)
    for key in keys:
        equal &= key[order[1:]] == key[order[:-1]]
    pairs = np.flatnonzero(equal)
    earlier, later = rows_[order[pairs]], rows_[order[pairs + 1]]
    wanted = np.isin(later, suspects)
    return {
        second
        for first, second in zip(earlier[wanted].tolist(), later[wanted].tolist(), strict=True)
        if _is_copy(rows, first, second)
    }


def _is_copy(rows: FlowRows, first: int, second: int) -> bool:
    one, two = _identification(rows, first), _identification(rows, second)
    if one or two:
        return one == two
    # Without numbers, acknowledgments may well be equal; but nothing is sent again as soon as that.
    return bool(rows.payload[first]) and int(rows.time[second] - rows.time[first]) < _SAME_PACKET


def _oriented(rows: npt.NDArray[Any], connections: list[Connection]) -> npt.NDArray[Any]:
    """Sides become senders: 0 for the client of the connection, 1 for its server."""
    client_is_high = _client_is_high(connections)
    if len(rows):
        rows["sender"] ^= client_is_high[rows["connection"]]
    return rows


def _client_is_high(connections: list[Connection]) -> npt.NDArray[np.bool_]:
    keys = [(c.client.address, c.client.port, c.server.address, c.server.port) for c in connections]
    return np.array([endpoint_key(a, b) > endpoint_key(c, d) for a, b, c, d in keys], np.bool_)


assert CLIENT == 0  # what `_oriented` relies on
