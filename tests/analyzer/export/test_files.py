"""An output file is there whole or not at all; an input can be read again or is refused."""

import io
import os
import threading
from pathlib import Path

import pytest

from analyzer.export.files import atomic_output, rereadable
from parsers.errors import UsageError


def test_the_file_takes_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with atomic_output(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_output(path) as file:
        file.write(b"new" * (1 // 0))
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)
    with atomic_output(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic_output(str(tmp_path / "out")):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with atomic_output(pipe) as file:
        file.write(b"new")
    reader.join()
    assert read == [b"new"]
    assert pipe.is_fifo()


@pytest.mark.parametrize("path", ["missing/out", ".", "file/out"])
def test_a_path_that_cannot_be_written_is_the_callers_mistake(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"), atomic_output(tmp_path / path):
        pytest.fail("nothing to write to")
    assert os.listdir(tmp_path) == ["file"]


def test_a_private_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    with atomic_output(path, private=True) as file:
        assert [entry.stat().st_mode & 0o777 for entry in tmp_path.iterdir()] == [0o600]
        file.write(b"secret")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_dash_is_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with atomic_output("-") as file:
        file.write(b"\x00\xff")
    assert capfdbinary.readouterr().out == b"\x00\xff"


def test_a_reader_that_has_gone_is_not_a_mistake(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with (
        os.fdopen(writing, "wb", buffering=0) as pipe,
        pytest.raises(BrokenPipeError),
        atomic_output(f"/dev/fd/{pipe.fileno()}") as file,
    ):
        file.write(b"x" * 100_000)


def test_files_and_folders_can_be_read_again(tmp_path: Path) -> None:
    assert rereadable("a.pcap") == ["a.pcap"]
    assert rereadable(tmp_path) == [tmp_path]
    assert rereadable(path for path in ("a", tmp_path)) == ["a", tmp_path]


@pytest.mark.parametrize("source", ["-", io.BytesIO(), ["a", "-"], [io.BytesIO()]])
def test_streams_cannot(source: object) -> None:
    with pytest.raises(UsageError, match="a stream cannot be read twice"):
        rereadable(source)
