"""A share in memory: what traces are generated with, since nothing in it depends on a disk or a clock."""

from dataclasses import replace as replaced

from parsers.ntstatus import (
    STATUS_ACCESS_DENIED,
    STATUS_DIRECTORY_NOT_EMPTY,
    STATUS_DISK_FULL,
    STATUS_FILE_IS_A_DIRECTORY,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_A_DIRECTORY,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND,
    STATUS_OBJECT_PATH_NOT_FOUND,
)
from parsers.smb2.create import FileAttributes
from refserver.errors import StatusError
from refserver.store.content import Content
from refserver.store.names import check_name, check_stream_name, fold, is_same, split_stream
from refserver.store.store import Attributes, Node, Volume
from refserver.store.tree import CLUSTER, Place, StreamNode, StreamTable, attribute_bits

__all__ = ["MemoryNode", "MemoryStore"]


class MemoryNode(Place):
    """A file or directory; `entries` are a directory's names and nodes by folded name."""

    __slots__ = ("content", "entries", "known", "store", "stream_table")

    parent: "MemoryNode | None"

    def __init__(
        self, store: "MemoryStore", parent: "MemoryNode | None", name: str, *, directory: bool, known: Attributes
    ) -> None:
        super().__init__(store.next_number(), parent, name, is_directory=directory)
        self.store = store
        self.known = known
        self.content = Content()
        self.entries: dict[str, tuple[str, MemoryNode]] = {}
        self.stream_table = StreamTable()

    def attributes(self) -> Attributes:
        """A copy of what is known of it."""
        size = self.content.size
        known = replaced(self.known, ea=dict(self.known.ea), end_of_file=size)
        known.allocation_size = -(-size // CLUSTER) * CLUSTER
        if known.attributes & FileAttributes.SPARSE_FILE:
            known.allocation_size = min(known.allocation_size, self.content.used)
        return known

    def set_attributes(self, attributes: Attributes) -> None:
        """Set times, attribute bits and extended attributes."""
        bits = attribute_bits(attributes.attributes, directory=self.is_directory)
        links = self.known.number_of_links
        self.known = replaced(attributes, attributes=bits, ea=dict(attributes.ea), number_of_links=links)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer at the end of the file."""
        return self._file().read(offset, length)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write; StatusError DISK_FULL where the store has no room."""
        content = self._file()
        self.store.take(content.growth(offset, len(data)))
        content.write(offset, data)

    def truncate(self, size: int) -> None:
        """Set the end of the file."""
        content = self._file()
        before = content.used
        content.truncate(size)
        self.store.take(content.used - before)

    def punch(self, offset: int, length: int) -> None:
        """Zeros in a range, whole pages of which are given back."""
        content = self._file()
        before = content.used
        content.punch(offset, length)
        self.store.take(content.used - before)

    def allocated(self, offset: int, length: int) -> list[tuple[int, int]]:
        """The ranges that are no holes."""
        return self._file().allocated(offset, length)

    def flush(self) -> None:
        """Memory is as durable as it gets."""

    def children(self) -> list[tuple[str, Node]]:
        """Names and nodes of a directory, sorted."""
        if not self.is_directory:
            raise StatusError(STATUS_NOT_A_DIRECTORY)
        return [(name, node) for _, (name, node) in sorted(self.entries.items())]

    def streams(self) -> list[tuple[str, int]]:
        """Name and size of each named stream."""
        return self.stream_table.sizes()

    def _file(self) -> Content:
        if self.is_directory:
            raise StatusError(STATUS_FILE_IS_A_DIRECTORY)
        return self.content


class MemoryStore:
    """A tree of `MemoryNode`s that never takes more than `capacity` bytes.

    Args:
        now: when it came to be, nanoseconds since 1970.
        label: name of the volume.
        serial: its serial number, 32 bits.
        capacity: bytes that its files may allocate together.
    """

    def __init__(
        self, *, now: int = 0, label: str = "memory", serial: int = 0x5E551055, capacity: int = 1 << 30
    ) -> None:
        self._numbers = 0
        self._used = 0
        self._capacity = capacity
        self._label, self._serial, self._created = label, serial, now
        known = _new_attributes(0, now, directory=True)
        self.root = MemoryNode(self, None, "", directory=True, known=known)

    def next_number(self) -> int:
        """Another number for each node."""
        self._numbers += 1
        return self._numbers

    def take(self, size: int) -> None:
        """Count `size` more bytes as used, or fewer; StatusError DISK_FULL."""
        if size > 0 and self._used + size > self._capacity:
            raise StatusError(STATUS_DISK_FULL)
        self._used += size

    def find(self, path: tuple[str, ...]) -> Node:
        """The node at `path`; StatusError OBJECT_NAME_NOT_FOUND or OBJECT_PATH_NOT_FOUND."""
        if not path:
            return self.root
        parent = self._directory(path[:-1])
        file, stream = split_stream(path[-1])
        node = self._entry(parent, file) if file or not stream or len(path) > 1 else self.root
        if node is None:
            raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
        return node.stream_table.find(stream) if stream else node

    def create(self, path: tuple[str, ...], *, directory: bool, attributes: int, now: int) -> Node:
        """A new node; StatusError OBJECT_NAME_COLLISION where it exists."""
        if not path:
            raise StatusError(STATUS_OBJECT_NAME_COLLISION)
        parent = self._directory(path[:-1])
        file, stream = split_stream(path[-1])
        node = self._entry(parent, file) if file or not stream or len(path) > 1 else self.root
        if stream:
            check_stream_name(stream)  # before its file is made
        else:
            if node is not None:
                raise StatusError(STATUS_OBJECT_NAME_COLLISION)
            return self._new(parent, file, directory=directory, attributes=attributes, now=now)
        if node is None:
            node = self._new(parent, file, directory=False, attributes=attributes, now=now)
        return node.stream_table.create(node, stream, self.next_number())

    def remove(self, node: Node) -> None:
        """Take it away; StatusError DIRECTORY_NOT_EMPTY, or ACCESS_DENIED for the root."""
        if isinstance(node, StreamNode):
            _own(node.file).stream_table.remove(node)
            return
        own = _own(node)
        if own.parent is None:
            raise StatusError(STATUS_ACCESS_DENIED)
        if own.entries:
            raise StatusError(STATUS_DIRECTORY_NOT_EMPTY)
        self._unlink(own)

    def rename(self, node: Node, path: tuple[str, ...], *, replace: bool) -> None:
        """Move it within the store; StatusError OBJECT_NAME_COLLISION."""
        if isinstance(node, StreamNode):
            _own(node.file).stream_table.rename(node, split_stream(path[-1])[1], replace_existing=replace)
            return
        own = _own(node)
        target = self._make_room(own, path, replace=replace)
        assert own.parent is not None  # or there was no room
        del own.parent.entries[fold(own.name)]
        own.parent, own.name = target, path[-1]
        target.entries[fold(path[-1])] = path[-1], own

    def link(self, node: Node, path: tuple[str, ...], *, replace: bool) -> None:
        """Give the file a second name; StatusError OBJECT_NAME_COLLISION."""
        own = _own(node)
        if own.is_directory:
            raise StatusError(STATUS_FILE_IS_A_DIRECTORY)
        target = self._make_room(own, path, replace=replace)
        target.entries[fold(path[-1])] = path[-1], own
        own.known.number_of_links += 1

    def volume(self) -> Volume:
        """How large it is and what is free."""
        free = max(self._capacity - self._used, 0)
        return Volume(self._label, self._serial, self._created, self._capacity // CLUSTER, free // CLUSTER)

    def _directory(self, path: tuple[str, ...]) -> MemoryNode:
        node = self.root
        for name in path:
            below = self._entry(node, name)
            if below is None or not below.is_directory:
                raise StatusError(STATUS_OBJECT_PATH_NOT_FOUND)
            node = below
        return node

    def _entry(self, directory: MemoryNode, name: str) -> MemoryNode | None:
        # The place of a file with several names is the one that it was last found at.
        wanted = fold(name)
        found = directory.entries.get(wanted)
        if found is None and "~" in wanted:
            found = next((entry for entry in directory.entries.values() if is_same(wanted, entry[0])), None)
        if found is None:
            check_name(name)
            return None
        node = found[1]
        node.parent, node.name = directory, found[0]
        return node

    def _new(self, parent: MemoryNode, name: str, *, directory: bool, attributes: int, now: int) -> MemoryNode:
        check_name(name)
        known = _new_attributes(attributes, now, directory=directory)
        node = MemoryNode(self, parent, name, directory=directory, known=known)
        parent.entries[fold(name)] = name, node
        parent.known.last_write_time = parent.known.change_time = now
        return node

    def _make_room(self, node: MemoryNode, path: tuple[str, ...], *, replace: bool) -> MemoryNode:
        """The directory that `node` can move into under the last name of `path`, which nothing else has then."""
        if node.parent is None or not path:
            raise StatusError(STATUS_ACCESS_DENIED)
        check_name(path[-1])
        target = self._directory(path[:-1])
        if node in _and_above(target):
            raise StatusError(STATUS_INVALID_PARAMETER)
        existing = target.entries.get(fold(path[-1]))
        if existing is not None and existing[1] is not node:
            if not replace:
                raise StatusError(STATUS_OBJECT_NAME_COLLISION)
            if existing[1].is_directory:
                raise StatusError(STATUS_ACCESS_DENIED)
            existing[1].parent, existing[1].name = target, existing[0]
            self._unlink(existing[1])
        return target

    def _unlink(self, node: MemoryNode) -> None:
        assert node.parent is not None  # the root is never unlinked
        if node.parent.entries.pop(fold(node.name), None) is None:
            raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
        node.known.number_of_links -= 1
        if node.known.number_of_links == 0:
            self._used -= node.content.used
            node.content.truncate(0)


def _own(node: Node) -> MemoryNode:
    assert isinstance(node, MemoryNode)  # nodes go back to the store that they came from
    return node


def _and_above(node: MemoryNode) -> list[MemoryNode]:
    above = [node]
    while (parent := above[-1].parent) is not None:
        above.append(parent)
    return above


def _new_attributes(attributes: int, now: int, *, directory: bool) -> Attributes:
    bits = attribute_bits(attributes & ~FileAttributes.SPARSE_FILE, directory=directory)
    return Attributes(now, now, now, now, bits)
