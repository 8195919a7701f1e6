"""Frames: Ethernet, IPv4 or IPv6, and TCP headers around a payload, with the checksums right."""

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from parsers.layout import Buffer
from parsers.transport.ip import SYN

__all__ = ["PSH", "Segment", "Socket", "encode", "headers_size", "syn_options"]

PSH = 0x08

_IPV4 = struct.Struct(">BBHHHBBH")  # RFC 791 3.1, up to the addresses
_IPV6 = struct.Struct(">IHBB")  # RFC 8200 3, up to the addresses
_TCP = struct.Struct(">HHIIBBHHH")  # RFC 9293 3.1
_PSEUDO = struct.Struct(">IHH")
_DONT_FRAGMENT = 0x4000
_HOP_LIMIT = 64
_PROTOCOL_TCP = 6


class Socket(NamedTuple):
    """An end of a connection: packed IP address (4 or 16 bytes) and port."""

    address: bytes
    port: int

    def __str__(self) -> str:
        text = str(ip_address(self.address))
        return f"[{text}]:{self.port}" if ":" in text else f"{text}:{self.port}"


@dataclass(slots=True, eq=False)
class Segment:
    """One TCP segment as it is sent.

    `connection` is the network's number of the connection and `offset` where the payload begins in the stream of its
    direction: nobody can read these two from the wire, observers need them to say which frame carried what.
    """

    source: Socket
    destination: Socket
    sequence: int
    acknowledgment: int
    flags: int
    window: int  # as in the header, not scaled
    payload: bytes = b""
    options: bytes = b""
    connection: int = -1
    offset: int = 0


def syn_options(mss: int, scale: int) -> bytes:
    """Maximum segment size (RFC 9293 3.2), a no-operation, window scale (RFC 7323 2.2)."""
    return struct.pack(">BBHBBBB", 2, 4, mss, 1, 3, 3, scale)


def headers_size(address: bytes) -> int:
    """Bytes of the IP and TCP headers of a segment without options: what the MTU has and the MSS has not."""
    return 40 if len(address) == 4 else 60


def encode(segment: Segment, identification: int) -> bytes:
    """The frame of a segment.

    Args:
        segment: what to send; a SYN brings its options.
        identification: of the IPv4 header, 16 bits; IPv6 has none.
    """
    source, destination = segment.source.address, segment.destination.address
    ipv4 = len(source) == 4
    size = _TCP.size + len(segment.options) + len(segment.payload)
    tcp = _tcp_header(segment, size)
    kind = b"\x08\x00" if ipv4 else b"\x86\xdd"
    ip = _ipv4_header(source + destination, size, identification) if ipv4 else _ipv6_header(source + destination, size)
    return b"".join((_mac(destination), _mac(source), kind, ip, tcp, segment.payload))


def _tcp_header(segment: Segment, size: int) -> bytes:
    assert segment.options or not segment.flags & SYN  # a SYN without them would not speak of its MSS
    offset = (_TCP.size + len(segment.options)) << 2  # in words, in the upper four bits
    fields = (segment.source.port, segment.destination.port, segment.sequence, segment.acknowledgment, offset)
    header = bytearray(_TCP.pack(*fields, segment.flags, segment.window, 0, 0) + segment.options)
    pseudo = segment.source.address + segment.destination.address + _PSEUDO.pack(size, 0, _PROTOCOL_TCP)
    total = _sum(pseudo) + _sum(header) + _sum(segment.payload)
    struct.pack_into(">H", header, 16, _complement(total))
    return bytes(header)


def _ipv4_header(addresses: bytes, size: int, identification: int) -> bytes:
    fields = (0x45, 0, 20 + size, identification & 0xFFFF, _DONT_FRAGMENT, _HOP_LIMIT, _PROTOCOL_TCP, 0)
    header = bytearray(_IPV4.pack(*fields) + addresses)
    struct.pack_into(">H", header, 10, _complement(_sum(header)))
    return bytes(header)


def _ipv6_header(addresses: bytes, size: int) -> bytes:
    return _IPV6.pack(6 << 28, size, _PROTOCOL_TCP, _HOP_LIMIT) + addresses


def _mac(address: bytes) -> bytes:
    """A locally administered address that follows from the IP address."""
    return b"\x02\x00" + address[-4:]


def _sum(data: Buffer) -> int:
    """The one's complement sum of the 16-bit words (RFC 1071), modulo 0xFFFF: 2**16 is 1 there."""
    padded = bytes(data) + b"\0" if len(data) % 2 else data
    return int.from_bytes(padded, "big") % 0xFFFF


def _complement(total: int) -> int:
    """The checksum field. No header is all zeros, so a remainder of 0 stands for the sum 0xFFFF."""
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)
