"""What a share is made of: nodes that are files or directories, in memory or in a folder on disk.

A path is a tuple of names, () is the root. Names compare without case, as clients expect, and keep the case they were
created with. A store never follows a path out of itself. Failures are `refserver.errors.StatusError` with the
NTSTATUS that MS-FSA names. Times are FILETIME-precise nanoseconds since 1970.
"""

from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Attributes", "Node", "Store", "Volume"]


@dataclass(slots=True)
class Attributes:
    """MS-FSCC 2.4.7 and 2.4.41: what QUERY_INFO tells of a node; `attributes` are FILE_ATTRIBUTE_ bits."""

    creation_time: int
    last_access_time: int
    last_write_time: int
    change_time: int
    attributes: int
    end_of_file: int = 0
    allocation_size: int = 0
    number_of_links: int = 1
    ea: dict[bytes, bytes] = field(default_factory=dict)
    security: bytes = b""  # the self-relative security descriptor that was set; empty where none was


class Node(Protocol):
    """One file, directory or named stream. The same file gives the same node as long as somebody has it open."""

    file_id: int  # 64 bits, stable for the life of the store
    is_directory: bool
    stream_of: "Node | None"  # the file of a named stream

    @property
    def path(self) -> tuple[str, ...]:
        """Where it is now; the last name of a named stream is `file:stream`."""
        ...

    def attributes(self) -> Attributes:
        """A copy of what is known of it."""
        ...

    def set_attributes(self, attributes: Attributes) -> None:
        """Set times, attribute bits and extended attributes; sizes are left alone."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes; fewer at the end of the file."""
        ...

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write, extending the file as needed."""
        ...

    def truncate(self, size: int) -> None:
        """Set the end of the file."""
        ...

    def punch(self, offset: int, length: int) -> None:
        """Zeros in a range of the file, which stops taking space where the store can do that."""
        ...

    def allocated(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Start and length of the parts of a range that are no holes, in order, cut to the file."""
        ...

    def flush(self) -> None:
        """Make it durable."""
        ...

    def children(self) -> "list[tuple[str, Node]]":
        """Names and nodes of a directory, sorted, without `.` and `..`."""
        ...

    def streams(self) -> list[tuple[str, int]]:
        """Name and size of each named stream; the unnamed one is not among them."""
        ...


@dataclass(frozen=True, slots=True)
class Volume:
    """MS-FSCC 2.5."""

    label: str
    serial: int
    creation_time: int
    total_units: int
    free_units: int
    sectors_per_unit: int = 8
    bytes_per_sector: int = 512


class Store(Protocol):
    """A tree of nodes."""

    def find(self, path: tuple[str, ...]) -> Node:
        """The node at `path`; StatusError OBJECT_NAME_NOT_FOUND, or OBJECT_PATH_NOT_FOUND where a parent is missing."""
        ...

    def create(self, path: tuple[str, ...], *, directory: bool, attributes: int, now: int) -> Node:
        """A new node; StatusError OBJECT_NAME_COLLISION where it exists. It never begins as a sparse file.

        For the path of a named stream that is the stream; its file is created with it where it does not exist.
        """
        ...

    def remove(self, node: Node) -> None:
        """Take it away; StatusError DIRECTORY_NOT_EMPTY."""
        ...

    def rename(self, node: Node, path: tuple[str, ...], *, replace: bool) -> None:
        """Move it within the store; StatusError OBJECT_NAME_COLLISION.

        A named stream moves within its file: `path` ends in `file:stream`.
        """
        ...

    def link(self, node: Node, path: tuple[str, ...], *, replace: bool) -> None:
        """Give the file a second name; StatusError OBJECT_NAME_COLLISION."""
        ...

    def volume(self) -> Volume:
        """What QUERY_INFO tells of the file system."""
        ...
