import os
from pathlib import Path

import pytest

from parsers.ntstatus import STATUS_ACCESS_DENIED
from refserver.errors import StatusError
from refserver.store.folder import FolderStore


def test_what_the_disk_cannot_keep_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "setxattr", refuse)
    store = FolderStore(tmp_path)
    store.create(("f",), directory=False, attributes=0x2, now=12345)
    attributes = store.find(("f",)).attributes()
    assert attributes.attributes == 0x2
    assert attributes.creation_time == 12345
    store.remove(store.find(("f",)))
    (tmp_path / "f").write_bytes(b"")
    assert store.find(("f",)).attributes().attributes == 0x20


def test_a_folder_holds_no_descriptors_of_its_files(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    nodes = [store.create((f"f{i}",), directory=False, attributes=0, now=0) for i in range(50)]
    for node in nodes:
        node.write(0, b"x")
    assert len(os.listdir("/proc/self/fd")) == before
    store.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_what_the_system_forbids_is_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "not allowed")

    node = FolderStore(tmp_path).create(("f",), directory=False, attributes=0, now=0)
    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(StatusError) as refused:
        node.write(0, b"x")
    assert refused.value.status == STATUS_ACCESS_DENIED


def test_a_write_that_the_system_cuts_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: whole(fd, data[:3], offset))
    node = FolderStore(tmp_path).create(("f",), directory=False, attributes=0, now=0)
    node.write(1, b"0123456789")
    assert (tmp_path / "f").read_bytes() == b"\0" + b"0123456789"
