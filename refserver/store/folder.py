"""A share that is a folder on disk, and never anything outside of it.

Every path is walked from the folder's own descriptor, one directory at a time, and no step follows a symbolic link:
links, devices and sockets do not exist here. So neither a hostile client nor somebody who moves directories about
meanwhile leads out. Names that SMB cannot express do not exist either.

What POSIX has no place for is kept in an extended attribute, in memory where the file system has none; named streams
are always in memory. A file with several hard links is at the place where it was last looked up.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_OBJECT_PATH_NOT_FOUND,
)
from parsers.smb2.create import FileAttributes
from refserver.errors import StatusError
from refserver.store.disk import errors, is_taken
from refserver.store.folder_node import FolderNode, Key
from refserver.store.names import check_name, check_stream_name, fold, is_same, is_valid_name, split_stream
from refserver.store.store import Attributes, Node, Volume
from refserver.store.tree import CLUSTER, StreamNode, StreamTable
from refserver.store.xattr import DosInformation

__all__ = ["FolderStore"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO that took the file's place must not block


class FolderStore:
    """The tree below `folder`.

    Args:
        folder: an existing directory; a symbolic link is followed here and nowhere else.
        label: name of the volume, the folder's by default.

    Raises:
        OSError: `folder` is no directory that can be read.
    """

    def __init__(self, folder: str | Path, *, label: str = "") -> None:
        path = Path(folder).resolve()
        self._root_fd = os.open(path, _DIRECTORY)
        self._label = label or path.name
        self._nodes: WeakValueDictionary[Key, FolderNode] = WeakValueDictionary()
        self._dos: dict[Key, DosInformation] = {}  # of files whose file system keeps no extended attributes
        self.streams: dict[Key, StreamTable] = {}
        self._streams_made = 0
        status = os.fstat(self._root_fd)
        self._device = status.st_dev
        self._created = min(status.st_mtime_ns, status.st_ctime_ns)
        self.root = FolderNode(self, (status.st_dev, status.st_ino), None, "", directory=True)

    def close(self) -> None:
        """Let go of the folder; the store is of no use afterwards."""
        os.close(self._root_fd)

    def file_id(self, key: Key) -> int:
        """The inode; files below a mount point inside of the folder are told apart by their device."""
        return (key[1] ^ (key[0] - self._device << 48)) & 0x7FFF_FFFF_FFFF_FFFF

    def remember(self, key: Key, information: DosInformation | None) -> None:
        """Keep what the disk could not, or forget it."""
        if information is None:
            self._dos.pop(key, None)
        else:
            self._dos[key] = information

    def remembered(self, key: Key) -> DosInformation | None:
        """What the disk could not keep."""
        return self._dos.get(key)

    @contextmanager
    def opened(self, node: FolderNode, flags: int = os.O_RDONLY) -> Iterator[int]:
        """A descriptor of `node` for a moment; what the operating system refuses is a StatusError."""
        with errors():
            if node.is_directory:
                with self._walked(node.path) as fd:
                    yield fd
                return
            with self._walked(node.path[:-1]) as directory:
                fd = os.open(node.name, _FILE | flags, dir_fd=directory)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
                yield fd
            finally:
                os.close(fd)

    def entries(self, directory: FolderNode, fd: int) -> list[tuple[str, Node]]:
        """What the directory `fd` holds, unsorted."""
        found: list[tuple[str, Node]] = []
        with os.scandir(fd) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                if is_valid_name(entry.name) and _is_ours(status):
                    found.append((entry.name, self._node(directory, entry.name, status)))
        return found

    def find(self, path: tuple[str, ...]) -> Node:
        """The node at `path`; StatusError OBJECT_NAME_NOT_FOUND or OBJECT_PATH_NOT_FOUND."""
        if not path:
            return self.root
        file, stream = split_stream(path[-1])
        with errors(), self._parent(path[:-1]) as (parent, fd):
            node = self._entry(parent, fd, file) if file or not stream or len(path) > 1 else self.root
        if node is None:
            raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
        return self.streams.get(node.key, StreamTable()).find(stream) if stream else node

    def create(self, path: tuple[str, ...], *, directory: bool, attributes: int, now: int) -> Node:
        """A new node; StatusError OBJECT_NAME_COLLISION where it exists."""
        if not path:
            raise StatusError(STATUS_OBJECT_NAME_COLLISION)
        file, stream = split_stream(path[-1])
        if stream:
            check_stream_name(stream)  # before its file is made
        with errors(), self._parent(path[:-1]) as (parent, fd):
            node = self._entry(parent, fd, file) if file or not stream or len(path) > 1 else self.root
            if node is not None and not stream:
                raise StatusError(STATUS_OBJECT_NAME_COLLISION)
            if node is None:
                _make(fd, file, directory=directory and not stream)
                status = os.stat(file, dir_fd=fd, follow_symlinks=False)
                self._forget((status.st_dev, status.st_ino))
                node = self._node(parent, file, status)
                node.set_attributes(Attributes(now, now, now, now, attributes & ~FileAttributes.SPARSE_FILE))
        if not stream:
            return node
        self._streams_made += 1
        return self._stream_table(node).create(node, stream, self._streams_made)

    def remove(self, node: Node) -> None:
        """Take it away; StatusError DIRECTORY_NOT_EMPTY, or ACCESS_DENIED for the folder itself."""
        if isinstance(node, StreamNode):
            table = self._stream_table(_own(node.file))
            table.remove(node)
            if not table.sizes():
                del self.streams[_own(node.file).key]
            return
        own = _own(node)
        if own.parent is None:
            raise StatusError(STATUS_ACCESS_DENIED)
        with errors(), self._walked(own.parent.path) as fd:
            links = os.stat(own.name, dir_fd=fd, follow_symlinks=False).st_nlink
            if own.is_directory:
                os.rmdir(own.name, dir_fd=fd)
            else:
                os.unlink(own.name, dir_fd=fd)
        if own.is_directory or links == 1:
            self._forget(own.key)

    def rename(self, node: Node, path: tuple[str, ...], *, replace: bool) -> None:
        """Move it within the store; StatusError OBJECT_NAME_COLLISION."""
        if isinstance(node, StreamNode):
            new_name = split_stream(path[-1])[1]
            self._stream_table(_own(node.file)).rename(node, new_name, replace_existing=replace)
            return
        own = _own(node)
        if own.parent is None or not path:
            raise StatusError(STATUS_ACCESS_DENIED)
        with errors(), self._walked(own.parent.path) as source, self._parent(path[:-1]) as (target, fd):
            replaced = self._make_room(own, target, fd, path[-1], replace=replace)
            os.rename(own.name, path[-1], src_dir_fd=source, dst_dir_fd=fd)
        own.parent, own.name = target, path[-1]
        if replaced:
            self._forget(replaced.key)

    def link(self, node: Node, path: tuple[str, ...], *, replace: bool) -> None:
        """Give the file a second name; StatusError OBJECT_NAME_COLLISION."""
        own = _own(node)
        if own.is_directory:
            raise StatusError(STATUS_FILE_IS_A_DIRECTORY)
        assert own.parent is not None  # only the folder itself has none
        with errors(), self._walked(own.parent.path) as source, self._parent(path[:-1]) as (target, fd):
            replaced = self._make_room(own, target, fd, path[-1], replace=replace)
            if replaced and replaced.name == path[-1]:
                os.unlink(path[-1], dir_fd=fd)
            os.link(own.name, path[-1], src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)

    def volume(self) -> Volume:
        """What the file system says that the folder is on."""
        with errors():
            status = os.fstatvfs(self._root_fd)
        total, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
        serial = (self._device ^ self.root.key[1]) & 0xFFFF_FFFF
        return Volume(self._label, serial, self._created, total // CLUSTER, free // CLUSTER)

    @contextmanager
    def _walked(self, path: tuple[str, ...]) -> Iterator[int]:
        """A descriptor of the directory at `path`, of names as they are on disk."""
        fd = os.dup(self._root_fd)
        try:
            for name in path:
                below = os.open(name, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _parent(self, path: tuple[str, ...]) -> Iterator[tuple[FolderNode, int]]:
        """Node and descriptor of the directory at `path`, of names as a client spells them."""
        node, fd = self.root, os.dup(self._root_fd)
        try:
            for name in path:
                found = self._entry(node, fd, name)
                if found is None or not found.is_directory:
                    raise StatusError(STATUS_OBJECT_PATH_NOT_FOUND)
                below = os.open(found.name, _DIRECTORY, dir_fd=fd)
                os.close(fd)
                node, fd = found, below
            yield node, fd
        finally:
            os.close(fd)

    def _entry(self, directory: FolderNode, fd: int, name: str) -> FolderNode | None:
        """What `directory` has under `name` or under one that differs in case."""
        check_name(name)
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            wanted = fold(name)
            on_disk = min((entry for entry in os.listdir(fd) if is_same(wanted, entry)), default=None)
            if on_disk is None:
                return None
            name, status = on_disk, os.stat(on_disk, dir_fd=fd, follow_symlinks=False)
        if not _is_ours(status):
            return None
        node = self._node(directory, name, status)
        node.parent, node.name = directory, name
        return node

    def _node(self, directory: FolderNode, name: str, status: os.stat_result) -> FolderNode:
        key = status.st_dev, status.st_ino
        node = self._nodes.get(key)
        if node is None or node.is_directory != stat.S_ISDIR(status.st_mode):
            node = FolderNode(self, key, directory, name, directory=stat.S_ISDIR(status.st_mode))
            self._nodes[key] = node
        elif (node.parent, node.name) != (directory, name) and not self._is_at_its_place(node):
            node.parent, node.name = directory, name  # the name that it had is gone
        return node

    def _is_at_its_place(self, node: FolderNode) -> bool:
        if node.parent is None:
            return True
        try:
            with self._walked(node.parent.path) as fd:
                status = os.stat(node.name, dir_fd=fd, follow_symlinks=False)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == node.key

    def _make_room(
        self, node: FolderNode, target: FolderNode, fd: int, name: str, *, replace: bool
    ) -> FolderNode | None:
        """What `node` may take the place of under `name`; None where there is nothing."""
        existing = self._entry(target, fd, name)
        if existing is node or (existing is None and not is_taken(fd, name)):
            return None
        if existing is None or not replace:
            raise StatusError(STATUS_OBJECT_NAME_COLLISION)
        if existing.is_directory:
            raise StatusError(STATUS_ACCESS_DENIED)
        if existing.name != name:
            os.unlink(existing.name, dir_fd=fd)
        return existing

    def _forget(self, key: Key) -> None:
        self._nodes.pop(key, None)
        self._dos.pop(key, None)
        self.streams.pop(key, None)

    def _stream_table(self, node: FolderNode) -> StreamTable:
        return self.streams.setdefault(node.key, StreamTable())


def _own(node: Node) -> FolderNode:
    assert isinstance(node, FolderNode)  # nodes go back to the store that they came from
    return node


def _is_ours(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _make(fd: int, name: str, *, directory: bool) -> None:
    check_name(name)
    if directory:
        os.mkdir(name, 0o777, dir_fd=fd)
    else:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, 0o666, dir_fd=fd))
