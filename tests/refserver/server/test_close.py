"""CLOSE (MS-SMB2 3.3.5.10)."""

from parsers.smb2.close_flush import CloseFlags, CloseRequest, CloseResponse
from parsers.smb2.create import FileAttributes
from parsers.smb2.header import Command
from tests.refserver.server.opens import Opener, opener


def closed(client: Opener, flags: CloseFlags) -> CloseResponse:
    file = client.open()
    assert client.write(file, b"12345") == 0
    answer = client.peer.ask(Command.CLOSE, CloseRequest(flags, file).build())
    return CloseResponse.parse(memoryview(answer.message))


def test_the_last_state_of_the_file_is_told_on_request() -> None:
    response = closed(opener(), CloseFlags.POSTQUERY_ATTRIB)
    assert (response.flags, response.end_of_file, response.allocation_size) == (CloseFlags.POSTQUERY_ATTRIB, 5, 4096)
    assert response.file_attributes == FileAttributes.ARCHIVE
    assert response.last_write_time == response.creation_time != 0


def test_nothing_is_told_without_one() -> None:
    assert closed(opener(), CloseFlags(0)) == CloseResponse(CloseFlags(0), 0, 0, 0, 0, 0, 0, FileAttributes(0))
