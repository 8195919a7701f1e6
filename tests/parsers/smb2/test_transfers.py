"""The data of READ and WRITE: where it lies and whose it is, however the messages are cut into blocks."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers import ntstatus
from parsers.smb2.exchanges import ExchangeTable
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.opens import NO_OFFSET
from parsers.smb2.read_write import (
    READ_RESPONSE,
    ReadFlags,
    ReadRequest,
    ReadResponse,
    ReadResponseFixed,
    WriteRequest,
    WriteResponse,
)
from parsers.smb2.transfers import Transfers, find_transfers
from tests.parsers.smb2.bodies import CLOSED, ERROR, SAME, close_body, create_body, created_body
from tests.parsers.smb2.dialogue import CLIENT, RELATED, SERVER, Said, compound, message, place, plain_messages

FILE = FileId(7, 8)


class Piece(NamedTuple):
    """One row of `Transfers`, with its bytes."""

    command: int
    open: int
    offset: int
    data: bytes
    request_frame: int
    response_frame: int


class Unopened(NamedTuple):
    """One row of what names a file that nobody has seen opened."""

    message_id: int
    file_id: FileId


def ask(command: int, message_id: int, body: bytes, **header: object) -> Said:
    return Said(0, CLIENT, message(command, message_id, body, **{"session_id": 5, **header}))


def answer(command: int, message_id: int, body: bytes = ERROR, status: int = 0, **header: object) -> Said:
    return Said(0, SERVER, message(command, message_id, body, answer=True, status=status, session_id=5, **header))


def opened() -> list[Said]:
    return [ask(Command.CREATE, 1, create_body("a")), answer(Command.CREATE, 1, created_body(FILE))]


def asked_to_read(message_id: int, offset: int, file_id: FileId = FILE, **header: object) -> Said:
    return ask(Command.READ, message_id, ReadRequest(0, ReadFlags.NONE, 1000, offset, file_id).build(), **header)


def had_read(message_id: int, data: bytes, status: int = 0) -> Said:
    return answer(Command.READ, message_id, ReadResponse(data).build(), status)


def asked_to_write(message_id: int, offset: int, data: bytes, file_id: FileId = FILE, **header: object) -> Said:
    return ask(Command.WRITE, message_id, WriteRequest(offset, file_id, data).build(), **header)


def had_written(message_id: int, count: int) -> Said:
    return answer(Command.WRITE, message_id, WriteResponse(count).build())


def together(*said: Said) -> Said:
    return Said(0, said[0].sender, compound(*(one.data for one in said)))


def run(said: Sequence[Said], edges: Iterable[int] = (), **placing: object) -> tuple[list[Piece], list[Unopened]]:
    """What every block gives, the blocks beginning at `edges`; first all that was written, then all that was read."""
    table, pieces, unopened = ExchangeTable(), [], []
    for first, last in pairwise(sorted({0, len(said), *edges})):
        arena, units = place(said[first:last], first_frame=first + 1, **placing)
        messages = plain_messages(arena, units)
        table.feed(arena, units, messages)
        transfers = find_transfers(arena, messages, table.block)
        pieces += in_words(arena, transfers)
        names = zip(transfers.unopened["message_id"].tolist(), transfers.file_ids.tolist(), strict=True)
        unopened += [Unopened(message_id, FileId(*file_id)) for message_id, file_id in names]
    return sorted(pieces, key=lambda piece: (-piece.command, piece.request_frame)), unopened


def in_words(arena: memoryview, transfers: Transfers) -> list[Piece]:
    places = zip(transfers.start.tolist(), transfers.length.tolist(), strict=True)
    names = ("command", "open", "file_offset", "request_frame", "response_frame")
    columns = zip(*(transfers.exchange[name].tolist() for name in names), places, strict=True)
    return [
        Piece(command, number, offset, bytes(arena[start : start + length]), asked, answered)
        for command, number, offset, asked, answered, (start, length) in columns
    ]


@pytest.mark.parametrize("edges", [(), range(9)])
def test_what_is_read_is_in_the_answer_and_what_is_written_in_the_request(edges):
    said = [
        *opened(),
        asked_to_read(2, 4096),
        had_read(2, b"read"),
        asked_to_write(3, 70_000_000_000, b"written"),
        had_written(3, 7),
    ]
    pieces, unopened = run(said, edges)
    answered = 0 if edges else 6  # a later block has it
    assert pieces == [
        Piece(Command.WRITE, 0, 70_000_000_000, b"written", 5, answered),
        Piece(Command.READ, 0, 4096, b"read", 3, 4),
    ]
    assert unopened == []


def test_an_overflowing_buffer_has_data_and_other_failures_have_none():
    said = [
        *opened(),
        asked_to_read(2, 0),
        had_read(2, b"part", ntstatus.STATUS_BUFFER_OVERFLOW),
        asked_to_read(3, 4),
        answer(Command.READ, 3, ERROR, ntstatus.STATUS_END_OF_FILE),
        asked_to_read(4, 4),
        answer(Command.READ, 4, ReadResponse(b"x").build(), ntstatus.STATUS_PENDING, async_id=9),
        asked_to_read(5, 4),
        had_read(5, b""),
    ]
    assert [piece.data for piece in run(said)[0]] == [b"part"]


def test_a_refused_write_was_sent_all_the_same():
    said = [*opened(), asked_to_write(2, 0, b"sent"), answer(Command.WRITE, 2, ERROR, ntstatus.STATUS_DISK_FULL)]
    assert [piece.data for piece in run(said)[0]] == [b"sent"]


def test_a_message_without_its_end_has_what_is_there_of_its_data():
    said = [*opened(), asked_to_write(2, 0, bytes(range(100)))]
    for there, data in ((112 + 40, bytes(range(40))), (112, b""), (111, b""), (80, b"")):
        pieces, _ = run(said, present={2: there})
        assert [piece.data for piece in pieces] == ([data] if data else [])


@pytest.mark.parametrize(("offset", "length"), [(80, 1000), (255, 1), (0, 0), (85, 0xFFFF_FFFF)])
def test_data_ends_with_its_message_whatever_the_fields_say(offset, length):
    body = READ_RESPONSE.build(ReadResponseFixed(17, offset, 0, length, 0, 0)) + b"12345"
    said = [*opened(), asked_to_read(2, 0), answer(Command.READ, 2, body)]
    assert [piece.data for piece in run(said)[0]] == ([b"12345"] if offset == 80 else [])


@pytest.mark.parametrize("edges", [(), range(9)])
def test_a_write_in_a_compound_with_its_create_has_an_open_once_that_is_answered(edges):
    said = [
        together(
            ask(Command.CREATE, 1, create_body("a")),
            asked_to_write(2, 10, b"data", SAME, session_id=RELATED, related=True),
            ask(Command.CLOSE, 3, close_body(SAME), session_id=RELATED, related=True),
        ),
        together(answer(Command.CREATE, 1, created_body(FILE)), had_written(2, 4), answer(Command.CLOSE, 3, CLOSED)),
    ]
    pieces, unopened = run(said, edges)
    assert pieces == [Piece(Command.WRITE, -1 if edges else 0, 10, b"data", 1, 0 if edges else 2)]
    assert unopened == []  # it names no file of its own


@pytest.mark.parametrize("edges", [(), range(9)])
def test_requests_of_files_that_were_opened_before_the_capture_say_which(edges):
    said = [asked_to_read(2, 4, FileId(1, 2)), had_read(2, b"read"), asked_to_write(3, 5, b"written", FileId(3, 4))]
    pieces, unopened = run(said, edges)
    assert pieces == [Piece(Command.WRITE, -1, 5, b"written", 3, 0), Piece(Command.READ, -1, 4, b"read", 1, 2)]
    assert unopened == [Unopened(2, FileId(1, 2)), Unopened(3, FileId(3, 4))]


@pytest.mark.parametrize("edges", [(), range(9)])
def test_an_answer_without_its_request_has_no_offset(edges):
    pieces, _ = run([*opened(), had_read(2, b"read")], edges)
    assert pieces == [Piece(Command.READ, -1, NO_OFFSET, b"read", 0, 3)]


def test_the_exchange_of_an_answer_that_came_before_its_request_is_among_the_rows():
    said = [*opened(), had_read(2, b"read"), asked_to_read(2, 50)]
    table = ExchangeTable()
    for number in range(4):
        arena, units = place(said[number : number + 1], first_frame=number + 1)
        messages = plain_messages(arena, units)
        table.feed(arena, units, messages)
    rows = find_transfers(arena, messages, table.block).rows
    assert [(row["message_id"], row["file_offset"], row["open"], row["transferred"]) for row in rows] == [(2, 50, 0, 4)]
    assert table.opens.rows["bytes_read"].tolist() == [4]


def test_a_block_without_messages_moves_nothing():
    table = ExchangeTable()
    arena, units = place([])
    messages = plain_messages(arena, units)
    table.feed(arena, units, messages)
    transfers = find_transfers(arena, messages, table.block)
    assert (len(transfers), len(transfers.unopened), len(transfers.file_ids), len(transfers.rows)) == (0, 0, 0, 0)


moves = st.lists(st.tuples(st.booleans(), st.integers(0, 300), st.binary(max_size=20), st.booleans()), max_size=6)


@given(moves, st.lists(st.integers(0, 20), max_size=5))
def test_the_data_does_not_depend_on_how_messages_are_cut_into_blocks(moves, edges):
    said = opened()
    for message_id, (is_write, offset, data, is_answered) in enumerate(moves, 2):
        said.append(asked_to_write(message_id, offset, data) if is_write else asked_to_read(message_id, offset))
        if is_answered:
            said.append(had_written(message_id, len(data)) if is_write else had_read(message_id, data))
    expected = [
        (is_write, 0, offset, data)
        for is_write, offset, data, is_answered in sorted(moves, key=lambda move: not move[0])
        if data and (is_write or is_answered)
    ]
    for cuts in ((), [edge for edge in edges if edge < len(said)], range(len(said))):
        pieces, _ = run(said, cuts)
        found = [(piece.command == Command.WRITE, piece.open, piece.offset, piece.data) for piece in pieces]
        assert found == expected
