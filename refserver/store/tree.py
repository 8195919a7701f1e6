"""What the nodes of all stores have in common: a place in the tree, and named streams."""

from dataclasses import replace
from typing import TYPE_CHECKING

from parsers.ntstatus import (
    STATUS_DISK_FULL,
    STATUS_NOT_A_DIRECTORY,
    STATUS_OBJECT_NAME_COLLISION,
    STATUS_OBJECT_NAME_NOT_FOUND,
)
from parsers.smb2.create import FileAttributes
from refserver.errors import StatusError
from refserver.store.content import Content
from refserver.store.names import check_stream_name, fold
from refserver.store.store import Attributes

if TYPE_CHECKING:
    from refserver.store.store import Node

__all__ = ["CLUSTER", "SETTABLE", "Place", "StreamNode", "StreamTable", "attribute_bits"]

CLUSTER = 4096  # what files are allocated in, as `Volume` tells
_LARGEST_STREAM = 1 << 26  # bytes; streams live in memory in every store
_STREAM_ID = 1 << 63  # keeps the identifiers of streams apart from those of files

SETTABLE = (
    FileAttributes.READONLY
    | FileAttributes.HIDDEN
    | FileAttributes.SYSTEM
    | FileAttributes.ARCHIVE
    | FileAttributes.TEMPORARY
    | FileAttributes.SPARSE_FILE
    | FileAttributes.OFFLINE
    | FileAttributes.NOT_CONTENT_INDEXED
)


def attribute_bits(attributes: int, *, directory: bool) -> int:
    """The bits of MS-FSCC 2.6 that a store keeps of `attributes`; NORMAL stands alone or not at all."""
    kept = attributes & SETTABLE
    if directory:
        return kept & ~FileAttributes.TEMPORARY | FileAttributes.DIRECTORY
    return int(kept or FileAttributes.NORMAL)


class Place:
    """Where a node is: a name in a parent; the root has neither. Moving a directory moves all that is below it."""

    __slots__ = ("__weakref__", "file_id", "is_directory", "name", "parent")

    stream_of: "Node | None" = None

    def __init__(self, file_id: int, parent: "Place | None", name: str, *, is_directory: bool) -> None:
        self.file_id = file_id
        self.parent = parent
        self.name = name
        self.is_directory = is_directory

    @property
    def path(self) -> tuple[str, ...]:
        """The names from the root."""
        names = []
        place: Place | None = self
        while place is not None and place.parent is not None:
            names.append(place.name)
            place = place.parent
        return tuple(reversed(names))


class StreamNode:
    """A named stream: bytes of its own, all else is its file's."""

    __slots__ = ("__weakref__", "content", "file_id", "name", "stream_of")

    is_directory = False

    def __init__(self, file_id: int, stream_of: "Node", name: str) -> None:
        self.file_id = file_id
        self.stream_of: Node | None = stream_of
        self.name = name
        self.content = Content()

    @property
    def file(self) -> "Node":
        """The file or directory whose stream it is."""
        assert self.stream_of is not None  # optional only because the protocol's is
        return self.stream_of

    @property
    def path(self) -> tuple[str, ...]:
        """The path of its file, `:` and its own name behind the last one."""
        path = self.file.path
        return (*path[:-1], f"{path[-1] if path else ''}:{self.name}")

    def attributes(self) -> Attributes:
        """Those of its file, with its own size; a stream of a directory is no directory."""
        of_file = self.file.attributes()
        bits = attribute_bits(of_file.attributes, directory=False)
        used = -(-self.content.size // CLUSTER) * CLUSTER
        return replace(of_file, attributes=bits, end_of_file=self.content.size, allocation_size=used)

    def set_attributes(self, attributes: Attributes) -> None:
        """Set those of its file."""
        self.file.set_attributes(attributes)

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer at the end of the stream."""
        return self.content.read(offset, length)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write, extending the stream as needed; StatusError DISK_FULL where it would take too much memory."""
        if self.content.used + self.content.growth(offset, len(data)) > _LARGEST_STREAM:
            raise StatusError(STATUS_DISK_FULL)
        self.content.write(offset, data)

    def truncate(self, size: int) -> None:
        """Set the end of the stream."""
        self.content.truncate(size)

    def punch(self, offset: int, length: int) -> None:
        """Zeros in a range, without room on disk where that can be."""
        self.content.punch(offset, length)

    def allocated(self, offset: int, length: int) -> list[tuple[int, int]]:
        """The ranges that are no holes."""
        return self.content.allocated(offset, length)

    def flush(self) -> None:
        """Streams live in memory."""

    def children(self) -> "list[tuple[str, Node]]":
        """A stream is no directory."""
        raise StatusError(STATUS_NOT_A_DIRECTORY)

    def streams(self) -> list[tuple[str, int]]:
        """Those of its file."""
        return self.file.streams()


class StreamTable:
    """The named streams of one file."""

    __slots__ = ("_nodes",)

    def __init__(self) -> None:
        self._nodes: dict[str, StreamNode] = {}

    def find(self, name: str) -> StreamNode:
        """The stream; StatusError OBJECT_NAME_NOT_FOUND."""
        node = self._nodes.get(fold(name))
        if node is None:
            check_stream_name(name)
            raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)
        return node

    def create(self, file: "Node", name: str, number: int) -> StreamNode:
        """A new stream; StatusError OBJECT_NAME_COLLISION. `number` tells it apart from all others of the store."""
        check_stream_name(name)
        if fold(name) in self._nodes:
            raise StatusError(STATUS_OBJECT_NAME_COLLISION)
        node = self._nodes[fold(name)] = StreamNode(_STREAM_ID | number, file, name)
        return node

    def remove(self, node: StreamNode) -> None:
        """Take it away."""
        if self._nodes.pop(fold(node.name), None) is not node:
            raise StatusError(STATUS_OBJECT_NAME_NOT_FOUND)

    def rename(self, node: StreamNode, name: str, *, replace_existing: bool) -> None:
        """Give it another name in its file; StatusError OBJECT_NAME_COLLISION."""
        check_stream_name(name)
        existing = self._nodes.get(fold(name))
        if existing not in {None, node} and not replace_existing:
            raise StatusError(STATUS_OBJECT_NAME_COLLISION)
        self.remove(node)
        node.name = name
        self._nodes[fold(name)] = node

    def sizes(self) -> list[tuple[str, int]]:
        """Name and size of each, sorted."""
        return [(node.name, node.content.size) for _, node in sorted(self._nodes.items())]
