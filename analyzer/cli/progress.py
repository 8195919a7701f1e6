"""How far a long reading is, on a terminal."""

import time
from types import TracebackType
from typing import Self, TextIO

from parsers.capture.packets import PacketBlock
from parsers.smb2.decoder import Batch
from parsers.transport.ip import Segments

__all__ = ["Progress"]

_INTERVAL = 0.2  # seconds; people do not read faster
_ERASE = "\r\x1b[K"


class Progress:
    """A sink of `parsers.pipeline.decode` that counts packets on one line, which is erased at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._speaks = stream.isatty()
        self._packets = 0
        self._next = time.monotonic() + _INTERVAL
        self._spoke = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._spoke:
            self._write(_ERASE)

    def __call__(self, block: PacketBlock | None, _segments: Segments | None, _batch: Batch) -> None:
        """Count a block's packets."""
        self._packets += 0 if block is None else len(block)
        if self._speaks and time.monotonic() >= self._next:
            self._next = time.monotonic() + _INTERVAL
            self._spoke = True
            self._write(f"{_ERASE}{self._packets:,} packets read")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
