"""Capture files written by hand from their specifications, and a reader of what the parsers make of them."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from parsers.capture.open import Captures, Source, open_captures
from parsers.capture.packets import SLACK

MAGICS = {"micro": 0xA1B2C3D4, "nano": 0xA1B23C4D, "modified": 0xA1B2CD34}


@dataclass(frozen=True)
class Packet:
    """A row of a block, with its bytes."""

    frame: int
    time: int
    data: bytes
    length: int
    linktype: int
    interface: int


def packets(captures: Captures) -> list[Packet]:
    """Everything that is delivered; what a block promises is asserted on the way."""
    rows: list[Packet] = []
    for block in captures:
        columns = [block.offset, block.captured, block.length, block.time, block.frame]
        assert [column.dtype.name for column in columns] == ["int64"] * 5
        assert (block.linktype.dtype.name, block.interface.dtype.name) == ("uint16", "int32")
        assert {column.shape for column in (*columns, block.linktype, block.interface)} == {(len(block),)}
        assert len(block) > 0
        assert int(block.offset.min()) >= 0
        assert int((block.offset + block.captured).max()) + SLACK <= len(block.buffer)
        for offset, captured, length, time, frame, linktype, interface in zip(
            *(column.tolist() for column in (*columns, block.linktype, block.interface)), strict=True
        ):
            data = bytes(block.buffer[offset : offset + captured])
            rows.append(Packet(frame, time, data, length, linktype, interface))
    assert [row.frame for row in rows] == list(range(1, len(rows) + 1))
    return rows


class Wire:
    """What tests write and read with."""

    @staticmethod
    def read(source: bytes | Source | Iterable[Source], window: int = 16 << 20) -> tuple[list[Packet], Captures]:
        """The packets of a capture given as bytes, path, file, or several of them; and what else was found."""
        captures = open_captures(BytesIO(source) if isinstance(source, bytes) else source, window=window)
        return packets(captures), captures

    @staticmethod
    def pcap_header(order: str = "<", kind: str = "micro", linktype: int = 1, snaplen: int = 65535) -> bytes:
        return struct.pack(order + "IHHiIII", MAGICS[kind], 2, 4, 0, 0, snaplen, linktype)

    @staticmethod
    def record(
        data: bytes, seconds: int, fraction: int, order: str = "<", length: int | None = None, extra: bytes = b""
    ) -> bytes:
        """A packet record; `extra` are the eight more header bytes of the modified format."""
        wire = len(data) if length is None else length
        return struct.pack(order + "IIII", seconds, fraction, len(data), wire) + extra + data

    @staticmethod
    def block(kind: int, body: bytes, order: str = "<") -> bytes:
        size = 12 + len(body)
        return struct.pack(order + "II", kind, size) + body + struct.pack(order + "I", size)

    @classmethod
    def section(cls, order: str = "<") -> bytes:
        return cls.block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)

    @classmethod
    def option(cls, code: int, value: bytes, order: str = "<") -> bytes:
        return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)

    @classmethod
    def interface(cls, options: bytes = b"", order: str = "<", linktype: int = 1, snaplen: int = 0) -> bytes:
        return cls.block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)

    @classmethod
    def enhanced(
        cls, data: bytes, ticks: int, interface: int = 0, order: str = "<", length: int | None = None, more: bytes = b""
    ) -> bytes:
        wire = len(data) if length is None else length
        fixed = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
        return cls.block(6, fixed + data + bytes(-len(data) % 4) + more, order)

    @classmethod
    def simple(cls, data: bytes, order: str = "<", length: int | None = None) -> bytes:
        wire = len(data) if length is None else length
        return cls.block(3, struct.pack(order + "I", wire) + data + bytes(-len(data) % 4), order)

    @classmethod
    def obsolete(cls, data: bytes, ticks: int, interface: int = 0, drops: int = 0, order: str = "<") -> bytes:
        fixed = struct.pack(
            order + "HHIIII", interface, drops, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data) + 4
        )
        return cls.block(2, fixed + data + bytes(-len(data) % 4), order)


@pytest.fixture(scope="session")
def wire() -> type[Wire]:
    return Wire


@pytest.fixture
def stored(tmp_path: Path) -> Callable[..., Path]:
    """Store bytes in a file: `stored(name, data)`."""

    def store(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return store
