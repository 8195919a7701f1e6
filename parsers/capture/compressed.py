"""Compressed captures -> their bytes, in constant memory: gzip, zstd, lz4 frames, xz; any number of members.

A stream that is broken gives what can be read of it, then `OSError`.
"""

import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

import lz4.frame
import zstandard

__all__ = ["Decompressed", "compression_of"]

_PIECE = 16 << 10
"""Compressed bytes decoded at a time; what a broken piece would have given is lost with it."""

_ZSTD_PIECE = 1 << 10
"""The same for zstd, whose decoder gives all it has at once: up to 128 KiB for every four bytes (RFC 8878 3.1.1.2)."""

_XZ_MEMORY = 512 << 20  # xz -9 takes 65 MiB; a header may ask for 4 GiB
_ERRORS = (zlib.error, lzma.LZMAError, zstandard.ZstdError, RuntimeError, EOFError)  # RuntimeError is lz4's


class Readable(Protocol):
    """Where compressed bytes come from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class _Decoder(Protocol):
    """What the decoders of the standard library agree upon."""

    @property
    def eof(self) -> bool:
        """Whether the end of the member was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes without more input."""

    @property
    def unused_data(self) -> bytes | None:
        """What follows the member."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes more."""


class _Gzip:
    """zlib's decoder, which keeps undecoded input outside."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._input = b""
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        output = self._decoder.decompress(self._input + data, max_length)
        self._input = self._decoder.unconsumed_tail
        self.needs_input = len(output) < max_length
        return output


class _Zstd:
    """zstd's decoder, which cannot be told to stop at a length."""

    def __init__(self) -> None:
        self._decoder = zstandard.ZstdDecompressor().decompressobj()
        self._input = b""
        self._output = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._decoder.eof and not self._output

    @property
    def needs_input(self) -> bool:
        return not self._input and not self._output

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data + self._input

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._input += data
        if not self._output and not self._decoder.eof:
            piece, self._input = self._input[:_ZSTD_PIECE], self._input[_ZSTD_PIECE:]
            self._output = memoryview(self._decoder.decompress(piece))
        output, self._output = self._output[:max_length], self._output[max_length:]
        return bytes(output)


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "gzip": _Gzip,
    "zstd": _Zstd,
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY),
}

_MAGICS = {
    b"\x1f\x8b\x08": "gzip",  # RFC 1952 2.3.1
    b"\x28\xb5\x2f\xfd": "zstd",  # RFC 8878 3.1.1
    b"\x04\x22\x4d\x18": "lz4",  # LZ4 frame format, General Structure
    b"\xfd7zXZ\x00": "xz",  # .xz file format 2.1.1.1
}


def compression_of(head: bytes) -> str | None:
    """The name of the compression whose files begin like `head` (6 bytes are enough), or None."""
    return next((name for magic, name in _MAGICS.items() if head.startswith(magic)), None)


class Decompressed:
    """The bytes that `source` holds compressed.

    Args:
        source: where the compressed bytes come from.
        compression: as `compression_of` names it.
    """

    def __init__(self, source: Readable, compression: str) -> None:
        self._source = source
        self._compression = compression
        self._decoder = _DECODERS[compression]()
        self._pending = b""

    def readinto(self, view: memoryview) -> int:
        """Decode some bytes into `view`; 0 at the end.

        Raises:
            OSError: the stream is broken or ends before its end.
        """
        while not self._decoder.eof or self._next_member():
            output = self._decode(len(view))
            if output:
                view[: len(output)] = output
                return len(output)
        return 0

    def _decode(self, size: int) -> bytes:
        if self._decoder.needs_input and not self._pending:
            self._pending = self._source.read(_PIECE)
            if not self._pending:
                raise OSError(f"the {self._compression} stream ends in the middle")
        pending, self._pending = self._pending, b""
        try:
            return self._decoder.decompress(pending, size)
        except _ERRORS as error:
            raise OSError(f"the {self._compression} stream is broken ({error})") from error

    def _next_member(self) -> bool:
        """Members may follow each other (RFC 1952 2.2), with zeros between them (.xz file format 2.2)."""
        following = (self._decoder.unused_data or b"").lstrip(b"\0")
        while not following:
            piece = self._source.read(_PIECE)
            if not piece:
                return False
            following = piece.lstrip(b"\0")
        self._decoder = _DECODERS[self._compression]()
        self._pending = following
        return True
