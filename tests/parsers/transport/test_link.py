"""Link headers: where the IP header begins, for whole packets and for packets that were cut anywhere.

Witness: tshark, on real captures with VLAN tags, cooked headers, SNAP, VN-Tag, NFLOG.
"""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.transport.link import UNKNOWN, locate_network_headers
from tests.parsers.transport.packets import (
    ARP,
    ETHERNET,
    IPV4,
    IPV6,
    LOOP,
    MPLS,
    NFLOG,
    NULL,
    QINQ,
    QINQ_OLD,
    RAW,
    SLL,
    SLL2,
    VLAN,
    as_tshark_shows,
    block,
    decoded,
    decoded_file,
    ethernet,
    ipv4,
    ipv6,
    one,
    shown_by_tshark,
    tag,
    tcp,
)

PAYLOAD = b"what the segment carries"
FOUR, SIX = ipv4(tcp(PAYLOAD)), ipv6(tcp(PAYLOAD))
VERSIONS = {IPV4: FOUR, IPV6: SIX}


def tagged(packet: bytes, ethertype: int, *tags: int) -> bytes:
    """An Ethernet frame with VLAN tags, the outermost first."""
    for inner in reversed(tags):
        packet, ethertype = tag(ethertype, packet), inner
    return ethernet(packet, ethertype)


def sll(packet: bytes, ethertype: int) -> bytes:
    """LINKTYPE_LINUX_SLL."""
    return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", ethertype) + packet


def sll2(packet: bytes, ethertype: int) -> bytes:
    """LINKTYPE_LINUX_SLL2."""
    return struct.pack(">HHIHBB8s", ethertype, 0, 2, 1, 0, 6, b"\2\0\0\0\0\1") + packet


def nflog(packet: bytes, family: int, before: bytes = b"") -> bytes:
    """LINKTYPE_NFLOG: a prefix of 5 bytes (padded), `before`, and the packet."""
    prefix = struct.pack("<HH", 9, 10) + b"deny\0" + bytes(3)
    return struct.pack(">BBH", family, 0, 7) + prefix + before + struct.pack("<HH", 4 + len(packet), 9) + packet


LINKS = {
    "Ethernet": (ETHERNET, ethernet(FOUR, IPV4)),
    "Ethernet, IPv6": (ETHERNET, ethernet(SIX, IPV6)),
    "VLAN": (ETHERNET, tagged(FOUR, IPV4, VLAN)),
    "QinQ": (ETHERNET, tagged(SIX, IPV6, QINQ, VLAN)),
    "old QinQ": (ETHERNET, tagged(FOUR, IPV4, QINQ_OLD, VLAN)),
    "three tags": (ETHERNET, tagged(FOUR, IPV4, QINQ, VLAN, VLAN)),
    "four tags": (ETHERNET, tagged(SIX, IPV6, VLAN, VLAN, VLAN, VLAN)),
    "cooked": (SLL, sll(FOUR, IPV4)),
    "cooked, IPv6": (SLL, sll(SIX, IPV6)),
    "cooked, VLAN": (SLL, sll(tag(IPV4, FOUR), VLAN)),
    "cooked 2": (SLL2, sll2(FOUR, IPV4)),
    "cooked 2, IPv6": (SLL2, sll2(SIX, IPV6)),
    "loopback of a little-endian host": (NULL, struct.pack("<I", 2) + FOUR),
    "loopback of a big-endian host": (NULL, struct.pack(">I", 2) + FOUR),
    "loopback, FreeBSD's IPv6": (NULL, struct.pack("<I", 28) + SIX),
    "loopback, macOS's IPv6": (NULL, struct.pack("<I", 30) + SIX),
    "loopback, OpenBSD's IPv6": (NULL, struct.pack(">I", 24) + SIX),
    "OpenBSD loopback": (LOOP, struct.pack(">I", 2) + FOUR),
    "OpenBSD loopback, IPv6": (LOOP, struct.pack(">I", 24) + SIX),
    "raw": (RAW, FOUR),
    "raw, IPv6": (RAW, SIX),
    "raw of BSD": (12, FOUR),
    "raw of OpenBSD": (14, SIX),
    "raw IPv4": (228, FOUR),
    "raw IPv6": (229, SIX),
    "NFLOG": (NFLOG, nflog(FOUR, 2)),
    "NFLOG, IPv6": (NFLOG, nflog(SIX, 10, struct.pack("<HHI", 8, 5, 3))),
}
links = pytest.mark.parametrize("name", LINKS)


@links
def test_the_network_header_is_found(name):
    linktype, packet = LINKS[name]
    network = FOUR if packet.endswith(FOUR) else SIX
    (offset,), (ethertype,) = locate_network_headers(given_block := block([packet], linktype))
    assert ethertype == (IPV4 if network is FOUR else IPV6)
    assert given_block.buffer[offset : offset + len(network)] == network
    assert one(packet, linktype).payload == PAYLOAD


@links
def test_what_stands_behind_a_cut_packet_is_never_read(name):
    """Cut at every byte, with two different continuations in the buffer: the same result, and no error."""
    linktype, packet = LINKS[name]
    cuts = [packet[:size] for size in range(len(packet))]
    lengths = [len(packet)] * len(cuts)
    network = len(FOUR if packet.endswith(FOUR) else SIX)
    header = len(packet) - network
    found = []
    for fill in (0x45, 0x60, 0x00, 0xFF):
        given_block = block(cuts, linktype, lengths=lengths, fill=fill)
        offsets, types = locate_network_headers(given_block)
        found.append((offsets.tolist(), types.tolist(), decoded(given_block)))
    assert found[1:] == found[:-1]
    rows, passed_over = found[0][2]
    assert [(row.payload, len(row.payload) + row.missing) for row in rows] == [
        (PAYLOAD[: size - len(packet) + len(PAYLOAD)] if size > len(packet) - len(PAYLOAD) else b"", len(PAYLOAD))
        for size in range(len(packet) - len(PAYLOAD), len(packet))
    ]
    assert passed_over["cut in the TCP header"] == 20
    assert set(passed_over) <= {"cut in the TCP header", "cut in the IP header", "unknown link layer", "no TCP inside"}
    assert sum(passed_over.values()) == header + network - len(PAYLOAD)


@pytest.mark.parametrize("linktype", [9, 105, 127, 147, 249, 65535])
def test_packets_of_an_unknown_link_are_counted(linktype):
    (offset,), (ethertype,) = locate_network_headers(given_block := block([FOUR], linktype))
    assert (offset, ethertype) == (given_block.offset[0], UNKNOWN)
    assert decoded(given_block) == ([], {"unknown link layer": 1})


def test_links_may_be_mixed_in_one_block():
    packets = [packet for _, packet in LINKS.values()]
    linktypes = [linktype for linktype, _ in LINKS.values()]
    found, passed_over = decoded(block(packets, linktypes))
    assert passed_over == {}
    assert [(row.frame, row.payload) for row in found] == [(n + 1, PAYLOAD) for n in range(len(packets))]


@pytest.mark.parametrize(("family", "linktype"), [(0, NULL), (3, NULL), (2**31, NULL), (16, LOOP)])
def test_an_unknown_address_family_is_counted(family, linktype):
    assert decoded(block([struct.pack(">I", family) + FOUR], linktype)) == ([], {"unknown link layer": 1})


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (ethernet(bytes(28), ARP), "ARP"),
        (tagged(bytes(28), ARP, VLAN), "ARP"),
        (ethernet(bytes(40), 0x88CC), "ethertype 0x88CC"),  # LLDP
        (tagged(bytes(40), 0x8863, VLAN), "ethertype 0x8863"),  # PPPoE discovery
        (ethernet(b"\x42\x42\x03" + bytes(35), 38), "LLC without an ethertype"),  # spanning tree
        (ethernet(b"", IPV4), "cut in the IP header"),
        (tagged(FOUR, IPV4, *[VLAN] * 20), "too many encapsulations"),
        (nflog(FOUR, 7), "unknown link layer"),
    ],
)
def test_what_is_no_ip_is_counted_by_what_it_is(packet, reason):
    linktype = NFLOG if packet == nflog(FOUR, 7) else ETHERNET
    assert decoded(block([packet], linktype)) == ([], {reason: 1})


@pytest.mark.parametrize("length", [0, 3, 5, 0xFFFF])
def test_a_hostile_nflog_length_ends_the_search(length):
    packet = struct.pack(">BBH", 2, 0, 0) + struct.pack("<HH", length, 10) * 200
    assert decoded(block([packet], NFLOG))[1] == {"unknown link layer": 1}


def test_tags_inside_of_an_unusual_layer_are_stepped_over():
    assert one(tagged(b"\0\0\x11\x40" + FOUR, MPLS, VLAN)).payload == PAYLOAD


@pytest.mark.fuzz
@given(st.lists(st.tuples(st.sampled_from([*range(15), RAW, LOOP, SLL, SLL2, NFLOG]), st.binary(max_size=90))))
def test_any_bytes_on_any_link_give_rows_or_reasons(packets):
    linktypes, data = [linktype for linktype, _ in packets], [packet for _, packet in packets]
    results = []
    for fill in (0x45, 0xFF):
        given_block = block(data, linktypes, fill=fill)
        offsets, types = locate_network_headers(given_block)
        assert (offsets.dtype, types.dtype) == (np.int64, np.int64)
        assert bool((offsets >= given_block.offset).all())
        results.append((types.tolist(), decoded(given_block)))
    assert results[0] == results[1]


@pytest.mark.witness
@pytest.mark.parametrize(
    "capture",
    [
        "http-vlan-0.pcap", "http-qinq-0.pcap", "vlan-qinqinq.pcap", "vlan-collisions.pcap", "vlan-pcp-dei.pcapng",
        "linux_dlt_sll2.pcap", "linuxsll-arp.pcap", "snap-tcp.pcap", "vntag_vlan_sandwich_clean.pcap",
        "nflog-http.pcap", "nflog-bad-tlv-len.pcap", "tcp-http-with-padding.pcap", "tcp-syslog.pcap",
        "tcp/payload-syn.pcap",
    ],
)  # fmt: skip
def test_tshark_finds_the_same_segments(capture, shared, tshark):
    path = shared / "captures/public/zeek" / capture
    found, _ = decoded_file(path)
    assert as_tshark_shows(found) == shown_by_tshark(tshark, path)
