"""Any bytes in a command about files give answers or end the connection, and nothing outside of the share changes.

Well-formed requests have some of their bytes changed. `make test` runs a sample, `make fuzz` more.
"""

import random
from pathlib import Path

import pytest
from hypothesis import settings

from parsers.smb2.file_information import RenameInformation
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.ioctl import IoctlRequest
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest
from parsers.smb2.read_write import ReadFlags, ReadRequest, WriteRequest
from parsers.smb2.set_info import SetInfoRequest
from refserver.store.folder import FolderStore
from tests.refserver.server.files import Desk, desk

DEEP = settings().max_examples >= 10_000  # the profile of `make fuzz`
ROUNDS = 20_000 if DEEP else 400
EXTREMES = (b"\x00", b"\xff", b"\x7f\xff", b"\x80", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"..\\", b"/")

pytestmark = pytest.mark.fuzz


def request(client: Desk, chances: random.Random) -> tuple[int, bytes]:
    """A command and a body that the server would take."""
    file, directory = client.open("f"), client.directory("d")
    either = chances.choice((file, directory))
    file_class = FileInformationClass(chances.randrange(1, 80))
    rename = RenameInformation(bool(chances.getrandbits(1)), 0, chances.choice(("g", "d\\g", "..\\g", "/g"))).build()
    buffer = chances.choice((rename, chances.randbytes(chances.randrange(64))))
    code = chances.choice(list(FsctlCode))
    flags = QueryDirectoryFlags(chances.randrange(32))
    listing = QueryDirectoryRequest(
        FileInformationClass(chances.choice((1, 2, 3, 12, 37, 38))), flags, 1, directory, "*", 4096
    )
    asked = QueryInfoRequest(InfoType(chances.randrange(1, 5)), file_class, 4096, 7, QueryInfoFlags(0), either, b"")
    bodies = (
        (Command.READ, ReadRequest(0x50, ReadFlags(0), 4096, chances.randrange(99), either).build()),
        (Command.WRITE, WriteRequest(chances.randrange(99), either, b"data").build()),
        (Command.QUERY_DIRECTORY, listing.build()),
        (Command.QUERY_INFO, asked.build()),
        (Command.SET_INFO, SetInfoRequest(InfoType(chances.randrange(1, 4)), file_class, 7, either, buffer).build()),
        (Command.IOCTL, IoctlRequest(code, either, chances.randbytes(chances.randrange(64)), 0, 4096).build()),
    )
    return chances.choice(bodies)


def change(body: bytes, chances: random.Random) -> bytes:
    """Some bytes are other ones; the FileId mostly stays."""
    changed = bytearray(body)
    for _ in range(chances.choice((0, 1, 1, 2, 4))):
        place = chances.randrange(len(changed))
        new = chances.choice(EXTREMES) if chances.random() < 0.5 else chances.randbytes(chances.randint(1, 4))
        changed[place : place + len(new)] = new[: len(changed) - place]
    return bytes(changed[: chances.randrange(len(changed)) + 1] if chances.random() < 0.1 else changed)


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_a_server_survives_what_it_is_sent_and_stays_in_its_share(kind: str, tmp_path: Path) -> None:
    share, outside = tmp_path / "share", tmp_path / "g"
    share.mkdir()
    outside.write_bytes(b"outside")
    chances = random.Random(f"commands {kind}")
    client: Desk | None = None
    for number in range(ROUNDS):
        if client is None or client.peer.closed or number % 50 == 0:
            client = desk(FolderStore(share) if kind == "folder" else None)
        try:
            command, body = request(client, chances)
        except AssertionError:  # what came before has made "f" or "d" something else, or waits to be deleted
            client = None
            continue
        client.peer.send(client.peer.request(command, change(body, chances)))
        assert outside.read_bytes() == b"outside"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g", "share"]
