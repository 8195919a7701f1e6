"""An output folder that is filled at once: until everything is there, its files lie in a private folder inside of it.

The folder must be new or empty, so that nothing is overwritten, and no link that somebody has put there is followed.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from parsers.errors import UsageError

__all__ = ["Digests", "OutputFolder"]

_PIECE = 1 << 20


class Digests(NamedTuple):
    """Of a file's content, in hexadecimal."""

    sha256: str
    md5: str


class OutputFolder:
    """A context manager; when its block ends without `finish`, the folder is as it was before.

    Files have numbers until `place` gives them their paths.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._folder = Path(path)
        self._is_new = False
        self._private: Path | None = None
        self._begun: set[int] = set()

    def __enter__(self) -> Self:
        """Make the folder.

        Raises:
            UsageError: it cannot be made, or is not empty.
        """
        with self._writing():
            if not self._folder.is_dir():
                self._folder.mkdir()
                self._is_new = True
            elif any(self._folder.iterdir()):
                raise UsageError(f"{self._folder} is not empty: name a new folder, so that nothing is overwritten")
            self._private = Path(tempfile.mkdtemp(prefix=".sessionscope-", dir=self._folder))
            self._inside("tree").mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)
        if self._is_new and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def write(self, number: int, pieces: Iterable[tuple[int, memoryview | bytes]]) -> None:
        """Write bytes at offsets of a file; what lies between stays a hole.

        Raises:
            UsageError: the disk does not take it.
        """
        mode = "r+b" if number in self._begun else "xb"
        self._begun.add(number)
        with self._writing(), self._inside(str(number)).open(mode) as file:
            for offset, data in pieces:
                file.seek(offset)
                file.write(data)

    def digests(self, number: int) -> Digests:
        """What the content of a file is known by."""
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        with self._writing(), self._inside(str(number)).open("rb") as file:
            while piece := file.read(_PIECE):
                sha256.update(piece)
                md5.update(piece)
        return Digests(sha256.hexdigest(), md5.hexdigest())

    def place(self, number: int, path: str) -> bool:
        """Give a file its path in the folder; False if there is one already, by the rules of this system.

        Args:
            number: of the file.
            path: relative, with `/` between its parts, none of which leads upwards.
        """
        target = self._inside("tree") / path
        with self._writing():
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(target):
                return False
            self._inside(str(number)).rename(target)
        return True

    @contextmanager
    def finish(self, name: str) -> Iterator[BinaryIO]:
        """Write the last file, at the top, and put everything where it belongs.

        Raises:
            UsageError: it cannot be written, or somebody else has written into the folder.
        """
        with self._writing():
            last = self._inside("last")
            with last.open("xb") as file:
                yield file
            for entry in (*self._inside("tree").iterdir(), last):
                target = self._folder / (name if entry is last else entry.name)
                if os.path.lexists(target):
                    raise UsageError(f"{target} was made while the captures were read: name another folder")
                entry.rename(target)

    def _inside(self, name: str) -> Path:
        assert self._private is not None  # the block of the `with` has begun
        return self._private / name

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"{self._folder} cannot be written ({reason}): check the folder and its space") from error
