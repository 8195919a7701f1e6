"""Dialogues as exchanges: who answered what, of which file; the same however the messages are cut into blocks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import ntstatus
from parsers.smb2.create import OplockLevel
from parsers.smb2.exchanges import EXCHANGE, NO_AMOUNT, UNSOLICITED, ExchangeTable
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.opens import NO_OFFSET
from parsers.smb2.oplock_break import OplockBreak
from parsers.smb2.read_write import ReadFlags, ReadRequest, ReadResponse, WriteRequest, WriteResponse
from tests.parsers.smb2.bodies import CLOSED, ERROR, SAME, close_body, create_body, created_body, read_body, write_body
from tests.parsers.smb2.dialogue import CLIENT, RELATED, SERVER, Said, compound, message, place, plain_messages

PENDING = ntstatus.STATUS_PENDING
NO_SUCH_FILE = ntstatus.STATUS_OBJECT_NAME_NOT_FOUND


@dataclass
class Wire:
    """What client and server of session 5 say on one connection."""

    said: list[Said] = field(default_factory=list)
    connection: int = 0
    session_id: int = 5

    def ask(self, command: int, message_id: int, body: bytes = b"\x04\x00\x00\x00", **header: object) -> bytes:
        """A request."""
        return self._say(CLIENT, message(command, message_id, body, **{"session_id": self.session_id, **header}))

    def answer(
        self, command: int, message_id: int, body: bytes | None = None, status: int = 0, **header: object
    ) -> bytes:
        """A response; with an ERROR body if it fails and none is given."""
        body = body if body is not None else ERROR if status else b"\x04\x00\x00\x00"
        header = {"session_id": self.session_id, **header}
        return self._say(SERVER, message(command, message_id, body, answer=True, status=status, **header))

    def open(self, message_id: int, name: str, file_id: FileId) -> None:
        """A CREATE that succeeds."""
        self.ask(Command.CREATE, message_id, create_body(name), tree_id=3)
        self.answer(Command.CREATE, message_id, created_body(file_id))

    def close(self, message_id: int, file_id: FileId) -> None:
        """A CLOSE that succeeds."""
        self.ask(Command.CLOSE, message_id, close_body(file_id))
        self.answer(Command.CLOSE, message_id, CLOSED)

    def together(self, count: int) -> None:
        """Make the last `count` messages one compound."""
        data = compound(*(one.data for one in self.said[-count:]))
        self.said[-count:] = [self.said[-1]._replace(data=data)]

    def _say(self, sender: int, data: bytes) -> bytes:
        self.said.append(Said(self.connection, sender, data))
        return data


@dataclass
class Result:
    """The tables after everything has been fed."""

    table: ExchangeTable
    names: list[int]

    @property
    def rows(self) -> np.ndarray:
        """All exchanges, in order of connections and messages."""
        rows = self.table.answered
        return rows[np.lexsort((rows["response_frame"], rows["message_id"], rows["connection"]))]

    @property
    def opens(self) -> np.ndarray:
        """All opens."""
        return self.table.opens.rows

    def column(self, name: str) -> list[int]:
        """One column of all exchanges."""
        return self.rows[name].tolist()

    @property
    def files(self) -> list[str | None]:
        """The file of each exchange."""
        return [None if number < 0 else self.table.names.names[number] for number in self.column("name")]


def run(said: Sequence[Said], *edges: int) -> Result:
    """Feed what was said, in blocks that begin at `edges`."""
    table, names = ExchangeTable(), []
    for first, last in pairwise(sorted({0, len(said), *edges})):
        arena, units = place(said[first:last], first_frame=first + 1)
        messages = plain_messages(arena, units)
        table.feed(arena, units, messages)
        names += messages.name.tolist()
        arena[:] = bytes(len(arena))  # it is reused: nothing may be taken from it later
    table.finish()
    return Result(table, names)


def both(wire: Wire) -> list[Result]:
    """In one block, and each message in a block of its own."""
    return [run(wire.said), run(wire.said, *range(len(wire.said)))]


# ----------------------------------------------------------------------------------------------- pairs


def test_a_request_meets_its_answer():
    wire = Wire()
    wire.ask(Command.ECHO, 7, tree_id=3)
    wire.answer(Command.ECHO, 7)
    for result in both(wire):
        (row,) = result.rows
        assert row["command"] == Command.ECHO
        assert (row["connection"], row["message_id"], row["session"], row["session_id"]) == (0, 7, 5, 5)
        assert (row["tree_id"], row["name"], row["open"]) == (3, -1, -1)
        assert (row["request_frame"], row["response_frame"]) == (1, 2)
        assert (row["request_time"], row["request_complete"], row["response_time"]) == (1000, 1000, 2000)
        assert (row["status"], row["pending_time"], row["async_id"]) == (0, 0, 0)
        assert (row["request_length"], row["response_length"]) == (68, 68)


def test_the_same_message_id_on_another_connection_is_another_exchange():
    said: list[Said] = []
    wires = [Wire(said, number) for number in range(2)]
    for wire in wires:
        wire.ask(Command.ECHO, 7)
    wires[1].answer(Command.ECHO, 7, status=ntstatus.STATUS_ACCESS_DENIED)
    wires[0].answer(Command.ECHO, 7)
    for result in both(wires[0]):
        assert result.column("status") == [0, ntstatus.STATUS_ACCESS_DENIED]
        assert result.column("response_frame") == [4, 3]


def test_an_interim_response_is_noted_and_the_final_one_answers():
    wire = Wire()
    wire.ask(Command.CHANGE_NOTIFY, 7, bytes(32))
    wire.answer(Command.CHANGE_NOTIFY, 7, status=PENDING, async_id=99)
    wire.ask(Command.ECHO, 8)
    wire.answer(Command.ECHO, 8)
    wire.answer(Command.CHANGE_NOTIFY, 7, bytes(9), async_id=99)
    for result in both(wire):
        row, echo = result.rows
        assert (row["pending_time"], row["response_time"], row["response_frame"]) == (2000, 5000, 5)
        assert (row["async_id"], row["status"]) == (99, 0)
        assert (echo["pending_time"], echo["async_id"]) == (0, 0)


def test_a_cancel_is_no_exchange_and_does_not_take_the_answer():
    """It has the MessageId of what it cancels and no answer of its own (MS-SMB2 3.2.4.24, 3.3.5.16)."""
    wire = Wire()
    wire.ask(Command.CHANGE_NOTIFY, 7, bytes(32))
    wire.answer(Command.CHANGE_NOTIFY, 7, status=PENDING, async_id=99)
    wire.ask(Command.CANCEL, 7)
    wire.answer(Command.CHANGE_NOTIFY, 7, status=ntstatus.STATUS_CANCELLED, async_id=99)
    for result in both(wire):
        (row,) = result.rows
        assert row["command"] == Command.CHANGE_NOTIFY
        assert (row["request_frame"], row["response_frame"]) == (1, 4)
        assert row["status"] == ntstatus.STATUS_CANCELLED


@pytest.mark.parametrize("interim", [False, True])
def test_a_request_without_a_final_answer_is_a_row_without_one(interim):
    wire = Wire()
    wire.ask(Command.CREATE, 7, create_body("a"))
    if interim:
        wire.answer(Command.CREATE, 7, status=PENDING, async_id=99)
    for result in both(wire):
        (row,) = result.rows
        assert (row["response_frame"], row["response_time"]) == (0, 0)
        assert row["pending_time"] == (2000 if interim else 0)
        assert result.files == ["a"]


@pytest.mark.parametrize("async_id", [0, 99])
def test_an_answer_without_a_request_is_a_row_without_one(async_id):
    wire = Wire()
    wire.answer(Command.READ, 7, bytes(17), tree_id=3, async_id=async_id)
    for result in both(wire):
        (row,) = result.rows
        assert (row["command"], row["session_id"]) == (Command.READ, 5)
        assert (row["request_frame"], row["request_time"], row["request_complete"], row["request_length"]) == (0,) * 4
        assert (row["response_frame"], row["response_time"], row["response_length"]) == (1, 1000, 81)
        assert (row["async_id"], row["tree_id"]) == (async_id, 0 if async_id else 3)


def test_an_interim_response_alone_is_no_exchange():
    wire = Wire()
    wire.answer(Command.READ, 7, status=PENDING, async_id=99)
    assert [len(result.rows) for result in both(wire)] == [0, 0]


def test_break_notifications_answer_nothing():
    """Their MessageId is -1 (MS-SMB2 3.3.4.6); they name a file and no session."""
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    body = OplockBreak(OplockLevel.II, FileId(1, 2)).build()
    wire.answer(Command.OPLOCK_BREAK, UNSOLICITED, body, session_id=0)
    wire.ask(Command.OPLOCK_BREAK, 2, body)
    wire.answer(Command.OPLOCK_BREAK, 2, body)
    for result in both(wire):
        assert result.column("message_id") == [1, 2]
        assert result.column("request_frame") == [1, 4]
        assert result.files == ["a", "a"]
        assert result.names == [0] * 5


def test_the_first_leg_of_a_logon_gets_its_session_from_the_answer():
    wire = Wire()
    wire.ask(Command.SESSION_SETUP, 1, bytes(25), session_id=0)
    wire.answer(Command.SESSION_SETUP, 1, bytes(9), status=ntstatus.STATUS_MORE_PROCESSING_REQUIRED)
    for result in both(wire):
        (row,) = result.rows
        assert (row["session_id"], row["session"]) == (5, 5)


def test_an_answer_that_was_captured_before_its_request_answers_it():
    wire = Wire()
    wire.answer(Command.CREATE, 7, created_body(FileId(1, 2)))
    wire.ask(Command.CREATE, 7, create_body("a"))
    wire.close(8, FileId(1, 2))
    for result in both(wire):
        row = result.rows[0]
        assert (row["request_frame"], row["response_frame"]) == (2, 1)
        assert result.files == ["a", "a"]
        assert result.opens["name"].tolist() == [0]
        assert len(result.rows) == 2


def test_an_answer_before_its_request_does_not_hide_which_file_was_meant():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.answer(Command.READ, 2, bytes(17))
    wire.ask(Command.READ, 2, read_body(FileId(1, 2)))
    for result in both(wire):
        assert result.column("open") == [0, 0]
        assert result.column("response_frame") == [2, 3]
        assert result.files == ["a", "a"]


def test_an_incomplete_request_is_an_exchange_too():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.ask(Command.WRITE, 2, write_body(FileId(1, 2), bytes(500)))
    arena, units = place(wire.said, present={2: 200})
    units.first_time[2], units.last_time[2] = 2500, 9000
    table, messages = ExchangeTable(), plain_messages(arena, units)
    table.feed(arena, units, messages)
    table.finish()
    row = table.answered[-1]
    assert (row["command"], row["open"], row["request_length"]) == (Command.WRITE, 0, 200)
    assert (row["request_time"], row["request_complete"], row["response_time"]) == (2500, 9000, 0)


@pytest.mark.parametrize("there", [64, 100, 119, 121])
def test_a_create_without_its_end_has_no_name(there):
    wire = Wire()
    wire.ask(Command.CREATE, 1, create_body("name"))
    arena, units = place(wire.said, present={0: there})
    table, messages = ExchangeTable(), plain_messages(arena, units)
    table.feed(arena, units, messages)
    assert messages.name.tolist() == [-1]
    assert table.names.names == []


def test_answered_rows_can_be_taken_away():
    wire = Wire()
    wire.ask(Command.ECHO, 1)
    wire.ask(Command.ECHO, 2)
    wire.answer(Command.ECHO, 1)
    table = ExchangeTable()
    arena, units = place(wire.said)
    table.feed(arena, units, plain_messages(arena, units))
    assert table.take_answered()["message_id"].tolist() == [1]
    assert len(table.take_answered()) == 0
    table.finish()
    rows = table.take_answered()
    assert rows["message_id"].tolist() == [2]
    assert rows.dtype == EXCHANGE


# ----------------------------------------------------------------------------------------------- files


def test_what_is_asked_of_a_file_has_its_name_and_its_open():
    wire = Wire()
    wire.open(1, "dir\\a.txt", FileId(1, 2))
    wire.ask(Command.READ, 2, read_body(FileId(1, 2)))
    wire.answer(Command.READ, 2, ReadResponse(b"12345").build())
    wire.ask(Command.READ, 3, read_body(FileId(1, 3)))
    wire.answer(Command.READ, 3, status=ntstatus.STATUS_FILE_CLOSED)
    wire.close(4, FileId(1, 2))
    for result in both(wire):
        assert result.files == ["dir\\a.txt", "dir\\a.txt", None, "dir\\a.txt"]
        assert result.column("open") == [0, 0, -1, 0]
        assert result.names == [0, 0, 0, 0, -1, -1, 0, 0]
        (row,) = result.opens
        assert (row["opened"], row["closed"], row["bytes_read"], row["tree_id"]) == (2000, 8000, 5, 3)


def test_a_create_that_fails_opens_nothing():
    wire = Wire()
    wire.ask(Command.CREATE, 1, create_body("a"))
    wire.answer(Command.CREATE, 1, status=NO_SUCH_FILE)
    for result in both(wire):
        assert result.files == ["a"]
        assert len(result.opens) == 0


def test_bytes_are_counted_by_what_the_answers_say():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    overflow = ReadResponse(bytes(70)).build()
    wire.ask(Command.READ, 2, read_body(FileId(1, 2)))
    wire.answer(Command.READ, 2, ReadResponse(bytes(100)).build())
    wire.ask(Command.READ, 3, read_body(FileId(1, 2)))
    wire.answer(Command.READ, 3, overflow, status=ntstatus.STATUS_BUFFER_OVERFLOW)
    wire.ask(Command.READ, 4, read_body(FileId(1, 2)))
    wire.answer(Command.READ, 4, status=ntstatus.STATUS_END_OF_FILE)
    wire.ask(Command.WRITE, 5, write_body(FileId(1, 2), bytes(30)))
    wire.answer(Command.WRITE, 5, WriteResponse(20).build())
    wire.ask(Command.WRITE, 6, write_body(FileId(1, 2), bytes(30)))
    wire.answer(Command.WRITE, 6, status=ntstatus.STATUS_DISK_FULL)
    for result in both(wire):
        assert result.opens["bytes_read"].tolist() == [170]
        assert result.opens["bytes_written"].tolist() == [20]


def test_reads_and_writes_tell_where_they_begin_and_how_much_they_move():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.ask(Command.READ, 2, ReadRequest(0, ReadFlags.NONE, 100, 5_000_000_000, FileId(1, 2)).build())
    wire.answer(Command.READ, 2, ReadResponse(bytes(100)).build())
    wire.ask(Command.READ, 3, read_body(FileId(9, 9)))
    wire.answer(Command.READ, 3, status=ntstatus.STATUS_END_OF_FILE)
    wire.ask(Command.WRITE, 4, WriteRequest(7, FileId(9, 9), bytes(30)).build())
    wire.answer(Command.WRITE, 4, WriteResponse(20).build())
    wire.ask(Command.WRITE, 5, write_body(FileId(1, 2)))
    wire.answer(Command.READ, 6, ReadResponse(bytes(8)).build())
    for result in both(wire):
        assert result.column("file_offset") == [NO_OFFSET, 5_000_000_000, 0, 7, 0, NO_OFFSET]
        assert result.column("transferred") == [NO_AMOUNT, 100, NO_AMOUNT, 20, NO_AMOUNT, 8]


def test_a_request_that_ends_before_its_offset_has_none():
    wire = Wire()
    wire.ask(Command.READ, 1, read_body(FileId(1, 2)))
    for there, offset in ((79, NO_OFFSET), (80, 0)):
        arena, units = place(wire.said, present={0: there})
        table = ExchangeTable()
        table.feed(arena, units, plain_messages(arena, units))
        table.finish()
        assert table.answered["file_offset"].tolist() == [offset]


def test_a_compound_that_comes_blocks_behind_its_answers_keeps_its_file_and_counts_once():
    wire = Wire()
    compound_answers(wire, together=True)
    compound_request(wire)
    result = run(wire.said, 1)
    assert result.files == ["a", "a", "a"]
    assert result.opens[["name", "bytes_read"]].tolist() == [(0, 9)]


def test_a_file_id_that_is_given_again_is_another_open():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.close(2, FileId(1, 2))
    wire.open(3, "b", FileId(1, 2))
    wire.ask(Command.WRITE, 4, write_body(FileId(1, 2)))
    wire.answer(Command.WRITE, 4, WriteResponse(3).build())
    for result in both(wire):
        assert result.files == ["a", "a", "b", "b"]
        assert result.column("open") == [0, 0, 1, 1]
        assert result.opens["closed"].tolist() == [4000, 0]
        assert result.opens["bytes_written"].tolist() == [0, 3]


def test_what_is_closed_is_not_meant_any_more():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.close(2, FileId(1, 2))
    wire.ask(Command.READ, 3, read_body(FileId(1, 2)))
    wire.answer(Command.READ, 3, status=ntstatus.STATUS_FILE_CLOSED)
    for result in both(wire):
        assert result.files == ["a", "a", None]
        assert result.column("open") == [0, 0, -1]
        assert result.names[-2:] == [-1, -1]


def test_a_close_that_fails_closes_nothing():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.ask(Command.CLOSE, 2, close_body(FileId(1, 2)))
    wire.answer(Command.CLOSE, 2, status=ntstatus.STATUS_FILE_CLOSED)
    wire.ask(Command.READ, 3, read_body(FileId(1, 2)))
    for result in both(wire):
        assert result.opens["closed"].tolist() == [0]
        assert result.files == ["a", "a", "a"]


def test_file_ids_of_another_session_mean_other_files():
    said: list[Said] = []
    for session_id, message_id in ((5, 1), (6, 11)):
        wire = Wire(said, session_id=session_id)
        wire.open(message_id, f"of {session_id}", FileId(1, 2))
    Wire(said, session_id=6).ask(Command.READ, 12, read_body(FileId(1, 2)))
    Wire(said, session_id=5).ask(Command.READ, 13, read_body(FileId(1, 2)))
    for result in both(Wire(said)):
        assert result.files == ["of 5", "of 6", "of 6", "of 5"]


# ----------------------------------------------------------------------------------------------- compounds


def compound_request(wire: Wire, *, related: bool = True) -> None:
    """CREATE, READ and CLOSE in one compound; related ones name neither session nor file."""
    own = {"session_id": RELATED, "related": True} if related else {}
    file_id = SAME if related else FileId(1, 2)
    wire.ask(Command.CREATE, 1, create_body("a"))
    wire.ask(Command.READ, 2, read_body(file_id), **own)
    wire.ask(Command.CLOSE, 3, close_body(file_id), **own)
    wire.together(3)


def compound_answers(wire: Wire, *, together: bool, related: bool = True) -> None:
    """Their answers, in one compound or one by one."""
    wire.answer(Command.CREATE, 1, created_body(FileId(1, 2)))
    wire.answer(Command.READ, 2, ReadResponse(bytes(9)).build(), related=related)
    wire.answer(Command.CLOSE, 3, CLOSED, related=related)
    if together:
        wire.together(3)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("flag", [True, False])
def test_related_requests_speak_of_the_file_that_the_create_before_them_opens(together, flag):
    """MS-SMB2 3.2.4.1.4; whether the server answers in one compound or not, and marks its answers or not."""
    wire = Wire()
    compound_request(wire)
    compound_answers(wire, together=together, related=flag)
    for result in both(wire):
        assert result.files == ["a", "a", "a"]
        assert result.column("open") == [0, 0, 0]
        assert result.column("session") == [5, 5, 5]
        assert result.column("request_frame") == [1, 1, 1]
        (row,) = result.opens
        assert (row["bytes_read"], row["closed_frame"]) == (9, 2 if together else 4)
        assert set(result.names) == {0}


def test_related_requests_after_a_create_that_fails_have_its_name_and_no_open():
    wire = Wire()
    compound_request(wire)
    for number, command in enumerate((Command.CREATE, Command.READ, Command.CLOSE), 1):
        wire.answer(command, number, status=NO_SUCH_FILE, related=number > 1)
    for result in both(wire):
        assert result.files == ["a", "a", "a"]
        assert result.column("open") == [-1, -1, -1]
        assert len(result.opens) == 0


def test_related_requests_may_follow_one_that_names_its_file():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.ask(Command.WRITE, 2, write_body(FileId(1, 2)))
    wire.ask(Command.CLOSE, 3, close_body(SAME), session_id=RELATED, related=True)
    wire.together(2)
    wire.answer(Command.WRITE, 2, WriteResponse(3).build())
    wire.answer(Command.CLOSE, 3, CLOSED, related=True)
    for result in both(wire):
        assert result.column("open") == [0, 0, 0]
        assert result.opens["bytes_written"].tolist() == [3]
        assert result.opens["closed_frame"].tolist() == [5]


def test_unrelated_requests_of_a_compound_are_each_on_their_own():
    wire = Wire()
    wire.open(1, "a", FileId(1, 1))
    wire.open(2, "b", FileId(2, 2))
    wire.ask(Command.READ, 3, read_body(FileId(2, 2)))
    wire.ask(Command.READ, 4, read_body(FileId(1, 1)))
    wire.ask(Command.READ, 5, read_body(FileId(9, 9)))
    wire.together(3)
    for result in both(wire):
        assert result.files == ["a", "b", "b", "a", None]


def test_a_related_request_without_one_before_it_names_no_file():
    wire = Wire()
    wire.open(1, "a", FileId(1, 2))
    wire.ask(Command.READ, 2, read_body(SAME), related=True)
    for result in both(wire):
        assert result.files == ["a", None]


def test_two_compounds_in_one_frame_keep_their_files_apart():
    """Each of the same name."""
    wire = Wire()
    for first in (1, 3):
        wire.ask(Command.CREATE, first, create_body("a"))
        wire.ask(Command.CLOSE, first + 1, close_body(SAME), session_id=RELATED, related=True)
        wire.together(2)
    for first in (1, 3):
        wire.answer(Command.CREATE, first, created_body(FileId(first, first)))
    for first in (1, 3):
        wire.answer(Command.CLOSE, first + 1, CLOSED)
    for edges in ((), (2,), (2, 3, 4, 5)):
        table = ExchangeTable()
        for first, last in pairwise(sorted({0, len(wire.said), *edges})):
            arena, units = place(wire.said[first:last], first_frame=first + 1)
            units.last_frame[:] = np.maximum(units.last_frame, 2)  # the first two units share frame 2
            table.feed(arena, units, plain_messages(arena, units))
        assert table.opens.rows["closed_frame"].tolist() == [5, 6]


def test_answers_of_a_compound_whose_requests_were_not_captured_share_their_file():
    wire = Wire()
    compound_answers(wire, together=True)
    for result in both(wire):
        assert result.column("open") == [0, 0, 0]
        assert result.opens["bytes_read"].tolist() == [9]
        assert result.opens["closed_frame"].tolist() == [1]


# ----------------------------------------------------------------------------------------------- blocks


NAMES = ("a", "b", "c\\d")


@st.composite
def dialogues(draw: st.DrawFn) -> list[Said]:
    """Requests of a client that has several outstanding, and answers that come late and in any order.

    The server gives out a FileId again when it has answered its CLOSE, never before.
    """
    wire = Wire()
    live: dict[FileId, str] = {}
    closing: set[FileId] = set()
    free = [FileId(number, 7) for number in range(3)]
    due: list[tuple[int, Command, FileId | None, bool]] = []  # answers to come: id, command, file, in the same compound
    for message_id in range(1, draw(st.integers(1, 12))):
        for _ in range(draw(st.integers(0, 2))):
            if due:
                _answer(draw, wire, due, live, closing, free)
        kind = draw(st.sampled_from(["create", "read", "write", "close", "compound", "alone", "break", "cancel"]))
        known = sorted(live.keys() - closing) or [FileId(99, 99)]
        file_id = draw(st.sampled_from([*known, FileId(50, 50)]))
        number = 10 * message_id
        if kind == "create":
            wire.ask(Command.CREATE, number, create_body(draw(st.sampled_from(NAMES))))
            due.append((number, Command.CREATE, None, False))
        elif kind == "read":
            wire.ask(Command.READ, number, read_body(file_id))
            due.append((number, Command.READ, file_id, False))
        elif kind == "write":
            wire.ask(Command.WRITE, number, write_body(file_id))
            due.append((number, Command.WRITE, file_id, False))
        elif kind == "close":
            wire.ask(Command.CLOSE, number, close_body(file_id))
            closing.add(file_id)
            due.append((number, Command.CLOSE, file_id, False))
        elif kind == "compound":
            wire.ask(Command.CREATE, number, create_body(draw(st.sampled_from(NAMES))))
            wire.ask(Command.READ, number + 1, read_body(SAME), session_id=RELATED, related=True)
            wire.together(2)
            due += [(number, Command.CREATE, None, draw(st.booleans()))]
        elif kind == "alone":
            wire.answer(Command.READ, 1000 + number, ReadResponse(b"1").build())
        elif kind == "break":
            body = OplockBreak(OplockLevel.II, file_id).build()
            wire.answer(Command.OPLOCK_BREAK, UNSOLICITED, body, session_id=0)
        elif due:
            wire.ask(Command.CANCEL, due[0][0])
    return wire.said


def _answer(draw, wire, due, live, closing, free) -> None:
    """The server answers one of the requests, or says that it will."""
    number, command, file_id, same = due.pop(draw(st.integers(0, len(due) - 1)))
    if draw(st.integers(0, 3)) == 0:
        wire.answer(command, number, status=PENDING, async_id=number)
        due.append((number, command, file_id, same))
        return
    if command == Command.CREATE and free and draw(st.booleans()):
        file_id = free.pop()
        live[file_id] = "open"
        wire.answer(command, number, created_body(file_id))
    elif command == Command.CLOSE and file_id in live:
        del live[file_id]
        closing.discard(file_id)
        free.append(file_id)
        wire.answer(command, number, CLOSED)
    elif command == Command.READ and file_id in live:
        wire.answer(command, number, ReadResponse(b"12").build())
    elif command == Command.WRITE and file_id in live:
        wire.answer(command, number, WriteResponse(3).build())
    else:
        wire.answer(command, number, status=ntstatus.STATUS_FILE_CLOSED)
    if same:  # of a compound: the second answer in the same one
        wire.answer(Command.READ, number + 1, ReadResponse(b"12").build(), related=True)
        wire.together(2)
    elif number + 1 in {int.from_bytes(one.data[24:32], "little") for one in wire.said}:
        wire.answer(Command.READ, number + 1, ReadResponse(b"12").build())


@given(dialogues(), st.lists(st.integers(0, 40), max_size=6))
def test_what_is_found_does_not_depend_on_how_messages_are_cut_into_blocks(said, edges):
    whole = run(said)
    for cut in (run(said, *(edge for edge in edges if edge < len(said))), run(said, *range(len(said)))):
        assert cut.rows.tolist() == whole.rows.tolist()
        assert cut.opens.tolist() == whole.opens.tolist()
        assert cut.table.names.names == whole.table.names.names
        assert cut.names == whole.names
