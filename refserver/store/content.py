"""The bytes of a file in memory: a page takes space only after it has been written to."""

from collections.abc import Iterator

__all__ = ["PAGE", "Content"]

PAGE = 1 << 16  # what NTFS allocates of a sparse file at once


class Content:
    """A sparse array of bytes. `size` is the end of the file, `used` what its pages take."""

    __slots__ = ("_pages", "size")

    def __init__(self) -> None:
        self.size = 0
        self._pages: dict[int, bytearray] = {}

    @property
    def used(self) -> int:
        """Bytes that are allocated."""
        return PAGE * len(self._pages)

    def growth(self, offset: int, length: int) -> int:
        """How many bytes a write there would allocate."""
        return PAGE * sum(page not in self._pages for page, _, _ in _pieces(offset, length))

    def read(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; holes are zeros."""
        length = max(min(length, self.size - offset), 0)
        parts = []
        for page, start, count in _pieces(offset, length):
            part = bytes(self._pages[page][start : start + count]) if page in self._pages else b""
            parts.append(part.ljust(count, b"\0"))
        return b"".join(parts)

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Write, extending the file as needed."""
        done = 0
        for page, start, count in _pieces(offset, len(data)):
            place = self._pages.setdefault(page, bytearray())
            place.extend(bytes(max(start - len(place), 0)))
            place[start : start + count] = data[done : done + count]
            done += count
        self.size = max(self.size, offset + len(data))

    def truncate(self, size: int) -> None:
        """Set the end of the file; what it grows by is a hole."""
        if size < self.size:
            for page in [page for page in self._pages if page * PAGE >= size]:
                del self._pages[page]
            if size // PAGE in self._pages:
                del self._pages[size // PAGE][size % PAGE :]
        self.size = size

    def punch(self, offset: int, length: int) -> None:
        """Zeros in a range; pages of which nothing is left are given back."""
        end = min(offset + length, self.size)
        for page in [page for page in self._pages if page * PAGE < end and (page + 1) * PAGE > offset]:
            start, stop = max(offset - page * PAGE, 0), min(end - page * PAGE, PAGE)
            stop = min(stop, len(self._pages[page]))
            if start == 0 and stop == len(self._pages[page]):
                del self._pages[page]
            else:
                self._pages[page][start:stop] = bytes(max(stop - start, 0))

    def allocated(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Start and length of the ranges within `offset`, `length` that are no holes, in order, cut to the file."""
        end = min(offset + length, self.size)
        ranges: list[tuple[int, int]] = []
        for page in sorted(self._pages):
            start, stop = max(page * PAGE, offset), min((page + 1) * PAGE, end)
            if start >= stop:
                continue
            if ranges and sum(ranges[-1]) == start:
                ranges[-1] = (ranges[-1][0], stop - ranges[-1][0])
            else:
                ranges.append((start, stop - start))
        return ranges


def _pieces(offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Page number, start in the page and length of each page that a range touches."""
    end = offset + length
    while offset < end:
        start = offset % PAGE
        count = min(PAGE - start, end - offset)
        yield offset // PAGE, start, count
        offset += count
