"""Packets whose transport header does not follow at once: tunnels, extension headers, fragments.

These are rare, so they are taken apart one by one: MPLS, PPPoE, GRE (ERSPAN included), IP in IP, VXLAN, IPv6 extension
headers, and fragments of both versions. What comes out is a plain IP packet that goes the common way. dpkt reads
the IPv6 extension headers.
"""

import struct
from collections import Counter, OrderedDict
from dataclasses import dataclass

import dpkt
import numpy as np
import numpy.typing as npt

from parsers.capture.packets import PacketBlock
from parsers.layout import Buffer
from parsers.transport.link import IPV4, IPV6, UNKNOWN

__all__ = ["InnerPackets", "Unwrapper"]

_MAX_DEPTH = 8  # encapsulations inside of one another; real networks use two or three
_MAX_DATAGRAM = 65535  # the largest IP datagram (RFC 791 3.1)
_MAX_PENDING = 1024  # datagrams that wait for fragments; the oldest is given up
_MPLS, _PPPOE, _TEB, _ERSPAN, _ERSPAN_3 = (0x8847, 0x8848), 0x8864, 0x6558, 0x88BE, 0x22EB
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
_PPP_IPV4, _PPP_IPV6 = 0x0021, 0x0057
_IPIP, _TCP, _UDP, _IPV6_IN_IP, _GRE = 4, 6, 17, 41, 47
_EXTENSIONS = (0, 43, 44, 51, 60, 135)

Column = npt.NDArray[np.int64]


@dataclass(slots=True)
class InnerPackets:
    """Plain IP packets, one behind another in `buffer`; `ethertype` says which version."""

    buffer: bytes
    offset: Column
    end: Column
    ethertype: Column


class Unwrapper:
    """Takes packets apart; remembers fragments between blocks."""

    def __init__(self) -> None:
        self._datagrams: OrderedDict[bytes, _Datagram] = OrderedDict()
        self._reasons: Counter[str] = Counter()

    def take_reasons(self) -> Counter[str]:
        """Why packets gave nothing, counted since the last call."""
        reasons, self._reasons = self._reasons, Counter()
        return reasons

    def unwrap(
        self, buffer: Buffer, starts: Column, ends: Column, types: Column, rows: Column, block: PacketBlock
    ) -> tuple[InnerPackets, Column, Column]:
        """The IP packets inside of `rows`, with their frame numbers and times (a datagram has its last fragment's)."""
        view = memoryview(buffer)
        found: list[tuple[int, bytes]] = []
        for row in rows.tolist():
            packet = bytes(view[starts[row] : ends[row]])
            inner = self._unwrap_one(int(types[row]), packet)
            if inner:
                found.append((row, inner))
        kept = np.array([row for row, _ in found], np.int64)
        sizes = np.array([len(inner) for _, inner in found], np.int64)
        end = np.cumsum(sizes)
        ethertype = np.array([IPV4 if inner[0] >> 4 == 4 else IPV6 for _, inner in found], np.int64)
        packets = InnerPackets(b"".join(inner for _, inner in found), end - sizes, end, ethertype)
        return packets, block.frame[kept], block.time[kept]

    def _unwrap_one(self, ethertype: int, packet: bytes) -> bytes | None:
        """Peel one layer after another until a plain TCP packet remains."""
        for _ in range(_MAX_DEPTH):
            if ethertype in (IPV4, IPV6):
                step = self._ipv4(packet) if ethertype == IPV4 else self._ipv6(packet)
            else:
                step = _LINK_STEPS.get(ethertype, _no_step)(packet)
            if step is None:
                name = f"ethertype 0x{ethertype:04X}" if ethertype != UNKNOWN else "unknown link layer"
                self._reasons[name if ethertype not in (IPV4, IPV6) else "no TCP inside"] += 1
                return None
            ethertype, packet = step
            if ethertype == _DONE:
                return packet
            if ethertype == _WAIT:
                return None
        self._reasons["too many encapsulations"] += 1
        return None

    def _ipv4(self, packet: bytes) -> tuple[int, bytes] | None:
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return None
        header_length = (packet[0] & 0x0F) * 4
        total, identification, fragment = struct.unpack_from(">HHH", packet, 2)
        packet = packet[:total] if total else packet
        if header_length < 20 or len(packet) < header_length:
            return None
        protocol, payload = packet[9], packet[header_length:]
        if fragment & 0x3FFF:
            key = packet[12:20] + bytes([protocol]) + identification.to_bytes(2, "big")
            whole = self._add_fragment(key, (fragment & 0x1FFF) * 8, payload, last=not fragment & 0x2000)
            if whole is None:
                return _WAIT, b""
            payload = whole
        return _transport(protocol, payload, packet[:20])

    def _ipv6(self, packet: bytes) -> tuple[int, bytes] | None:
        if len(packet) < 40 or packet[0] >> 4 != 6:
            return None
        payload_length = int.from_bytes(packet[4:6], "big")
        protocol, rest = packet[6], packet[40 : 40 + payload_length] if payload_length else packet[40:]
        for _ in range(_MAX_DEPTH):
            if protocol not in _EXTENSIONS:
                return _transport(protocol, rest, packet[:40])
            try:
                header = dpkt.ip6.EXT_HDRS_CLS[protocol](rest)
            except (dpkt.UnpackError, KeyError, IndexError, struct.error):
                return None
            if protocol == 44:
                whole = self._add_fragment(
                    packet[8:40] + header.id.to_bytes(4, "big"), header.frag_off * 8, rest[8:], last=not header.m_flag
                )
                if whole is None:
                    return _WAIT, b""
                protocol, rest = header.nxt, whole
            else:
                protocol, rest = header.nxt, rest[header.length :]
        return None

    def _add_fragment(self, key: bytes, offset: int, payload: bytes, *, last: bool) -> bytes | None:
        """The whole datagram's payload once its last hole is filled. The first copy of a byte counts (RFC 5722)."""
        if offset + len(payload) > _MAX_DATAGRAM:
            self._reasons["fragment beyond 64 KiB"] += 1
            return None
        datagram = self._datagrams.setdefault(key, _Datagram())
        datagram.add(offset, payload, last=last)
        whole = datagram.whole()
        if whole is not None:
            del self._datagrams[key]
        elif len(self._datagrams) > _MAX_PENDING:
            self._datagrams.popitem(last=False)
            self._reasons["fragments never completed"] += 1
        return whole


class _Datagram:
    """The fragments of one IP datagram, in order of offsets."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self._size: int | None = None

    def add(self, offset: int, payload: bytes, *, last: bool) -> None:
        self._pieces.setdefault(offset, payload)
        if last:
            self._size = offset + len(payload)

    def whole(self) -> bytes | None:
        if self._size is None:
            return None
        joined = bytearray()
        for offset, piece in sorted(self._pieces.items()):
            if offset > len(joined):
                return None
            joined += piece[len(joined) - offset :]
        return bytes(joined[: self._size]) if len(joined) >= self._size else None


_DONE, _WAIT = -1, -2


def _no_step(packet: bytes) -> tuple[int, bytes] | None:  # noqa: ARG001  # one signature for all steps
    return None


def _transport(protocol: int, payload: bytes, header: bytes) -> tuple[int, bytes] | None:
    """The next layer inside of an IP payload, or the finished packet with a fresh header in front of a TCP segment."""
    if protocol == _TCP:
        return _DONE, _fresh_header(header, len(payload)) + payload
    if protocol == _IPIP:
        return IPV4, payload
    if protocol == _IPV6_IN_IP:
        return IPV6, payload
    if protocol == _GRE:
        return _gre(payload)
    if protocol == _UDP and payload[2:4] == b"\x12\xb5" and len(payload) > 16:  # port 4789: VXLAN, RFC 7348 5
        return _ethernet(payload[16:])
    return None


def _fresh_header(header: bytes, payload_length: int) -> bytes:
    """The same addresses, no options, no fragment, the right length; 0 stands for a jumbogram's."""
    if len(header) == 20:
        total = min(20 + payload_length, _MAX_DATAGRAM)
        return (
            b"\x45"
            + header[1:2]
            + total.to_bytes(2, "big")
            + header[4:6]
            + bytes(2)
            + header[8:9]
            + b"\x06"
            + (bytes(2) + header[12:20])
        )
    size = payload_length if payload_length <= _MAX_DATAGRAM else 0
    return header[:4] + size.to_bytes(2, "big") + b"\x06" + header[7:40]


def _ethernet(packet: bytes) -> tuple[int, bytes] | None:
    return (int.from_bytes(packet[12:14], "big"), packet[14:]) if len(packet) > 14 else None


def _vlan(packet: bytes) -> tuple[int, bytes] | None:
    return (int.from_bytes(packet[2:4], "big"), packet[4:]) if len(packet) > 4 else None


def _mpls(packet: bytes) -> tuple[int, bytes] | None:
    """RFC 3032 2.1: labels until the bottom-of-stack bit; the payload's first nibble tells its version."""
    for at in range(0, min(len(packet) - 4, _MAX_DEPTH * 4), 4):
        if packet[at + 2] & 1:
            inner = packet[at + 4 :]
            version = {4: IPV4, 6: IPV6}.get(inner[0] >> 4)
            return (version, inner) if version else _ethernet(inner[4:])  # RFC 4385: control word, then Ethernet
    return None


def _pppoe(packet: bytes) -> tuple[int, bytes] | None:
    """RFC 2516 4: six bytes, then the PPP protocol."""
    protocol = int.from_bytes(packet[6:8], "big")
    version = {_PPP_IPV4: IPV4, _PPP_IPV6: IPV6}.get(protocol)
    return (version, packet[8:]) if version else None


def _gre(packet: bytes) -> tuple[int, bytes] | None:
    """RFC 2784, 2890: checksum or routing, key and sequence number follow if flagged. ERSPAN carries Ethernet."""
    if len(packet) < 4:
        return None
    flags, protocol = struct.unpack_from(">HH", packet)
    optional = 4 * (bool(flags & 0xC000) + bool(flags & 0x2000) + bool(flags & 0x1000))
    inner = packet[4 + optional :]
    if protocol == _ERSPAN:
        return _ethernet(inner[8:] if flags & 0x1000 else inner)  # without a sequence number it is type I: no header
    if protocol == _ERSPAN_3:
        return _ethernet(inner[12 + (8 if len(inner) > 12 and inner[11] & 1 else 0) :])
    if protocol == _TEB:
        return _ethernet(inner)
    return (protocol, inner) if protocol in (IPV4, IPV6) else None


_LINK_STEPS = {
    **dict.fromkeys(_MPLS, _mpls),
    **dict.fromkeys(_VLAN_TAGS, _vlan),
    _PPPOE: _pppoe,
}
