"""CHANGE_NOTIFY (MS-SMB2 3.3.5.19): who is told what, when."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.change_notify import Change, CompletionFilter, FileAction
from parsers.smb2.file_query import BASIC, BasicFixed
from parsers.smb2.header import Command
from parsers.smb2.info_classes import FileInformationClass
from parsers.smb2.simple import SimpleBody
from refserver.server.state import Share
from tests.refserver.server.files import Answer, Desk, another_desk, changes_of, desk
from tests.refserver.server.peer import Peer

NAMES = CompletionFilter.FILE_NAME | CompletionFilter.DIR_NAME
EVERYTHING = 0xFFF


@pytest.fixture
def watcher() -> Desk:
    return desk()


@pytest.fixture
def worker(watcher: Desk) -> Desk:
    return another_desk(watcher.server, 2)


def waiting(answers: list[Answer]) -> Answer:
    (answer,) = answers
    assert answer.status == ntstatus.STATUS_PENDING
    return answer


def told(peer: Peer) -> list[Change]:
    (answer,) = peer.take()
    assert answer.status == ntstatus.STATUS_SUCCESS
    return changes_of(answer)


def test_a_change_answers_the_request_that_waits(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    pending = waiting(watcher.watch(root, NAMES))
    worker.open("new")
    (answer,) = watcher.peer.take()
    assert answer.header.async_id == pending.header.async_id
    assert changes_of(answer) == [Change(FileAction.ADDED, "new")]


def test_what_happens_between_two_requests_is_not_missed(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    waiting(watcher.watch(root, NAMES))
    for name in ("a", "b", "c"):
        worker.close(worker.open(name))
    assert told(watcher.peer) == [Change(FileAction.ADDED, "a")]
    (answer,) = watcher.watch(root, NAMES)
    assert changes_of(answer) == [Change(FileAction.ADDED, "b"), Change(FileAction.ADDED, "c")]
    waiting(watcher.watch(root, NAMES))


def test_only_a_tree_watch_sees_what_is_below(watcher: Desk, worker: Desk) -> None:
    flat, tree = watcher.directory(), watcher.directory()
    worker.close(worker.directory("d"))
    waiting(watcher.watch(flat, NAMES))
    waiting(watcher.watch(tree, NAMES, tree=True))
    worker.open("d\\f")
    assert told(watcher.peer) == [Change(FileAction.ADDED, "d\\f")]
    worker.open("g")
    assert told(watcher.peer) == [Change(FileAction.ADDED, "g")]


def test_a_watch_sees_nothing_of_its_own_directory_or_beside_it(watcher: Desk, worker: Desk) -> None:
    watched = watcher.directory("dir")
    waiting(watcher.watch(watched, EVERYTHING, tree=True))
    worker.open("dir2")
    worker.set(worker.directory("dir"), 4, BASIC.build(BasicFixed(0, 0, 0, 0, 2, 0)))
    assert watcher.peer.take() == []


@pytest.mark.parametrize(
    ("completion_filter", "seen"),
    [
        (CompletionFilter.FILE_NAME, ["added", "removed"]),
        (CompletionFilter.SIZE, ["modified"]),
        (CompletionFilter.LAST_WRITE, ["modified", "modified"]),
        (CompletionFilter.ATTRIBUTES, ["modified"]),
        (CompletionFilter.DIR_NAME, []),
        (CompletionFilter.SECURITY, []),
    ],
)
def test_the_filter_says_what_is_told(
    watcher: Desk, worker: Desk, completion_filter: CompletionFilter, seen: list[str]
) -> None:
    root = watcher.directory()
    waiting(watcher.watch(root, completion_filter))
    actions = []
    file = worker.open("f")
    steps = [
        lambda: None,
        lambda: worker.write(file, b"longer"),
        lambda: worker.write(file, b"x"),
        lambda: worker.set(file, 4, BASIC.build(BasicFixed(0, 0, 0, 0, 2, 0))),
        lambda: worker.set(file, 13, b"\1"),
        lambda: worker.close(file),
    ]
    for step in steps:
        step()
        for answer in watcher.peer.take():
            actions += [change.action.name.lower() for change in changes_of(answer)]
            waiting(watcher.watch(root, completion_filter))
    assert actions == seen


def test_the_first_request_fixes_the_filter(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    watcher.cancel(waiting(watcher.watch(root, CompletionFilter.DIR_NAME)))
    waiting(watcher.watch(root, CompletionFilter.FILE_NAME))
    worker.open("f")
    assert watcher.peer.take() == []
    worker.directory("d")
    assert told(watcher.peer) == [Change(FileAction.ADDED, "d")]


def test_too_much_becomes_look_for_yourself(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    waiting(watcher.watch(root, NAMES, length=200))
    for number in range(20):
        worker.close(worker.open(f"file{number}"))
    assert told(watcher.peer) == [Change(FileAction.ADDED, "file0")]
    (answer,) = watcher.watch(root, NAMES, length=200)
    assert answer.status == ntstatus.STATUS_NOTIFY_ENUM_DIR
    assert changes_of(answer) == []
    waiting(watcher.watch(root, NAMES, length=200))
    worker.open("after")
    assert told(watcher.peer) == [Change(FileAction.ADDED, "after")]


def test_a_change_that_does_not_fit_at_all_is_told_without_its_name(watcher: Desk, worker: Desk) -> None:
    waiting(watcher.watch(watcher.directory(), NAMES, length=4))
    worker.open("f")
    (answer,) = watcher.peer.take()
    assert answer.status == ntstatus.STATUS_NOTIFY_ENUM_DIR


def test_a_cancel_ends_one_request_and_not_the_watch(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    (answer,) = watcher.cancel(waiting(watcher.watch(root, NAMES)))
    assert answer.status == ntstatus.STATUS_CANCELLED
    worker.open("f")
    (answer,) = watcher.watch(root, NAMES)
    assert changes_of(answer) == [Change(FileAction.ADDED, "f")]


def test_requests_are_answered_in_their_order(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    first, second = waiting(watcher.watch(root, NAMES)), waiting(watcher.watch(root, NAMES))
    worker.open("a")
    worker.open("b")
    answers = watcher.peer.take()
    assert [answer.header.async_id for answer in answers] == [first.header.async_id, second.header.async_id]
    assert [changes_of(answer)[0].file_name for answer in answers] == ["a", "b"]


def test_a_close_ends_the_watch_and_says_so(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    waiting(watcher.watch(root, NAMES))
    statuses = {answer.header.command: answer.status for answer in watcher.close(root)}
    assert statuses == {Command.CHANGE_NOTIFY: ntstatus.STATUS_NOTIFY_CLEANUP, Command.CLOSE: 0}
    worker.open("f")
    assert watcher.peer.take() == []


@pytest.mark.parametrize("command", [Command.TREE_DISCONNECT, Command.LOGOFF])
def test_the_end_of_a_tree_or_a_session_ends_the_watch_and_says_so(watcher: Desk, command: Command) -> None:
    waiting(watcher.watch(watcher.directory(), NAMES))
    answers = watcher.peer.send(watcher.peer.request(command, SimpleBody().build()))
    statuses = {answer.header.command: answer.status for answer in answers}
    assert statuses == {Command.CHANGE_NOTIFY: ntstatus.STATUS_NOTIFY_CLEANUP, command: 0}


def test_a_lost_connection_leaves_nothing_behind(watcher: Desk, worker: Desk) -> None:
    waiting(watcher.watch(watcher.directory(), NAMES))
    watcher.server.disconnected(watcher.peer.number, watcher.peer.now)
    worker.open("f")
    assert watcher.server.shares["data"].watches == {}


def test_a_directory_that_will_go_tells_its_watches(watcher: Desk, worker: Desk) -> None:
    waiting(watcher.watch(watcher.directory("d"), NAMES))
    worker.set(worker.directory("d"), FileInformationClass.FileDispositionInformation, b"\1")
    (answer,) = watcher.peer.take()
    assert answer.status == ntstatus.STATUS_DELETE_PENDING


def test_a_watch_through_another_share_of_the_same_store_is_told(watcher: Desk) -> None:
    store = watcher.server.shares["data"].store
    watcher.server.shares["other"] = Share("other", store)
    worker = another_desk(watcher.server, 2, share="other")
    waiting(watcher.watch(watcher.directory(), NAMES))
    worker.open("f")
    assert told(watcher.peer) == [Change(FileAction.ADDED, "f")]


def test_streams_have_filters_of_their_own(watcher: Desk, worker: Desk) -> None:
    root = watcher.directory()
    stream = worker.open("f:s")
    waiting(watcher.watch(root, CompletionFilter.STREAM_SIZE | CompletionFilter.SIZE))
    worker.write(stream, b"x")
    assert told(watcher.peer) == [Change(FileAction.MODIFIED_STREAM, "f:s")]


def test_files_rights_and_sizes_are_checked(watcher: Desk) -> None:
    def status(answers: list[Answer]) -> int:
        return answers[0].status

    assert status(watcher.watch(watcher.open("f"), NAMES)) == ntstatus.STATUS_INVALID_PARAMETER
    blind = watcher.directory(access=AccessMask.FILE_READ_ATTRIBUTES)
    assert status(watcher.watch(blind, NAMES)) == ntstatus.STATUS_ACCESS_DENIED
    small = desk(max_transact_size=65536)
    too_long = small.watch(small.directory(), NAMES, length=65537)
    assert status(too_long) == ntstatus.STATUS_INVALID_PARAMETER
