"""Share modes, renaming and deleting (MS-FSA 2.1.5.1.2.2, 2.1.5.15)."""

import pytest

from parsers import ntstatus
from refserver.errors import StatusError
from refserver.server import sharing
from tests.refserver.server.opens import ALL, Opener, opener

READ, WRITE, DELETE, LOOK = 0x1, 0x2, 0x10000, 0x80
VIOLATION = ntstatus.STATUS_SHARING_VIOLATION


@pytest.fixture
def client() -> Opener:
    return opener()


@pytest.mark.parametrize(
    ("access", "share", "status"),
    [
        (READ, 7, 0),
        (READ, 1, VIOLATION),  # the first one writes
        (READ, 3, 0),
        (WRITE, 7, VIOLATION),  # the first one shares reading only
        (DELETE, 7, VIOLATION),
        (LOOK, 0, 0),
        (READ | LOOK, 2, 0),
        (0x20, 3, 0),
        (0x4, 7, VIOLATION),
    ],
)
def test_each_has_to_allow_what_the_other_does(client: Opener, access: int, share: int, status: int) -> None:
    client.open(access=WRITE, share=1)
    assert client.ask(access=access, share=share).status == status


def test_who_only_looks_stands_against_nobody(client: Opener) -> None:
    client.open(access=LOOK, share=0)
    client.open(access=ALL, share=0)
    client.open(access=LOOK, share=0)


def test_a_directory_that_somebody_may_delete_keeps_its_names(client: Opener) -> None:
    directory = client.open("d", options=1)
    file = client.record(client.open("d\\f"))
    with pytest.raises(StatusError) as refused:
        sharing.check_rename(client.server, file)
    assert refused.value.status == VIOLATION
    client.close(directory)
    client.open("d", options=1, access=ALL & ~DELETE)
    sharing.check_rename(client.server, file)


def test_a_directory_in_which_something_is_open_keeps_its_own(client: Opener) -> None:
    directory = client.record(client.open("d", options=1))
    file = client.open("d\\f")
    with pytest.raises(StatusError) as refused:
        sharing.check_rename(client.server, directory)
    assert refused.value.status == ntstatus.STATUS_ACCESS_DENIED
    client.close(file)
    sharing.check_rename(client.server, directory)


def test_without_the_right_nothing_is_renamed_or_deleted(client: Opener) -> None:
    file = client.record(client.open(access=WRITE))
    for check in (sharing.check_delete, lambda open_: sharing.check_rename(client.server, open_)):
        with pytest.raises(StatusError) as refused:
            check(file)
        assert refused.value.status == ntstatus.STATUS_ACCESS_DENIED


def test_what_is_marked_for_deletion_cannot_be_opened_and_goes_with_its_last_open(client: Opener) -> None:
    one, two = client.open(), client.open()
    sharing.set_delete_pending(client.server, client.record(one), client.peer.now, pending=True)
    assert client.ask().status == ntstatus.STATUS_DELETE_PENDING
    client.close(one)
    assert client.ask().status == ntstatus.STATUS_DELETE_PENDING
    client.close(two)
    assert client.ask(disposition=1).status == ntstatus.STATUS_OBJECT_NAME_NOT_FOUND


def test_a_mark_can_be_taken_away(client: Opener) -> None:
    file = client.open()
    for pending in (True, False):
        sharing.set_delete_pending(client.server, client.record(file), client.peer.now, pending=pending)
    client.close(file)
    client.open(disposition=1)


def test_a_full_directory_and_a_read_only_file_cannot_be_marked(client: Opener) -> None:
    directory = client.record(client.open("d", options=1))
    client.close(client.open("d\\f"))
    read_only = client.record(client.open("r", attributes=1))
    wanted = [(directory, ntstatus.STATUS_DIRECTORY_NOT_EMPTY), (read_only, ntstatus.STATUS_CANNOT_DELETE)]
    for open_, status in wanted:
        with pytest.raises(StatusError) as refused:
            sharing.check_delete(open_)
        assert refused.value.status == status


def test_a_file_and_its_streams_are_deleted_together_or_not(client: Opener) -> None:
    stream = client.open("f:s", access=WRITE, share=3)
    assert client.ask("f", access=DELETE).status == VIOLATION
    assert client.ask("f", access=WRITE, share=0).status == 0
    client.close(stream)
    assert client.ask("f", access=DELETE, share=7).status == VIOLATION  # its writer does not share deleting
