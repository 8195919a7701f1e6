"""IPv4, IPv6 and TCP headers in columns: packets -> TCP segments, and UDP datagrams beside them."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import PacketBlock
from parsers.layout import U8, U16, U32, Buffer, Bytes16, Layout, take_rows
from parsers.transport.addresses import AddressBook
from parsers.transport.link import ARP, IPV4, IPV6, locate_network_headers
from parsers.transport.udp import UDP_HEADER, Datagrams, locate_payloads

if TYPE_CHECKING:
    from parsers.transport.uncommon import InnerPackets, Unwrapper

__all__ = ["ACK", "FIN", "RST", "SYN", "SegmentDecoder", "Segments"]

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
_TCP, _UDP = 6, 17
_TUNNEL_PORTS = (4789, 6081)  # VXLAN (RFC 7348 5), Geneve (RFC 8926 3.3)
_FRAGMENT = 0x3FFF  # MF bit and fragment offset; DF does not matter


class Ipv4Header(NamedTuple):
    """RFC 791 3.1, without options."""

    version_ihl: U8
    tos: U8
    total_length: U16
    identification: U16
    flags_fragment: U16
    ttl: U8
    protocol: U8
    checksum: U16
    source: U32
    destination: U32


class Ipv6Header(NamedTuple):
    """RFC 8200 3."""

    version_class_label: U32
    payload_length: U16
    next_header: U8
    hop_limit: U8
    source: Bytes16
    destination: Bytes16


class TcpHeader(NamedTuple):
    """RFC 9293 3.1, without options."""

    source_port: U16
    destination_port: U16
    sequence: U32
    acknowledgment: U32
    data_offset: U8
    flags: U8
    window: U16
    checksum: U16
    urgent: U16


IPV4_HEADER = Layout(Ipv4Header, byteorder=">")
IPV6_HEADER = Layout(Ipv6Header, byteorder=">")
TCP_HEADER = Layout(TcpHeader, byteorder=">")

Column = npt.NDArray[np.int64]


@dataclass(slots=True)
class Segments:
    """TCP segments of one block, in order of frames. Every column is int64 of shape (n,).

    `source` and `destination` are numbers of the address book; `offset` is where the payload begins in `buffer`,
    `length` its captured bytes, `missing` the bytes that were on the wire and not captured (snap length).
    `connection` is -1 until the connection tracker has seen the segments.
    `buffer` lives as long as the packet block that it came from.
    """

    buffer: Buffer
    frame: Column
    time: Column
    source: Column
    destination: Column
    source_port: Column
    destination_port: Column
    sequence: Column
    acknowledgment: Column
    flags: Column
    window: Column
    offset: Column
    length: Column
    missing: Column
    connection: Column

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(slots=True)
class _Network:
    """The packets of one address family whose transport header follows at once."""

    rows: Column
    protocol: Column
    source: Column
    destination: Column
    start: Column  # of the transport header
    end: Column  # of the packet as it was on the wire
    captured_end: Column


class SegmentDecoder:
    """Turns packet blocks into segments; remembers fragments and addresses between blocks.

    `passed_over` counts the packets that are no TCP segment, by reason. `datagrams` has the UDP datagrams of the block
    that was decoded last, in tables with the frames in order; they live as long as its segments.
    """

    def __init__(self) -> None:
        self.book = AddressBook()
        self.passed_over: Counter[str] = Counter()
        self._unwrapper: Unwrapper | None = None
        self.datagrams: list[Datagrams] = []

    def decode(self, block: PacketBlock) -> Segments:
        """All TCP segments of a block, those inside of tunnels and fragments included; `datagrams` are of it, too."""
        self.datagrams = []
        starts, types = locate_network_headers(block)
        ends = block.offset + block.captured
        wire_ends = block.offset + block.length
        plain, unusual = self._networks(block.buffer, starts, ends, wire_ends, types)
        parts = [self._segments(block.buffer, network, block.frame, block.time) for network in plain]
        self._collect_datagrams(block.buffer, plain, block.frame, block.time)
        if len(unusual) == 0:
            return _concatenate(block.buffer, parts)
        inner, frames, times = self._unwrap(block, starts, ends, types, unusual)
        if len(inner) == 0:
            return _concatenate(block.buffer, parts)
        buffer = bytearray(block.buffer) + inner.buffer
        shift = len(block.buffer)
        plain, _ = self._networks(buffer, inner.offset + shift, inner.end + shift, inner.end + shift, inner.ethertype)
        parts += [self._segments(buffer, network, frames, times) for network in plain]
        self._collect_datagrams(buffer, plain, frames, times)
        return _concatenate(buffer, parts)

    def _unwrap(
        self, block: PacketBlock, starts: Column, ends: Column, types: Column, unusual: Column
    ) -> tuple["InnerPackets", Column, Column]:
        if self._unwrapper is None:
            from parsers.transport.uncommon import Unwrapper  # noqa: PLC0415  # dpkt is large; many captures need none

            self._unwrapper = Unwrapper()
        unwrapped = self._unwrapper.unwrap(block.buffer, starts, ends, types, unusual, block)
        self.passed_over.update(self._unwrapper.take_reasons())
        return unwrapped

    def _collect_datagrams(self, buffer: Buffer, networks: list[_Network], frames: Column, times: Column) -> None:
        for network in networks:
            udp = _whole_udp(network)
            if len(udp) == 0:
                continue
            headers, offset, length, missing = locate_payloads(
                buffer, network.start[udp], network.end[udp], network.captured_end[udp]
            )
            rows = network.rows[udp]
            self.datagrams.append(
                Datagrams(
                    buffer,
                    frames[rows],
                    times[rows],
                    network.source[udp],
                    network.destination[udp],
                    headers["source_port"].astype(np.int64),
                    headers["destination_port"].astype(np.int64),
                    offset,
                    length,
                    missing,
                )
            )

    def _networks(
        self, buffer: Buffer, starts: Column, ends: Column, wire_ends: Column, types: Column
    ) -> tuple[list[_Network], Column]:
        """Split packets into those that are plain IPv4 or IPv6 and the rows that need unwrapping."""
        unusual = [np.flatnonzero((types != IPV4) & (types != IPV6) & (types != ARP))]
        self.passed_over["ARP"] += int(np.count_nonzero(types == ARP))
        networks = []
        for ethertype, layout, decode in ((IPV4, IPV4_HEADER, self._ipv4), (IPV6, IPV6_HEADER, self._ipv6)):
            mine = types == ethertype
            whole = mine & (starts + layout.size <= ends)
            rows = np.flatnonzero(whole)
            self.passed_over["cut in the IP header"] += int(np.count_nonzero(mine)) - len(rows)
            if len(rows) == 0:
                continue
            here = _chosen(whole)
            headers = layout.gather(buffer, starts[here])
            network, odd = decode(headers, rows, starts[here], ends[here], wire_ends[here])
            tunnel = self._is_udp_tunnel(buffer, network)
            unusual += [rows[odd], network.rows[tunnel]]
            networks.append(network)
        return networks, np.sort(np.concatenate(unusual))

    def _ipv4(
        self, headers: npt.NDArray[Any], rows: Column, starts: Column, ends: Column, wire_ends: Column
    ) -> tuple[_Network, npt.NDArray[np.bool_]]:
        header_length = (headers["version_ihl"] & 0x0F).astype(np.int64) * 4
        total = headers["total_length"].astype(np.int64)
        # Segmentation offload leaves the length 0: the frame's own length holds then.
        end = np.where(total == 0, wire_ends, starts + total)
        protocol = headers["protocol"].astype(np.int64)
        well_formed = (headers["version_ihl"] >> 4 == 4) & (header_length >= 20) & (starts + header_length <= end)
        fragment = (headers["flags_fragment"] & _FRAGMENT) != 0
        common = well_formed & ~fragment & ((protocol == _TCP) | (protocol == _UDP))
        self.passed_over["malformed IP header"] += int(np.count_nonzero(~well_formed))
        here = _chosen(common)
        network = _Network(
            rows[here],
            protocol[here],
            self.book.number_ipv4(headers["source"][here]),
            self.book.number_ipv4(headers["destination"][here]),
            (starts + header_length)[here],
            end[here],
            np.minimum(end, ends)[here],
        )
        return network, well_formed & ~common

    def _ipv6(
        self, headers: npt.NDArray[Any], rows: Column, starts: Column, ends: Column, wire_ends: Column
    ) -> tuple[_Network, npt.NDArray[np.bool_]]:
        payload = headers["payload_length"].astype(np.int64)
        end = np.where(payload == 0, wire_ends, starts + IPV6_HEADER.size + payload)
        protocol = headers["next_header"].astype(np.int64)
        well_formed = headers["version_class_label"] >> 28 == 6
        common = well_formed & ((protocol == _TCP) | (protocol == _UDP))
        self.passed_over["malformed IP header"] += int(np.count_nonzero(~well_formed))
        here = _chosen(common)
        network = _Network(
            rows[here],
            protocol[here],
            self.book.number_ipv6(headers["source"][here]),
            self.book.number_ipv6(headers["destination"][here]),
            starts[here] + IPV6_HEADER.size,
            end[here],
            np.minimum(end, ends)[here],
        )
        return network, well_formed & ~common

    def _is_udp_tunnel(self, buffer: Buffer, network: _Network) -> Column:
        """Indices into the network of UDP packets to the port of a tunnel; all other UDP is counted as passed over."""
        udp = _whole_udp(network)
        ports = UDP_HEADER.gather(buffer, network.start[udp])["destination_port"]
        tunnels: Column = udp[np.isin(ports, _TUNNEL_PORTS)]
        self.passed_over["UDP"] += int(np.count_nonzero(network.protocol == _UDP)) - len(tunnels)
        return tunnels

    def _segments(self, buffer: Buffer, network: _Network, frames: Column, times: Column) -> Segments:
        tcp = network.protocol == _TCP
        is_whole = tcp & (network.start + TCP_HEADER.size <= network.captured_end)
        whole = _chosen(is_whole)
        start = network.start[whole]
        self.passed_over["cut in the TCP header"] += int(np.count_nonzero(tcp)) - len(start)
        headers = TCP_HEADER.gather(buffer, start)
        header_length = (headers["data_offset"] >> 4).astype(np.int64) * 4
        payload = start + header_length
        is_good = (header_length >= TCP_HEADER.size) & (payload <= network.end[whole])
        good = _chosen(is_good)
        self.passed_over["malformed TCP header"] += len(start) - int(np.count_nonzero(is_good))
        headers, payload = take_rows(headers, good), payload[good]
        length = np.maximum(network.captured_end[whole][good] - payload, 0)
        rows = network.rows[whole][good]
        return Segments(
            buffer,
            frames[rows],
            times[rows],
            network.source[whole][good],
            network.destination[whole][good],
            headers["source_port"].astype(np.int64),
            headers["destination_port"].astype(np.int64),
            headers["sequence"].astype(np.int64),
            headers["acknowledgment"].astype(np.int64),
            headers["flags"].astype(np.int64),
            headers["window"].astype(np.int64),
            payload,
            length,
            network.end[whole][good] - payload - length,
            np.full(len(payload), -1, np.int64),
        )


def _chosen(mask: npt.NDArray[np.bool_]) -> Column | slice:
    """The rows of a mask, to index with; where that is all of them nothing has to be copied."""
    return slice(None) if mask.all() else np.flatnonzero(mask)


def _whole_udp(network: _Network) -> Column:
    """Indices into the network of the UDP packets whose header was captured."""
    return np.flatnonzero((network.protocol == _UDP) & (network.start + UDP_HEADER.size <= network.captured_end))


def _concatenate(buffer: Buffer, parts: list[Segments]) -> Segments:
    """One table in order of frames; every part's offsets already count from the same buffer's start."""
    if len(parts) == 1:
        return parts[0]
    names = Segments.__slots__[1:]
    columns = [
        np.concatenate([getattr(part, name) for part in parts]) if parts else np.empty(0, np.int64) for name in names
    ]
    order = np.argsort(columns[0], kind="stable")
    return Segments(buffer, *(column[order] for column in columns))
