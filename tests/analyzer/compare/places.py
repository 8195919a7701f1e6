"""One conversation as two captures show it: A beside the client, B beside the server."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

from analyzer.compare.trace import Trace, collect
from parsers.transport.ip import ACK, SYN

MS = 1_000_000
CLIENT, SERVER = 0, 1


@dataclass
class Places:
    """Packets of a conversation, one a call; each place has those that pass it.

    Attributes:
        delay: nanoseconds from one place to the other.
        ahead: nanoseconds that the clock of B is ahead.
        drift: nanoseconds that it gains a second.
        translated: a NAT gives the client another address and port before B.
        numbered: IPv4 identifications count; else they are 0.
    """

    delay: int = 5 * MS
    ahead: int = 0
    drift: int = 0
    translated: bool = False
    numbered: bool = True
    port: int = 50_000
    now: int = 1_000_000 * MS
    a: list[tuple[int, bytes]] = field(default_factory=list)
    b: list[tuple[int, bytes]] = field(default_factory=list)
    _next: list[int] = field(default_factory=lambda: [0xFFFF_FF00, 7_000])
    _identification: int = 0

    def send(
        self, sender: int, size: int = 0, *, flags: int = ACK, back: int = 0, seen: str = "ab", pieces: int = 1,
        later: int = MS,
    ) -> "Places":  # fmt: skip
        """A segment of `sender`; the next comes `later`.

        Args:
            sender: CLIENT or SERVER.
            size: bytes of payload.
            flags: of TCP.
            back: begin so many bytes before the place where the sender was: sent again.
            seen: which captures have it.
            pieces: into how many segments it is cut on the way (offloading).
            later: nanoseconds.
        """
        start = self._next[sender] - back
        near, far = (self.a, self.b) if sender == CLIENT else (self.b, self.a)
        near_name, far_name = ("a", "b") if sender == CLIENT else ("b", "a")
        if near_name in seen:
            near.append((self._clock(near, self.now), self._packet(near, sender, start, size, flags)))
        self._identification += pieces != 1
        for piece in range(pieces if far_name in seen else 0):
            part = size // pieces
            packet = self._packet(far, sender, start + piece * part, part, flags)
            far.append((self._clock(far, self.now + self.delay), packet))
        self._next[sender] = max(self._next[sender], start + size + bool(flags & SYN))
        self._identification += 1
        self.now += later
        return self

    def talk(self, rounds: int, size: int = 1000) -> "Places":
        """A request of 100 bytes and an answer, `rounds` times."""
        for _ in range(rounds):
            self.send(CLIENT, 100, later=20 * MS).send(SERVER, size, later=20 * MS)
        return self

    def write(self, folder: Path, name: str = "") -> tuple[Path, Path]:
        """The two captures as files."""
        paths = folder / f"{name}a.pcap", folder / f"{name}b.pcap"
        for path, packets in zip(paths, (self.a, self.b), strict=True):
            head = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 101)  # nanoseconds, raw IP
            records = (
                struct.pack("<IIII", time // 10**9, time % 10**9, len(data), len(data)) + data
                for time, data in sorted(packets, key=lambda packet: packet[0])
            )
            path.write_bytes(head + b"".join(records))
        return paths

    def traces(self, folder: Path) -> tuple[Trace, Trace]:
        """The two captures as they are compared."""
        a, b = self.write(folder)
        return collect([a]), collect([b])

    def _clock(self, place: list[tuple[int, bytes]], time: int) -> int:
        drifted = self.drift * (time - 1_000_000 * MS) // 10**9
        return time + self.ahead + drifted if place is self.b else time

    def _packet(self, place: list[tuple[int, bytes]], sender: int, start: int, size: int, flags: int) -> bytes:
        client = (0x0A000001, self.port)
        if self.translated and place is self.b:
            client = (0xC0A80001, self.port - 10_000)
        ends = (client, (0x0A000002, 445)) if sender == CLIENT else ((0x0A000002, 445), client)
        number = self._identification % 0xFFFF + 1 if self.numbered else 0
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + size, number, 0, 64, 6, 0, ends[0][0], ends[1][0])
        acknowledgment = self._next[1 - sender] if flags & ACK else 0
        tcp = struct.pack(
            ">HHIIBBHHH", ends[0][1], ends[1][1], start & 0xFFFF_FFFF, acknowledgment & 0xFFFF_FFFF, 0x50, flags,
            500, 0, 0,
        )  # fmt: skip
        return ip + tcp + bytes(size)
