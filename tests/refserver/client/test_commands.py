"""Commands on files: what is asked for, as the parsers read it, and what comes back from the reference server."""

from typing import Any

import pytest

from parsers.ntstatus import STATUS_CANCELLED, STATUS_LOCK_NOT_GRANTED, STATUS_NO_MORE_FILES
from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import Change, CompletionFilter, FileAction
from parsers.smb2.close_flush import CloseFlags, CloseRequest
from parsers.smb2.create import CreateDisposition, CreateOptions, CreateRequest, FileAttributes, OplockLevel
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.durable import (
    DurableFlags,
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
)
from parsers.smb2.file_id import FILE_ID_RELATED
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command, parse_header
from parsers.smb2.info_classes import FileInformationClass, FsInformationClass, InfoType
from parsers.smb2.ioctl import IoctlRequest
from parsers.smb2.lease import LeaseFlags, LeaseState, LeaseV2
from parsers.smb2.lock import LockElement, LockFlags, LockRequest
from parsers.smb2.query_directory import QueryDirectoryFlags, QueryDirectoryRequest
from parsers.smb2.query_info import QueryInfoFlags, QueryInfoRequest
from parsers.smb2.read_write import ReadFlags, ReadRequest, WriteFlags, WriteRequest
from parsers.smb2.set_info import SetInfoRequest
from refserver.client import files
from refserver.client.commands import EVERYBODY, READ_ACCESS, READ_WRITE_DELETE
from refserver.client.script import Steps, settled, wait
from tests.refserver.client.pair import Pair, log_on
from tests.refserver.client.peer import FILE_ID, SESSION_ID, TREE_ID, Peer

EXCLUSIVE = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK)
ALL = LeaseState.READ_CACHING | LeaseState.HANDLE_CACHING | LeaseState.WRITE_CACHING
INFORMATION = FileInformationClass.FileBasicInformation
FILESYSTEM = FsInformationClass.FileFsSizeInformation


def asked(peer: Peer, command: Command) -> memoryview:
    """The one message that was sent; session, tree and command are right."""
    (message,) = peer.messages()
    header = parse_header(message)
    assert (header.command, header.session_id, header.tree_id) == (command, SESSION_ID, TREE_ID)
    return memoryview(message)


# ----------------------------------------------------------------------------------------------- what is asked for


def test_create_asks_for_what_it_was_given() -> None:
    peer = Peer()
    lease = LeaseV2(b"key of the lease", ALL, LeaseFlags(0), bytes(16), 0)
    peer.client.create(
        peer.tree,
        "a\\b.txt",
        access=READ_WRITE_DELETE,
        disposition=CreateDisposition.OPEN_IF,
        options=CreateOptions.NON_DIRECTORY_FILE,
        share_access=0,
        attributes=FileAttributes.ARCHIVE,
        oplock=OplockLevel.LEASE,
        contexts=(lease,),
    )
    request = CreateRequest.parse(asked(peer, Command.CREATE))
    assert (request.name, request.contexts, request.requested_oplock_level) == ("a\\b.txt", (lease,), OplockLevel.LEASE)
    assert (request.desired_access, request.share_access) == (READ_WRITE_DELETE, 0)
    assert (request.create_disposition, request.create_options) == (CreateDisposition.OPEN_IF, 0x40)
    assert request.file_attributes == FileAttributes.ARCHIVE
    peer.client.create(peer.tree, "")
    request = CreateRequest.parse(asked(peer, Command.CREATE))
    assert (request.desired_access, request.share_access) == (READ_ACCESS, EVERYBODY)


def test_reads_writes_and_closes_ask_for_what_they_were_given() -> None:
    peer = Peer()
    peer.client.read(peer.open, 7, 100, minimum=3, compressed=True)
    read = ReadRequest.parse(asked(peer, Command.READ))
    assert (read.offset, read.length, read.minimum_count, read.file_id) == (7, 100, 3, FILE_ID)
    assert read.flags == ReadFlags.REQUEST_COMPRESSED
    peer.client.write(peer.open, 9, b"data", flags=WriteFlags.WRITE_THROUGH)
    write = WriteRequest.parse(asked(peer, Command.WRITE))
    assert (write.offset, write.data, write.flags) == (9, b"data", WriteFlags.WRITE_THROUGH)
    peer.client.close_file(peer.open, flags=CloseFlags.POSTQUERY_ATTRIB)
    assert CloseRequest.parse(asked(peer, Command.CLOSE)) == CloseRequest(CloseFlags.POSTQUERY_ATTRIB, FILE_ID)


def test_locks_carry_their_sequence() -> None:
    peer = Peer()
    peer.client.lock(peer.open, (EXCLUSIVE,), sequence_number=3, sequence_index=2)
    assert LockRequest.parse(asked(peer, Command.LOCK)) == LockRequest(3, 2, FILE_ID, (EXCLUSIVE,))


def test_an_ioctl_goes_to_an_open_or_to_the_share() -> None:
    peer = Peer()
    peer.client.ioctl(peer.open, FsctlCode.SRV_REQUEST_RESUME_KEY, max_output=32)
    request = IoctlRequest.parse(asked(peer, Command.IOCTL))
    assert (request.file_id, request.max_output_response, request.input) == (FILE_ID, 32, b"")
    peer.client.ioctl(peer.tree, FsctlCode.QUERY_NETWORK_INTERFACE_INFO, b"in")
    request = IoctlRequest.parse(asked(peer, Command.IOCTL))
    assert (request.file_id, request.ctl_code, request.input) == (FILE_ID_RELATED, 0x1401FC, b"in")


def test_queries_ask_for_what_they_were_given() -> None:
    peer = Peer()
    peer.client.query_directory(peer.open, "*.txt", flags=QueryDirectoryFlags.RESTART_SCANS, max_output=500)
    listing = QueryDirectoryRequest.parse(asked(peer, Command.QUERY_DIRECTORY))
    assert (listing.file_name, listing.flags, listing.output_buffer_length) == ("*.txt", 1, 500)
    peer.client.query_info(
        peer.open, FILESYSTEM, info_type=InfoType.FILESYSTEM, additional=3, flags=QueryInfoFlags.RESTART_SCAN, data=b"x"
    )
    query = QueryInfoRequest.parse(asked(peer, Command.QUERY_INFO))
    assert (query.info_type, query.file_info_class) == (InfoType.FILESYSTEM, FILESYSTEM)
    assert (query.additional_information, query.flags, query.input) == (3, 1, b"x")
    peer.client.set_info(peer.open, INFORMATION, b"buffer", additional=4)
    change = SetInfoRequest.parse(asked(peer, Command.SET_INFO))
    assert change == SetInfoRequest(InfoType.FILE, INFORMATION, 4, FILE_ID, b"buffer")


@pytest.mark.parametrize("call", ["query_directory", "query_info", "read", "write", "ioctl"])
def test_what_is_large_costs_more_credits(call: str) -> None:
    peer = Peer()
    size = 65536 * 2 + 1
    calls: dict[str, Any] = {
        "query_directory": lambda: peer.client.query_directory(peer.open, max_output=size),
        "query_info": lambda: peer.client.query_info(peer.open, INFORMATION, max_output=size),
        "read": lambda: peer.client.read(peer.open, 0, size),
        "write": lambda: peer.client.write(peer.open, 0, bytes(size)),
        "ioctl": lambda: peer.client.ioctl(peer.open, FsctlCode.SRV_COPYCHUNK, max_output=size),
    }
    calls[call]()
    assert peer.headers()[0].credit_charge == 3


@pytest.mark.parametrize(
    ("wanted", "reconnect"),
    [
        (DurableRequest(), DurableReconnect(FILE_ID)),
        (
            DurableRequestV2(0, DurableFlags(0), b"a GUID of create"),
            DurableReconnectV2(FILE_ID, b"a GUID of create", DurableFlags(0)),
        ),
    ],
)
def test_a_reconnect_names_the_open_and_the_lease_it_has_now(wanted: CreateContext, reconnect: CreateContext) -> None:
    peer = Peer()
    lease = LeaseV2(b"key of the lease", ALL, LeaseFlags(0), bytes(16), 0)
    peer.open.contexts, peer.open.lease_key = (wanted, lease), lease.lease_key
    peer.open.lease_state = LeaseState.READ_CACHING
    peer.client.reconnect(peer.tree, peer.open)
    request = CreateRequest.parse(asked(peer, Command.CREATE))
    kept = LeaseV2(b"key of the lease", LeaseState.READ_CACHING, LeaseFlags(0), bytes(16), 0)
    assert (request.name, request.contexts) == ("a.txt", (reconnect, kept))
    assert request.requested_oplock_level == OplockLevel.LEASE


# ----------------------------------------------------------------------------------------------- what comes back


def test_an_open_is_known_until_it_is_closed(pair: Pair) -> None:
    client = pair.connect()
    session, tree = pair.run(log_on(client))
    file = pair.finish(client.create(tree, "a", access=READ_WRITE_DELETE, disposition=CreateDisposition.OPEN_IF))
    assert session.open_table == {file.file_id: file}
    assert pair.finish(client.write(file, 0, b"content")) == 7
    assert pair.finish(client.read(file, 3, 100)) == b"tent"
    pair.finish(client.flush(file))
    pair.finish(client.close_file(file))
    assert session.open_table == {}
    assert file.closed


@pytest.mark.parametrize("version", [1, 2])
def test_a_durable_open_survives_the_connection(pair: Pair, version: int) -> None:
    first, second = pair.connect(), pair.connect()
    lease = LeaseV2(b"key of the lease", ALL, LeaseFlags(0), bytes(16), 0)
    contexts: tuple[CreateContext, ...] = (DurableRequest(),)
    if version == 2:
        contexts = (DurableRequestV2(0, DurableFlags(0), b"a GUID of create"), lease)

    def work() -> Steps[bytes]:
        _, tree = yield first.run(log_on(first))
        file = yield first.create(
            tree,
            "durable",
            access=READ_WRITE_DELETE,
            disposition=CreateDisposition.OPEN_IF,
            oplock=OplockLevel.BATCH if version == 1 else OplockLevel.LEASE,
            contexts=contexts,
        )
        assert file.durable
        yield first.write(file, 0, b"durable")
        pair.drop(first)
        yield wait(seconds=30)
        _, new_tree = yield second.run(log_on(second))
        same = yield second.reconnect(new_tree, file)
        assert same.file_id.persistent == file.file_id.persistent
        assert (same.name, same.contexts) == ("durable", contexts)
        return (yield second.read(same, 0, 100))

    assert pair.run(work()) == b"durable"


def test_a_directory_is_listed_to_its_end(pair: Pair) -> None:
    client = pair.connect()

    def work() -> Steps[list[str]]:
        _, tree = yield client.run(log_on(client))
        for name in ("a.txt", "b.txt", "c.bin"):
            yield client.run(files.put(client, tree, name, b"x"))
        directory = yield client.create(tree, "", options=CreateOptions.DIRECTORY_FILE)
        entries = yield client.query_directory(
            directory, "*.txt", information_class=FileInformationClass.FileNamesInformation
        )
        assert (yield settled(client.query_directory(directory, "*.txt"))).status == STATUS_NO_MORE_FILES
        return [entry.file_name for entry in entries]

    assert pair.run(work()) == ["a.txt", "b.txt"]


def test_changes_are_told_and_the_wait_may_last_an_hour_or_be_cancelled(pair: Pair) -> None:
    client = pair.connect()

    def work() -> Steps[tuple[Change, ...]]:
        _, tree = yield client.run(log_on(client))
        directory = yield client.create(
            tree,
            "",
            access=AccessMask.FILE_LIST_DIRECTORY,
            options=CreateOptions.DIRECTORY_FILE,
        )
        watch = client.change_notify(directory, CompletionFilter.FILE_NAME)
        yield wait(seconds=3600)
        assert not watch.done
        yield client.run(files.put(client, tree, "news", b"x"))
        changes = yield watch
        watch = client.change_notify(directory, CompletionFilter.FILE_NAME)
        yield wait(seconds=1)
        client.cancel(watch)
        assert (yield settled(watch)).status == STATUS_CANCELLED
        return changes

    assert pair.run(work(), seconds=4000) == (Change(FileAction.ADDED, "news"),)


def test_a_lock_may_wait_for_another(pair: Pair) -> None:
    client = pair.connect()

    def work() -> Steps[None]:
        _, tree = yield client.run(log_on(client))
        yield client.run(files.put(client, tree, "ranges", b"0123456789"))
        first = yield client.create(tree, "ranges", access=READ_WRITE_DELETE)
        second = yield client.create(tree, "ranges", access=READ_WRITE_DELETE)
        yield client.lock(first, (EXCLUSIVE,))
        at_once = LockElement(0, 10, LockFlags.EXCLUSIVE_LOCK | LockFlags.FAIL_IMMEDIATELY)
        assert (yield settled(client.lock(second, (at_once,)))).status == STATUS_LOCK_NOT_GRANTED
        waiting = client.lock(second, (EXCLUSIVE,))
        yield wait(seconds=1000)
        assert not waiting.done
        yield client.lock(first, (LockElement(0, 10, LockFlags.UNLOCK),))
        yield waiting

    pair.run(work())
