"""Which open a FileId means, and where messages carry it: the codecs are the witness for the places."""

import numpy as np
import pytest

from parsers.smb2.change_notify import ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter
from parsers.smb2.close_flush import FlushRequest
from parsers.smb2.create import CreateAction, FileAttributes, OplockLevel
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.file_id import FileId
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.ioctl import IoctlRequest
from parsers.smb2.lease import LeaseState
from parsers.smb2.lock import LockElement, LockFlags, LockRequest
from parsers.smb2.opens import _MIX, FILE_ID_OFFSETS, OpenTable, gather_file_ids
from parsers.smb2.oplock_break import LeaseBreak, LeaseBreakFlags, LeaseBreakNotification, OplockBreak
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest
from parsers.smb2.set_info import SetInfoRequest
from tests.parsers.smb2.bodies import close_body, created_body, read_body, write_body
from tests.parsers.smb2.dialogue import CLIENT, SERVER, Said, message, place, plain_messages

FILE = FileId(0x1111_2222_3333_4444, 0xFFFF_0000_0000_0001)
OTHER = FileId(0x1111_2222_3333_4444, 0xFFFF_0000_0000_0002)
WANTED = np.dtype([("persistent", "<u8"), ("volatile", "<u8")])

BODIES = {
    Command.CLOSE: close_body(FILE),
    Command.FLUSH: FlushRequest(FILE).build(),
    Command.READ: read_body(FILE),
    Command.WRITE: write_body(FILE),
    Command.LOCK: LockRequest(0, 0, FILE, (LockElement(0, 1, LockFlags.UNLOCK),)).build(),
    Command.IOCTL: IoctlRequest(FsctlCode.PIPE_TRANSCEIVE, FILE, b"in", 0, 100).build(),
    Command.QUERY_DIRECTORY: QueryDirectoryRequest(
        FileInformationClass.FileNamesInformation, QueryDirectoryFlags(0), 0, FILE, "*", 1000
    ).build(),
    Command.CHANGE_NOTIFY: ChangeNotifyRequest(ChangeNotifyFlags(0), 1000, FILE, CompletionFilter(1)).build(),
    Command.QUERY_INFO: QueryInfoRequest(InfoType.FILE, 5, 100, 0, QueryInfoFlags(0), FILE).build(),
    Command.SET_INFO: SetInfoRequest(InfoType.FILE, 20, 0, FILE, b"12345678").build(),
    Command.OPLOCK_BREAK: OplockBreak(OplockLevel.II, FILE).build(),
}


def gather(data: list[bytes], *, present: dict[int, int] | None = None) -> list[tuple[int, FileId]]:
    """The row and the FileId of each message that names a file."""
    arena, units = place([Said(0, CLIENT, one) for one in data], present=present)
    messages = plain_messages(arena, units)
    rows, found = gather_file_ids(arena, messages, np.arange(len(messages)))
    return [(row, FileId(*one)) for row, one in zip(rows.tolist(), found.tolist(), strict=True)]


# ----------------------------------------------------------------------------------------------- where it stands


def test_every_command_with_a_file_is_tried():
    assert BODIES.keys() == FILE_ID_OFFSETS.keys() | {Command.OPLOCK_BREAK}


@pytest.mark.parametrize("command", BODIES, ids=lambda command: command.name)
def test_the_file_is_found_where_the_codec_puts_it(command):
    data = message(command, 1, BODIES[command])
    assert gather([data]) == [(0, FILE)]
    end = data.index(FILE.persistent.to_bytes(8, "little")) + 16
    assert gather([data], present={0: end}) == [(0, FILE)]
    assert gather([data], present={0: end - 1}) == []


def test_what_names_no_file_is_left_out():
    lease = LeaseBreak(b"0123456789abcdef", LeaseState(1)).build()
    notification = LeaseBreakNotification(1, LeaseBreakFlags(1), b"0123456789abcdef", LeaseState(3), LeaseState(1))
    data = [
        message(Command.ECHO, 1),
        message(Command.OPLOCK_BREAK, 2, lease),
        message(Command.OPLOCK_BREAK, 3, notification.build()),
        message(0x0014, 4, bytes(100)),
        message(0xFFFF, 5, bytes(100)),
        message(Command.CREATE, 6, bytes(100)),
        message(Command.CLOSE, 7, close_body(FILE)),
        message(Command.OPLOCK_BREAK, 8, b"\x18\x00"),
    ]
    assert gather(data) == [(6, FILE)]
    assert gather([]) == []


# ----------------------------------------------------------------------------------------------- which open it means


class Table:
    """A table of opens to which CREATE responses are added."""

    def __init__(self) -> None:
        self.table = OpenTable()
        self.new: list[tuple[int, int]] = []  # number of the open, place in the block

    def add(self, file_id: FileId, *, session: int = 5, connection: int = 0, at: int = 0) -> int:
        """A CREATE response at a place in the block."""
        arena, units = place([Said(connection, SERVER, message(Command.CREATE, 1, created_body(file_id, 77)))])
        messages = plain_messages(arena, units)
        messages.session[:] = session
        request = np.zeros(1, EXCHANGE)
        for name, value in (("session_id", 99), ("tree_id", 3), ("connection", connection), ("name", 4)):
            request[name] = value
        request["response_time"], request["response_frame"] = 1234, 12
        (number,) = self.table.add(arena, messages, np.arange(1), request).tolist()
        self.new.append((number, at))
        return number

    def find(self, file_id: FileId, *, scope: int = 5, at: int = 10, by: str = "session") -> int:
        """The open that a message at a place in the block means."""
        wanted = np.array([tuple(file_id)], WANTED)
        new, order = np.array(self.new, np.int64).reshape(-1, 2).T
        (number,) = self.table.find(wanted, np.array([scope]), np.array([at]), new, order, by).tolist()
        return number

    def end_block(self) -> None:
        """The next block begins."""
        self.table.end_block(np.array([number for number, _ in self.new], np.int64))
        self.new = []


@pytest.fixture
def table() -> Table:
    return Table()


def test_an_open_is_what_its_create_was_answered_with(table):
    table.add(FILE)
    (row,) = table.table.rows
    assert (row["persistent"], row["volatile"]) == FILE
    assert (row["session"], row["session_id"], row["tree_id"], row["connection"], row["name"]) == (5, 99, 3, 0, 4)
    assert (row["opened"], row["opened_frame"], row["closed"], row["closed_frame"]) == (1234, 12, 0, 0)
    assert (row["bytes_read"], row["bytes_written"]) == (0, 0)
    assert (row["oplock_level"], row["create_action"]) == (OplockLevel.BATCH, CreateAction.CREATED)
    assert (row["file_attributes"], row["end_of_file"]) == (FileAttributes.ARCHIVE, 77)


@pytest.mark.parametrize("later", [False, True])
def test_an_open_is_found_by_its_whole_file_id_in_its_session(table, later):
    number = table.add(FILE)
    if later:
        table.end_block()
    assert table.find(FILE) == number
    assert table.find(OTHER) == -1
    assert table.find(FileId(0, FILE.volatile)) == -1
    assert table.find(FILE, scope=6) == -1


def test_an_open_is_found_by_its_connection_where_no_session_is_named(table):
    number = table.add(FILE, connection=3)
    assert table.find(FILE, scope=3, by="connection") == number
    assert table.find(FILE, scope=5, by="connection") == -1


def test_an_open_is_not_meant_by_what_comes_before_it(table):
    table.add(FILE, at=7)
    assert table.find(FILE, at=6) == -1
    assert table.find(FILE, at=8) == 0


def test_the_latest_of_two_opens_is_meant(table):
    first, second = table.add(FILE, at=3), table.add(FILE, at=7)
    assert [table.find(FILE, at=place) for place in (2, 5, 9)] == [-1, first, second]
    table.end_block()
    assert table.find(FILE, at=0) == second


def test_without_opens_nothing_is_found(table):
    assert table.find(FILE) == -1
    nothing = np.empty(0, np.int64)
    assert len(table.table.find(np.empty(0, WANTED), nothing, nothing, nothing, nothing)) == 0


def test_a_closed_open_is_forgotten_with_its_block_and_stays_a_row(table):
    number = table.add(FILE)
    table.end_block()
    table.table.close(np.array([number]), np.array([5000]), np.array([50]))
    table.end_block()
    assert table.find(FILE) == -1
    assert table.table.rows[["closed", "closed_frame"]].tolist() == [(5000, 50)]


def test_file_ids_that_are_mixed_into_the_same_number_are_told_apart(table):
    """Whoever chooses FileIds can make them collide: then one may be missed, but never taken for another."""
    mix, modulus = [int(value) for value in _MIX], 1 << 64
    first = FileId(1, 2)
    twin = FileId(0, (mix[0] ^ 2 * mix[1]) % modulus * pow(mix[1], -1, modulus) % modulus)
    assert (first.persistent * mix[0] ^ first.volatile * mix[1]) % modulus == twin.volatile * mix[1] % modulus
    table.add(first)
    assert table.find(twin) == -1
    number = table.add(twin, at=5)
    assert table.find(twin) == number
    assert table.find(first) in (-1, 0)


def test_bytes_add_up_also_of_one_open_many_times(table):
    for file_id in (FILE, OTHER):
        table.add(file_id)
    table.table.transfer("bytes_read", np.array([0, 1, 0]), np.array([10, 20, 30]))
    table.table.transfer("bytes_written", np.array([1]), np.array([2**40]))
    assert table.table.rows["bytes_read"].tolist() == [40, 20]
    assert table.table.rows["bytes_written"].tolist() == [0, 2**40]


def test_many_opens_are_kept_in_their_order(table):
    for number in range(300):
        assert table.add(FileId(number, 1)) == number
        if number % 7 == 0:
            table.end_block()
    assert table.find(FileId(0, 1)) == 0
    assert table.find(FileId(299, 1)) == 299
    assert table.table.rows["persistent"].tolist() == list(range(300))
