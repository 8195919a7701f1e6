import errno
import os
from pathlib import Path

import pytest

from parsers.ntstatus import STATUS_DISK_FULL, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_INVALID, STATUS_UNSUCCESSFUL
from refserver.errors import StatusError
from refserver.store.disk import data_ranges, errors, is_taken, write_all, write_zeros


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OSError(errno.ENOSPC, ""), STATUS_DISK_FULL),
        (OSError(errno.EIO, ""), STATUS_UNSUCCESSFUL),
        (OverflowError(), STATUS_INVALID_PARAMETER),
        (UnicodeEncodeError("utf-8", "x", 0, 1, ""), STATUS_OBJECT_NAME_INVALID),
    ],
)
def test_refusals_have_a_status(error: Exception, status: int) -> None:
    with pytest.raises(StatusError) as refused, errors():
        raise error
    assert refused.value.status == status


def test_data_is_told_from_holes(tmp_path: Path) -> None:
    fd = os.open(tmp_path / "f", os.O_RDWR | os.O_CREAT)
    try:
        write_all(fd, 1 << 20, b"x" * 4096)
        os.ftruncate(fd, 4 << 20)
        if data_ranges(fd, 0, 4 << 20) == [(0, 4 << 20)]:
            pytest.skip("this file system has no holes")
        assert data_ranges(fd, 0, 4 << 20) == [(1 << 20, 4096)]
        write_zeros(fd, 1 << 20, 4096)
        assert os.pread(fd, 4096, 1 << 20) == bytes(4096)
    finally:
        os.close(fd)


def test_a_dangling_link_takes_a_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        assert is_taken(fd, "link")
        assert not is_taken(fd, "other")
    finally:
        os.close(fd)
