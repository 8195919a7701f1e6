"""Server-side copy: the resume key of the source and the ranges to copy (MS-SMB2 2.2.31.1, 2.2.32.1, 2.2.32.3)."""

from dataclasses import dataclass
from typing import Annotated, NamedTuple, Self

from parsers.layout import U32, U64, Buffer, Layout
from parsers.reader import Reader

__all__ = [
    "COPYCHUNK",
    "COPYCHUNK_COPY",
    "COPYCHUNK_RESPONSE",
    "RESUME_KEY",
    "CopyChunk",
    "CopyChunkCopy",
    "CopyChunkCopyFixed",
    "CopyChunkFixed",
    "CopyChunkResponse",
    "CopyChunkResponseFixed",
    "ResumeKeyFixed",
    "ResumeKeyResponse",
]

_Bytes24 = Annotated[bytes, "24s"]


class CopyChunkCopyFixed(NamedTuple):
    """MS-SMB2 2.2.31.1 up to Chunks."""

    source_key: _Bytes24
    chunk_count: U32
    reserved: U32


class CopyChunkFixed(NamedTuple):
    """MS-SMB2 2.2.31.1.1."""

    source_offset: U64
    target_offset: U64
    length: U32
    reserved: U32


class CopyChunkResponseFixed(NamedTuple):
    """MS-SMB2 2.2.32.1."""

    chunks_written: U32
    chunk_bytes_written: U32
    total_bytes_written: U32


class ResumeKeyFixed(NamedTuple):
    """MS-SMB2 2.2.32.3 up to Context."""

    resume_key: _Bytes24
    context_length: U32


COPYCHUNK_COPY = Layout(CopyChunkCopyFixed)
COPYCHUNK = Layout(CopyChunkFixed)
COPYCHUNK_RESPONSE = Layout(CopyChunkResponseFixed)
RESUME_KEY = Layout(ResumeKeyFixed)


@dataclass(frozen=True, slots=True)
class CopyChunk:
    """SRV_COPYCHUNK, MS-SMB2 2.2.31.1.1: one range, in bytes."""

    source_offset: int
    target_offset: int
    length: int


@dataclass(frozen=True, slots=True)
class CopyChunkCopy:
    """SRV_COPYCHUNK_COPY, MS-SMB2 2.2.31.1; `source_key` is the 24-byte resume key of the source."""

    source_key: bytes
    chunks: tuple[CopyChunk, ...]

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an input buffer.

        Raises:
            ParseError: too short for ChunkCount chunks.
        """
        fixed = COPYCHUNK_COPY.parse(buffer)
        size = fixed.chunk_count * COPYCHUNK.size
        chunks = Reader(memoryview(buffer)[COPYCHUNK_COPY.size :]).take(size, "Chunks")
        raw = (COPYCHUNK.parse(chunks, start) for start in range(0, size, COPYCHUNK.size))
        return cls(
            fixed.source_key,
            tuple(CopyChunk(chunk.source_offset, chunk.target_offset, chunk.length) for chunk in raw),
        )

    def build(self) -> bytes:
        """An input buffer."""
        fixed = COPYCHUNK_COPY.build(CopyChunkCopyFixed(self.source_key, len(self.chunks), 0))
        chunks = (CopyChunkFixed(chunk.source_offset, chunk.target_offset, chunk.length, 0) for chunk in self.chunks)
        return fixed + b"".join(map(COPYCHUNK.build, chunks))


@dataclass(frozen=True, slots=True)
class CopyChunkResponse:
    """SRV_COPYCHUNK_RESPONSE, MS-SMB2 2.2.32.1; with STATUS_INVALID_PARAMETER, the three limits of the server."""

    chunks_written: int
    chunk_bytes_written: int
    total_bytes_written: int

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an output buffer.

        Raises:
            ParseError: too short.
        """
        return cls(*COPYCHUNK_RESPONSE.parse(buffer))

    def build(self) -> bytes:
        """An output buffer."""
        fixed = CopyChunkResponseFixed(self.chunks_written, self.chunk_bytes_written, self.total_bytes_written)
        return COPYCHUNK_RESPONSE.build(fixed)


@dataclass(frozen=True, slots=True)
class ResumeKeyResponse:
    """SRV_REQUEST_RESUME_KEY response, MS-SMB2 2.2.32.3: 24 opaque bytes, and a context that nobody uses."""

    resume_key: bytes
    context: bytes = b""

    @classmethod
    def parse(cls, buffer: Buffer) -> Self:
        """Read an output buffer.

        Raises:
            ParseError: too short for the context.
        """
        fixed = RESUME_KEY.parse(buffer)
        context = Reader(memoryview(buffer)[RESUME_KEY.size :]).take(fixed.context_length, "Context")
        return cls(fixed.resume_key, bytes(context))

    def build(self) -> bytes:
        """An output buffer. Windows and Samba send four more zero bytes where the context is empty."""
        return RESUME_KEY.build(ResumeKeyFixed(self.resume_key, len(self.context))) + (self.context or bytes(4))
