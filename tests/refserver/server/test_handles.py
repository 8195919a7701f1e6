"""How opens are entered and end (MS-SMB2 3.3.1.10, 3.3.7.1)."""

import pytest

from parsers import ntstatus
from refserver.server import handles
from tests.refserver.server.opens import Opener, another, opener


@pytest.fixture
def client() -> Opener:
    return opener()


def test_opens_are_counted_and_forgotten(client: Opener) -> None:
    other = another(client.server, 2)
    files = [client.open(), client.open("g"), client.open()]
    theirs = other.open()
    server = client.server
    assert [len(file.opens) for file in server.open_files.values()] == [3, 1]
    (mine, its) = (session.open_table for session in server.global_session_table.values())
    assert (len(mine), len(its)) == (3, 1)
    for file in files:
        assert client.close(file) == 0
        assert client.close(file) == ntstatus.STATUS_FILE_CLOSED
    other.close(theirs)
    assert server.open_files == server.global_open_table == mine == its == {}


def test_nobody_closes_what_another_has_open(client: Opener) -> None:
    file = client.open()
    assert another(client.server, 2).close(file) == ntstatus.STATUS_FILE_CLOSED
    assert client.close(file) == 0


def test_a_file_id_is_never_one_that_means_something_else(client: Opener) -> None:
    numbers = iter([bytes(8), b"\xff" * 8, b"\1" + bytes(7), b"\2" + bytes(7)])
    client.server.random = lambda _: next(numbers)
    assert [handles.unused_id(client.server, {}) for _ in range(2)] == [1, 2]


def test_an_open_has_no_connection_after_the_loss(client: Opener) -> None:
    open_ = client.record(client.open())
    assert handles.connection_of(open_) is client.server.connections[1]
    client.lose()
    assert handles.connection_of(open_) is None
    assert handles.opens_of(client.server, open_.node) == []
