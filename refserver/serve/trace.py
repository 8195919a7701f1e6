"""A capture of the server's own connections, written without any privilege, and the key file beside it.

The server sees no packets, only what was read and written. The segments are made of that: with a handshake, with
sequence numbers that fit, and with the time at which the server had the bytes in its hands. Nothing gets lost or comes
twice in such a capture, and a window is never closed.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from parsers.capture.write import PcapngWriter
from parsers.errors import UsageError
from parsers.keys.export import Session, toml_table
from parsers.transport.ip import ACK, FIN, RST, SYN
from refserver.network.frames import PSH, Segment, Socket, encode, syn_options

__all__ = ["Trace", "keys_path"]

_ETHERNET = 1  # LINKTYPE_ETHERNET
_MAX_PAYLOAD = 65_160  # 45 segments of 1448: what receive offload joins at most
_WINDOW = 0xFFFF
_SCALE = 14  # RFC 7323 2.3: the largest, so that no amount of data in flight looks like a stall
_MODULUS = 1 << 32
_BUFFER = 1 << 20


def keys_path(trace: Path) -> Path:
    """The key file beside a capture: `out.pcapng` -> `out.keys.toml`."""
    return trace.with_name(f"{trace.stem}.keys.toml")


@dataclass(slots=True, eq=False)
class _Conversation:
    """One connection: its ends, and the next sequence number of each."""

    client: Socket
    server: Socket
    number: int
    next: dict[Socket, int] = field(default_factory=dict)


class Trace:
    """Two files, for their owner alone (mode 0600), replaced if they exist.

    Args:
        path: the capture; the keys go to `keys_path(path)`.

    Raises:
        UsageError: a file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._file = _create(path, _BUFFER)
        try:
            self._keys = _create(keys_path(path), 0)
        except UsageError:
            self._file.close()
            raise
        self._writer = PcapngWriter(self._file, application="sessionscope serve")
        self._writer.interface(_ETHERNET, name="serve")
        self._conversations: dict[int, _Conversation] = {}
        self._identification = 0

    def opened(self, number: int, client: Socket, server: Socket, now: int) -> None:
        """A connection was accepted; `number` is the server's name for it."""
        talk = self._conversations[number] = _Conversation(client, server, number)
        talk.next = {client: number * 0x01000193 % _MODULUS, server: number * 0x811C9DC5 % _MODULUS}
        options = syn_options(0xFFFF - 40, _SCALE)
        self._write(talk, client, SYN, now, options=options)
        self._write(talk, server, SYN | ACK, now, options=options)
        self._write(talk, client, ACK, now)

    def received(self, number: int, data: bytes, now: int) -> None:
        """The server has read this."""
        talk = self._conversations[number]
        self._data(talk, talk.client, data, now)

    def sent(self, number: int, data: bytes, now: int) -> None:
        """The server has written this."""
        talk = self._conversations[number]
        self._data(talk, talk.server, data, now)

    def closed(self, number: int, now: int, *, by_client: bool, reset: bool = False) -> None:
        """The connection is over; who has ended it, and whether with a RST."""
        talk = self._conversations.pop(number)
        first, second = (talk.client, talk.server) if by_client else (talk.server, talk.client)
        if reset:
            self._write(talk, first, RST | ACK, now)
            return
        for end in (first, second):
            self._write(talk, end, FIN | ACK, now)
        self._write(talk, first, ACK, now)

    def keys(self, session: Session) -> None:
        """A session has keys; they are on disk when this returns."""
        self._keys.write((toml_table(session) + "\n").encode())

    def close(self, now: int) -> None:
        """End what is still open, and complete both files."""
        for number in tuple(self._conversations):
            self.closed(number, now, by_client=False)
        self._file.close()
        self._keys.close()

    def _data(self, talk: _Conversation, source: Socket, data: bytes, now: int) -> None:
        for begin in range(0, len(data), _MAX_PAYLOAD):
            payload = data[begin : begin + _MAX_PAYLOAD]
            self._write(talk, source, ACK | (PSH if begin + len(payload) == len(data) else 0), now, payload)

    def _write(
        self, talk: _Conversation, source: Socket, flags: int, now: int, payload: bytes = b"", options: bytes = b""
    ) -> None:
        destination = talk.server if source == talk.client else talk.client
        sequence, acknowledgment = talk.next[source], talk.next[destination] if flags & ACK else 0
        segment = Segment(source, destination, sequence, acknowledgment, flags, _WINDOW, payload, options, talk.number)
        self._identification += 1
        self._writer.packet(now, encode(segment, self._identification))
        talk.next[source] = (sequence + len(payload) + bool(flags & (SYN | FIN))) % _MODULUS


def _create(path: Path, buffer: int) -> BinaryIO:
    """A new file that nobody else can read, whatever the umask is and whatever was there."""
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    return os.fdopen(descriptor, "wb", buffer)
