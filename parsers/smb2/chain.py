"""Lists whose entries begin with NextEntryOffset, the distance to the following entry, 0 in the last one.

Directory entries (MS-FSCC 2.4), change notifications (MS-FSCC 2.7.1) and network interfaces (MS-SMB2 2.2.32.5).
"""

from collections.abc import Iterator, Sequence

from parsers.errors import ParseError

__all__ = ["link_entries", "split_entries"]

_LINK_SIZE = 4


def split_entries(data: memoryview, what: str) -> Iterator[memoryview]:
    """The entries of `data`, each up to where the following one begins; none if `data` is empty.

    Every entry is longer than its link, so the walk goes forward and ends.

    Raises:
        ParseError: a link is cut short, points into itself or leaves the buffer.
    """
    start = 0
    while len(data) > 0:
        distance = int.from_bytes(data[start : start + _LINK_SIZE], "little")
        end = start + distance if distance else len(data)
        if end - start < _LINK_SIZE or end > len(data) or (distance and end == len(data)):
            raise ParseError(f"{what}: NextEntryOffset {distance} at {start} of {len(data)} bytes", start)
        yield data[start:end]
        if not distance:
            return
        start = end


def link_entries(entries: Sequence[bytes], alignment: int) -> bytes:
    """One buffer of `entries`, each with its first four bytes replaced by its link.

    Every entry begins at a multiple of `alignment` bytes; nothing follows the last one.
    """
    parts = [entry + bytes(-len(entry) % alignment) for entry in entries[:-1]]
    linked = [len(part).to_bytes(_LINK_SIZE, "little") + part[_LINK_SIZE:] for part in parts]
    return b"".join([*linked, *(bytes(_LINK_SIZE) + entry[_LINK_SIZE:] for entry in entries[-1:])])
