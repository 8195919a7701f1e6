"""Packets written by hand from their specifications, blocks of them, and what the segment decoder makes of those."""

import struct
import subprocess
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import numpy as np

from parsers.capture.open import open_captures
from parsers.capture.packets import SLACK, PacketBlock
from parsers.transport.ip import ACK, SegmentDecoder, Segments

ETHERNET, NULL, RAW, LOOP, SLL, SLL2, NFLOG = 1, 0, 101, 108, 113, 276, 239
IPV4, IPV6, ARP, VLAN, QINQ, QINQ_OLD, MPLS, PPPOE, VN_TAG = (
    0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x9100, 0x8847, 0x8864, 0x8926,
)  # fmt: skip
TCP, UDP, IPIP, IPV6_IN_IP, GRE, HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = (
    6, 17, 4, 41, 47, 0, 43, 44, 51, 60,
)  # fmt: skip
CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
CLIENT6, SERVER6 = "2001:db8::1", "2001:db8::2"


class Row(NamedTuple):
    """A TCP segment. `length` and `missing` count payload bytes that were captured, and that were not."""

    frame: int
    source: str
    destination: str
    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int
    window: int
    payload: bytes
    missing: int


def tcp(
    payload: bytes = b"",
    *,
    ports: tuple[int, int] = (50000, 445),
    sequence: int = 1000,
    acknowledgment: int = 2000,
    flags: int = ACK,
    window: int = 512,
    options: bytes = b"",
) -> bytes:
    """RFC 9293 3.1."""
    data_offset = (20 + len(options)) << 2
    return (
        struct.pack(">HHIIBBHHH", *ports, sequence, acknowledgment, data_offset, flags, window, 0, 0)
        + options
        + payload
    )


def udp(payload: bytes, ports: tuple[int, int] = (50000, 53)) -> bytes:
    """RFC 768."""
    return struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload


def ipv4(
    payload: bytes,
    protocol: int = TCP,
    *,
    ends: tuple[str, str] = (CLIENT, SERVER),
    options: bytes = b"",
    total: int | None = None,
    identification: int = 0,
    fragment: int = 0,
) -> bytes:
    """RFC 791 3.1. `fragment` is the word of flags and offset, `total` a length that is not the right one."""
    length = 20 + len(options) + len(payload) if total is None else total
    first = 0x40 | (20 + len(options)) // 4
    fixed = struct.pack(">BBHHHBBH", first, 0, length, identification, fragment, 64, protocol, 0)
    return fixed + packed(ends) + options + payload


def ipv6(
    payload: bytes, next_header: int = TCP, *, ends: tuple[str, str] = (CLIENT6, SERVER6), length: int | None = None
) -> bytes:
    """RFC 8200 3."""
    size = len(payload) if length is None else length
    return struct.pack(">IHBB", 6 << 28, size, next_header, 64) + packed(ends) + payload


def packed(ends: tuple[str, str]) -> bytes:
    return b"".join(ip_address(end).packed for end in ends)


def ethernet(payload: bytes, ethertype: int = IPV4) -> bytes:
    """IEEE 802.3 3.2.6."""
    return bytes.fromhex("020000000001 020000000002") + ethertype.to_bytes(2, "big") + payload


def tag(ethertype: int, payload: bytes, identifier: int = 5) -> bytes:
    """What follows the ethertype of a VLAN tag (IEEE 802.1Q 9.6)."""
    return struct.pack(">HH", identifier, ethertype) + payload


def gre(payload: bytes, protocol: int, flags: int = 0) -> bytes:
    """RFC 2784 2, RFC 2890 2: each flagged word follows."""
    return struct.pack(">HH", flags, protocol) + b"\0\0\0\7" * (flags & 0xF000).bit_count() + payload


def block(
    packets: Iterable[bytes],
    linktype: int | Sequence[int] = ETHERNET,
    *,
    first: int = 1,
    lengths: Sequence[int] | None = None,
    fill: int = 0x45,
) -> PacketBlock:
    """A block of packets, one second apart. `fill` stands between them and behind: nobody may read it."""
    packets = list(packets)
    between = bytes([fill]) * 7
    buffer = bytearray(between + b"".join(packet + between for packet in packets) + bytes([fill]) * SLACK)
    captured = np.array([len(packet) for packet in packets], np.int64)
    ends = np.cumsum(captured + len(between))
    frame = np.arange(first, first + len(packets), dtype=np.int64)
    return PacketBlock(
        buffer,
        ends - captured,
        captured,
        captured.copy() if lengths is None else np.array(lengths, np.int64),
        frame * 10**9,
        frame,
        np.broadcast_to(np.array(linktype, np.uint16), len(packets)).copy(),
        np.zeros(len(packets), np.int32),
    )


def rows(segments: Segments, decoder: SegmentDecoder) -> list[Row]:
    """The segments with their payload bytes."""
    assert all(getattr(segments, name).dtype == np.int64 for name in Segments.__slots__[1:])
    return [
        Row(
            int(segments.frame[n]),
            decoder.book.text(int(segments.source[n])),
            decoder.book.text(int(segments.destination[n])),
            int(segments.source_port[n]),
            int(segments.destination_port[n]),
            int(segments.sequence[n]),
            int(segments.acknowledgment[n]),
            int(segments.flags[n]),
            int(segments.window[n]),
            bytes(segments.buffer[segments.offset[n] : segments.offset[n] + segments.length[n]]),
            int(segments.missing[n]),
        )
        for n in range(len(segments))
    ]


def decoded(*blocks: PacketBlock) -> tuple[list[Row], dict[str, int]]:
    """All segments of some blocks, and why the other packets were passed over. Every packet is one or the other."""
    decoder = SegmentDecoder()
    found = [row for each in blocks for row in rows(decoder.decode(each), decoder)]
    passed_over = dict(+decoder.passed_over)
    assert len(found) + sum(passed_over.values()) == sum(map(len, blocks))
    return found, passed_over


def one(packet: bytes, linktype: int = ETHERNET, length: int | None = None) -> Row:
    """The segment in a single packet, whatever stands behind it in the buffer."""
    lengths = None if length is None else [length]
    (row,), passed_over = decoded(block([packet], linktype, lengths=lengths, fill=0x45))
    assert ([row], passed_over) == decoded(block([packet], linktype, lengths=lengths, fill=0xFF))
    assert passed_over == {}
    return row


def decoded_file(path: Path) -> tuple[list[Row], dict[str, int]]:
    """As `decoded`, for a capture file."""
    decoder = SegmentDecoder()
    packets, found = 0, []
    for each in open_captures(path):
        packets += len(each)
        found += rows(decoder.decode(each), decoder)
    passed_over = dict(+decoder.passed_over)
    assert len(found) + sum(passed_over.values()) == packets
    return found, passed_over


FIELDS = ("frame.number", "tcp.srcport", "tcp.dstport", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.len")


def shown_by_tshark(tshark: str, path: Path) -> list[tuple[int, ...]]:
    """What tshark finds in the innermost TCP header of each packet that has one: `FIELDS`."""
    command = [tshark, "-r", str(path), "-Y", "tcp", "-T", "fields", "-E", "occurrence=l"]
    command += [part for field in FIELDS for part in ("-e", field)]
    shown = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    found = [tuple(int(value, 0) for value in line.split("\t")) for line in shown.splitlines()]
    return [(*row[:5], row[5] & 0xFF, row[6]) for row in found]  # it counts reserved bits among the flags


def as_tshark_shows(found: Iterable[Row]) -> list[tuple[int, ...]]:
    """The same of our rows."""
    return [
        (
            row.frame, row.source_port, row.destination_port, row.sequence, row.acknowledgment, row.flags,
            len(row.payload) + row.missing,
        )
        for row in found
    ]  # fmt: skip
