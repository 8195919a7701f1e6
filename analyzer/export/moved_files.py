"""Pieces of data -> the files that they belong to: what an open has read is one, what it has written another.

Some pieces come before it is known whose they are: a WRITE in one compound with its CREATE, an answer that was captured
before its request. They wait in memory, which is bounded; what has waited in vain is counted.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from analyzer.export.byte_ranges import ByteRanges
from analyzer.tables.messages import INHERITED_TREE_ID
from parsers.smb2.decoder import Batch
from parsers.smb2.exchanges import ExchangeTable
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Command
from parsers.smb2.opens import NO_OFFSET
from parsers.smb2.session import Session, TreeConnect
from parsers.smb2.transfers import Transfers
from parsers.smb2.tree import ShareType

__all__ = ["FARTHEST", "MovedFile", "PieceSorter"]

FARTHEST = 1 << 40
"""Where a file ends at the latest: an offset is 64 bits of hostile input, and some systems fill holes with zeros."""

_MAX_WAITING = 64 << 20  # bytes; a client may have this much on its way, pieces that wait are some of it
_MAX_FILE_IDS = 1 << 16  # READ requests without an answer; a client has some hundred

Data: TypeAlias = memoryview | bytes


@dataclass(slots=True, eq=False)
class MovedFile:
    """One direction of one open.

    `open` is a number of the table of opens, -1 where no CREATE is known; then there is a `file_id`, or the `name` (a
    number of the name table, else -1) of a CREATE that did not succeed, or neither: pieces of which nobody knows the
    place. `moved` counts bytes of messages, `refused` those of them that would lie beyond `FARTHEST`.
    """

    number: int
    is_write: bool
    open: int
    session: int
    tree: TreeConnect | None
    name: int
    file_id: FileId | None
    first_frame: int
    last_frame: int = 0
    ranges: ByteRanges = field(default_factory=ByteRanges)
    moved: int = 0
    refused: int = 0

    @property
    def is_pipe(self) -> bool:
        """Offsets mean nothing in a named pipe (MS-SMB2 2.2.19): what comes is next."""
        return self.tree is not None and self.tree.share_type == ShareType.PIPE

    def note(self, frame: int, size: int) -> None:
        """So many bytes more were moved."""
        self.moved += size
        self.first_frame, self.last_frame = min(self.first_frame, frame), max(self.last_frame, frame)


class _Piece(NamedTuple):
    """Where data comes from; fields of its exchange."""

    connection: int
    message_id: int
    session: int
    tree_id: int
    name: int
    open: int
    file_offset: int
    request_frame: int
    response_frame: int
    command: int

    @property
    def is_write(self) -> bool:
        """Whether the data went to the server."""
        return self.command == Command.WRITE

    @property
    def frame(self) -> int:
        """The packet that completes the message with the data."""
        return self.request_frame if self.is_write else self.response_frame


_Placed: TypeAlias = tuple[MovedFile, int, Data]


class PieceSorter:
    """All pieces of a capture."""

    def __init__(self) -> None:
        self._files: dict[Hashable, MovedFile] = {}
        self._file_ids: dict[tuple[int, int], FileId] = {}  # of requests without known CREATE, by their messages
        self._waiting: deque[tuple[_Piece, bytes]] = deque()
        self._waiting_bytes = 0
        self._sessions: list[Session] = []
        self._exchanges = ExchangeTable()

    @property
    def files(self) -> list[MovedFile]:
        """All that have data, or should have, in the order of their first frames."""
        return sorted(self._files.values(), key=attrgetter("first_frame"))

    def sort(self, batch: Batch) -> Iterator[_Placed]:
        """File, offset and bytes of every piece of a block whose place is known; the bytes may lie in its arena."""
        transfers = batch.transfers()
        self._sessions, self._exchanges = batch.sessions, batch.exchanges
        self._learn(transfers)
        yield from self._settle(transfers.rows)
        places = zip(transfers.start.tolist(), (transfers.start + transfers.length).tolist(), strict=True)
        for piece, (start, end) in zip(_pieces(transfers.exchange), places, strict=True):
            yield from self._place(piece, batch.arena[start:end])

    def finish(self) -> Iterator[_Placed]:
        """The capture has ended: what still waits belongs to a CREATE that did not succeed, or to nobody knows what."""
        for piece, data in self._waiting:
            if piece.is_write and piece.name >= 0 and piece.file_offset != NO_OFFSET:
                key = ("name", piece.session, piece.tree_id, piece.name)
                yield from _take(self._file(key, piece, None), piece, data)
            else:
                self._lose(piece, data)
        self._waiting.clear()

    def _learn(self, transfers: Transfers) -> None:
        """Remember which files requests name, until their data comes."""
        unopened, file_ids = transfers.unopened, transfers.file_ids
        while len(self._file_ids) > _MAX_FILE_IDS:  # those of this block are needed in any case
            del self._file_ids[next(iter(self._file_ids))]
        keys = zip(unopened["connection"].tolist(), unopened["message_id"].tolist(), strict=True)
        self._file_ids.update(zip(keys, map(FileId._make, file_ids.tolist()), strict=True))

    def _settle(self, rows: npt.NDArray[Any]) -> Iterator[_Placed]:
        """Place what has waited; `rows` are exchanges that may know more now."""
        if not self._waiting:
            return
        moving = np.isin(rows["command"], (Command.READ, Command.WRITE)) & (rows["file_offset"] != NO_OFFSET)
        known = {(piece.connection, piece.message_id): piece for piece in _pieces(rows[moving])}
        waiting, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
        for piece, data in waiting:
            yield from self._place(known.get((piece.connection, piece.message_id), piece), data)

    def _place(self, piece: _Piece, data: Data) -> Iterator[_Placed]:
        key: Hashable = (piece.open, piece.is_write)
        file_id = None
        if piece.open < 0:
            file_id = self._file_ids.pop((piece.connection, piece.message_id), None)
            key = (piece.session, file_id, piece.is_write)
        if piece.file_offset == NO_OFFSET or (piece.open < 0 and file_id is None):
            self._wait(piece, data)
            return
        yield from _take(self._file(key, piece, file_id), piece, data)

    def _wait(self, piece: _Piece, data: Data) -> None:
        self._waiting.append((piece, bytes(data)))
        self._waiting_bytes += len(data)
        while self._waiting_bytes > _MAX_WAITING:
            oldest, lost = self._waiting.popleft()
            self._waiting_bytes -= len(lost)
            self._lose(oldest, lost)

    def _lose(self, piece: _Piece, data: Data) -> None:
        key = ("lost", piece.session, piece.is_write)
        self._file(key, piece._replace(name=-1), None).note(piece.frame, len(data))

    def _file(self, key: Hashable, piece: _Piece, file_id: FileId | None) -> MovedFile:
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = MovedFile(
                len(self._files), piece.is_write, piece.open, piece.session, self._tree(piece), piece.name, file_id,
                piece.frame,
            )  # fmt: skip
        return file

    def _tree(self, piece: _Piece) -> TreeConnect | None:
        """The tree connect that the file was opened in; a TreeId may have been given out again."""
        tree_id = piece.tree_id
        if tree_id == INHERITED_TREE_ID and piece.open >= 0:
            tree_id = int(self._exchanges.opens.rows["tree_id"][piece.open])
        trees = self._sessions[piece.session].tree_connect_table if piece.session >= 0 else []
        return next((tree for tree in reversed(trees) if tree.tree_id == tree_id), None)


def _pieces(exchanges: npt.NDArray[Any]) -> Iterator[_Piece]:
    return map(_Piece._make, zip(*(exchanges[name].tolist() for name in _Piece._fields), strict=True))


def _take(file: MovedFile, piece: _Piece, data: Data) -> Iterator[_Placed]:
    """The piece at its place, unless that is too far."""
    offset = file.ranges.end if file.is_pipe else piece.file_offset
    file.note(piece.frame, len(data))
    if offset + len(data) > FARTHEST:
        file.refused += len(data)
        return
    file.ranges.add(offset, offset + len(data))
    yield file, offset, data
