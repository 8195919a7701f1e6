"""SET_INFO (MS-SMB2 3.3.5.21, MS-FSA 2.1.5.15)."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.extended_attributes import ExtendedAttribute, build_eas
from parsers.smb2.file_query import BASIC, POSITION, STANDARD, BasicFixed
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.times import ns_to_filetime
from tests.refserver.server.files import ALL, Desk, desk
from tests.refserver.server.peer import SECOND, START

B = FileInformationClass.FileBasicInformation
EOF, ALLOCATION = FileInformationClass.FileEndOfFileInformation, FileInformationClass.FileAllocationInformation
DISPOSITION, POSITION_CLASS = (
    FileInformationClass.FileDispositionInformation,
    FileInformationClass.FilePositionInformation,
)
MODE = FileInformationClass.FileModeInformation
OLD = ns_to_filetime(START - 10**6 * SECOND)


@pytest.fixture
def client() -> Desk:
    return desk()


def basic(*times: int, bits: int = 0) -> bytes:
    return BASIC.build(BasicFixed(*times, bits, 0))


def basic_of(client: Desk, file: object) -> BasicFixed:
    return BASIC.parse(client.query(file, B)[1])  # type: ignore[arg-type]  # a FileId


def size_of(client: Desk, file: object) -> int:
    status, output = client.query(file, FileInformationClass.FileStandardInformation)  # type: ignore[arg-type]  # a FileId
    assert status == 0
    return STANDARD.parse(output).end_of_file


def test_times_and_attributes_are_set_and_zeros_leave_them_alone(client: Desk) -> None:
    file = client.open("f")
    assert client.set(file, B, basic(OLD, 0, OLD + 1, 0, bits=0x02)) == 0
    now = ns_to_filetime(START)
    assert basic_of(client, file) == (OLD, now, OLD + 1, now, 0x02, 0)
    assert client.set(file, B, basic(0, 0, 0, 0)) == 0
    assert basic_of(client, file) == (OLD, now, OLD + 1, now, 0x02, 0)


def test_a_time_that_was_set_stays_while_the_file_is_open(client: Desk) -> None:
    file = client.open("f")
    client.set(file, B, basic(0, 0, OLD, 0))
    client.peer.now += SECOND
    client.write(file, b"x")
    assert basic_of(client, file).last_write_time == OLD
    other = client.open("f")
    client.write(other, b"y")
    assert basic_of(client, file).last_write_time == ns_to_filetime(client.peer.now)


def test_minus_one_keeps_a_time_and_minus_two_lets_it_go(client: Desk) -> None:
    file = client.open("f")
    client.set(file, B, basic(0, 0, -1, -1))
    client.peer.now += SECOND
    client.write(file, b"x")
    assert basic_of(client, file).last_write_time == basic_of(client, file).change_time == ns_to_filetime(START)
    client.set(file, B, basic(0, 0, -2, -2))
    client.write(file, b"y")
    assert basic_of(client, file).last_write_time == ns_to_filetime(client.peer.now)
    assert client.set(file, B, basic(-3, 0, 0, 0)) == ntstatus.STATUS_INVALID_PARAMETER


def test_a_file_does_not_become_a_directory(client: Desk) -> None:
    assert client.set(client.open("f"), B, basic(0, 0, 0, 0, bits=0x10)) == ntstatus.STATUS_INVALID_PARAMETER
    assert client.set(client.directory("d"), B, basic(0, 0, 0, 0, bits=0x100)) == ntstatus.STATUS_INVALID_PARAMETER
    assert client.set(client.directory("d"), B, basic(0, 0, 0, 0, bits=0x12)) == 0


def test_the_end_of_the_file_moves_both_ways(client: Desk) -> None:
    file = client.open("f")
    client.write(file, b"0123456789")
    assert client.set(file, EOF, (4).to_bytes(8, "little")) == 0
    assert client.read(file) == b"0123"
    assert client.set(file, EOF, (6).to_bytes(8, "little")) == 0
    assert client.read(file) == b"0123\0\0"
    assert client.set(file, EOF, (-1).to_bytes(8, "little", signed=True)) == ntstatus.STATUS_INVALID_PARAMETER
    assert client.set(client.directory("d"), EOF, bytes(8)) == ntstatus.STATUS_INVALID_PARAMETER


def test_allocation_cuts_or_reserves(client: Desk) -> None:
    file = client.open("f")
    client.write(file, b"0123456789")
    assert client.set(file, ALLOCATION, ((1 << 20) - 1).to_bytes(8, "little")) == 0
    assert size_of(client, file) == 10
    standard = STANDARD.parse(client.query(file, FileInformationClass.FileStandardInformation)[1])
    assert standard.allocation_size == 1 << 20
    assert client.set(file, ALLOCATION, (4).to_bytes(8, "little")) == 0
    assert size_of(client, file) == 4


def test_deletion_waits_for_the_last_open_and_can_be_taken_back(client: Desk) -> None:
    file = client.open("f")
    assert client.set(file, DISPOSITION, b"\1") == 0
    assert client.create("f", ALL, 7, 1, 0, 0).status == ntstatus.STATUS_DELETE_PENDING
    assert client.set(file, DISPOSITION, b"\0") == 0
    other = client.open("f")
    client.set(file, DISPOSITION, b"\1")
    client.close(file)
    assert client.names(client.directory()) == ["f"]
    client.close(other)
    assert client.names(client.directory()) == []


def test_what_is_not_empty_or_read_only_is_not_deleted(client: Desk) -> None:
    directory = client.directory("d")
    client.close(client.open("d\\f"))
    assert client.set(directory, DISPOSITION, b"\1") == ntstatus.STATUS_DIRECTORY_NOT_EMPTY
    file = client.open("read only", attributes=0x01)
    assert client.set(file, DISPOSITION, b"\1") == ntstatus.STATUS_CANNOT_DELETE


def test_flags_delete_too(client: Desk) -> None:
    file = client.open("f")
    extended = FileInformationClass.FileDispositionInformationEx
    assert client.set(file, extended, (1).to_bytes(4, "little")) == 0
    client.close(file)
    assert client.names(client.directory()) == []


def test_position_and_mode_belong_to_the_open(client: Desk) -> None:
    file = client.open("f")
    assert client.set(file, POSITION_CLASS, (77).to_bytes(8, "little")) == 0
    assert POSITION.parse(client.query(file, POSITION_CLASS)[1]).current_byte_offset == 77
    assert client.set(file, POSITION_CLASS, b"\xff" * 8) == ntstatus.STATUS_INVALID_PARAMETER
    assert client.set(file, MODE, (2).to_bytes(4, "little")) == 0
    assert client.query(file, MODE)[1] == (2).to_bytes(4, "little")
    assert client.set(file, MODE, (0x1000).to_bytes(4, "little")) == ntstatus.STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("file_info_class", [4, 10, 13, 14, 16, 19, 20, 64, 65])
def test_too_few_bytes_are_a_mismatch(client: Desk, file_info_class: int) -> None:
    file = client.open("f")
    assert client.set(file, file_info_class, b"") == ntstatus.STATUS_INFO_LENGTH_MISMATCH


@pytest.mark.parametrize(
    ("file_info_class", "buffer", "access"),
    [
        (4, basic(OLD, OLD, OLD, OLD), AccessMask.FILE_WRITE_ATTRIBUTES),
        (13, b"\1", AccessMask.DELETE),
        (64, b"\1\0\0\0", AccessMask.DELETE),
        (15, build_eas([ExtendedAttribute(b"A", b"b")]), AccessMask.FILE_WRITE_EA),
        (19, bytes(8), AccessMask.FILE_WRITE_DATA),
        (20, bytes(8), AccessMask.FILE_WRITE_DATA),
    ],
)
def test_each_class_takes_its_right(client: Desk, file_info_class: int, buffer: bytes, access: int) -> None:
    client.close(client.open("f"))
    without = client.open("f", access=ALL & ~access)
    assert client.set(without, file_info_class, buffer) == ntstatus.STATUS_ACCESS_DENIED
    client.close(without)
    assert client.set(client.open("f", access=access), file_info_class, buffer) == 0


def test_other_classes_and_types_are_refused(client: Desk) -> None:
    file = client.open("f")
    assert client.set(file, 5, bytes(64)) == ntstatus.STATUS_INVALID_INFO_CLASS
    assert client.set(file, 1, bytes(64), info_type=InfoType.FILESYSTEM) == ntstatus.STATUS_ACCESS_DENIED
    assert client.set(file, 0, b"", info_type=InfoType.QUOTA) == ntstatus.STATUS_NOT_SUPPORTED
    assert client.set(file, 0, b"", info_type=0) == ntstatus.STATUS_INVALID_PARAMETER
    pipe = desk(share="ipc$")
    assert pipe.set(pipe.open("srvsvc"), 4, basic(0, 0, 0, 0)) == ntstatus.STATUS_INVALID_INFO_CLASS


def test_extended_attributes_are_set_and_removed_without_case(client: Desk) -> None:
    file, full_ea = client.open("f"), FileInformationClass.FileFullEaInformation
    client.set(file, full_ea, build_eas([ExtendedAttribute(b"Name", b"value")]))
    client.set(file, full_ea, build_eas([ExtendedAttribute(b"NAME", b"")]))
    assert client.query(file, full_ea)[0] == ntstatus.STATUS_NO_EAS_ON_FILE
    assert client.set(file, full_ea, b"\xff" * 20) == ntstatus.STATUS_INVALID_PARAMETER
