"""Server-side copy (MS-SMB2 3.3.5.15.5, 3.3.5.15.6)."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.copychunk import CopyChunk, CopyChunkCopy, CopyChunkResponse, ResumeKeyResponse
from parsers.smb2.file_id import FileId
from parsers.smb2.fsctl import FsctlCode
from tests.refserver.server.files import ALL, Desk, another_desk, desk

LIMITS = CopyChunkResponse(256, 1 << 20, 16 << 20)


@pytest.fixture
def client() -> Desk:
    return desk()


def key_of(client: Desk, file: FileId) -> bytes:
    status, output = client.ioctl(FsctlCode.SRV_REQUEST_RESUME_KEY, b"", file)
    assert status == 0
    return ResumeKeyResponse.parse(output).resume_key


def copy(
    client: Desk, key: bytes, target: FileId, *chunks: CopyChunk, code: int = FsctlCode.SRV_COPYCHUNK, room: int = 12
) -> tuple[int, CopyChunkResponse | None]:
    status, output = client.ioctl(code, CopyChunkCopy(key, chunks).build(), target, room=room)
    return status, CopyChunkResponse.parse(output) if output else None


def test_chunks_are_copied_to_where_they_belong(client: Desk) -> None:
    source, target = client.open("s"), client.open("t")
    client.write(source, b"0123456789")
    answer = copy(client, key_of(client, source), target, CopyChunk(5, 0, 5), CopyChunk(0, 8, 2))
    assert answer == (0, CopyChunkResponse(2, 0, 7))
    assert client.read(target) == b"56789\0\0\x0001"


def test_a_source_that_ends_too_soon_says_how_far_it_went(client: Desk) -> None:
    source, target = client.open("s"), client.open("t")
    client.write(source, b"0123456789")
    answer = copy(client, key_of(client, source), target, CopyChunk(0, 0, 5), CopyChunk(5, 5, 6))
    assert answer == (ntstatus.STATUS_INVALID_VIEW_SIZE, CopyChunkResponse(1, 0, 5))
    assert client.read(target) == b"01234"


@pytest.mark.parametrize(
    "chunks",
    [
        [CopyChunk(0, 0, 1)] * 257,
        [CopyChunk(0, 0, (1 << 20) + 1)],
        [CopyChunk(0, 0, 0)],
        [CopyChunk(0, 0, 1 << 20)] * 17,
    ],
)
def test_what_is_too_much_is_answered_with_the_limits(client: Desk, chunks: list[CopyChunk]) -> None:
    source, target = client.open("s"), client.open("t")
    answer = copy(client, key_of(client, source), target, *chunks)
    assert answer == (ntstatus.STATUS_INVALID_PARAMETER, LIMITS)


def test_a_key_is_good_for_its_session_while_the_file_is_open(client: Desk) -> None:
    source, target = client.open("s"), client.open("t")
    key = key_of(client, source)
    missing = ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
    other = another_desk(client.server, 2)
    assert copy(other, key, other.open("t"), CopyChunk(0, 0, 1))[0] == missing
    assert copy(client, bytes(24), target, CopyChunk(0, 0, 1))[0] == missing
    client.close(source)
    assert copy(client, key, target, CopyChunk(0, 0, 1))[0] == missing


def test_each_side_takes_its_rights(client: Desk) -> None:
    source = client.open("s")
    client.write(source, b"x")
    client.close(client.open("t"))
    blind = client.open("s", access=AccessMask.FILE_READ_ATTRIBUTES)
    reader = client.open("t", access=AccessMask.FILE_READ_DATA)
    writer = client.open("t", access=AccessMask.FILE_WRITE_DATA)
    chunk, denied = CopyChunk(0, 0, 1), ntstatus.STATUS_ACCESS_DENIED
    assert copy(client, key_of(client, blind), client.open("t"), chunk)[0] == denied
    assert copy(client, key_of(client, source), reader, chunk)[0] == denied
    assert copy(client, key_of(client, source), writer, chunk)[0] == denied
    assert copy(client, key_of(client, source), writer, chunk, code=FsctlCode.SRV_COPYCHUNK_WRITE)[0] == 0


def test_directories_and_short_buffers_are_refused(client: Desk) -> None:
    source = client.open("s")
    key = key_of(client, source)
    directory = client.directory("d")
    assert copy(client, key, directory, CopyChunk(0, 0, 1))[0] == ntstatus.STATUS_INVALID_DEVICE_REQUEST
    assert copy(client, key, client.open("t"), CopyChunk(0, 0, 1), room=11)[0] == ntstatus.STATUS_INVALID_PARAMETER
    status, _ = client.ioctl(FsctlCode.SRV_COPYCHUNK, key, client.open("t", access=ALL))
    assert status == ntstatus.STATUS_INVALID_PARAMETER
    status, _ = client.ioctl(FsctlCode.SRV_REQUEST_RESUME_KEY, b"", source, room=8)
    assert status == ntstatus.STATUS_INVALID_PARAMETER
