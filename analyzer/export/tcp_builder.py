"""TCP packets built from nothing: Ethernet or no link layer, IPv4 or IPv6, TCP, with valid checksums.

What does not carry meaning in a written trace is fixed: no fragmentation, a hop limit of 64, a window so wide that no
amount of data in flight looks like a stall.
"""

import struct

import numpy as np

from parsers.layout import Buffer
from parsers.transport.ip import SYN

__all__ = ["MAX_PAYLOAD", "TcpPath"]

MAX_PAYLOAD = 65_160
"""Payload bytes of a packet: 45 segments of 1448, which is what receive offload joins at most, so readers know such.

Packets of 1460 make the file of a bulk transfer 6 % larger, and take twice the time to write and to dissect.
"""

_SYN_OPTIONS = bytes((2, 4, *MAX_PAYLOAD.to_bytes(2, "big"), 1, 3, 3, 14))
"""Maximum segment size (RFC 9293 3.2), a no-operation, window scale 14, which is the largest (RFC 7323 2.3): 1 GiB."""

_DONT_FRAGMENT = 0x4000
_HOP_LIMIT = 64
_TCP = 6
_WINDOW = 0xFFFF
_TCP_SIZE = 20

_IPV4 = struct.Struct(">BBHHHBBH")  # RFC 791 3.1, up to the addresses
_IPV6 = struct.Struct(">IHBB")  # RFC 8200 3, up to the addresses
_TCP_HEADER = struct.Struct(">HHIIBBHHH")  # RFC 9293 3.1
_PSEUDO_LENGTH = struct.Struct(">I")
_CHECKSUM = struct.Struct("<H")


class TcpPath:
    """One direction of a connection: everything in its packets' headers that stays the same.

    Args:
        macs: destination and source address of the Ethernet header, 12 bytes; empty for packets without link layer.
        source: packed address, 4 bytes for IPv4 and 16 for IPv6.
        destination: of the same size.
        source_port: TCP port.
        destination_port: TCP port.
    """

    def __init__(self, macs: bytes, source: bytes, destination: bytes, source_port: int, destination_port: int) -> None:
        self._addresses = source + destination
        self._is_ipv4 = len(source) == 4
        self._link = macs + (b"\x08\x00" if self._is_ipv4 else b"\x86\xdd") if macs else b""
        self._ports = (source_port, destination_port)
        self._pseudo = _sum(self._addresses) + _sum(bytes((0, _TCP)))

    def packet(self, sequence: int, acknowledgment: int, flags: int, payload: Buffer = b"") -> bytes:
        """One packet, link header first. A SYN carries options.

        Args:
            sequence: 32-bit sequence number.
            acknowledgment: 32-bit acknowledgment number.
            flags: the eight flag bits of the TCP header.
            payload: at most `MAX_PAYLOAD` bytes.
        """
        options = _SYN_OPTIONS if flags & SYN else b""
        length = _TCP_SIZE + len(options) + len(payload)
        offset = (_TCP_SIZE + len(options)) << 2  # data offset: words, in the upper four bits
        tcp = bytearray(
            _TCP_HEADER.pack(*self._ports, sequence, acknowledgment, offset, flags, _WINDOW, 0, 0) + options
        )
        total = self._pseudo + _sum(_PSEUDO_LENGTH.pack(length)) + _sum(tcp) + _sum(payload)
        _CHECKSUM.pack_into(tcp, 16, _complement(total))
        return b"".join((self._link, self._ip_header(length), tcp, payload))

    def _ip_header(self, length: int) -> bytes:
        if not self._is_ipv4:
            return _IPV6.pack(6 << 28, length, _TCP, _HOP_LIMIT) + self._addresses
        header = bytearray(_IPV4.pack(0x45, 0, 20 + length, 0, _DONT_FRAGMENT, _HOP_LIMIT, _TCP, 0) + self._addresses)
        _CHECKSUM.pack_into(header, 10, _complement(_sum(header)))
        return bytes(header)


def _sum(data: Buffer) -> int:
    """A number that is the one's complement sum of the 16-bit little-endian words modulo 0xFFFF.

    The sum does not depend on the byte order (RFC 1071 2 B), and words of 32 bits give the same one, since 2**16
    is 1 modulo 0xFFFF. So numpy can add them; below some hundred bytes Python's integers are faster.
    """
    size = len(data)
    if size < 512:
        return int.from_bytes(data, "little") % 0xFFFF
    words = np.frombuffer(data, "<u4", size // 4)
    return int(words.sum(dtype=np.uint64)) + int.from_bytes(data[size & ~3 :], "little")


def _complement(total: int) -> int:
    """The checksum field, little-endian. No header is all zeros, so a remainder of 0 is the sum 0xFFFF."""
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)
