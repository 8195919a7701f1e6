"""Whatever a client sends, the server answers or closes the connection: nothing is raised, and others are served on.

Ten messages an example: noise, headers that anyone may make up, and requests with some of their bytes changed, before
and after the logon, signed, encrypted, in compounds. The share is a folder with a link out of it, and what lies outside
is a text that must never be sent, changed or joined by another file. `make fuzz` sends 100,000 messages.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.smb2.access import AccessMask
from parsers.smb2.body import align8
from parsers.smb2.change_notify import ChangeNotifyFlags, ChangeNotifyRequest, CompletionFilter
from parsers.smb2.close_flush import CloseFlags, CloseRequest, FlushRequest
from parsers.smb2.compression import compress_unchained
from parsers.smb2.create import (
    CreateDisposition,
    CreateOptions,
    CreateRequest,
    CreateResponse,
    FileAttributes,
    ImpersonationLevel,
    OplockLevel,
    ShareAccess,
)
from parsers.smb2.file_id import FileId
from parsers.smb2.file_information import RenameInformation
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass, InfoType
from parsers.smb2.ioctl import IoctlRequest
from parsers.smb2.lock import LockElement, LockFlags, LockRequest
from parsers.smb2.negotiate_contexts import CompressionCapabilities, CompressionFlags
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest
from parsers.smb2.read_write import ReadFlags, ReadRequest, WriteRequest
from parsers.smb2.set_info import SetInfoRequest
from parsers.smb2.simple import SimpleBody
from parsers.smb2.transform import CompressionAlgorithm
from parsers.smb2.tree import TreeConnectFlags, TreeConnectRequest
from refserver.server.server import Server
from refserver.server.state import Share
from refserver.store.folder import FolderStore
from tests.refserver.server.files import Desk
from tests.refserver.server.peer import Peer, logged_on, server_with

pytestmark = pytest.mark.fuzz

SECRET = b"what lies outside of the share"
MESSAGES = 10  # an example; the profile of `make fuzz` has 10,000 examples
NAMES = (
    *("f", "d", r"d\g", "", "secret", "link", r"link\secret", r"..\secret", r"d\..\..\secret", "../secret"),
    *(
        "/etc/passwd",
        r"\secret",
        "f:stream",
        "f::$DATA",
        "f\0g",
        "a" * 300,
        r"C:\secret",
        r"\\server\data\f",
        "con",
        r"d\\g",
    ),
)
EXTREMES = st.sampled_from([0, 1, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1])
SMALL = st.integers(0, 80)
LZNT1 = CompressionCapabilities(CompressionFlags(0), (CompressionAlgorithm.LZNT1,))
STAGES = (
    *("connected", "negotiated", "logged on", "at work", "at work", "at work"),
    *("encrypted", "encrypted", "2.0.2", "2.0.2", "compressed"),
)


@contextmanager
def serving(*, encrypted: bool) -> Iterator[Server]:
    """A server of a share in a folder beside which lies a secret, with a link in the share that leads there."""
    folder = Path(tempfile.mkdtemp(prefix="sessionscope-fuzz-"))
    try:
        (folder / "share" / "d").mkdir(parents=True)
        (folder / "secret").write_bytes(SECRET)
        (folder / "share" / "f").write_bytes(b"content of the file")
        (folder / "share" / "link").symlink_to(folder)
        server, store = server_with(encrypt_data=encrypted), FolderStore(folder / "share")
        server.shares["data"] = Share("data", store)
        yield server
        store.close()
        assert sorted(path.name for path in folder.iterdir()) == ["secret", "share"]
        assert (folder / "secret").read_bytes() == SECRET
    finally:
        shutil.rmtree(folder)


def create(draw: st.DrawFn) -> bytes:
    return CreateRequest(
        requested_oplock_level=OplockLevel(draw(st.sampled_from([0, 1, 8, 9, 0xFF, 3]))),
        impersonation_level=ImpersonationLevel(draw(st.integers(0, 4))),
        desired_access=AccessMask(draw(st.sampled_from([0x001F01FF, 0x02000000, 0x80000000, 0, 1, 0x01000000]))),
        file_attributes=FileAttributes(draw(st.sampled_from([0, 0x10, 0x80, 0xFFFFFFFF]))),
        share_access=ShareAccess(draw(st.integers(0, 8))),
        create_disposition=CreateDisposition(draw(st.integers(0, 6))),
        create_options=CreateOptions(draw(st.sampled_from([0, 1, 0x40, 0x1000, 0x200000, 0xFFFFFFFF]))),
        name=draw(st.sampled_from(NAMES)),
        contexts=(),
    ).build()


def body(draw: st.DrawFn, files: tuple[FileId, ...]) -> tuple[int, bytes]:
    """A command and a body that could be right."""
    file = draw(st.sampled_from(files))
    information = FileInformationClass(draw(SMALL))
    rename = RenameInformation(draw(st.booleans()), 0, draw(st.sampled_from(NAMES))).build()
    buffer = draw(st.one_of(st.just(rename), st.binary(max_size=64)))
    pattern = draw(st.sampled_from(["*", "?", "", "<.>", '..\\*"', *NAMES]))
    length = draw(st.one_of(SMALL, st.just(65536), st.just(4096), EXTREMES)) & 0xFFFFFFFF
    offset = draw(st.one_of(SMALL, EXTREMES))
    builders = {
        Command.CREATE: lambda: create(draw),
        Command.TREE_CONNECT: lambda: TreeConnectRequest(TreeConnectFlags(0), rf"\\s\{pattern}").build(),
        Command.READ: lambda: ReadRequest(0x50, ReadFlags(0), length, offset, file).build(),
        Command.WRITE: lambda: WriteRequest(offset % 100_000, file, buffer).build(),
        Command.LOCK: lambda: LockRequest(
            0, 0, file, (LockElement(offset, length, LockFlags(draw(st.integers(0, 31)))),)
        ).build(),
        Command.IOCTL: lambda: IoctlRequest(
            draw(st.sampled_from(list(FsctlCode))), file, buffer, 0, length
        ).build(),
        Command.QUERY_DIRECTORY: lambda: QueryDirectoryRequest(
            information, QueryDirectoryFlags(draw(SMALL)), 0, file, pattern, length
        ).build(),
        Command.CHANGE_NOTIFY: lambda: ChangeNotifyRequest(
            ChangeNotifyFlags(draw(st.integers(0, 1))), length, file, CompletionFilter(draw(SMALL))
        ).build(),
        Command.QUERY_INFO: lambda: QueryInfoRequest(
            InfoType(draw(st.integers(0, 5))), information, length, draw(SMALL), QueryInfoFlags(0), file, buffer
        ).build(),
        Command.SET_INFO: lambda: SetInfoRequest(
            InfoType(draw(st.integers(0, 5))), information, draw(SMALL), file, buffer
        ).build(),
        Command.CLOSE: lambda: CloseRequest(CloseFlags(draw(st.integers(0, 1))), file).build(),
        Command.FLUSH: lambda: FlushRequest(file).build(),
        Command.ECHO: lambda: SimpleBody().build(),
        Command.CANCEL: lambda: SimpleBody().build(),
        Command.LOGOFF: lambda: SimpleBody().build(),
        Command.TREE_DISCONNECT: lambda: SimpleBody().build(),
    }  # fmt: skip
    command = draw(st.sampled_from(list(builders)))
    return command, builders[command]()


def changed(draw: st.DrawFn, message: bytes, begin: int = 0) -> bytes:
    """Up to four other bytes from `begin` on, or an end that is missing."""
    result = bytearray(message)
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 1, 1, 2, 4]))):
        result[draw(st.integers(min(begin, len(result) - 1), len(result) - 1))] = draw(st.integers(0, 255))
    return bytes(result[: draw(st.integers(0, len(result)))] if draw(st.integers(0, 9)) == 0 else result)


def message(draw: st.DrawFn, peer: Peer, files: tuple[FileId, ...]) -> bytes:
    """One message, whatever is in it: of noise, of one request, or of several in a compound."""
    kind = draw(st.integers(0, 19))
    if kind == 0:
        protocol = draw(st.sampled_from([b"", b"\xfeSMB", b"\xfdSMB", b"\xfcSMB", b"\xffSMB"]))
        return protocol + draw(st.binary(max_size=200))
    if kind in (1, 2):
        header = {"credit_charge": draw(EXTREMES) & 0xFFFF, "tree_id": draw(EXTREMES) & 0xFFFFFFFF}
        number = draw(st.integers(0, 0x20))
        return changed(draw, peer.request(number, draw(st.binary(max_size=120)), flags=draw(EXTREMES) & 0xFF, **header))
    parts = [body(draw, files) for _ in range(1 if kind < 16 else draw(st.integers(2, 4)))]
    related = draw(st.booleans())
    joined = b""
    for place, (command, content) in enumerate(parts):
        request = peer.request(command, changed(draw, content), flags=4 if related and place else 0)
        if place + 1 < len(parts):
            request = align8(request)
            request = request[:20] + len(request).to_bytes(4, "little") + request[24:]
        joined += request
    return changed(draw, joined) if kind in (3, 4) else joined


def at_stage(stage: str, server: Server, number: int) -> tuple[Peer, tuple[FileId, ...]]:
    """A connection as far as that, and what is open on it."""
    nothing = (FileId(1, 2),)
    peer = Peer(server, number)
    if stage == "connected":
        return peer, nothing
    peer.negotiate(*((0x0202,) if stage == "2.0.2" else ()), contexts=(LZNT1,) if stage == "compressed" else ())
    if stage == "negotiated":
        return peer, nothing
    peer.log_on()
    if stage == "logged on":
        return peer, nothing
    peer.encrypt = stage == "encrypted"
    assert peer.tree_connect("data").status == 0
    peer.echo(credits_=256)
    desk, files = Desk(peer), []
    for name, options in (("f", 0), ("d", CreateOptions.DIRECTORY_FILE)):
        answer = desk.create(name, 0x001F01FF, 7, CreateDisposition.OPEN_IF, options, 0)
        if answer.status == 0:  # another connection may have deleted it, or hold it
            files.append(CreateResponse.parse(memoryview(answer.message)).file_id)
    return peer, (*files, *nothing)


def deliver(draw: st.DrawFn, peer: Peer, stage: str, content: bytes) -> None:
    """Send as the stage does: in the clear, encrypted, compressed; sometimes damaged after that."""
    if stage == "compressed" and content:
        content = compress_unchained(content, CompressionAlgorithm.LZNT1)
    signer, peer.signer = peer.signer, None  # what is not signed is looked at as well
    if stage == "encrypted" or signer is None or len(content) < 64 or draw(st.booleans()):
        answers = peer.send(content)
    else:
        answers = peer.send(peer.signed(content, signer))
    peer.signer = signer
    assert all(SECRET not in answer.message for answer in answers)


def still_served(peer: Peer) -> None:
    """Another client logs on and reads."""
    other = logged_on(peer.server, number=peer.number + 1, guid=os.urandom(16))
    other.encrypt = peer.server.config.encrypt_data
    assert other.tree_connect("data").status == 0


@given(data=st.data(), stage=st.sampled_from(STAGES))
def test_nothing_stops_the_server_or_gets_it_out_of_its_share(data: st.DataObject, stage: str) -> None:
    with serving(encrypted=stage == "encrypted") as server:
        peer, files = at_stage(stage, server, 1)
        for _ in range(MESSAGES):
            if peer.closed:
                server.disconnected(peer.number, peer.now)
                peer, files = at_stage(stage, server, peer.number + 1)
            deliver(data.draw, peer, stage, message(data.draw, peer, files))  # type: ignore[arg-type]
        still_served(peer)


@given(pieces=st.lists(st.binary(max_size=100), max_size=20))
def test_bytes_without_any_frame_are_taken_in_pieces_of_any_size(pieces: list[bytes]) -> None:
    peer = Peer(server_with())
    for piece in pieces:
        if not peer.closed:
            peer.server.received(peer.number, piece, peer.now)
            peer.take()
    assert logged_on(peer.server, number=2).session_id
