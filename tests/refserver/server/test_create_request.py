"""What a CREATE may ask for, and the path it names (MS-SMB2 3.3.5.9)."""

import pytest

from parsers import ntstatus
from parsers.smb2.create import CreateDisposition, CreateOptions, FileAttributes
from parsers.smb2.create_contexts import RawCreateContext
from parsers.smb2.file_contexts import (
    TimewarpToken,
)
from parsers.smb2.header import Flags
from tests.refserver.server.opens import Opener, opener

OPEN = CreateDisposition.OPEN
DIRECTORY, FILE = CreateOptions.DIRECTORY_FILE, CreateOptions.NON_DIRECTORY_FILE
DELETE_ON_CLOSE = CreateOptions.DELETE_ON_CLOSE
INVALID, NOT_FOUND = ntstatus.STATUS_INVALID_PARAMETER, ntstatus.STATUS_OBJECT_NAME_NOT_FOUND


@pytest.fixture
def client() -> Opener:
    return opener()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("\\f", INVALID),
        ("a*b", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("d\\\\f", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("..\\f", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("d\\..\\..\\f", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("f:s:$INDEX", ntstatus.STATUS_OBJECT_NAME_INVALID),
        ("missing\\f", ntstatus.STATUS_OBJECT_PATH_NOT_FOUND),
        ("d\\f", 0),
        ("d\\", 0),
    ],
)
def test_names_are_checked(client: Opener, name: str, status: int) -> None:
    client.open("d", options=DIRECTORY)
    assert client.ask(name).status == status


def test_a_file_cannot_be_named_like_a_directory(client: Opener) -> None:
    assert client.ask("f\\", options=FILE).status == ntstatus.STATUS_OBJECT_NAME_INVALID


def test_a_dfs_path_names_server_and_share_too(client: Opener) -> None:
    client.open("f")
    assert client.ask("server\\data\\f", disposition=OPEN, flags=Flags.DFS_OPERATIONS).status == 0


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"options": DIRECTORY | FILE}, INVALID),
        ({"options": 0x01000000}, INVALID),
        ({"options": CreateOptions.OPEN_BY_FILE_ID}, ntstatus.STATUS_NOT_SUPPORTED),
        ({"options": CreateOptions.RESERVE_OPFILTER}, ntstatus.STATUS_NOT_SUPPORTED),
        ({"disposition": 6}, INVALID),
        ({"share": 8}, INVALID),
        ({"attributes": 0x8}, INVALID),
        ({"attributes": FileAttributes.DIRECTORY, "options": FILE}, INVALID),
        ({"options": DELETE_ON_CLOSE, "access": 1}, ntstatus.STATUS_ACCESS_DENIED),
        ({"options": DELETE_ON_CLOSE, "attributes": FileAttributes.READONLY}, ntstatus.STATUS_CANNOT_DELETE),
        ({"contexts": [TimewarpToken(1)]}, NOT_FOUND),
        ({"contexts": [RawCreateContext(b"ExtA", b"\1")]}, INVALID),
        ({"contexts": [RawCreateContext(b"SecD", b"\1")]}, INVALID),
    ],
)
def test_what_nobody_may_ask_for_creates_nothing(client: Opener, how: dict[str, object], status: int) -> None:
    assert client.ask(**how).status == status  # type: ignore[arg-type]  # as `ask` takes them
    assert client.ask(disposition=OPEN).status == NOT_FOUND
