"""New names (MS-SMB2 3.3.5.21.1, MS-FSA 2.1.5.15.6, 2.1.5.15.11)."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import CompletionFilter
from parsers.smb2.file_id import FileId
from parsers.smb2.file_information import RenameFlags, RenameInformation, RenameInformationEx
from parsers.smb2.file_query import BASIC, parse_name
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.set_info import SetInfoRequest
from parsers.times import ns_to_filetime
from tests.refserver.server.files import ALL, Desk, changes_of, desk
from tests.refserver.server.peer import SECOND

DELETE = 0x00010000


@pytest.fixture
def client() -> Desk:
    return desk()


def rename(client: Desk, file: FileId, name: str, *, replace: bool = False, root: int = 0) -> int:
    buffer = RenameInformation(replace, root, name).build()
    return client.set(file, FileInformationClass.FileRenameInformation, buffer)


def link(client: Desk, file: FileId, name: str, *, replace: bool = False) -> int:
    buffer = RenameInformation(replace, 0, name).build()
    return client.set(file, FileInformationClass.FileLinkInformation, buffer)


def test_a_file_gets_another_name_and_another_directory(client: Desk) -> None:
    client.close(client.directory("d"))
    file = client.open("f")
    client.peer.now += SECOND
    assert rename(client, file, "d\\g") == 0
    name = parse_name(client.query(file, FileInformationClass.FileNameInformation)[1])
    assert name == "\\d\\g"
    changed = BASIC.parse(client.query(file, FileInformationClass.FileBasicInformation)[1]).change_time
    assert changed == ns_to_filetime(client.peer.now)
    assert client.names(client.directory()) == ["d"]
    assert client.names(client.directory("d")) == ["g"]


def test_another_file_is_replaced_only_if_asked_and_not_open(client: Desk) -> None:
    file, other = client.open("f"), client.open("g")
    client.write(file, b"from f")
    assert rename(client, file, "g") == ntstatus.STATUS_OBJECT_NAME_COLLISION
    assert rename(client, file, "g", replace=True) == ntstatus.STATUS_ACCESS_DENIED
    client.close(other)
    assert rename(client, file, "g", replace=True) == 0
    assert client.names(client.directory()) == ["g"]
    assert client.read(client.open("g")) == b"from f"


def test_directories_and_read_only_files_are_not_replaced(client: Desk) -> None:
    client.close(client.directory("d"))
    client.close(client.open("r", attributes=0x01))
    file = client.open("f")
    assert rename(client, file, "d", replace=True) == ntstatus.STATUS_ACCESS_DENIED
    assert rename(client, file, "r", replace=True) == ntstatus.STATUS_ACCESS_DENIED


def test_flags_replace_too(client: Desk) -> None:
    file = client.open("f")
    client.close(client.open("g"))
    extended = FileInformationClass.FileRenameInformationEx
    assert client.set(file, extended, RenameInformationEx(RenameFlags(0), 0, "g").build()) != 0
    replace = RenameInformationEx(RenameFlags.REPLACE_IF_EXISTS, 0, "g").build()
    assert client.set(file, extended, replace) == 0


def test_a_rename_takes_the_right_to_delete(client: Desk) -> None:
    client.close(client.open("f"))
    without = client.open("f", access=ALL & ~DELETE)
    assert rename(client, without, "g") == ntstatus.STATUS_ACCESS_DENIED
    assert rename(client, client.open("f"), "g") == 0


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("", ntstatus.STATUS_INVALID_PARAMETER),
        ("\\g", ntstatus.STATUS_INVALID_PARAMETER),
        ("a\\\\b", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("g\\", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("..\\g", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("a/b", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("a*", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("missing\\g", ntstatus.STATUS_OBJECT_PATH_NOT_FOUND),
        (":stream", ntstatus.STATUS_INVALID_PARAMETER),
    ],
)
def test_names_that_cannot_be_are_refused(client: Desk, name: str, status: int) -> None:
    assert rename(client, client.open("f"), name) == status
    assert client.names(client.directory()) == ["f"]


def test_a_name_begins_at_the_share(client: Desk) -> None:
    assert rename(client, client.open("f"), "g", root=1) == ntstatus.STATUS_INVALID_PARAMETER


def test_a_stream_gets_another_name_within_its_file(client: Desk) -> None:
    stream = client.open("f:s")
    assert rename(client, stream, ":t") == 0
    assert parse_name(client.query(stream, FileInformationClass.FileNameInformation)[1]) == "\\f:t"
    assert rename(client, stream, "g") == ntstatus.STATUS_INVALID_PARAMETER


def test_a_directory_with_something_open_stays(client: Desk) -> None:
    directory = client.directory("d")
    inner = client.open("d\\f")
    assert rename(client, directory, "e") == ntstatus.STATUS_ACCESS_DENIED
    client.close(inner)
    assert rename(client, directory, "e") == 0
    assert client.names(client.directory("e")) == ["f"]


def test_a_link_is_a_second_name_of_one_file(client: Desk) -> None:
    file = client.open("f")
    client.write(file, b"shared")
    assert link(client, file, "g") == 0
    assert client.names(client.directory()) == ["f", "g"]
    assert client.read(client.open("g")) == b"shared"
    client.close(client.open("h"))
    assert link(client, file, "h") == ntstatus.STATUS_OBJECT_NAME_COLLISION
    assert link(client, file, "h", replace=True) == 0
    assert link(client, client.directory("d"), "e") == ntstatus.STATUS_FILE_IS_A_DIRECTORY


def test_watches_are_told_both_names(client: Desk) -> None:
    file, root = client.open("f"), client.directory(access=AccessMask.FILE_LIST_DIRECTORY)
    (pending,) = client.watch(root, CompletionFilter.FILE_NAME)
    assert pending.status == ntstatus.STATUS_PENDING
    request = client.peer.request(0x11, _set_info(file, "g"))
    answers = client.peer.send(request)
    (notified,) = [answer for answer in answers if answer.header.command == 0x0F]
    assert [(change.action, change.file_name) for change in changes_of(notified)] == [(4, "f"), (5, "g")]


def _set_info(file: FileId, name: str) -> bytes:
    buffer = RenameInformation(replace_if_exists=False, root_directory=0, file_name=name).build()
    return SetInfoRequest(InfoType.FILE, FileInformationClass.FileRenameInformation, 0, file, buffer).build()
