"""TCP connections that carry what was said to a decoder, block by block."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from parsers.keys.store import Credential, DirectionKeys, KeyStore, SessionKey
from parsers.smb2.decoder import Smb2Decoder
from parsers.smb2.keying import KeyFinder
from parsers.smb2.rows import MESSAGE, message_rows
from parsers.smb2.session import Session
from parsers.transport.connections import Connection, Delivery, Endpoint
from parsers.transport.streams import Pieces
from tests.parsers.smb2.dialogue import Said
from tests.records import records


class Piece(NamedTuple):
    """Bytes of a direction that come in one frame, where they stand in its stream."""

    connection: int
    sender: int
    data: bytes
    position: int
    frame: int


def framed(data: bytes) -> bytes:
    """A message behind its length (MS-SMB2 2.1)."""
    return len(data).to_bytes(4, "big") + data


class Line:
    """Carries messages, each in a frame of its own: the n-th, counted from 1, in frame n at n microseconds.

    A connection begins when something is first said on it; `mid_stream` ones without their handshake. The rows of all
    messages gather in `rows`.
    """

    def __init__(self, *secrets: Credential | SessionKey | DirectionKeys, mid_stream: bool = False) -> None:
        store = KeyStore()
        for secret in secrets:
            store.add(secret)
        self.decoder = Smb2Decoder(KeyFinder(store))
        self.connections: list[Connection] = []
        self.captured: dict[tuple[int, int], int] = {}
        self.frame = 0
        self._mid_stream = mid_stream
        self._position: dict[tuple[int, int], int] = {}
        self._rows: list[np.ndarray[Any, Any]] = []

    @property
    def rows(self) -> np.ndarray[Any, Any]:
        """The rows of all messages so far, as records of `MESSAGE`."""
        return np.concatenate(self._rows)

    @property
    def sessions(self) -> list[Session]:
        """All sessions so far."""
        return self.decoder.tracker.sessions

    def carry(self, said: Iterable[Said], *, blocks: bool = False) -> "Line":
        """Deliver messages in one block, or each in a block of its own."""
        pieces = [self.piece(one.connection, one.sender, framed(one.data)) for one in said]
        for block in [[piece] for piece in pieces] if blocks else [pieces]:
            self.deliver(block)
        return self

    def piece(self, connection: int, sender: int, data: bytes, *, lost: int = 0) -> Piece:
        """The next bytes of a direction, in the next frame; `lost` bytes before them were not captured."""
        while len(self.connections) <= connection:
            self._connect()
        self.frame += 1
        position = self._position.get((connection, sender), 0) + lost
        self._position[connection, sender] = position + len(data)
        return Piece(connection, sender, data, position, self.frame)

    def deliver(self, pieces: list[Piece]) -> None:
        """One block."""
        of = attrgetter("connection", "sender")
        deliveries = []
        for (number, sender), group in groupby(sorted(pieces, key=of), key=of):
            mine = sorted(group, key=attrgetter("position"))
            self.captured[number, sender] = self.captured.get((number, sender), 0) + sum(len(p.data) for p in mine)
            deliveries.append(Delivery(self.connections[number], sender, _pieces(mine)))
        self._rows.append(records(message_rows(self.decoder.feed(deliveries)), MESSAGE))

    def finish(self) -> "Line":
        """The capture ends; every captured byte must have been accounted for."""
        self._rows.append(records(message_rows(self.decoder.finish()), MESSAGE))
        lost = dict.fromkeys(self.captured, 0)
        for row in self.decoder.ledger.undecoded:
            lost[row.connection, row.sender] += row.length
        for (number, sender), captured in self.captured.items():
            assert self.decoder.ledger.decoded[number, sender] + lost[number, sender] == captured
        return self

    def _connect(self) -> None:
        number = len(self.connections)
        connection = Connection(number, Endpoint(2, 50_000 + number), Endpoint(1, 445), 1, 1000, oriented=True)
        if not self._mid_stream:
            for direction in connection.directions:
                direction.start(0)
        self.connections.append(connection)
        self.decoder.add(connection)


def _pieces(pieces: list[Piece]) -> Pieces:
    length = np.array([len(piece.data) for piece in pieces], np.int64)
    frame = np.array([piece.frame for piece in pieces], np.int64)
    position = np.array([piece.position for piece in pieces], np.int64)
    data = b"".join(piece.data for piece in pieces)
    return Pieces(data, position, np.cumsum(length) - length, length, frame, 1000 * frame)
