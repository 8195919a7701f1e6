"""QUERY_DIRECTORY (MS-SMB2 3.3.5.18)."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.directory_entries import DirectoryEntry
from parsers.smb2.info_classes import FileInformationClass
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryResponse
from parsers.times import ns_to_filetime
from refserver.server.patterns import LONGEST_PATTERN
from tests.refserver.server.files import Desk, desk
from tests.refserver.server.peer import START

RESTART, SINGLE = QueryDirectoryFlags.RESTART_SCANS, QueryDirectoryFlags.RETURN_SINGLE_ENTRY
INDEX, REOPEN = QueryDirectoryFlags.INDEX_SPECIFIED, QueryDirectoryFlags.REOPEN
CLASSES = [1, 2, 3, 12, 37, 38]


@pytest.fixture
def client() -> Desk:
    client = desk()
    for name in ("b.txt", "A.txt", "c.doc"):
        file = client.open(name)
        client.write(file, b"x" * len(name))
        client.close(file)
    client.close(client.directory("sub"))
    return client


def one(entries: list[DirectoryEntry] | int) -> str:
    assert isinstance(entries, list), hex(entries)
    (entry,) = entries
    return entry.file_name


def test_a_listing_has_everything_once_in_order(client: Desk) -> None:
    root = client.directory()
    entries = client.entries(root)
    assert isinstance(entries, list)
    assert [entry.file_name for entry in entries] == [".", "..", "A.txt", "b.txt", "c.doc", "sub"]
    assert client.entries(root) == ntstatus.STATUS_NO_MORE_FILES
    assert client.entries(root) == ntstatus.STATUS_NO_MORE_FILES


def test_an_entry_says_what_the_file_is(client: Desk) -> None:
    entries = client.entries(client.directory(), "b.*")
    assert isinstance(entries, list)
    (entry,) = entries
    assert (entry.end_of_file, entry.allocation_size, entry.file_attributes) == (5, 4096, 0x20)
    assert entry.creation_time == entry.last_write_time == ns_to_filetime(START)
    assert entry.file_id
    assert entry.ea_size == 0


@pytest.mark.parametrize("information_class", CLASSES)
def test_every_class_gives_the_same_names(client: Desk, information_class: int) -> None:
    entries = client.entries(client.directory(), "*.txt", information_class=information_class)
    assert isinstance(entries, list)
    assert [entry.file_name for entry in entries] == ["A.txt", "b.txt"]


def test_classes_that_list_nothing_are_refused(client: Desk) -> None:
    root = client.directory()
    answer = client.entries_raw(root, "*", FileInformationClass.FileBasicInformation, 0, 0, 65536)
    assert answer.status == ntstatus.STATUS_INVALID_INFO_CLASS


def test_single_entries_come_one_by_one_and_restart_begins_again(client: Desk) -> None:
    root = client.directory()
    names = [one(client.entries(root, "*.*", flags=SINGLE)) for _ in range(3)]
    assert names == [".", "..", "A.txt"]
    assert one(client.entries(root, "*.*", flags=SINGLE | RESTART)) == "."
    assert one(client.entries(root, "", flags=SINGLE | REOPEN)) == "."


def test_the_first_pattern_stays_until_a_restart_brings_another(client: Desk) -> None:
    root = client.directory()
    assert one(client.entries(root, "*.txt", flags=SINGLE)) == "A.txt"
    assert one(client.entries(root, "*.doc", flags=SINGLE)) == "b.txt"
    assert one(client.entries(root, "*.doc", flags=SINGLE | RESTART)) == "c.doc"
    assert one(client.entries(root, "", flags=SINGLE | RESTART)) == "c.doc"


def test_an_index_goes_on_behind_the_entry_that_had_it(client: Desk) -> None:
    root = client.directory()
    entries = client.entries(root)
    assert isinstance(entries, list)
    after = entries[3].file_index
    assert one(client.entries(root, flags=SINGLE | INDEX | RESTART, index=after)) == entries[4].file_name
    assert client.entries(root, flags=SINGLE | INDEX | RESTART, index=9999) == ntstatus.STATUS_NO_MORE_FILES


def test_no_match_is_no_such_file_at_first_and_no_more_files_then(client: Desk) -> None:
    root = client.directory()
    assert client.entries(root, "nothing") == ntstatus.STATUS_NO_SUCH_FILE
    assert client.entries(root, "nothing", flags=RESTART) == ntstatus.STATUS_NO_MORE_FILES
    assert client.entries(root, "nothing", flags=REOPEN) == ntstatus.STATUS_NO_SUCH_FILE


def test_a_small_buffer_gets_the_listing_in_parts(client: Desk) -> None:
    root, names = client.directory(), []
    while isinstance(entries := client.entries(root, length=250), list):
        names += [entry.file_name for entry in entries]
    assert entries == ntstatus.STATUS_NO_MORE_FILES
    assert names == [".", "..", "A.txt", "b.txt", "c.doc", "sub"]


def test_a_buffer_too_small_for_one_entry_is_told_from_one_too_small_for_its_name(client: Desk) -> None:
    root = client.directory()
    assert client.entries(root, "b.txt", length=90) == ntstatus.STATUS_INFO_LENGTH_MISMATCH
    answer = client.entries_raw(root, "b.txt", 37, RESTART, 0, 108)
    assert answer.status == ntstatus.STATUS_BUFFER_OVERFLOW
    output = QueryDirectoryResponse.parse(memoryview(answer.message)).output
    assert len(output) == 108
    assert output[104:] == "b.".encode("utf-16-le")


def test_what_goes_during_a_listing_is_left_out(client: Desk) -> None:
    root = client.directory()
    assert one(client.entries(root, "*.txt", flags=SINGLE)) == "A.txt"
    client.close(client.open("b.txt", options=0x1000))  # FILE_DELETE_ON_CLOSE
    assert client.entries(root) == ntstatus.STATUS_NO_MORE_FILES


def test_files_directories_and_rights_are_checked(client: Desk) -> None:
    assert client.entries(client.open("b.txt")) == ntstatus.STATUS_INVALID_PARAMETER
    blind = client.directory(access=AccessMask.FILE_READ_ATTRIBUTES)
    assert client.entries(blind) == ntstatus.STATUS_ACCESS_DENIED


@pytest.mark.parametrize("pattern", ["a\\b", "a/b", "a:b", "a|b", "\t", "*" * (LONGEST_PATTERN + 1)])
def test_what_is_no_pattern_is_refused(client: Desk, pattern: str) -> None:
    assert client.entries(client.directory(), pattern) == ntstatus.STATUS_OBJECT_NAME_INVALID


def test_a_thousand_files_are_listed(client: Desk) -> None:
    root = client.directory("many")
    store = client.server.shares["data"].store
    assert store is not None
    for number in range(1000):
        store.create(("many", f"file{number:04}"), directory=False, attributes=0, now=START)
    names: list[str] = []
    while isinstance(entries := client.entries(root, length=8192), list):
        names += [entry.file_name for entry in entries]
    assert names[2:] == [f"file{number:04}" for number in range(1000)]
