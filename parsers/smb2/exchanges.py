"""Requests with their responses, in columns: what was asked, of which file, and when it was answered.

Messages come block by block; requests without a final answer wait for the next block. Each request is one row.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from parsers import ntstatus
from parsers.layout import join_tables, take_rows
from parsers.smb2.create import CREATE_REQUEST, CREATE_RESPONSE
from parsers.smb2.header import HEADER_SIZE, Command, Flags
from parsers.smb2.messages import Messages, Units
from parsers.smb2.names import NameTable
from parsers.smb2.opens import NO_OFFSET, OpenTable, gather_file_ids, gather_file_offsets
from parsers.smb2.pairing import latest_before
from parsers.smb2.read_write import READ_RESPONSE, WRITE_RESPONSE
from parsers.times import NANOSECONDS

__all__ = ["EXCHANGE", "NO_AMOUNT", "UNSOLICITED", "BlockExchanges", "ExchangeTable"]

Column = npt.NDArray[np.int64]

EXCHANGE = np.dtype(
    [
        ("connection", "i4"), ("message_id", "u8"), ("session", "i4"), ("session_id", "u8"), ("tree_id", "u4"),
        ("command", "u2"), ("name", "i4"), ("open", "i4"), ("request_frame", "i8"), ("response_frame", "i8"),
        ("request_time", "i8"), ("request_complete", "i8"), ("response_time", "i8"), ("status", "u4"),
        ("pending_time", "i8"), ("async_id", "u8"), ("credit_charge", "u2"), ("request_length", "u4"),
        ("response_length", "u4"), ("file_offset", "u8"), ("transferred", "u4"),
    ]
)  # fmt: skip
"""One exchange. A frame of 0 is a message that was not seen; `pending_time` is the interim response's, or 0.

`file_offset` is the Offset of a READ or WRITE request, `transferred` how many bytes its answer says were moved; else
they are `NO_OFFSET` and `NO_AMOUNT`.
"""

NO_AMOUNT = 0xFFFF_FFFF

_EARLY = 10 * NANOSECONDS  # how long an answer waits for a request that the capture shows later
UNSOLICITED = 0xFFFF_FFFF_FFFF_FFFF  # MessageId of break notifications (MS-SMB2 3.3.4.6)
_OK = (ntstatus.STATUS_SUCCESS, ntstatus.STATUS_BUFFER_OVERFLOW)


@dataclass(frozen=True, slots=True)
class BlockExchanges:
    """Which exchanges the messages of one block belong to.

    `rows` are all that were open in the block, as it left them. `requests` and `responses` are rows of its messages,
    `asked` and `answered` the place in `rows` of each; only final responses are there.
    """

    rows: npt.NDArray[Any]
    requests: Column
    asked: Column
    responses: Column
    answered: Column


class ExchangeTable:
    """All exchanges of a capture, the opens they made, and the file names they used.

    `block` is of the messages that were fed last.
    """

    def __init__(self) -> None:
        self.names = NameTable()
        self.opens = OpenTable()
        self._done: list[npt.NDArray[Any]] = []
        self._waiting = np.empty(0, EXCHANGE)
        self._early = np.empty(0, EXCHANGE)
        self.block = BlockExchanges(self._waiting, *(np.empty(0, np.int64) for _ in range(4)))

    @property
    def answered(self) -> npt.NDArray[Any]:
        """Exchanges with a final answer, in order of the blocks, then whatever `finish` added."""
        self._done = [join_tables([np.empty(0, EXCHANGE), *self._done])]
        return self._done[0]

    def take_answered(self) -> npt.NDArray[Any]:
        """Hand over the rows of `answered` and forget them."""
        rows, self._done = self.answered, []
        return rows

    def finish(self) -> None:
        """The capture ends: requests without an answer and answers without a request become rows."""
        self._done += [self._waiting, self._early]
        self._waiting = self._early = np.empty(0, EXCHANGE)

    def feed(self, arena: memoryview, units: Units, messages: Messages) -> None:
        """Take the messages of one block, in order; fills `messages.name`."""
        response = (messages.header["flags"] & Flags.SERVER_TO_REDIR.value) != 0
        solicited = messages.known & (messages.header["message_id"] != UNSOLICITED)
        # CANCEL has the MessageId of what it cancels and no answer of its own (MS-SMB2 3.2.4.24).
        requests = np.flatnonzero(solicited & ~response & (messages.header["command"] != Command.CANCEL))
        responses = np.flatnonzero(solicited & response)
        final = messages.header["status"][responses] != ntstatus.STATUS_PENDING
        waiting = len(self._waiting)
        active = join_tables([self._waiting, _begin(messages, units, requests)])
        self._name_creates(arena, messages, requests, active["name"][waiting:])
        active["file_offset"][waiting:] = gather_file_offsets(arena, messages, requests)
        answered = _pair(active, waiting, messages, units, requests, responses)
        alone = np.flatnonzero((answered < 0) & final)
        answered[alone] = len(active) + np.arange(len(alone))
        asked = len(active)
        active = join_tables([active, _begin_unasked(messages, units, responses[alone])])
        paired = answered >= 0
        responses, answered, final = responses[paired], answered[paired], final[paired]
        _note_responses(active, answered, messages, units, responses, final)
        is_done = np.zeros(len(active), np.bool_)
        is_done[answered[final]] = True
        is_done[asked:] = False
        late = waiting + self._meet_early(active[waiting:asked], is_done[waiting:asked])
        self._follow_opens(arena, units, messages, requests, active, waiting, responses[final], answered[final])
        self._count_bytes(active, np.concatenate([answered[final], late]))
        messages.name[responses] = active["name"][answered]
        self._keep_early(active[asked:])
        self._done.append(take_rows(active, is_done))
        self._waiting = take_rows(active[:asked], ~is_done[:asked])
        self.block = BlockExchanges(active, requests, np.arange(waiting, asked), responses[final], answered[final])

    def _follow_opens(
        self,
        arena: memoryview,
        units: Units,
        messages: Messages,
        requests: Column,
        active: npt.NDArray[Any],
        waiting: int,
        finals: Column,
        answered: Column,
    ) -> None:
        """What the block does to opens: CREATE makes them, requests use them, CLOSE ends them."""
        new_opens, create_rows = self._open(arena, messages, finals, answered, active)
        self._resolve(arena, messages, requests, active[waiting : waiting + len(requests)], new_opens, create_rows)
        self._name_breaks(arena, units, messages, new_opens, create_rows)
        _adopt_from_create(active)
        _adopt_from_compound(messages, finals, answered, active)
        _forget_closed(messages, requests, active[waiting : waiting + len(requests)], finals, active["open"][answered])
        self._finish_opens(arena, messages, finals, answered, active)
        self.opens.end_block(new_opens)

    def _meet_early(self, asked: npt.NDArray[Any], is_done: npt.NDArray[np.bool_]) -> Column:
        """A request that was held back behind a hole may come in a later block than its answer.

        Args:
            asked: exchanges of the block's requests.
            is_done: whether they have an answer; filled here.

        Returns:
            The rows of `asked` whose answers had no file before.
        """
        early = self._early
        if len(early) == 0:
            return np.empty(0, np.int64)
        rows = np.flatnonzero(~is_done)
        keys = (
            np.concatenate([early["message_id"], asked["message_id"][rows]]),
            np.concatenate([early["connection"], asked["connection"][rows]]),
        )
        is_answer = np.arange(len(keys[0])) < len(early)
        found = latest_before(keys, np.zeros(len(keys[0]), np.int64), is_answer)[len(early) :]
        rows, found = rows[found >= 0], found[found >= 0]
        for name in ("response_frame", "response_time", "response_length", "status", "transferred"):
            asked[name][rows] = early[name][found]
        made = early["open"][found] >= 0  # by a CREATE, or one before them in their compound
        asked["open"][rows[made]] = early["open"][found[made]]
        created = rows[made & (asked["command"][rows] == Command.CREATE)]
        self.opens.rows["name"][asked["open"][created]] = asked["name"][created]
        is_done[rows] = True
        self._early = np.delete(early, found)
        return rows[~made]

    def _keep_early(self, unasked: npt.NDArray[Any]) -> None:
        """Keep answers without a request for a while."""
        early = join_tables([self._early, unasked])
        latest = int(early["response_time"].max()) if len(early) else 0
        fresh = early["response_time"] >= latest - _EARLY
        self._done.append(take_rows(early, ~fresh))
        self._early = take_rows(early, fresh)

    def _name_creates(
        self, arena: memoryview, messages: Messages, requests: Column, names: npt.NDArray[np.int32]
    ) -> None:
        """Read the name of every CREATE request whose name lies inside of it."""
        messages.name[requests] = -1
        creates = np.flatnonzero(messages.header["command"][requests] == Command.CREATE)
        rows = requests[creates]
        whole = messages.offset[rows] + HEADER_SIZE + CREATE_REQUEST.size <= messages.end[rows]
        rows, creates = rows[whole], creates[whole]
        fixed = CREATE_REQUEST.gather(arena, messages.offset[rows] + HEADER_SIZE)
        start = messages.offset[rows] + fixed["name_offset"]
        end = start + fixed["name_length"]
        inside = end <= messages.end[rows]
        messages.name[rows[inside]] = self.names.numbers(arena, start[inside], end[inside])
        names[creates] = messages.name[rows]

    def _open(
        self, arena: memoryview, messages: Messages, finals: Column, answered: Column, active: npt.NDArray[Any]
    ) -> tuple[Column, Column]:
        """Add the opens that CREATE responses made; returns their numbers and the rows of the responses."""
        header = take_rows(messages.header, finals)
        made = (header["command"] == Command.CREATE) & (header["status"] == ntstatus.STATUS_SUCCESS)
        made &= messages.offset[finals] + HEADER_SIZE + CREATE_RESPONSE.size <= messages.end[finals]
        rows, exchanges = finals[made], answered[made]
        numbers = self.opens.add(arena, messages, rows, take_rows(active, exchanges))
        active["open"][exchanges] = numbers
        return numbers, rows

    def _resolve(
        self,
        arena: memoryview,
        messages: Messages,
        requests: Column,
        asked: npt.NDArray[Any],
        new_opens: Column,
        create_rows: Column,
    ) -> None:
        """Find out which file each request of the block speaks of; `asked` are their exchanges."""
        rows, file_ids = gather_file_ids(arena, messages, requests)
        related = (file_ids["persistent"] == UNSOLICITED) & (file_ids["volatile"] == UNSOLICITED)
        named = rows[~related]
        found = self.opens.find(file_ids[~related], messages.session[named], named, new_opens, create_rows)
        number = np.full(len(messages), -1, np.int64)
        number[named] = found
        hit = found >= 0
        messages.name[named[hit]] = self.opens.rows["name"][found[hit]]
        number[requests] = np.where(number[requests] >= 0, number[requests], asked["open"])
        _inherit(messages, requests, rows[related], number)
        asked["open"] = number[requests]
        asked["name"] = messages.name[requests]

    def _name_breaks(
        self, arena: memoryview, units: Units, messages: Messages, new_opens: Column, create_rows: Column
    ) -> None:
        """An oplock break notification names its file, but no session (MS-SMB2 3.3.4.6)."""
        breaks = messages.known & (messages.header["message_id"] == UNSOLICITED)
        breaks &= messages.header["command"] == Command.OPLOCK_BREAK
        rows, file_ids = gather_file_ids(arena, messages, np.flatnonzero(breaks))
        connections = units.connection[messages.unit[rows]]
        found = self.opens.find(file_ids, connections, rows, new_opens, create_rows, "connection")
        hit = found >= 0
        messages.name[rows[hit]] = self.opens.rows["name"][found[hit]]

    def _finish_opens(
        self, arena: memoryview, messages: Messages, finals: Column, answered: Column, active: npt.NDArray[Any]
    ) -> None:
        """CLOSE ends an open; READ and WRITE move bytes."""
        numbers = active["open"][answered].astype(np.int64)
        command, status = messages.header["command"][finals], messages.header["status"][finals]
        success = np.isin(status, _OK)
        closed = success & (numbers >= 0) & (command == Command.CLOSE)
        times, frames = active["response_time"][answered], active["response_frame"][answered]
        self.opens.close(numbers[closed], times[closed], frames[closed])
        for kind, layout, field in (
            (Command.READ, READ_RESPONSE, "data_length"),
            (Command.WRITE, WRITE_RESPONSE, "count"),
        ):
            moved = np.flatnonzero(success & (command == kind))
            body = messages.offset[finals[moved]] + HEADER_SIZE
            moved = moved[body + layout.size <= messages.end[finals[moved]]]
            amounts = layout.gather(arena, messages.offset[finals[moved]] + HEADER_SIZE)[field]
            active["transferred"][answered[moved]] = amounts

    def _count_bytes(self, active: npt.NDArray[Any], answered: Column) -> None:
        """Add what the given exchanges have moved to their opens."""
        rows = answered[(active["transferred"][answered] != NO_AMOUNT) & (active["open"][answered] >= 0)]
        for kind, column in ((Command.READ, "bytes_read"), (Command.WRITE, "bytes_written")):
            moved = rows[active["command"][rows] == kind]
            self.opens.transfer(column, active["open"][moved], active["transferred"][moved].astype(np.int64))


def _begin(messages: Messages, units: Units, rows: Column) -> npt.NDArray[Any]:
    """A row of `EXCHANGE` for each request."""
    new = np.zeros(len(rows), EXCHANGE)
    header, unit = take_rows(messages.header, rows), messages.unit[rows]
    for name in ("message_id", "session_id", "command", "credit_charge"):
        new[name] = header[name]
    new["tree_id"] = header["async_id"] >> np.uint64(32)
    new["connection"], new["session"] = units.connection[unit], messages.session[rows]
    new["name"], new["open"], new["file_offset"], new["transferred"] = -1, -1, NO_OFFSET, NO_AMOUNT
    new["request_frame"] = units.last_frame[unit]
    new["request_time"], new["request_complete"] = units.first_time[unit], units.last_time[unit]
    new["request_length"] = messages.end[rows] - messages.offset[rows]
    return new


def _pair(
    active: npt.NDArray[Any], waiting: int, messages: Messages, units: Units, requests: Column, responses: Column
) -> Column:
    """For each response the row of `active` that it answers, or -1.

    Where two captured packets have changed places, the request may stand behind its answer in the same block.
    """
    connection = np.concatenate([active["connection"], units.connection[messages.unit[responses]]])
    message_id = np.concatenate([active["message_id"], messages.header["message_id"][responses]])
    order = np.concatenate([np.full(waiting, -1), requests, responses])
    is_request = np.arange(len(order)) < len(active)
    answered = latest_before((message_id, connection), order, is_request)[len(active) :]
    if bool((answered >= 0).all()):
        return answered
    following = latest_before((message_id, connection), -order, is_request)[len(active) :]
    has_answer = np.zeros(len(active) + 1, np.bool_)
    has_answer[answered] = True
    return np.where((answered < 0) & ~has_answer[following], following, answered)


def _note_responses(
    active: npt.NDArray[Any],
    exchanges: Column,
    messages: Messages,
    units: Units,
    rows: Column,
    final: npt.NDArray[np.bool_],
) -> None:
    interim, unit = ~final, messages.unit[rows]
    active["pending_time"][exchanges[interim]] = units.last_time[unit[interim]]
    is_async = (messages.header["flags"][rows] & Flags.ASYNC_COMMAND.value) != 0
    active["async_id"][exchanges[is_async]] = messages.header["async_id"][rows[is_async]]
    exchanges, rows, unit = exchanges[final], rows[final], unit[final]
    active["response_frame"][exchanges] = units.last_frame[unit]
    active["response_time"][exchanges] = units.last_time[unit]
    active["status"][exchanges] = messages.header["status"][rows]
    active["response_length"][exchanges] = messages.end[rows] - messages.offset[rows]
    # The first leg of a session setup has no SessionId yet; its answer has.
    fresh = (active["session_id"][exchanges] == 0) & (active["command"][exchanges] == Command.SESSION_SETUP)
    active["session_id"][exchanges[fresh]] = messages.header["session_id"][rows[fresh]]
    active["session"][exchanges[fresh]] = messages.session[rows[fresh]]


def _begin_unasked(messages: Messages, units: Units, rows: Column) -> npt.NDArray[Any]:
    """A row for each response whose request has not been seen."""
    alone = _begin(messages, units, rows)
    for name in ("request_frame", "request_time", "request_complete", "request_length"):
        alone[name] = 0
    # An asynchronous answer has an AsyncId in the place of the TreeId (MS-SMB2 2.2.1.1).
    alone["tree_id"][(messages.header["flags"][rows] & Flags.ASYNC_COMMAND.value) != 0] = 0
    return alone


def _inherit(messages: Messages, requests: Column, related: Column, number: Column) -> None:
    """A related request speaks of the file of the request before it in its compound (MS-SMB2 3.2.4.1.4)."""
    if len(related) == 0:
        return
    is_source = np.ones(len(messages), np.bool_)
    is_source[related] = False
    source = latest_before((messages.unit[requests],), requests, is_source[requests])
    place = np.searchsorted(requests, related)
    has = source[place] >= 0
    origin = requests[source[place[has]]]
    messages.name[related[has]] = messages.name[origin]
    number[related[has]] = number[origin]


def _adopt_from_create(active: npt.NDArray[Any]) -> None:
    """A related request speaks of the file of the CREATE before it in its compound, whenever that is answered."""
    is_create = active["command"] == Command.CREATE
    lost = (active["open"] < 0) & (active["name"] >= 0) & ~is_create
    if not lost.any():
        return
    groups = (active["name"], active["request_frame"], active["connection"])
    source = latest_before(groups, np.arange(len(active)), is_create)
    adopt = np.flatnonzero(lost & (source >= 0))
    active["open"][adopt] = active["open"][source[adopt]]


def _adopt_from_compound(messages: Messages, finals: Column, answered: Column, active: npt.NDArray[Any]) -> None:
    """Where the requests were not seen, a related response speaks of the file of the CREATE response before it."""
    lost = active["open"][answered] < 0
    if not lost.any():
        return
    is_create = (messages.header["command"][finals] == Command.CREATE) & ~lost
    source = latest_before((messages.unit[finals],), finals, is_create)
    adopt = lost & (source >= 0) & ((messages.header["flags"][finals] & Flags.RELATED_OPERATIONS.value) != 0)
    active["open"][answered[adopt]] = active["open"][answered[source[adopt]]]


def _forget_closed(
    messages: Messages, requests: Column, asked: npt.NDArray[Any], finals: Column, numbers: npt.NDArray[np.int32]
) -> None:
    """What is asked behind the answer to its CLOSE speaks of no file; `numbers` are the opens of the answers."""
    closed = (messages.header["command"][finals] == Command.CLOSE) & np.isin(messages.header["status"][finals], _OK)
    closed &= numbers >= 0
    if not closed.any():
        return
    order = np.argsort(numbers[closed], kind="stable")
    ended, ends = numbers[closed][order], finals[closed][order]
    place = np.minimum(np.searchsorted(ended, asked["open"]), len(ended) - 1)
    late = (ended[place] == asked["open"]) & (requests > ends[place])
    asked["open"][late], asked["name"][late] = -1, -1
    messages.name[requests[late]] = -1
