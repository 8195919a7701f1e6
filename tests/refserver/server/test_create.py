"""CREATE of files and directories (MS-SMB2 3.3.5.9, MS-FSA 2.1.5.1)."""

import pytest

from parsers import ntstatus
from parsers.smb2.create import CreateAction, CreateDisposition, CreateOptions, FileAttributes
from tests.refserver.server.opens import Opener, opener

SUPERSEDE, OPEN, CREATE, OPEN_IF, OVERWRITE, OVERWRITE_IF = list(CreateDisposition)
DIRECTORY, FILE = CreateOptions.DIRECTORY_FILE, CreateOptions.NON_DIRECTORY_FILE
DELETE_ON_CLOSE = CreateOptions.DELETE_ON_CLOSE
NOT_FOUND, COLLISION = ntstatus.STATUS_OBJECT_NAME_NOT_FOUND, ntstatus.STATUS_OBJECT_NAME_COLLISION
INVALID = ntstatus.STATUS_INVALID_PARAMETER


@pytest.fixture
def client() -> Opener:
    return opener()


@pytest.mark.parametrize(
    ("disposition", "missing", "existing"),
    [
        (SUPERSEDE, CreateAction.CREATED, CreateAction.SUPERSEDED),
        (OPEN, NOT_FOUND, CreateAction.OPENED),
        (CREATE, CreateAction.CREATED, COLLISION),
        (OPEN_IF, CreateAction.CREATED, CreateAction.OPENED),
        (OVERWRITE, NOT_FOUND, CreateAction.OVERWRITTEN),
        (OVERWRITE_IF, CreateAction.CREATED, CreateAction.OVERWRITTEN),
    ],
)
def test_dispositions_say_what_happens(client: Opener, disposition: int, missing: int, existing: int) -> None:
    client.close(client.open("old"))
    for name, expected in (("new", missing), ("old", existing)):
        answer = client.ask(name, disposition=disposition)
        if expected in (NOT_FOUND, COLLISION):
            assert answer.status == expected
        else:
            assert client.create(name, disposition=OPEN)
            assert answer.status == 0
            assert int.from_bytes(answer.message[68:72], "little") == expected


def test_overwriting_leaves_an_empty_file_with_the_attributes_of_both(client: Opener) -> None:
    file = client.open(attributes=FileAttributes.HIDDEN)
    client.write(file, b"content")
    client.close(file)
    response = client.create(disposition=OVERWRITE, attributes=FileAttributes.HIDDEN | FileAttributes.TEMPORARY)
    wanted = FileAttributes.HIDDEN | FileAttributes.TEMPORARY | FileAttributes.ARCHIVE
    assert (response.end_of_file, response.file_attributes) == (0, wanted)
    response = client.create(disposition=SUPERSEDE, attributes=FileAttributes.HIDDEN)
    assert response.file_attributes == FileAttributes.HIDDEN | FileAttributes.ARCHIVE


def test_a_hidden_file_is_not_overwritten_by_accident(client: Opener) -> None:
    client.close(client.open(attributes=FileAttributes.HIDDEN))
    assert client.ask(disposition=OVERWRITE).status == ntstatus.STATUS_ACCESS_DENIED


def test_files_and_directories_are_told_apart(client: Opener) -> None:
    client.open("f")
    client.open("d", options=DIRECTORY)
    assert client.ask("f", options=DIRECTORY).status == ntstatus.STATUS_NOT_A_DIRECTORY
    assert client.ask("d", options=FILE).status == ntstatus.STATUS_FILE_IS_A_DIRECTORY
    assert client.ask("d::$DATA").status == ntstatus.STATUS_FILE_IS_A_DIRECTORY
    assert client.ask("d:s", options=DIRECTORY).status == ntstatus.STATUS_NOT_A_DIRECTORY
    assert client.ask("d", disposition=OVERWRITE).status == COLLISION
    assert client.ask("d", options=DIRECTORY, disposition=OVERWRITE).status == INVALID
    assert client.create("").file_attributes & FileAttributes.DIRECTORY


def test_a_read_only_file_is_not_deleted(client: Opener) -> None:
    client.close(client.open(attributes=FileAttributes.READONLY))
    assert client.ask(access=0x10000, options=DELETE_ON_CLOSE).status == ntstatus.STATUS_CANNOT_DELETE


def test_delete_on_close_waits_for_the_last_open(client: Opener) -> None:
    one, two = client.open(options=DELETE_ON_CLOSE), client.open()
    client.close(one)
    assert client.ask().status == ntstatus.STATUS_DELETE_PENDING
    client.close(two)
    assert client.ask(disposition=OPEN).status == NOT_FOUND


def test_a_directory_that_is_not_empty_is_not_deleted(client: Opener) -> None:
    directory = client.open("d", options=DIRECTORY | DELETE_ON_CLOSE)
    client.close(client.open("d\\f"))
    client.close(directory)
    client.open("d\\f", disposition=OPEN)


def test_a_pipe_is_opened_anew_each_time(client: Opener) -> None:
    client.peer.tree_connect("ipc$")
    one, two = client.open("srvsvc", disposition=OPEN), client.open("srvsvc", disposition=OPEN)
    assert client.record(one).node is not client.record(two).node
    assert client.close(one) == client.close(two) == 0
    assert client.ask("lsarpc").status == NOT_FOUND
    assert client.server.open_files == {}
