"""Captures, whatever they are stored in -> blocks of packets.

What a file is, is seen from its content: pcap or pcapng, plain or compressed. A file that cannot be read at all is the
caller's mistake (`UsageError`); whatever is wrong further inside is `Damage`.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from io import FileIO, TextIOBase
from itertools import chain
from pathlib import Path
from typing import TypeAlias, cast

from parsers.capture.compressed import Decompressed, compression_of
from parsers.capture.merge import Input, merged
from parsers.capture.packets import CaptureFile, CaptureLog, Damage, Interface, PacketBlock, Secrets
from parsers.capture.pcap import PCAP_MAGICS, PcapReader
from parsers.capture.pcapng import PCAPNG_MAGIC, PcapngReader
from parsers.capture.window import ByteSource, Window
from parsers.errors import UsageError

__all__ = ["Captures", "Source", "open_captures"]

Source: TypeAlias = str | os.PathLike[str] | ByteSource
"""A file, a folder (all captures in it), "-" for standard input, or an open binary file (`readinto`)."""

_LOOK = 64 << 10  # bytes of a file that are read to find its first packet; more if it begins later


class Captures:
    """Captures that are read as one. Iterate over it, once, for the packets; the rest fills up meanwhile.

    Attributes:
        files: what was opened, in the order given; folders in the order of names.
        interfaces: of all files; `PacketBlock.interface` points here.
        damage: every place that could not be read.
        secrets: what Decryption Secrets Blocks hold.
    """

    def __init__(self, inputs: list[Input], log: CaptureLog, window: int) -> None:
        self.files: list[CaptureFile] = [source.file for source in inputs]
        self.interfaces: list[Interface] = log.interfaces
        self.damage: list[Damage] = log.damage
        self.secrets: list[Secrets] = log.secrets
        self._blocks = merged(inputs, window)

    def __iter__(self) -> Iterator[PacketBlock]:
        return self._blocks


def open_captures(sources: Source | Iterable[Source], *, window: int = 8 << 20) -> Captures:
    """Open captures for reading; several are delivered in the order of time.

    Args:
        sources: one or several of: a path; a folder, which means the captures in it; "-", standard input; an open
            binary file, which is read from where it stands and left open.
        window: bytes of a file that are held in memory at once. A larger packet is held all the same.

    Raises:
        UsageError: a file cannot be opened, is empty or is not a capture, or there is none.
    """
    if window < 1:
        raise UsageError(f"a window of {window} bytes cannot hold a packet: give a positive number")
    log = CaptureLog()
    inputs: list[Input] = []
    for source in _listed(sources):
        if source == "-":
            inputs.append(_stream(cast("ByteSource", sys.stdin.buffer), "standard input", window, log))
        elif isinstance(source, str | os.PathLike):
            inputs.extend(_path(Path(source), log))
        elif isinstance(source, ByteSource):
            inputs.append(_stream(source, _name(source), window, log))
        else:
            raise UsageError(f"{_name(source)} cannot be read as bytes: open it in binary mode")
    if not inputs:
        raise UsageError("there is no capture to read: name a capture file or a folder of them")
    return Captures(inputs, log, window)


def _listed(sources: object) -> Iterable[object]:
    if isinstance(sources, str | os.PathLike | ByteSource | TextIOBase):
        return [sources]
    if isinstance(sources, Iterable):
        return sources
    raise UsageError(f"{sources!r} is nothing to read from: give a path or an open binary file")


def _name(file: object) -> str:
    return str(getattr(file, "name", "a file object"))


class _NotACaptureError(UsageError):
    """Also for a file that was looked at only because it lies in the folder that was named."""


class _Bytes:
    """A binary file of which the beginning can be looked at before it is read."""

    def __init__(self, file: ByteSource) -> None:
        self._file = file
        self._head = b""

    def peek(self, size: int) -> bytes:
        """The first bytes: `size`, if there are as many."""
        while len(self._head) < size:
            piece = self._next(size - len(self._head))
            if not piece:
                break
            self._head += piece
        return self._head

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        head, self._head = self._head[:size], self._head[size:]
        return head or self._next(size)

    def readinto(self, view: memoryview) -> int:
        """At most as many bytes as fit; 0 at the end."""
        if not self._head:
            return self._file.readinto(view) or 0
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def _next(self, size: int) -> bytes:
        piece = bytearray(size)
        return bytes(piece[: self._file.readinto(memoryview(piece)) or 0])


def _path(path: Path, log: CaptureLog) -> list[Input]:
    """The capture at `path`, or those in it if it is a folder."""
    try:
        if not path.is_dir():
            return [_file(path, log)]
        inside = sorted(child for child in path.iterdir() if child.is_file())
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check the path and its permissions") from error
    found = []
    for child in inside:
        with suppress(_NotACaptureError):
            found.append(_file(child, log))
    if not found:
        raise UsageError(f"no file in the folder {path} is a capture: name a pcap or pcapng file, or a folder of them")
    return found


def _file(path: Path, log: CaptureLog) -> Input:
    with _opened(path) as file:
        reader = _reader(_Bytes(file), str(path), _LOOK, CaptureLog())
        first = next(iter(reader), None)
    return _input(str(path), reader.format, first, lambda window: _blocks(path, window, log))


def _blocks(path: Path, window: int, log: CaptureLog) -> Iterator[PacketBlock]:
    with _opened(path) as file:
        yield from _reader(_Bytes(file), str(path), window, log)


def _stream(file: ByteSource, name: str, window: int, log: CaptureLog) -> Input:
    """A stream is read once: the block that told the time of its first packet is kept to be delivered."""
    reader = _reader(_Bytes(file), name, window, log)
    blocks = iter(reader)
    first = next(blocks, None)
    kept = chain([] if first is None else [first], blocks)
    return _input(name, reader.format, first, lambda _: kept)


def _input(name: str, kind: str, first: PacketBlock | None, read: Callable[[int], Iterator[PacketBlock]]) -> Input:
    return Input(CaptureFile(name, kind), None if first is None else int(first.time[0]), read)


def _opened(path: Path) -> FileIO:
    try:
        return FileIO(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be opened ({error.strerror}): check the path and its permissions") from error


def _reader(file: _Bytes, name: str, window: int, log: CaptureLog) -> PcapReader | PcapngReader:
    """The reader for what the file holds."""
    try:
        compression = compression_of(file.peek(6))
        if compression:
            file = _Bytes(Decompressed(file, compression))
        head = file.peek(6)
    except OSError as error:
        raise _NotACaptureError(f"{name} cannot be read ({error}): get a sound copy of it") from error
    if not head:
        raise _NotACaptureError(f"{name} is empty: leave it out, or capture again")
    if compression_of(head):
        raise _NotACaptureError(f"{name} is compressed twice: decompress it once")
    if head[:4] == PCAPNG_MAGIC:
        return PcapngReader(Window(file, window, name, log))
    if head[:4] in PCAP_MAGICS:
        return PcapReader(Window(file, window, name, log))
    raise _NotACaptureError(
        f"{name} is not a capture (it begins with {head.hex(' ')}): "
        "give a pcap or pcapng file, plain or compressed with gzip, zstd, lz4 or xz; `editcap` converts others"
    )
