"""Packets whose transport header does not follow at once: tunnels, extension headers, fragments.

These are rare, so they are taken apart one by one: LLC/SNAP, VN-Tag, MPLS, PPPoE, GRE (ERSPAN included), IP in IP,
VXLAN, Geneve, IPv6 extension headers, and fragments of both versions. What comes out is a plain IP packet that goes
the common way. dpkt reads the IPv6 extension headers.
"""

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
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
_VLAN_TAGS, _VN_TAG = (0x8100, 0x88A8, 0x9100), 0x8926
_LOWEST_ETHERTYPE = 0x0600  # below it the field is a length, and LLC follows (IEEE 802.3 3.2.6)
_SNAP = b"\xaa\xaa\x03\x00\x00\x00"  # LLC, then the OUI that says "ethertype" (RFC 1042)
_VXLAN, _GENEVE = _UDP_TUNNELS = 4789, 6081  # ports
_PPP_IPV4, _PPP_IPV6 = 0x0021, 0x0057
_IPIP, _TCP, _UDP, _IPV6_IN_IP, _GRE = 4, 6, 17, 41, 47
_EXTENSIONS = (0, 43, 44, 51, 60)
_JOINED, _INCOMPLETE = "IP fragment, joined with others", "IP fragment, others are missing"

Column = npt.NDArray[np.int64]


@dataclass(slots=True)
class InnerPackets:
    """Plain IP packets, one behind another in `buffer`; `ethertype` says which version."""

    buffer: bytes
    offset: Column
    end: Column
    ethertype: Column

    def __len__(self) -> int:
        return len(self.offset)


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
        """Peel one layer after another until a plain TCP or UDP packet remains."""
        for _ in range(_MAX_DEPTH):
            if ethertype in (IPV4, IPV6):
                step = self._ipv4(packet) if ethertype == IPV4 else self._ipv6(packet)
            else:
                step = _link_step(ethertype)(packet)
            if step is None:
                self._reasons[_name(ethertype)] += 1
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
        size = total or len(packet)
        if header_length < 20 or min(size, len(packet)) < header_length:
            return None
        protocol, payload, size = packet[9], packet[header_length:size], size - header_length
        if fragment & 0x3FFF:
            key = packet[12:20] + bytes([protocol]) + identification.to_bytes(2, "big")
            whole = self._add_fragment(key, (fragment & 0x1FFF) * 8, payload, size, last=not fragment & 0x2000)
            if whole is None:
                return _WAIT, b""
            payload, size = whole, len(whole)
        return _transport(protocol, payload, size, packet[:20])

    def _ipv6(self, packet: bytes) -> tuple[int, bytes] | None:
        if len(packet) < 40 or packet[0] >> 4 != 6:
            return None
        size = int.from_bytes(packet[4:6], "big") or len(packet) - 40
        protocol, rest = packet[6], packet[40 : 40 + size]
        for _ in range(_MAX_DEPTH):
            if protocol not in _EXTENSIONS:
                return _transport(protocol, rest, size, packet[:40])
            try:
                header = dpkt.ip6.EXT_HDRS_CLS[protocol](rest)
            except (dpkt.UnpackError, KeyError, IndexError, struct.error):
                return None
            if header.length > size:
                return None
            is_fragment = protocol == 44 and (header.frag_off or header.m_flag)  # else it stands alone (RFC 6946 4)
            protocol, rest, size = header.nxt, rest[header.length :], size - header.length
            if is_fragment:
                key = packet[8:40] + header.id.to_bytes(4, "big")
                whole = self._add_fragment(key, header.frag_off * 8, rest, size, last=not header.m_flag)
                if whole is None:
                    return _WAIT, b""
                rest, size = whole, len(whole)
        return None

    def _add_fragment(self, key: bytes, offset: int, payload: bytes, size: int, *, last: bool) -> bytes | None:
        """The whole datagram's payload once its last hole is filled; `size` as in `_transport`."""
        if offset + size > _MAX_DATAGRAM:
            self._reasons["fragment beyond 64 KiB"] += 1
            return None
        datagram = self._datagrams.setdefault(key, _Datagram())
        datagram.add(offset, payload)
        if last:
            datagram.end_at(offset + size)
        self._reasons[_INCOMPLETE] += 1
        if datagram.holes:
            if len(self._datagrams) > _MAX_PENDING:
                self._datagrams.popitem(last=False)
            return None
        del self._datagrams[key]
        self._reasons[_INCOMPLETE] -= datagram.fragments
        self._reasons[_JOINED] += datagram.fragments - 1  # the last one gives the packet
        return bytes(datagram.data)


class _Datagram:
    """The fragments of one IP datagram. Of bytes that come twice the first copy counts, as in RFC 815."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.holes = [(0, _MAX_DATAGRAM)]  # first byte, end
        self.fragments = 0

    def add(self, offset: int, payload: bytes) -> None:
        """Fill holes."""
        self.fragments += 1
        end = offset + len(payload)
        holes = []
        for first, stop in self.holes:
            start, finish = max(first, offset), min(stop, end)
            if start >= finish:
                holes.append((first, stop))
                continue
            self.data.extend(bytes(max(finish - len(self.data), 0)))
            self.data[start:finish] = payload[start - offset : finish - offset]
            holes += [(first, start)] * (first < start) + [(finish, stop)] * (finish < stop)
        self.holes = holes

    def end_at(self, end: int) -> None:
        """The last fragment was seen: nothing is missing behind it."""
        del self.data[end:]
        self.holes = [(first, min(stop, end)) for first, stop in self.holes if first < end]


_DONE, _WAIT = -1, -2


def _name(ethertype: int) -> str:
    """Why a packet with this ethertype, in which no next layer was found, gave nothing."""
    if ethertype in (IPV4, IPV6):
        return "no TCP inside"
    if ethertype == UNKNOWN:
        return "unknown link layer"
    return f"ethertype 0x{ethertype:04X}" if ethertype >= _LOWEST_ETHERTYPE else "LLC without an ethertype"


def _no_step(packet: bytes) -> tuple[int, bytes] | None:  # noqa: ARG001  # one signature for all steps
    return None


def _transport(protocol: int, payload: bytes, size: int, header: bytes) -> tuple[int, bytes] | None:
    """The next layer inside of an IP payload, or the finished packet: a fresh header in front of TCP or UDP.

    `size` is the payload's length on the wire, more than `payload` where the capture cut the packet.
    """
    if protocol == _UDP and int.from_bytes(payload[2:4], "big") in _UDP_TUNNELS:
        return _udp_tunnel(payload) if len(payload) >= 16 else None
    if protocol in (_TCP, _UDP):
        return _DONE, _fresh_header(header, protocol, size) + payload
    if protocol == _IPIP:
        return IPV4, payload
    if protocol == _IPV6_IN_IP:
        return IPV6, payload
    if protocol == _GRE:
        return _gre(payload)
    return None


def _fresh_header(header: bytes, protocol: int, size: int) -> bytes:
    """The same addresses, no options, no fragment, the right length; 0 stands for one that does not fit."""
    if len(header) == 20:
        total = 20 + size if 20 + size <= _MAX_DATAGRAM else 0
        return (
            b"\x45"
            + header[1:2]
            + total.to_bytes(2, "big")
            + header[4:6]
            + bytes(2)
            + header[8:9]
            + bytes([protocol])
            + (bytes(2) + header[12:20])
        )
    length = size if size <= _MAX_DATAGRAM else 0
    return header[:4] + length.to_bytes(2, "big") + bytes([protocol]) + header[7:40]


def _udp_tunnel(packet: bytes) -> tuple[int, bytes] | None:
    """VXLAN (RFC 7348 5) and Geneve (RFC 8926 3.4), told by their ports: a header of 8 bytes, Geneve's with options."""
    if int.from_bytes(packet[2:4], "big") == _VXLAN:
        return _ethernet(packet[16:])
    protocol, inner = int.from_bytes(packet[10:12], "big"), packet[16 + 4 * (packet[8] & 0x3F) :]
    return _ethernet(inner) if protocol == _TEB else (protocol, inner)


def _ethernet(packet: bytes) -> tuple[int, bytes] | None:
    return (int.from_bytes(packet[12:14], "big"), packet[14:]) if len(packet) > 14 else None


def _vlan(packet: bytes) -> tuple[int, bytes] | None:
    return (int.from_bytes(packet[2:4], "big"), packet[4:]) if len(packet) > 4 else None


def _vn_tag(packet: bytes) -> tuple[int, bytes] | None:
    """IEEE 802.1BR: four bytes, then the next ethertype."""
    return (int.from_bytes(packet[4:6], "big"), packet[6:]) if len(packet) > 6 else None


def _snap(packet: bytes) -> tuple[int, bytes] | None:
    return (int.from_bytes(packet[6:8], "big"), packet[8:]) if packet.startswith(_SNAP) else None


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
    """RFC 2784, 2890: checksum, key and sequence number follow if flagged. ERSPAN carries Ethernet."""
    if len(packet) < 4 or packet[0] & 0x40:  # the source routing of RFC 1701 is obsolete
        return None
    flags, protocol = struct.unpack_from(">HH", packet)
    optional = 4 * (bool(flags & 0x8000) + bool(flags & 0x2000) + bool(flags & 0x1000))
    inner = packet[4 + optional :]
    if protocol == _ERSPAN:
        return _ethernet(inner[8:] if flags & 0x1000 else inner)  # without a sequence number it is type I: no header
    if protocol == _ERSPAN_3:
        return _ethernet(inner[12 + (8 if len(inner) > 12 and inner[11] & 1 else 0) :])
    if protocol == _TEB:
        return _ethernet(inner)
    return protocol, inner


_LINK_STEPS = {
    **dict.fromkeys(_MPLS, _mpls),
    **dict.fromkeys(_VLAN_TAGS, _vlan),
    _VN_TAG: _vn_tag,
    _PPPOE: _pppoe,
}


def _link_step(ethertype: int) -> Callable[[bytes], tuple[int, bytes] | None]:
    if UNKNOWN < ethertype < _LOWEST_ETHERTYPE:
        return _snap
    return _LINK_STEPS.get(ethertype, _no_step)
