"""QUERY_INFO (MS-SMB2 3.3.5.20): buffers, rights and sizes. What the answers say is tested with their builders."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.error import ErrorResponse, parse_required_length
from parsers.smb2.extended_attributes import ExtendedAttribute, build_ea_names, build_eas, parse_eas
from parsers.smb2.file_query import BASIC
from parsers.smb2.info_classes import FileInformationClass, FsInformationClass, InfoType, SecurityInformation
from parsers.smb2.query_info import QueryInfoFlags
from parsers.smb2.security_descriptor import SecurityDescriptor
from refserver.server.file_information import QUERIES
from refserver.server.fs_information import FS_QUERIES
from refserver.server.security import DEFAULT
from tests.refserver.server.files import Desk, desk

FULL_EA = FileInformationClass.FileFullEaInformation
ALL_PARTS = SecurityInformation.OWNER | SecurityInformation.GROUP | SecurityInformation.DACL
VARIABLE = {9, 18, 21, 22, 48}  # classes that end in a name
PIPES = {23, 24}


@pytest.fixture
def client() -> Desk:
    return desk()


@pytest.mark.parametrize("file_info_class", sorted(QUERIES.keys() - PIPES - {FULL_EA}))
def test_a_buffer_without_room_for_the_fixed_part_is_a_mismatch(client: Desk, file_info_class: int) -> None:
    file = client.open("long enough.txt")
    smallest = QUERIES[file_info_class].smallest
    status, output = client.query(file, file_info_class)
    assert status == 0
    assert client.query(file, file_info_class, length=smallest - 1)[0] == ntstatus.STATUS_INFO_LENGTH_MISMATCH
    status, cut = client.query(file, file_info_class, length=max(smallest, len(output) - 1))
    if file_info_class in VARIABLE and len(output) > smallest:
        assert status == ntstatus.STATUS_BUFFER_OVERFLOW
        assert cut == output[:-1]
    else:
        assert (status, cut) == (0, output)


@pytest.mark.parametrize("fs_info_class", sorted(FS_QUERIES))
def test_a_file_system_answers_with_the_same_rules(client: Desk, fs_info_class: int) -> None:
    root, kind = client.directory(), InfoType.FILESYSTEM
    smallest = FS_QUERIES[fs_info_class][0]
    assert client.query(root, fs_info_class, info_type=kind)[0] == 0
    too_small = client.query(root, fs_info_class, info_type=kind, length=smallest - 1)
    assert too_small[0] == ntstatus.STATUS_INFO_LENGTH_MISMATCH


def test_a_label_is_cut_with_a_warning(client: Desk) -> None:
    volume = FsInformationClass.FileFsVolumeInformation
    status, output = client.query(client.directory(), volume, info_type=InfoType.FILESYSTEM, length=24)
    assert status == ntstatus.STATUS_BUFFER_OVERFLOW
    assert output[18:] == "mem".encode("utf-16-le")


def test_unknown_classes_and_types_are_refused(client: Desk) -> None:
    file = client.open("f")
    assert client.query(file, 200)[0] == ntstatus.STATUS_INVALID_INFO_CLASS
    assert client.query(file, FileInformationClass.FileRenameInformation)[0] == ntstatus.STATUS_INVALID_INFO_CLASS
    assert client.query(file, 200, info_type=InfoType.FILESYSTEM)[0] == ntstatus.STATUS_INVALID_INFO_CLASS
    assert client.query(file, 0, info_type=InfoType.QUOTA)[0] == ntstatus.STATUS_NOT_SUPPORTED
    assert client.query(file, 0, info_type=9)[0] == ntstatus.STATUS_INVALID_PARAMETER


def test_attributes_are_for_those_who_may_read_them(client: Desk) -> None:
    client.open("f")
    blind = client.open("f", access=AccessMask.FILE_READ_DATA)
    for file_info_class in (4, 18, 34, 35):
        assert client.query(blind, file_info_class)[0] == ntstatus.STATUS_ACCESS_DENIED
    for file_info_class in (5, 6, 7, 8, 9, 14, 16, 17, 22):
        assert client.query(blind, file_info_class)[0] == 0
    assert client.query(blind, FULL_EA)[0] == ntstatus.STATUS_ACCESS_DENIED


def test_normalized_names_came_with_three_one_one() -> None:
    old = desk(None, 0x0302)
    wanted = FileInformationClass.FileNormalizedNameInformation
    assert old.query(old.open("f"), wanted)[0] == ntstatus.STATUS_NOT_SUPPORTED


def test_a_security_descriptor_comes_whole_or_with_the_size_it_needs(client: Desk) -> None:
    file = client.open("f")
    status, output = client.query(file, 0, info_type=InfoType.SECURITY, additional=ALL_PARTS)
    assert status == 0
    assert SecurityDescriptor.parse(output) == DEFAULT
    status, message = client.query(file, 0, info_type=InfoType.SECURITY, additional=ALL_PARTS, length=len(output) - 1)
    assert status == ntstatus.STATUS_BUFFER_TOO_SMALL
    assert parse_required_length(ErrorResponse.parse(memoryview(message)).default_data) == len(output)


def test_extended_attributes_are_listed_named_and_paged(client: Desk) -> None:
    file = client.open("f")
    assert client.query(file, FULL_EA)[0] == ntstatus.STATUS_NO_EAS_ON_FILE
    attributes = [ExtendedAttribute(name, name * 9) for name in (b"ONE", b"TWO", b"THREE")]
    assert client.set(file, FULL_EA, build_eas(attributes)) == 0
    assert parse_eas(client.query(file, FULL_EA)[1]) == attributes
    named = client.query(file, FULL_EA, input_=build_ea_names([b"two", b"none"]))[1]
    assert parse_eas(named) == [attributes[1], ExtendedAttribute(b"none", b"")]
    single = QueryInfoFlags.RETURN_SINGLE_ENTRY
    pages = [client.query(file, FULL_EA, flags=single) for _ in range(3)]
    assert [parse_eas(output) for _, output in pages] == [[attribute] for attribute in attributes]
    second = client.query(file, FULL_EA, flags=single | QueryInfoFlags.INDEX_SPECIFIED, additional=2)[1]
    assert parse_eas(second) == [attributes[1]]
    beyond = client.query(file, FULL_EA, flags=QueryInfoFlags.INDEX_SPECIFIED, additional=4)
    assert beyond[0] == ntstatus.STATUS_NONEXISTENT_EA_ENTRY
    restart = QueryInfoFlags.RESTART_SCAN
    assert client.query(file, FULL_EA, length=10, flags=restart)[0] == ntstatus.STATUS_BUFFER_TOO_SMALL
    assert parse_eas(client.query(file, FULL_EA, length=60, flags=restart)[1]) == attributes[:1]


def test_more_than_was_negotiated_is_refused() -> None:
    client = desk(max_transact_size=65536)
    status, _ = client.query(client.open("f"), 4, length=65537)
    assert status == ntstatus.STATUS_INVALID_PARAMETER
    assert len(client.query(client.open("f"), 4, length=65536)[1]) == BASIC.size
