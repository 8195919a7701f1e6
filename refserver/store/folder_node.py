"""A file or directory of a folder on disk. What it asks of the disk, it asks through the store that it belongs to."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from parsers.ntstatus import STATUS_FILE_IS_A_DIRECTORY, STATUS_NOT_A_DIRECTORY
from parsers.smb2.create import FileAttributes
from refserver.errors import StatusError
from refserver.store.disk import data_ranges, write_all, write_zeros
from refserver.store.names import fold
from refserver.store.store import Attributes, Node
from refserver.store.tree import CLUSTER, Place, attribute_bits
from refserver.store.xattr import DosInformation, read_dos_information, write_dos_information

if TYPE_CHECKING:
    from refserver.store.folder import FolderStore

__all__ = ["FolderNode", "Key"]

Key: TypeAlias = tuple[int, int]
"""Device and inode."""


class FolderNode(Place):
    """A file or directory on disk; it holds no descriptor."""

    __slots__ = ("dos", "key", "store")

    parent: "FolderNode | None"

    def __init__(
        self, store: "FolderStore", key: Key, parent: "FolderNode | None", name: str, *, directory: bool
    ) -> None:
        super().__init__(store.file_id(key), parent, name, is_directory=directory)
        self.store = store
        self.key = key
        self.dos: DosInformation | None = None  # None is not read yet, or not there

    def attributes(self) -> Attributes:
        """What the disk and the extended attribute say."""
        with self.store.opened(self) as fd:
            status = os.fstat(fd)
            dos = self._dos_information(fd, status)
        size = 0 if self.is_directory else status.st_size
        allocated = -(-size // CLUSTER) * CLUSTER
        if dos.attributes & FileAttributes.SPARSE_FILE:
            allocated = min(allocated, status.st_blocks * 512)
        return Attributes(
            dos.creation_time,
            status.st_atime_ns,
            status.st_mtime_ns,
            dos.change_time,
            attribute_bits(dos.attributes, directory=self.is_directory),
            size,
            allocated,
            1 if self.is_directory else status.st_nlink,
            dict(dos.ea),
            dos.security,
        )

    def set_attributes(self, attributes: Attributes) -> None:
        """Set times, attribute bits and extended attributes."""
        bits = attribute_bits(attributes.attributes, directory=self.is_directory)
        new = DosInformation(
            bits, attributes.creation_time, attributes.change_time, dict(attributes.ea), attributes.security
        )
        with self.store.opened(self) as fd:
            os.utime(fd, ns=(attributes.last_access_time, attributes.last_write_time))
            if new != self.dos:
                self.dos = new
                kept = write_dos_information(fd, new)
                self.store.remember(self.key, None if kept else new)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer at the end of the file."""
        with self._file(os.O_RDONLY) as fd:
            length = max(min(length, os.fstat(fd).st_size - offset), 0)
            data = os.pread(fd, length, offset)
            while len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
                data += more
            return data

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write, extending the file as needed."""
        with self._file(os.O_WRONLY) as fd:
            write_all(fd, offset, data)

    def truncate(self, size: int) -> None:
        """Set the end of the file."""
        with self._file(os.O_WRONLY) as fd:
            os.ftruncate(fd, size)

    def punch(self, offset: int, length: int) -> None:
        """Zeros in a range; what reaches to the end of the file is given back."""
        with self._file(os.O_RDWR) as fd:
            size = os.fstat(fd).st_size
            if offset < size <= offset + length:
                os.ftruncate(fd, offset)
                os.ftruncate(fd, size)
                return
            for start, count in data_ranges(fd, offset, min(offset + length, size)):
                write_zeros(fd, start, count)

    def allocated(self, offset: int, length: int) -> list[tuple[int, int]]:
        """The ranges that are no holes."""
        with self._file(os.O_RDONLY) as fd:
            return data_ranges(fd, offset, min(offset + length, os.fstat(fd).st_size))

    def flush(self) -> None:
        """Wait for the disk."""
        with self.store.opened(self) as fd:
            os.fsync(fd)

    def children(self) -> list[tuple[str, Node]]:
        """Names and nodes of a directory, sorted."""
        if not self.is_directory:
            raise StatusError(STATUS_NOT_A_DIRECTORY)
        with self.store.opened(self) as fd:
            found = self.store.entries(self, fd)
        return sorted(found, key=lambda entry: fold(entry[0]))

    def streams(self) -> list[tuple[str, int]]:
        """Name and size of each named stream."""
        table = self.store.streams.get(self.key)
        return table.sizes() if table else []

    @contextmanager
    def _file(self, flags: int) -> Iterator[int]:
        if self.is_directory:
            raise StatusError(STATUS_FILE_IS_A_DIRECTORY)
        with self.store.opened(self, flags) as fd:
            yield fd

    def _dos_information(self, fd: int, status: os.stat_result) -> DosInformation:
        if self.dos is None:
            self.dos = self.store.remembered(self.key) or read_dos_information(fd)
        return self.dos or _from_posix(self, status)


def _from_posix(node: FolderNode, status: os.stat_result) -> DosInformation:
    """For a file that SMB never touched: the archive bit as on any new file, created when it was first seen."""
    bits = FileAttributes.DIRECTORY if node.is_directory else FileAttributes.ARCHIVE
    return DosInformation(bits, min(status.st_mtime_ns, status.st_ctime_ns), status.st_ctime_ns)
