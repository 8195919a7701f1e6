"""Captures -> the files whose data went over SMB2, and a list of them.

What one open has read is one file, what it has written another: two opens may have seen different contents, and nothing
but the list could tell. A file holds what the capture holds, at its place, so it may have holes. Of several with one
name, the complete ones get it first; the others are numbered.
"""

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import pandas as pd

from analyzer.export.file_list import Record, file_records, file_table, write_file_list
from analyzer.export.files import rereadable
from analyzer.export.moved_files import Data, MovedFile, PieceSorter
from analyzer.export.output_folder import OutputFolder
from analyzer.export.safe_paths import SafePaths
from parsers.capture.open import Source, open_captures
from parsers.capture.packets import PacketBlock
from parsers.keys.store import KeyStore
from parsers.pipeline import decode
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import ExchangeTable
from parsers.smb2.session import Session
from parsers.transport.ip import Segments

__all__ = ["LIST", "Extraction", "extract_files"]

LIST = "files.csv"
_NO_SHARE = "unknown share"


def extract_files(
    sources: Source | Iterable[Source], keys: KeyStore, folder: str | os.PathLike[str], *, pipes: bool = False
) -> pd.DataFrame:
    """Write the files that the captures hold into a folder, and their list, which is returned.

    Args:
        sources: captures as for `open_captures`; files or folders.
        keys: what may decrypt them.
        folder: new or empty.
        pipes: write what went through named pipes as well, in the order in which it came; else it is only listed.

    Raises:
        UsageError: a source cannot be read again, or the folder is not empty or cannot be written.
    """
    files = rereadable(sources)
    with Extraction(folder, pipes=pipes) as extraction:
        decode(open_captures(files), keys, [extraction, _forget_exchanges])
        return extraction.finish()


class Extraction:
    """A sink of `parsers.pipeline.decode` that writes files, and a context manager: without `finish` nothing stays.

    Memory holds a record a file and what has no place yet; the disk what the captures hold.
    """

    def __init__(self, folder: str | os.PathLike[str], *, pipes: bool = False) -> None:
        self._folder = OutputFolder(folder)
        self._pipes = pipes
        self._sorter = PieceSorter()
        self._exchanges = ExchangeTable()
        self._sessions: list[Session] = []

    def __enter__(self) -> Self:
        """Make the folder.

        Raises:
            UsageError: it cannot be made, or is not empty.
        """
        self._folder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.__exit__(kind, error, trace)

    def __call__(self, _block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
        """Write what a block holds.

        Raises:
            UsageError: the disk does not take it.
        """
        self._exchanges, self._sessions = batch.exchanges, batch.sessions
        self._write(self._sorter.sort(batch))

    def finish(self) -> pd.DataFrame:
        """The captures have been read: give the files their names and write the list.

        Raises:
            UsageError: the disk does not take it.
        """
        self._write(self._sorter.finish())
        files = self._sorter.files
        records = file_records(files, self._exchanges, self._sessions)
        self._place(files, records)
        with self._folder.finish(LIST) as file:
            write_file_list(records, file)
        return file_table(records)

    def _write(self, placed: Iterable[tuple[MovedFile, int, Data]]) -> None:
        pieces: dict[int, list[tuple[int, Data]]] = {}  # of a block, so that each file is opened once
        for file, offset, data in placed:
            if self._pipes or not file.is_pipe:
                pieces.setdefault(file.number, []).append((offset, data))
        for number, parts in pieces.items():
            self._folder.write(number, parts)

    def _place(self, files: Iterable[MovedFile], records: Iterable[Record]) -> None:
        """Give every file its path; fills in what the records say of what was written."""
        paths = SafePaths(LIST)
        complete_first = sorted(zip(files, records, strict=True), key=lambda pair: not pair[1]["complete"])
        for file, record in complete_first:
            if not record["bytes"] or (file.is_pipe and not self._pipes):
                continue
            if next(file.ranges.missing(file.ranges.end), None) is None:
                record["sha256"], record["md5"] = self._folder.digests(file.number)
            share = (record["share"] or "").rpartition("\\")[2] or _NO_SHARE
            name = (record["name"] or "").strip("\\") or f"file {record['file_id']}"
            record["path"] = paths.claim(share, name)
            while not self._folder.place(file.number, record["path"]):
                record["path"] = paths.claim(share, name)


def _forget_exchanges(_block: PacketBlock | None, _segments: Segments | None, batch: Batch) -> None:
    """Nobody asks for them, and they would fill the memory."""
    batch.exchanges.take_answered()
