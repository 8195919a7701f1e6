"""Whose data it is, also where that shows only later, or never."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.export.moved_files import FARTHEST, MovedFile, PieceSorter
from parsers.capture.open import open_captures
from parsers.keys.store import KeyStore
from parsers.pipeline import decode
from parsers.smb2.decoder import Batch
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.read_write import ReadResponse
from parsers.smb2.tree import ShareType
from tests.analyzer.export.share import Share

SMALL, LARGE = 150, 16 << 20  # windows: a message is a block of its own, or all of them are one


def sorted_files(share: Share, folder: Path, window: int = LARGE) -> tuple[list[MovedFile], dict[int, bytes]]:
    """The files, and the content of each by its number."""
    sorter, content = PieceSorter(), {}

    def take(placed: Iterator[tuple[MovedFile, int, memoryview | bytes]]) -> None:
        for file, offset, data in placed:
            whole = content.setdefault(file.number, bytearray())
            whole += bytes(max(offset + len(data) - len(whole), 0))
            whole[offset : offset + len(data)] = data

    def sink(_block: object, _segments: object, batch: Batch) -> None:
        take(sorter.sort(batch))

    decode(open_captures(share.capture(folder / "capture.pcapng"), window=window), KeyStore(), [sink])
    take(sorter.finish())
    return sorter.files, {number: bytes(data) for number, data in content.items()}


@pytest.fixture(params=[SMALL, LARGE])
def window(request: pytest.FixtureRequest) -> int:
    return request.param


def test_each_direction_of_each_open_is_a_file(tmp_path: Path, window: int) -> None:
    share = Share().connect()
    first, second = share.open("a"), share.open("a")
    share.read(first, 0, b"1")
    share.read(second, 0, b"2")
    share.write(first, 0, b"3")
    share.read(first, 1, b"4")
    files, content = sorted_files(share, tmp_path, window)
    assert [(file.open, file.is_write) for file in files] == [(0, False), (1, False), (0, True)]
    assert [content[file.number] for file in files] == [b"14", b"2", b"3"]
    assert [(file.first_frame, file.last_frame) for file in files] == [(10, 16), (12, 12), (13, 13)]
    assert [file.moved for file in files] == [2, 1, 1]


def test_related_writes_belong_to_the_create_of_their_compound(tmp_path: Path, window: int) -> None:
    share = Share().connect()
    compounds = [(b"one", b"two"), (b"three",)]
    firsts = [share.ask_at_once("a", *data) for data in compounds]
    for first, data in zip(firsts, compounds, strict=True):
        share.answer_at_once(first, *data)
    files, content = sorted_files(share, tmp_path, window)
    assert [(file.open, file.is_write, file.name) for file in files] == [(0, True, 0), (1, True, 0)]
    assert content == {0: b"onetwo", 1: b"three"}
    assert files[0].tree is files[1].tree is not None


def test_an_answer_that_comes_before_its_request_waits_for_it(tmp_path: Path) -> None:
    share = Share().connect()
    file = share.open("a")
    share.read(file, 5, b"data")
    share.said[-2:] = share.said[:-3:-1]
    for size in (SMALL, LARGE):
        (moved,), content = sorted_files(share, tmp_path, size)
        assert (moved.open, content) == (0, {0: b"\0\0\0\0\0data"})
        assert (moved.first_frame, moved.last_frame) == (7, 7)


def test_what_has_waited_may_be_the_first_of_its_file(tmp_path: Path) -> None:
    share = Share().connect()
    file = share.open("a")
    share.read(file, 0, b"early")
    early = share.said.pop(-2)
    share.read(file, 5, b" bird")
    share.said.append(early)
    (moved,), content = sorted_files(share, tmp_path, SMALL)
    assert (moved.first_frame, moved.last_frame, content) == (7, 9, {0: b"early bird"})


def test_an_answer_before_the_request_for_a_file_that_nobody_opened_waits_too(tmp_path: Path) -> None:
    share = Share()
    share.read(FileId(3, 4), 0, b"data")
    share.said.reverse()
    (moved,), content = sorted_files(share, tmp_path, SMALL)
    assert (moved.open, moved.file_id, content) == (-1, FileId(3, 4), {0: b"data"})


def test_files_without_a_create_are_told_apart_by_their_identifiers(tmp_path: Path, window: int) -> None:
    share = Share().connect()
    asked = [share.ask_read(FileId(number, 4), number) for number in (1, 2, 1)]
    for number, data in zip(reversed(asked), (b"three", b"two", b"one"), strict=True):
        share.answer(Command.READ, number, ReadResponse(data).build())
    files, content = sorted_files(share, tmp_path, window)
    assert [(file.file_id, file.open, file.name) for file in files] == [(FileId(1, 4), -1, -1), (FileId(2, 4), -1, -1)]
    assert [content[file.number] for file in files] == [b"\0oneee", b"\0\0two"]


def test_identifiers_of_requests_that_are_never_answered_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.export.moved_files._MAX_FILE_IDS", 2)
    share = Share()
    asked = [share.ask_read(FileId(number, 1), 0) for number in range(5)]
    for number in asked:
        share.answer(Command.READ, number, ReadResponse(b"data").build())
    assert len(sorted_files(share, tmp_path, LARGE)[0]) == 5  # in one block none need be remembered
    known, lost = [], []
    for file in sorted_files(share, tmp_path, SMALL)[0]:
        (lost if file.file_id is None else known).append(file)
    assert len(known) == 2
    assert [(file.moved, file.ranges.size) for file in lost] == [(12, 0)]


def test_what_waits_too_long_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.export.moved_files._MAX_WAITING", 12)
    share = Share()
    asked = [share.ask_read(FileId(1, number), 0) for number in range(5)]
    requests, share.said = share.said, []
    for number in asked:
        share.answer(Command.READ, number, ReadResponse(b"12345").build())
    share.said += requests
    files, content = sorted_files(share, tmp_path, SMALL)
    assert [(file.file_id, file.moved) for file in files] == [(None, 15), (FileId(1, 3), 5), (FileId(1, 4), 5)]
    assert (files[0].open, files[0].name, files[0].is_write, files[0].ranges.size) == (-1, -1, False, 0)
    assert content == {1: b"12345", 2: b"12345"}


def test_data_of_a_create_that_is_not_answered_is_one_file_a_name(tmp_path: Path, window: int) -> None:
    share = Share().connect()
    for name in ("a", "b", "a"):
        share.ask_at_once(name, b"data")
    files, content = sorted_files(share, tmp_path, window)
    assert [(file.open, file.file_id, file.name, file.moved) for file in files] == [(-1, None, 0, 8), (-1, None, 1, 4)]
    assert content == {0: b"data", 1: b"data"}


def test_a_tree_identifier_that_is_given_again_means_the_tree_of_its_time(tmp_path: Path, window: int) -> None:
    share = Share()
    for path in (r"\\server\first", r"\\server\second"):
        share.connect(1, path)
        share.read(share.open("a"), 0, b"data")
    first, second = sorted_files(share, tmp_path, SMALL)[0]
    assert first.tree is not None
    assert second.tree is not None
    assert (first.tree.path, second.tree.path) == (r"\\server\first", r"\\server\second")


def test_in_a_pipe_what_comes_is_next(tmp_path: Path, window: int) -> None:
    share = Share().connect(3, r"\\server\IPC$", ShareType.PIPE)
    pipe = share.open("srvsvc", tree_id=3)
    for data in (b"one", b"two"):
        share.write(pipe, 0, data, tree_id=3)
    (file,), content = sorted_files(share, tmp_path, window)
    assert file.is_pipe
    assert content == {0: b"onetwo"}


def test_nothing_lies_too_far(tmp_path: Path) -> None:
    share = Share().connect()
    file = share.open("a")
    for offset in (FARTHEST - 1, FARTHEST, 2**64 - 3):
        share.write(file, offset, b"far")
    (moved,), content = sorted_files(share, tmp_path)
    assert (moved.moved, moved.refused, moved.ranges.size, content) == (9, 9, 0, {})
