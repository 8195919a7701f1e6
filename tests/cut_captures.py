"""Copies of captures in which packets are missing or changed, as damage and late starts leave them."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import dpkt

from parsers.capture.write import PcapngWriter

Change = Callable[[bytes], bytes]


def copy_packets(
    source: Path,
    target: Path,
    *,
    kept: Collection[int] | None = None,
    dropped: Collection[int] = (),
    changed: Mapping[int, Change] | None = None,
) -> Path:
    """Copy those packets, numbered from 1, that are `kept` (None: all) and not `dropped`."""
    with source.open("rb") as original, target.open("wb") as file:
        reader = dpkt.pcap.UniversalReader(original)
        writer = PcapngWriter(file)
        writer.interface(reader.datalink())
        for number, (time, packet) in enumerate(reader, 1):
            if (kept is None or number in kept) and number not in dropped:
                writer.packet(round(time * 1e9), (changed or {}).get(number, bytes)(packet))
    return target


def last_byte_changed(packet: bytes) -> bytes:
    """The packet with another last byte."""
    return packet[:-1] + bytes((packet[-1] ^ 0xFF,))
