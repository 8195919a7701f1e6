"""A folder that is filled at once, or stays as it was."""

import hashlib
import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.export.output_folder import OutputFolder
from parsers.errors import UsageError


def fill(path: Path, *names: str, at_the_end: Callable[[], None] = lambda: None) -> None:
    """Each file has its own name as content."""
    with OutputFolder(path) as folder:
        for number, name in enumerate(names):
            folder.write(number, [(0, name.encode())])
            assert folder.place(number, name)
        with folder.finish("list") as file:
            file.write(b"the list")
            at_the_end()


@pytest.mark.parametrize("exists", [True, False])
def test_a_new_or_empty_folder_is_filled(exists: bool, tmp_path: Path) -> None:
    target = tmp_path / "out"
    if exists:
        target.mkdir()
    fill(target, "share/a", "share/dir/b")
    assert sorted(str(path.relative_to(target)) for path in target.rglob("*")) == [
        "list", "share", "share/a", "share/dir", "share/dir/b",
    ]  # fmt: skip
    assert (target / "share/dir/b").read_text() == "share/dir/b"
    assert (target / "list").read_bytes() == b"the list"


def test_files_have_the_rights_that_the_user_wants_for_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        fill(tmp_path / "out", "share/a")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / "out" / name).stat().st_mode) for name in ("share", "share/a", "list")]
    assert modes == [0o750, 0o640, 0o640]


def test_until_the_end_nobody_else_can_look_inside(tmp_path: Path) -> None:
    with OutputFolder(tmp_path) as folder:
        folder.write(0, [(0, b"secret")])
        (private,) = tmp_path.iterdir()
        assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_pieces_lie_at_their_offsets_and_the_last_one_wins(tmp_path: Path) -> None:
    with OutputFolder(tmp_path / "out") as folder:
        folder.write(7, [(4, b"4567"), (0, b"xx")])
        folder.write(7, [(0, memoryview(b"01")), (5, b"F"), ((1 << 40) - 1, b"!")])
        assert folder.place(7, "a/b")
        with folder.finish("list"):
            pass
    path = tmp_path / "out/a/b"
    with path.open("rb") as file:
        assert file.read(8) == b"01\0\x004F67"
    assert path.stat().st_size == 1 << 40
    assert path.stat().st_blocks * 512 < 1 << 20


def test_digests_are_of_the_whole_content(tmp_path: Path) -> None:
    content = os.urandom((2 << 20) + 5)
    with OutputFolder(tmp_path / "out") as folder:
        folder.write(0, [(0, content)])
        assert folder.digests(0) == (hashlib.sha256(content).hexdigest(), hashlib.md5(content).hexdigest())


def test_a_place_is_given_once(tmp_path: Path) -> None:
    with OutputFolder(tmp_path / "out") as folder:
        for number in range(2):
            folder.write(number, [(0, b"%d" % number)])
        assert folder.place(0, "a/b")
        assert not folder.place(1, "a/b")
        assert folder.place(1, "a/c")


@pytest.mark.parametrize("exists", [True, False])
def test_without_an_end_nothing_stays(exists: bool, tmp_path: Path) -> None:
    target = tmp_path / "out"
    if exists:
        target.mkdir()

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(target, "share/a", at_the_end=interrupt)
    assert target.exists() == exists
    assert not exists or list(target.iterdir()) == []


def test_a_list_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match=r"cannot be written \(No space left on device\)"):
        fill(tmp_path / "out", "share/a", at_the_end=fail)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten_or_mixed_with(tmp_path: Path) -> None:
    for name in ("file", ".hidden"):
        target = tmp_path / name
        target.mkdir()
        (target / name).write_text("mine")
        with pytest.raises(UsageError, match="is not empty: name a new folder"), OutputFolder(target):
            pass
        assert [path.read_text() for path in target.iterdir()] == ["mine"]


def test_a_link_in_the_folder_is_refused_and_one_that_comes_later_is_not_followed(tmp_path: Path) -> None:
    elsewhere, target = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    target.mkdir()
    (target / "share").symlink_to(elsewhere)
    with pytest.raises(UsageError, match="is not empty"), OutputFolder(target):
        pass
    (target / "share").unlink()
    with pytest.raises(UsageError, match="was made while"):
        fill(target, "share/a", at_the_end=lambda: (target / "share").symlink_to(elsewhere))
    assert list(elsewhere.iterdir()) == []
    assert [path.name for path in target.iterdir()] == ["share"]


@pytest.mark.parametrize("kind", ["file", "missing/out"])
def test_what_cannot_be_a_folder_is_the_callers_mistake(kind: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="cannot be written"), OutputFolder(tmp_path / kind):
        pass
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "missing").exists()


def test_a_full_disk_is_a_sentence_and_nothing_stays(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UsageError, match=r"out cannot be written \(File too large\)"):
            fill(tmp_path / "out", 2000 * "x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
