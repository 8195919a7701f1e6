"""READ, WRITE and FLUSH (MS-SMB2 3.3.5.11 to 3.3.5.13)."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.file_id import FileId
from parsers.smb2.file_query import BASIC, POSITION
from parsers.smb2.info_classes import FileInformationClass
from refserver.store.store import Store
from tests.refserver.server.files import Desk, desk
from tests.refserver.server.peer import SECOND, START


@pytest.fixture
def client() -> Desk:
    return desk()


def test_what_is_written_is_read(client: Desk) -> None:
    file = client.open("f")
    assert client.write(file, b"hello") == 0
    assert client.write(file, b"!", offset=5) == 0
    assert client.read(file) == b"hello!"
    assert client.read(file, offset=2, length=3) == b"llo"


def test_a_large_block_takes_more_credits_and_comes_back_whole(client: Desk) -> None:
    file, data = client.open("f"), bytes(range(256)) * 1024
    assert client.write(file, data) == 0
    assert client.read(file, length=len(data)) == data


def test_the_end_of_the_file_is_an_error_only_if_something_was_wanted(client: Desk) -> None:
    file = client.open("f")
    client.write(file, b"0123456789")
    assert client.read(file, offset=10, length=1) == ntstatus.STATUS_END_OF_FILE
    assert client.read(file, offset=10, length=0) == b""
    assert client.read(file, offset=9, length=2) == b"9"
    assert client.read(file, offset=9, length=2, minimum=2) == ntstatus.STATUS_END_OF_FILE
    assert client.read(file, offset=0, length=5, minimum=10) == ntstatus.STATUS_END_OF_FILE


def test_a_write_at_the_largest_offset_appends(client: Desk) -> None:
    file = client.open("f")
    client.write(file, b"ab")
    assert client.write(file, b"cd", offset=0xFFFF_FFFF_FFFF_FFFF) == 0
    assert client.read(file) == b"abcd"
    assert client.write(file, b"cd", offset=(1 << 63) - 1) == ntstatus.STATUS_INVALID_PARAMETER
    assert client.read(file, offset=1 << 63) == ntstatus.STATUS_INVALID_PARAMETER


def test_only_who_may_reads_and_writes(client: Desk) -> None:
    client.write(client.open("f"), b"x")
    reader = client.open("f", access=AccessMask.FILE_READ_DATA)
    writer = client.open("f", access=AccessMask.FILE_WRITE_DATA)
    looker = client.open("f", access=AccessMask.FILE_READ_ATTRIBUTES)
    runner = client.open("f", access=AccessMask.FILE_EXECUTE)
    assert client.read(reader) == client.read(runner) == b"x"
    assert client.write(writer, b"y") == 0
    for file in (reader, looker, runner):
        assert client.write(file, b"z") == ntstatus.STATUS_ACCESS_DENIED
        assert client.flush(file) == ntstatus.STATUS_ACCESS_DENIED
    assert client.read(writer) == client.read(looker) == ntstatus.STATUS_ACCESS_DENIED
    assert client.flush(writer) == 0


def test_a_directory_is_no_file(client: Desk) -> None:
    directory = client.directory("d")
    assert client.read(directory) == ntstatus.STATUS_INVALID_DEVICE_REQUEST
    assert client.write(directory, b"x") == ntstatus.STATUS_INVALID_DEVICE_REQUEST
    assert client.flush(directory) == 0


def test_an_unknown_file_is_closed(client: Desk) -> None:
    assert client.read(FileId(1, 2)) == ntstatus.STATUS_FILE_CLOSED
    assert client.write(FileId(1, 2), b"x") == ntstatus.STATUS_FILE_CLOSED
    assert client.flush(FileId(1, 2)) == ntstatus.STATUS_FILE_CLOSED


def test_more_than_was_negotiated_is_refused() -> None:
    client = desk(max_read_size=65536, max_write_size=65536)
    file = client.open("f")
    assert client.read(file, length=65537) == ntstatus.STATUS_INVALID_PARAMETER
    assert client.write(file, bytes(65537)) == ntstatus.STATUS_INVALID_PARAMETER


def test_a_write_stamps_the_file_and_a_read_moves_the_position(client: Desk) -> None:
    file = client.open("f")
    client.peer.now += SECOND
    client.write(file, b"0123")
    basic = BASIC.parse(client.query(file, FileInformationClass.FileBasicInformation)[1])
    assert basic.last_write_time == basic.change_time == basic.creation_time + SECOND // 100
    assert basic.file_attributes == 0x20
    client.read(file, offset=1, length=2)
    position = POSITION.parse(client.query(file, FileInformationClass.FilePositionInformation)[1])
    assert position.current_byte_offset == 3


def test_nothing_written_changes_nothing(client: Desk) -> None:
    file = client.open("f")
    client.peer.now += SECOND
    assert client.write(file, b"", offset=100) == 0
    basic = BASIC.parse(client.query(file, FileInformationClass.FileBasicInformation)[1])
    assert basic.last_write_time == basic.creation_time
    assert client.read(file, length=1) == ntstatus.STATUS_END_OF_FILE


def test_a_named_stream_is_read_and_written_beside_its_file(client: Desk) -> None:
    file, stream = client.open("f"), client.open("f:s")
    client.write(file, b"file")
    client.write(stream, b"stream")
    assert client.read(file) == b"file"
    assert client.read(stream) == b"stream"


def test_a_full_disk_says_so() -> None:
    from refserver.store.memory import MemoryStore

    store: Store = MemoryStore(now=START, capacity=65536)
    client = desk(store)
    file = client.open("f")
    assert client.write(file, bytes(65537)) == ntstatus.STATUS_DISK_FULL
    assert client.write(file, bytes(65536)) == 0
