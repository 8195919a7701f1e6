"""What a capture file says: blocks of packet columns, and the records that stand beside them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = [
    "MAX_PACKET",
    "SLACK",
    "CaptureFile",
    "CaptureLog",
    "Damage",
    "Interface",
    "PacketBlock",
    "Secrets",
]

MAX_PACKET = 16 << 20
"""No packet of more bytes is believed: offloading ends at 512 KiB, USB and the like stay below this line."""

SLACK = 256
"""Bytes that follow the last packet of every block's buffer, so that a gather of fixed-size headers stays inside."""


@dataclass(slots=True)
class PacketBlock:
    """Some packets of a capture, as columns of shape (n,).

    `buffer` is reused: it is valid only until the next block is asked for. At least `SLACK` bytes of it lie behind
    the last packet. The columns belong to whoever receives them.

    Attributes:
        buffer: the bytes in which the packets lie.
        offset: int64, where the packet begins in `buffer`.
        captured: int64, bytes of it that were captured.
        length: int64, bytes of it on the wire, as the file says.
        time: int64, nanoseconds since 1970.
        frame: int64, 1-based number over all files, in the order delivered.
        linktype: uint16, LINKTYPE_ value of the interface.
        interface: int32, index into `Captures.interfaces`.
    """

    buffer: bytearray
    offset: npt.NDArray[np.int64]
    captured: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    linktype: npt.NDArray[np.uint16]
    interface: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets were captured. `snaplen` 0 means no limit; classic pcap knows no `name`."""

    name: str
    linktype: int
    snaplen: int
    file: str


@dataclass(frozen=True, slots=True)
class Damage:
    """A place that could not be read. `offset` counts bytes of the (decompressed) file."""

    file: str
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """The body of a Decryption Secrets Block (pcapng 4.7); `kind` is its Secrets Type."""

    kind: int
    data: bytes
    file: str


@dataclass(slots=True)
class CaptureFile:
    """One file that was read. Its packets are numbered from `first_frame` on; overlapping files alternate.

    `first_time` and `last_time` are the earliest and the latest in nanoseconds since 1970; `first_frame`,
    `first_time` and `last_time` are None as long as no packet was delivered.
    """

    name: str
    format: str
    first_frame: int | None = None
    packets: int = 0
    first_time: int | None = None
    last_time: int | None = None


@dataclass(slots=True)
class CaptureLog:
    """What the readers of all files find besides packets."""

    interfaces: list[Interface] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    secrets: list[Secrets] = field(default_factory=list)
    secrets_size: int = 0
