"""Named pipes of IPC$ (MS-SMB2 3.3.5.12, 3.3.5.13, 3.3.5.15.10)."""

import pytest

from parsers import ntstatus
from parsers.smb2.file_id import FileId
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.read_write import ReadFlags, ReadRequest, ReadResponse, WriteRequest
from refserver.errors import StatusError
from refserver.server.pipes import Pipe, open_pipe
from tests.refserver.server.files import Answer, Desk, desk
from tests.refserver.server.peer import START
from tests.refserver.server.test_rpc import bind, request


@pytest.fixture
def client() -> Desk:
    return desk(share="ipc$")


def read(client: Desk, file: FileId, length: int = 4280) -> list[Answer]:
    body = ReadRequest(0x50, ReadFlags(0), length, 0, file).build()
    return client.peer.send(client.peer.request(Command.READ, body))


def test_shares_are_listed_by_transceive(client: Desk) -> None:
    pipe = client.open("srvsvc")
    status, answer = client.ioctl(FsctlCode.PIPE_TRANSCEIVE, bind(), pipe, room=4280)
    assert (status, answer[2]) == (0, 12)
    stub = bytes(4) + (1).to_bytes(4, "little") * 2 + bytes(20)
    status, answer = client.ioctl(FsctlCode.PIPE_TRANSCEIVE, request(15, stub), pipe, room=4280)
    assert status == 0
    for name in ("IPC$", "data"):
        assert (name + "\0").encode("utf-16-le") in answer


def test_an_answer_that_does_not_fit_comes_in_parts(client: Desk) -> None:
    pipe = client.open("srvsvc")
    status, start = client.ioctl(FsctlCode.PIPE_TRANSCEIVE, bind(), pipe, room=20)
    assert (status, len(start)) == (ntstatus.STATUS_BUFFER_OVERFLOW, 20)
    (middle,) = read(client, pipe, 10)
    assert middle.status == ntstatus.STATUS_BUFFER_OVERFLOW
    (rest,) = read(client, pipe)
    assert rest.status == 0
    parts = [ReadResponse.parse(memoryview(answer.message)).data for answer in (middle, rest)]
    whole = start + b"".join(parts)
    assert int.from_bytes(whole[8:10], "little") == len(whole)


def test_a_read_waits_for_what_a_write_brings(client: Desk) -> None:
    pipe = client.open("srvsvc")
    (pending,) = read(client, pipe)
    assert pending.status == ntstatus.STATUS_PENDING
    body = WriteRequest(0, pipe, bind()).build()
    answers = client.peer.send(client.peer.request(Command.WRITE, body))
    assert sorted(answer.header.command for answer in answers) == [Command.READ, Command.WRITE]
    assert all(answer.status == 0 for answer in answers)


def test_a_read_that_waits_is_cancelled_or_ends_with_the_pipe(client: Desk) -> None:
    pipe = client.open("srvsvc")
    (answer,) = client.cancel(read(client, pipe)[0])
    assert answer.status == ntstatus.STATUS_CANCELLED
    read(client, pipe)
    statuses = {answer.header.command: answer.status for answer in client.close(pipe)}
    assert statuses == {Command.READ: ntstatus.STATUS_PIPE_BROKEN, Command.CLOSE: 0}


def test_nonsense_breaks_the_pipe(client: Desk) -> None:
    pipe = client.open("srvsvc")
    assert client.write(pipe, b"\xff" * 32) == ntstatus.STATUS_PIPE_DISCONNECTED
    assert client.write(pipe, bind()) == ntstatus.STATUS_PIPE_DISCONNECTED


def test_a_peek_leaves_everything(client: Desk) -> None:
    pipe = client.open("srvsvc")
    assert client.ioctl(FsctlCode.PIPE_PEEK, b"", pipe)[1] == (3).to_bytes(4, "little") + bytes(12)
    client.write(pipe, bind())
    status, output = client.ioctl(FsctlCode.PIPE_PEEK, b"", pipe, room=16)
    assert status == ntstatus.STATUS_BUFFER_OVERFLOW
    size = int.from_bytes(output[4:8], "little")
    assert output[8:] == (1).to_bytes(4, "little") + size.to_bytes(4, "little")
    assert read(client, pipe)[0].status == 0


def test_other_pipes_do_not_exist(client: Desk) -> None:
    assert client.create("lsarpc", 0x0012019F, 7, 1, 0, 0).status == ntstatus.STATUS_OBJECT_NAME_NOT_FOUND


def test_a_pipe_is_no_file(client: Desk) -> None:
    pipe = open_pipe(client.server, "SRVSVC")
    assert isinstance(pipe, Pipe)
    assert pipe.path == ("srvsvc",)
    assert pipe.streams() == []
    for use in (
        lambda: pipe.read(0, 1),
        lambda: pipe.write(0, b""),
        lambda: pipe.truncate(0),
        lambda: pipe.punch(0, 1),
        lambda: pipe.allocated(0, 1),
        lambda: pipe.set_attributes(pipe.attributes()),
    ):
        with pytest.raises(StatusError) as refused:
            use()
        assert refused.value.status == ntstatus.STATUS_INVALID_DEVICE_REQUEST


def test_what_nobody_reads_breaks_the_pipe(client: Desk) -> None:
    pipe = open_pipe(client.server, "srvsvc")
    for _ in range(1024):
        pipe.send(bind(), START)
    with pytest.raises(StatusError) as refused:
        pipe.send(bind(), START)
    assert refused.value.status == ntstatus.STATUS_PIPE_DISCONNECTED
