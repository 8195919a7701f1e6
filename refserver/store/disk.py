"""What a folder asks of the operating system, and what its refusals mean to a client."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DIRECTORY_NOT_EMPTY,
    STATUS_DISK_FULL,
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_A_DIRECTORY,
    STATUS_NOT_SUPPORTED,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_TOO_MANY_OPENED_FILES,
    STATUS_UNSUCCESSFUL,
)
from refserver.errors import StatusError

__all__ = ["data_ranges", "errors", "is_taken", "write_all", "write_zeros"]

_ZEROS = memoryview(bytes(1 << 20))
_CODES = {
    errno.ENOENT: STATUS_OBJECT_NAME_NOT_FOUND,
    errno.ELOOP: STATUS_OBJECT_NAME_NOT_FOUND,  # a symbolic link, which does not exist here
    errno.ENXIO: STATUS_OBJECT_NAME_NOT_FOUND,  # a FIFO or a socket
    errno.EACCES: STATUS_ACCESS_DENIED,
    errno.EPERM: STATUS_ACCESS_DENIED,
    errno.EROFS: STATUS_ACCESS_DENIED,
    errno.EEXIST: STATUS_OBJECT_NAME_COLLISION,
    errno.ENOTEMPTY: STATUS_DIRECTORY_NOT_EMPTY,
    errno.ENOTDIR: STATUS_NOT_A_DIRECTORY,
    errno.EISDIR: STATUS_FILE_IS_A_DIRECTORY,
    errno.ENOSPC: STATUS_DISK_FULL,
    errno.EDQUOT: STATUS_DISK_FULL,
    errno.EFBIG: STATUS_DISK_FULL,
    errno.EINVAL: STATUS_INVALID_PARAMETER,
    errno.ENAMETOOLONG: STATUS_OBJECT_NAME_INVALID,
    errno.EMFILE: STATUS_TOO_MANY_OPENED_FILES,
    errno.ENFILE: STATUS_TOO_MANY_OPENED_FILES,
    errno.EXDEV: STATUS_NOT_SUPPORTED,
}


@contextmanager
def errors() -> Iterator[None]:
    """What the operating system refuses becomes a StatusError."""
    try:
        yield
    except (UnicodeEncodeError, OverflowError) as error:
        name = isinstance(error, UnicodeEncodeError)
        raise StatusError(STATUS_OBJECT_NAME_INVALID if name else STATUS_INVALID_PARAMETER) from error
    except OSError as error:
        raise StatusError(_CODES.get(error.errno or 0, STATUS_UNSUCCESSFUL)) from error


def is_taken(directory: int, name: str) -> bool:
    """Whether the directory has anything called `name`, what a share does not show included."""
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def write_all(fd: int, offset: int, data: bytes | memoryview) -> None:
    """Write all of `data`, however many calls it takes."""
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written


def write_zeros(fd: int, offset: int, length: int) -> None:
    """Write `length` zeros."""
    for place in range(offset, offset + length, len(_ZEROS)):
        write_all(fd, place, _ZEROS[: offset + length - place])


def data_ranges(fd: int, offset: int, end: int) -> list[tuple[int, int]]:
    """Start and length of what is no hole between `offset` and `end`."""
    ranges = []
    while offset < end:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                break
            raise
        offset = min(os.lseek(fd, start, os.SEEK_HOLE), end)
        if start < offset:
            ranges.append((start, offset - start))
    return ranges
