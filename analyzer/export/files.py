"""Files of an export: inputs that can be read again, and outputs that are there whole or not at all."""

import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from parsers.capture.open import Source
from parsers.capture.window import ByteSource
from parsers.errors import UsageError

__all__ = ["atomic_output", "rereadable"]


@contextmanager
def atomic_output(path: str | os.PathLike[str], *, private: bool = False) -> Iterator[BinaryIO]:
    """Open `path` for writing; what was there stays until the block ends well, and stays if it does not.

    What is written goes to a new file in the same folder, which then takes the name. A device, a pipe, or standard
    output ("-") is written to as it is.

    Args:
        path: the file, or "-".
        private: nobody but its owner may read the file: for keys.

    Raises:
        UsageError: the file cannot be written.
        BrokenPipeError: whoever read the output has gone.
    """
    try:
        if os.fspath(path) == "-":
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        if os.path.exists(path) and not os.path.isfile(path):
            with open(path, "wb") as file:
                yield file
            return
        with _new_file(Path(os.path.realpath(path)), 0o600 if private else 0o666) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{os.fspath(path)} cannot be written ({reason}): check the folder and its space") from error


def rereadable(sources: Source | Iterable[Source]) -> list[Source]:
    """The captures as a list.

    Raises:
        UsageError: one of them is a stream.
    """
    listed = [sources] if isinstance(sources, str | os.PathLike | ByteSource) else list(sources)
    if any(source == "-" or isinstance(source, ByteSource) for source in listed):
        raise UsageError("a stream cannot be read twice, which this needs: save it to a file first")
    return listed


@contextmanager
def _new_file(target: Path, mode: int) -> Iterator[BinaryIO]:
    """A file beside `target` that takes its place when the block ends well, and is gone when it does not."""
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
        new.replace(target)
    finally:
        new.unlink(missing_ok=True)
