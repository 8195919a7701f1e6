"""Byte-range locks (MS-SMB2 3.3.5.14, MS-FSA 2.1.5.7); what is granted is what Samba's smbd was seen to grant."""

import pytest

from parsers import ntstatus
from parsers.smb2.close_flush import CloseFlags, CloseRequest
from parsers.smb2.header import Command
from parsers.smb2.simple import SimpleBody
from tests.refserver.server.opens import EXCLUSIVE, NOW, PENDING, SHARE_LOCK, UNLOCK, Opener, another, opener, v2

SHARED_NOW, EXCLUSIVE_NOW = SHARE_LOCK | NOW, EXCLUSIVE | NOW
NOT_GRANTED = ntstatus.STATUS_LOCK_NOT_GRANTED
END = (1 << 64) - 1


@pytest.fixture
def client() -> Opener:
    return opener()


@pytest.mark.parametrize(
    ("held", "wanted", "by_holder", "by_other"),
    [
        (SHARED_NOW, SHARED_NOW, 0, 0),
        (SHARED_NOW, EXCLUSIVE_NOW, NOT_GRANTED, NOT_GRANTED),
        (EXCLUSIVE_NOW, SHARED_NOW, 0, NOT_GRANTED),
        (EXCLUSIVE_NOW, EXCLUSIVE_NOW, NOT_GRANTED, NOT_GRANTED),
    ],
)
def test_which_lock_stands_against_which(client: Opener, held: int, wanted: int, by_holder: int, by_other: int) -> None:
    mine, other = client.open(), client.open()
    assert client.lock(mine, (0, 4, held)).status == 0
    assert client.lock(mine, (2, 4, wanted)).status == by_holder
    assert client.lock(other, (2, 4, wanted)).status == by_other


@pytest.mark.parametrize(
    ("held", "wanted", "status"),
    [
        ((10, 0), (10, 0), 0),
        ((10, 0), (9, 1), 0),
        ((10, 0), (10, 1), 0),
        ((10, 0), (9, 2), NOT_GRANTED),
        ((9, 3), (10, 0), NOT_GRANTED),
        ((10, 2), (10, 0), 0),
        ((0, 10), (10, 5), 0),
        ((END, 0), (END, 0), 0),
        ((END, 1), (END, 1), NOT_GRANTED),
    ],
)
def test_an_empty_range_is_locked_only_from_around(
    client: Opener, held: tuple[int, int], wanted: tuple[int, int], status: int
) -> None:
    file = client.open()
    assert client.lock(file, (*held, EXCLUSIVE_NOW)).status == 0
    assert client.lock(file, (*wanted, EXCLUSIVE_NOW)).status == status


def test_a_range_ends_where_offsets_end(client: Opener) -> None:
    file = client.open()
    assert client.lock(file, (END, 2, EXCLUSIVE_NOW)).status == ntstatus.STATUS_INVALID_LOCK_RANGE
    first = (0, 1, EXCLUSIVE_NOW)
    assert client.lock(file, first, (END, END, EXCLUSIVE_NOW)).status == ntstatus.STATUS_INVALID_LOCK_RANGE
    assert client.record(file).locks == []


@pytest.mark.parametrize(
    "elements",
    [
        [],
        [(0, 1, 0)],
        [(0, 1, SHARE_LOCK | EXCLUSIVE)],
        [(0, 1, UNLOCK | NOW)],
        [(0, 1, UNLOCK | SHARE_LOCK)],
        [(0, 1, 0xFFFFFFE8)],
        [(0, 1, SHARED_NOW), (2, 1, SHARE_LOCK)],
        [(0, 1, SHARED_NOW), (2, 1, UNLOCK)],
    ],
)
def test_elements_that_make_no_sense_are_refused(client: Opener, elements: list[tuple[int, int, int]]) -> None:
    file = client.open()
    assert client.lock(file, *elements).status == ntstatus.STATUS_INVALID_PARAMETER
    assert client.record(file).locks == []


def test_several_ranges_are_locked_together_or_not_at_all(client: Opener) -> None:
    mine, other = client.open(), client.open()
    client.lock(other, (10, 1, EXCLUSIVE))
    assert client.lock(mine, (0, 1, EXCLUSIVE_NOW), (10, 1, EXCLUSIVE_NOW)).status == NOT_GRANTED
    assert client.record(mine).locks == []
    assert client.lock(mine, (0, 1, EXCLUSIVE_NOW), (11, 1, EXCLUSIVE_NOW)).status == 0


def test_unlocking_takes_exactly_what_was_locked(client: Opener) -> None:
    mine, other = client.open(), client.open()
    client.lock(mine, (0, 10, SHARE_LOCK))
    for range_ in ((0, 9), (1, 9)):
        assert client.lock(mine, (*range_, UNLOCK)).status == ntstatus.STATUS_RANGE_NOT_LOCKED
    assert client.lock(other, (0, 10, UNLOCK)).status == ntstatus.STATUS_RANGE_NOT_LOCKED
    assert client.lock(mine, (0, 10, UNLOCK)).status == 0
    assert client.lock(mine, (0, 10, UNLOCK)).status == ntstatus.STATUS_RANGE_NOT_LOCKED


def test_the_exclusive_lock_of_a_range_is_given_back_first(client: Opener) -> None:
    mine, other = client.open(), client.open()
    client.lock(mine, (0, 1, EXCLUSIVE))
    client.lock(mine, (0, 1, SHARE_LOCK))
    client.lock(mine, (0, 1, UNLOCK))
    assert client.lock(other, (0, 1, SHARED_NOW)).status == 0


def test_unlocking_stops_at_the_first_mistake(client: Opener) -> None:
    file = client.open()
    client.lock(file, (0, 1, EXCLUSIVE))
    assert client.lock(file, (0, 1, UNLOCK), (5, 1, UNLOCK)).status == ntstatus.STATUS_RANGE_NOT_LOCKED
    assert client.record(file).locks == []
    assert client.lock(file, (7, 1, UNLOCK), (5, 1, SHARE_LOCK)).status == ntstatus.STATUS_RANGE_NOT_LOCKED


def test_who_can_wait_waits_for_the_range(client: Opener) -> None:
    other = another(client.server, 2)
    mine, theirs = client.open(), other.open()
    client.lock(mine, (0, 10, EXCLUSIVE))
    assert other.lock(theirs, (5, 1, EXCLUSIVE)).status == PENDING
    client.lock(mine, (0, 10, UNLOCK))
    (answer,) = other.answers()
    assert answer.status == 0
    assert client.lock(mine, (5, 1, SHARED_NOW)).status == NOT_GRANTED


def test_a_lock_may_be_waited_for_until_its_holder_closes(client: Opener) -> None:
    other = another(client.server, 2)
    mine, theirs = client.open(), other.open()
    client.lock(mine, (0, 10, EXCLUSIVE))
    other.lock(theirs, (5, 1, EXCLUSIVE))
    client.close(mine)
    assert [answer.status for answer in other.answers()] == [0]
    assert other.record(theirs).on_close == []


def test_waiting_ends_with_a_cancel(client: Opener) -> None:
    mine, theirs = client.open(), client.open()
    client.lock(mine, (0, 10, EXCLUSIVE))
    pending = client.lock(theirs, (5, 1, EXCLUSIVE))
    assert [answer.status for answer in client.cancel(pending)] == [ntstatus.STATUS_CANCELLED]
    client.lock(mine, (0, 10, UNLOCK))
    assert client.answers() == []
    assert client.record(theirs).locks == []


@pytest.mark.parametrize("end", ["close", "tree", "logoff"])
def test_waiting_ends_with_the_open(client: Opener, end: str) -> None:
    mine, theirs = client.open(), client.open()
    client.lock(mine, (0, 10, EXCLUSIVE))
    pending = client.lock(theirs, (5, 1, EXCLUSIVE))
    close = CloseRequest(CloseFlags(0), theirs).build()
    command, body = {
        "close": (Command.CLOSE, close),
        "tree": (Command.TREE_DISCONNECT, SimpleBody().build()),
        "logoff": (Command.LOGOFF, SimpleBody().build()),
    }[end]
    answers = client.peer.send(client.peer.request(command, body))
    found = {answer.header.message_id: answer.status for answer in answers}
    assert found.pop(pending.header.message_id) == ntstatus.STATUS_RANGE_NOT_LOCKED
    assert list(found.values()) == [0]


def test_reads_and_writes_keep_out_of_locked_ranges(client: Opener) -> None:
    mine, other = client.open(), client.open()
    client.write(mine, bytes(100))
    client.lock(mine, (10, 10, EXCLUSIVE))
    client.lock(mine, (50, 10, SHARE_LOCK))
    conflict = ntstatus.STATUS_FILE_LOCK_CONFLICT
    assert client.read(mine, 5, offset=10) == client.write(mine, bytes(5), offset=10) == 0
    assert client.read(other, 5, offset=8) == client.write(other, bytes(5), offset=8) == conflict
    assert client.read(other, 5, offset=50) == 0
    assert client.write(other, bytes(5), offset=50) == client.write(mine, bytes(5), offset=50) == conflict
    assert client.read(other, 10, offset=0) == client.write(other, bytes(10), offset=20) == 0


def test_a_repeated_request_is_not_done_twice(client: Opener) -> None:
    file = client.open()
    assert client.lock(file, (0, 1, EXCLUSIVE_NOW), index=1, number=3).status == 0
    assert client.lock(file, (0, 1, EXCLUSIVE_NOW), index=1, number=3).status == 0
    assert len(client.record(file).locks) == 1
    assert client.lock(file, (0, 1, EXCLUSIVE_NOW), index=1, number=4).status == NOT_GRANTED
    assert client.lock(file, (0, 1, EXCLUSIVE_NOW), index=1, number=3).status == NOT_GRANTED
    assert client.lock(file, (0, 1, EXCLUSIVE_NOW), index=65, number=3).status == NOT_GRANTED


def test_dialect_2_1_remembers_for_durable_opens_only() -> None:
    client = opener(0x0210)
    file = client.open()
    assert client.lock(file, (0, 1, EXCLUSIVE_NOW), index=1, number=3).status == 0
    assert client.lock(file, (0, 1, EXCLUSIVE_NOW), index=1, number=3).status == NOT_GRANTED
    client.record(file).is_durable = True
    assert client.lock(file, (0, 1, UNLOCK), index=1, number=5).status == 0
    assert client.lock(file, (0, 1, UNLOCK), index=1, number=5).status == 0


def test_a_directory_cannot_be_locked(client: Opener) -> None:
    directory = client.open("d", options=1)
    assert client.lock(directory, (0, 1, EXCLUSIVE_NOW)).status == ntstatus.STATUS_INVALID_PARAMETER


def test_a_lock_breaks_what_others_have_read(client: Opener) -> None:
    other = another(client.server, 2)
    file = client.open()
    other.open(contexts=[v2(1, 1)])
    assert client.lock(file, (0, 1, EXCLUSIVE)).status == 0
    assert len(other.breaks()) == 1
