"""Tunnels, extension headers and fragments: the segment inside is the one that was put in.

Witness: tshark, on real captures and on the packets that these tests write; dpkt writes some of those.
"""

import struct
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.capture.write import PcapngWriter
from tests.parsers.transport.packets import (
    AUTHENTICATION,
    CLIENT,
    CLIENT6,
    DESTINATION,
    ETHERNET,
    FRAGMENT,
    GRE,
    HOP_BY_HOP,
    IPIP,
    IPV4,
    IPV6,
    IPV6_IN_IP,
    MPLS,
    PPPOE,
    ROUTING,
    SERVER,
    SERVER6,
    TCP,
    UDP,
    VLAN,
    VN_TAG,
    Row,
    as_tshark_shows,
    block,
    decoded,
    decoded_file,
    ethernet,
    gre,
    ipv4,
    ipv6,
    one,
    shown_by_tshark,
    tag,
    tcp,
    udp,
)

PAYLOAD = b"what the segment carries, in a tunnel or in pieces"
SEGMENT = tcp(PAYLOAD)
FOUR, SIX = ipv4(SEGMENT), ipv6(SEGMENT)
FRAME = ethernet(FOUR)
OUTER, OUTER6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8:9::1", "2001:db8:9::2")
TEB, ERSPAN, ERSPAN_3, NSH, PPTP = 0x6558, 0x88BE, 0x22EB, 0x894F, 0x880B
SEQUENCE = 0x1000


def over_ip(payload: bytes, protocol: int) -> bytes:
    """A frame with an outer IPv4 header."""
    return ethernet(ipv4(payload, protocol, ends=OUTER))


def over_udp(port: int, payload: bytes) -> bytes:
    return over_ip(udp(payload, (40000, port)), UDP)


def label(number: int, *, bottom: bool) -> bytes:
    """A label stack entry (RFC 3032 2.1)."""
    return (number << 12 | bottom << 8 | 64).to_bytes(4, "big")


def extension(next_header: int, body: bytes = b"\1\4\0\0\0\0") -> bytes:
    """An IPv6 extension header of any length (RFC 8200 4.2): by default one PadN."""
    return bytes([next_header, (len(body) + 2) // 8 - 1]) + body


def snap(payload: bytes, ethertype: int) -> bytes:
    """An 802.3 frame with LLC and SNAP (RFC 1042)."""
    inner = b"\xaa\xaa\x03\0\0\0" + ethertype.to_bytes(2, "big") + payload
    return ethernet(inner, len(inner))


def pppoe(protocol: int, payload: bytes) -> bytes:
    """A session frame (RFC 2516 4)."""
    body = protocol.to_bytes(2, "big") + payload
    return ethernet(struct.pack(">BBHH", 0x11, 0, 7, len(body)) + body, PPPOE)


def ah(next_header: int, payload: bytes) -> bytes:
    """RFC 4302 2, with a digest of 12 bytes."""
    return struct.pack(">BBHII", next_header, 4, 0, 9, 1) + bytes(12) + payload


def by_dpkt(data: object = FOUR, **layers: object) -> bytes:
    """A frame that dpkt writes."""
    frame = dpkt.ethernet.Ethernet(type=IPV4, data=data)
    for name, value in layers.items():
        setattr(frame, name, value)
    return bytes(frame)


KNOWN_VENDORS = bytes.fromhex("001122334455 00aabbccddee")  # tshark looks at them to tell Ethernet from others
VXLAN_HEADER = b"\x08\0\0\0\0\0\x2a\0"
ERSPAN_2_HEADER = b"\x10\x05\x00\x07\0\0\0\1"
ERSPAN_3_HEADER = b"\x20\x05\x00\x07\0\0\0\1\0\0\0\0"

TUNNELS = {
    "MPLS": ethernet(label(16, bottom=True) + FOUR, MPLS),
    "MPLS, three labels, IPv6": ethernet(
        label(16, bottom=False) + label(17, bottom=False) + label(18, bottom=True) + SIX, MPLS
    ),
    "MPLS multicast": ethernet(label(16, bottom=True) + FOUR, 0x8848),
    "Ethernet over MPLS": ethernet(label(16, bottom=True) + bytes(4) + KNOWN_VENDORS + FRAME[12:], MPLS),
    "MPLS in VLAN": ethernet(tag(MPLS, label(16, bottom=True) + FOUR), VLAN),
    "PPPoE": pppoe(0x0021, FOUR),
    "PPPoE, IPv6": pppoe(0x0057, SIX),
    "SNAP": snap(FOUR, IPV4),
    "SNAP, IPv6": snap(SIX, IPV6),
    "SNAP with VLAN": snap(tag(IPV4, FOUR), VLAN),
    "VN-Tag": ethernet(b"\0\1\0\2" + IPV4.to_bytes(2, "big") + FOUR, VN_TAG),
    "VN-Tag between VLANs": ethernet(
        tag(VN_TAG, b"\0\1\0\2" + VLAN.to_bytes(2, "big") + tag(IPV6, SIX)), VLAN
    ),
    "GRE": over_ip(gre(FOUR, IPV4), GRE),
    "GRE, IPv6": over_ip(gre(SIX, IPV6), GRE),
    "GRE with checksum": over_ip(gre(FOUR, IPV4, 0x8000), GRE),
    "GRE with key": over_ip(gre(FOUR, IPV4, 0x2000), GRE),
    "GRE with checksum, key and sequence": over_ip(gre(FOUR, IPV4, 0xB000), GRE),
    "GRE with Ethernet": over_ip(gre(FRAME, TEB), GRE),
    "GRE with MPLS": over_ip(gre(label(16, bottom=True) + FOUR, MPLS), GRE),
    "GRE over IPv6": ethernet(ipv6(gre(FOUR, IPV4), GRE, ends=OUTER6), IPV6),
    "ERSPAN I": over_ip(gre(FRAME, ERSPAN), GRE),
    "ERSPAN II": over_ip(gre(ERSPAN_2_HEADER + FRAME, ERSPAN, SEQUENCE), GRE),
    "ERSPAN III": over_ip(gre(ERSPAN_3_HEADER + FRAME, ERSPAN_3, SEQUENCE), GRE),
    "ERSPAN III with subheader": over_ip(
        gre(ERSPAN_3_HEADER[:-1] + b"\1" + bytes(8) + FRAME, ERSPAN_3, SEQUENCE), GRE
    ),
    "ERSPAN II with a VLAN inside": over_ip(
        gre(ERSPAN_2_HEADER + ethernet(tag(IPV6, SIX), VLAN), ERSPAN, SEQUENCE), GRE
    ),
    "IP in IP": over_ip(FOUR, IPIP),
    "6in4": over_ip(SIX, IPV6_IN_IP),
    "4in6": ethernet(ipv6(FOUR, IPIP, ends=OUTER6), IPV6),
    "6in6": ethernet(ipv6(SIX, IPV6_IN_IP, ends=OUTER6), IPV6),
    "three IP headers": over_ip(ipv6(FOUR, IPIP, ends=OUTER6), IPV6_IN_IP),
    "VXLAN": over_udp(4789, VXLAN_HEADER + FRAME),
    "VXLAN over IPv6": ethernet(ipv6(udp(VXLAN_HEADER + FRAME, (40000, 4789)), UDP, ends=OUTER6), IPV6),
    "VXLAN with a VLAN inside": over_udp(4789, VXLAN_HEADER + ethernet(tag(IPV4, FOUR), VLAN)),
    "Geneve": over_udp(6081, struct.pack(">BBHI", 0, 0, TEB, 42 << 8) + FRAME),
    "Geneve with options": over_udp(6081, struct.pack(">BBHI", 3, 0, TEB, 42 << 8) + bytes(12) + FRAME),
    "hop-by-hop options": ethernet(ipv6(extension(TCP) + SEGMENT, HOP_BY_HOP), IPV6),
    "destination options": ethernet(ipv6(extension(TCP, b"\1\x0c" + bytes(12)) + SEGMENT, DESTINATION), IPV6),
    "routing header": ethernet(ipv6(extension(TCP, b"\0\0" + bytes(20)) + SEGMENT, ROUTING), IPV6),
    "authentication header": ethernet(ipv6(ah(TCP, SEGMENT), AUTHENTICATION), IPV6),
    "atomic fragment": ethernet(ipv6(struct.pack(">BBHI", TCP, 0, 0, 7) + SEGMENT, FRAGMENT), IPV6),
    "several extension headers": ethernet(
        ipv6(extension(ROUTING) + extension(DESTINATION, bytes(22)) + extension(TCP) + SEGMENT, HOP_BY_HOP), IPV6
    ),
    "extension headers in a tunnel": over_ip(ipv6(extension(TCP) + SEGMENT, DESTINATION), IPV6_IN_IP),
    "GRE by dpkt": by_dpkt(dpkt.ip.IP(p=GRE, len=24 + len(FOUR), data=dpkt.gre.GRE(p=IPV4, data=FOUR))),
    "VLAN by dpkt": by_dpkt(vlan_tags=[dpkt.ethernet.VLANtag8021Q(id=7)]),
    "MPLS by dpkt": by_dpkt(mpls_labels=[dpkt.ethernet.MPLSlabel(val=16, s=0), dpkt.ethernet.MPLSlabel(val=17, s=1)]),
}  # fmt: skip
tunnels = pytest.mark.parametrize("name", TUNNELS)


def inside(packet: bytes) -> Row:
    """The row of the segment that was put into a tunnel."""
    row = one(packet)
    six = ":" in row.source
    assert (row.source, row.destination) == ((CLIENT6, SERVER6) if six else (CLIENT, SERVER))
    return row


@tunnels
def test_the_segment_inside_is_found(name):
    row = inside(TUNNELS[name])
    assert row[3:] == (50000, 445, 1000, 2000, 16, 512, PAYLOAD, 0)


@tunnels
def test_a_packet_that_is_cut_anywhere_gives_what_is_there_of_its_payload(name):
    """The IP header inside says what is missing, as it does without a tunnel; a cut header is counted."""
    packet = TUNNELS[name]
    cuts = [packet[:size] for size in range(1, len(packet))]
    found, passed_over = decoded(block(cuts, lengths=[len(packet)] * len(cuts), fill=0x45))
    assert (found, passed_over) == decoded(block(cuts, lengths=[len(packet)] * len(cuts), fill=0xFF))
    assert [(row.payload, row.missing) for row in found] == [
        (PAYLOAD[:kept], len(PAYLOAD) - kept) for kept in range(len(PAYLOAD))
    ]
    assert passed_over["cut in the TCP header"] >= 20  # or in an extension header before it


@pytest.mark.fuzz
@given(st.lists(st.sampled_from(list(TUNNELS.values())), min_size=1, max_size=9), st.data())
def test_damaged_packets_give_rows_or_reasons(whole, data):
    packets = []
    for packet in whole:
        damaged = bytearray(packet)
        places = st.integers(12, len(damaged) - len(PAYLOAD) - 1)
        for place, value in data.draw(st.dictionaries(places, st.integers(0, 255), min_size=1, max_size=4)).items():
            damaged[place] = value
        packets.append(bytes(damaged[: data.draw(st.integers(20, len(damaged)))]))
    assert decoded(block(packets, fill=0x45)) == decoded(block(packets, fill=0xFF))


@pytest.mark.fuzz
@given(
    st.sampled_from([HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, GRE, IPIP, IPV6_IN_IP, UDP]),
    st.binary(),
)
def test_any_bytes_behind_an_ip_header_give_a_row_or_a_reason(protocol, data):
    packets = [ethernet(ipv4(data, protocol)), ethernet(ipv6(data, protocol), IPV6), ethernet(data, protocol + 0x8800)]
    found, passed_over = decoded(block(packets))
    assert len(found) + sum(passed_over.values()) == 3


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (over_ip(bytes(8), 1), "no TCP inside"),  # ICMP
        (over_ip(gre(ipv4(udp(b"x"), UDP), IPV4), GRE), "UDP"),
        (over_ip(gre(ethernet(bytes(28), 0x0806), TEB), GRE), "ethertype 0x0806"),
        (over_ip(gre(FOUR, NSH), GRE), "ethertype 0x894F"),
        (over_ip(gre(bytes([0x21]) + FOUR, PPTP, 0x3001), GRE), "ethertype 0x880B"),  # RFC 2637
        (over_ip(b"\0\0\x08", GRE), "no TCP inside"),
        (over_ip(gre(FOUR, IPV4, 0x4000), GRE), "no TCP inside"),  # source routing
        (ethernet(label(16, bottom=False) * 40, MPLS), "ethertype 0x8847"),  # no bottom of the stack
        (ethernet(label(16, bottom=True), MPLS), "ethertype 0x8847"),
        (pppoe(0xC021, bytes(10)), "ethertype 0x8864"),  # link control
        (ethernet(ipv6(extension(59), HOP_BY_HOP), IPV6), "no TCP inside"),  # nothing follows
        (ethernet(ipv6(SEGMENT, 50), IPV6), "no TCP inside"),  # encrypted by IPsec
        (ethernet(ipv6(bytes([TCP, 255]) + bytes(14), AUTHENTICATION), IPV6), "no TCP inside"),  # beyond the packet
        (ethernet(ipv6(extension(HOP_BY_HOP) * 30 + SEGMENT, HOP_BY_HOP), IPV6), "no TCP inside"),
        (over_udp(4789, VXLAN_HEADER), "no TCP inside"),
        (over_udp(6081, struct.pack(">BBHI", 63, 0, TEB, 0) + FRAME), "no TCP inside"),  # longer than the packet
        (over_udp(53, VXLAN_HEADER + FRAME), "UDP"),
    ],
)  # fmt: skip
def test_what_holds_no_segment_is_counted_with_its_reason(packet, reason):
    assert decoded(block([packet])) == ([], {reason: 1})


def test_the_number_of_encapsulations_is_bounded():
    packet = FOUR
    for _ in range(7):
        packet = ipv4(packet, IPIP, ends=OUTER)
    assert inside(ethernet(packet)).payload == PAYLOAD
    assert decoded(block([ethernet(ipv4(packet, IPIP))])) == ([], {"too many encapsulations": 1})


# Packets in which tshark finds TCP and we do not, because nobody was seen to carry SMB in them: they are counted.
NOT_SUPPORTED = {
    "authentication header in IPv4": (over_ip(ah(TCP, SEGMENT), AUTHENTICATION), "no TCP inside"),
    "GTP-U": (over_udp(2152, struct.pack(">BBHI", 0x30, 255, len(FOUR), 1) + FOUR), "UDP"),
    "Teredo": (over_udp(3544, SIX), "UDP"),
}


@pytest.mark.parametrize("name", NOT_SUPPORTED)
def test_what_is_not_supported_is_counted(name):
    packet, reason = NOT_SUPPORTED[name]
    assert decoded(block([packet])) == ([], {reason: 1})


# Fragments


def cut(segment: bytes, sizes: Iterable[int]) -> list[tuple[int, bytes, bool]]:
    """Pieces of these sizes (multiples of 8; the last has the rest): offset, bytes, whether more follow."""
    pieces, at = [], 0
    for size in sizes:
        pieces.append((at, segment[at : at + size], True))
        at += size
    return [*pieces, (at, segment[at:], False)]


def fragment4(offset: int, piece: bytes, more: bool, identification: int = 7, **header: object) -> bytes:
    return ethernet(ipv4(piece, identification=identification, fragment=more << 13 | offset // 8, **header))


def fragment6(offset: int, piece: bytes, more: bool, identification: int = 7) -> bytes:
    header = struct.pack(">BBHI", TCP, 0, offset | more, identification)
    return ethernet(ipv6(header + piece, FRAGMENT), IPV6)


Fragment = Callable[..., bytes]
LONG = bytes(n % 251 for n in range(4000))
LONG_SEGMENT = tcp(LONG)
PIECES = cut(LONG_SEGMENT, [1480, 8, 1480])
JOINED, MISSING = "IP fragment, joined with others", "IP fragment, others are missing"
versions = pytest.mark.parametrize("fragment", [fragment4, fragment6])


@versions
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 1, 0, 0, 2, 3)])
def test_fragments_are_joined_in_any_order(fragment, order):
    found, passed_over = decoded(block([fragment(*PIECES[number]) for number in order]))
    assert [(row.frame, row.payload, row.missing) for row in found] == [(len(order), LONG, 0)]  # the last one's frame
    assert passed_over == {JOINED: len(order) - 1}


@versions
def test_fragments_are_joined_over_several_blocks(fragment):
    blocks = [block([fragment(*piece)], first=number + 1) for number, piece in enumerate(PIECES)]
    found, passed_over = decoded(*blocks)
    assert [(row.frame, row.payload) for row in found] == [(4, LONG)]
    assert passed_over == {JOINED: 3}


@versions
def test_of_overlapping_fragments_the_first_copy_of_a_byte_counts(fragment):
    wrong = bytes(len(LONG_SEGMENT))
    packets = [
        fragment(800, LONG_SEGMENT[800:2400], True),
        fragment(0, LONG_SEGMENT[:800] + wrong[800:1600], True),  # overlaps the first
        fragment(1600, wrong[1600:2400] + LONG_SEGMENT[2400:3200], True),
        fragment(1000, wrong[1000:1800], True),  # lies in others
        fragment(3200, LONG_SEGMENT[3200:], False),
    ]
    found, passed_over = decoded(block(packets))
    assert [row.payload for row in found] == [LONG]
    assert passed_over == {JOINED: 4}


@versions
def test_a_longer_copy_of_a_fragment_is_used(fragment):
    packets = [fragment(0, LONG_SEGMENT[:40], True), fragment(0, LONG_SEGMENT[:2000], True)]
    found, _ = decoded(block([*packets, fragment(2000, LONG_SEGMENT[2000:], False)]))
    assert [row.payload for row in found] == [LONG]


@versions
def test_nothing_follows_the_last_fragment(fragment):
    packets = [fragment(offset + 8, piece, True) for offset, piece, _ in PIECES[2:]]  # reach beyond the end
    found, _ = decoded(block([*packets, *(fragment(*piece) for piece in reversed(PIECES))]))
    assert [len(row.payload) for row in found] == [len(LONG)]


@versions
@given(data=st.data())
def test_any_cut_and_order_of_fragments_gives_the_segment(fragment, data):
    size = len(SEGMENT)
    offsets = st.integers(0, (size - 1) // 8).map(lambda units: units * 8)
    pieces = cut(SEGMENT, [8] * ((size - 1) // 8))
    for start in data.draw(st.lists(offsets, max_size=6)):  # and some more, that overlap
        end = data.draw(st.sampled_from([*range(start + 8, size, 8), size]))
        pieces.append((start, SEGMENT[start:end], end < size))
    order = data.draw(st.permutations(pieces))
    found, passed_over = decoded(block([fragment(*piece) for piece in order]))
    assert [row.payload for row in found[:1]] == [PAYLOAD]
    assert len(found) + sum(passed_over.values()) == len(order)


@versions
def test_datagrams_of_other_identifications_or_ends_are_not_mixed(fragment):
    pieces = [
        *zip(PIECES, (7, 7, 7, 7), strict=True),
        *zip(cut(tcp(b"x" * 4000), [1480, 8, 1480]), (8,) * 4, strict=True),
    ]
    packets = [fragment(*piece, identification) for piece, identification in pieces]
    found, _ = decoded(block([packets[n] for n in (0, 4, 5, 1, 6, 2, 3, 7)]))
    assert [(row.frame, row.payload) for row in found] == [(7, LONG), (8, b"x" * 4000)]


def test_the_same_identification_between_other_addresses_is_another_datagram():
    packets = [fragment4(*PIECES[0]), fragment4(*PIECES[1]), fragment4(*PIECES[2])]
    others = [fragment4(*piece, ends=(SERVER, CLIENT)) for piece in PIECES]
    found, passed_over = decoded(block([*packets, *others]))
    assert [(row.frame, row.source) for row in found] == [(7, SERVER)]
    assert passed_over == {JOINED: 3, MISSING: 3}


@versions
@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_fragments_of_which_one_is_missing_are_counted(fragment, lost):
    packets = [fragment(*piece) for number, piece in enumerate(PIECES) if number != lost]
    assert decoded(block(packets)) == ([], {MISSING: 3})


@versions
def test_a_fragment_that_the_snap_length_cut_does_not_complete_its_datagram(fragment):
    packets = [fragment(*piece) for piece in PIECES]
    for number in range(4):
        cuts = [packet[:-3] if n == number else packet for n, packet in enumerate(packets)]
        assert decoded(block(cuts, lengths=[len(packet) for packet in packets])) == ([], {MISSING: 4})


@versions
def test_a_fragment_beyond_the_largest_datagram_is_counted(fragment):
    packets = [fragment(65528, bytes(16), False), fragment(*PIECES[0])]
    assert decoded(block(packets)) == ([], {"fragment beyond 64 KiB": 1, MISSING: 1})


@versions
def test_the_largest_datagram_is_joined(fragment):
    segment = tcp(bytes(65515 - 20))
    found, _ = decoded(block([fragment(*piece) for piece in cut(segment, [32000])]))
    assert [(len(row.payload), row.missing) for row in found] == [(65495, 0)]


def test_a_datagram_longer_than_a_fresh_header_can_say_is_kept_whole():
    segment = tcp(bytes(65535 - 20))  # with its IP header 65555 bytes
    found, _ = decoded(block([fragment4(*piece) for piece in cut(segment, [32000, 32000])]))
    assert [(len(row.payload), row.missing) for row in found] == [(65515, 0)]


def test_fragments_of_a_tunnel_are_joined_before_the_tunnel_is_opened():
    outer = gre(ipv4(LONG_SEGMENT), IPV4)
    packets = [
        ethernet(ipv4(piece, GRE, ends=OUTER, identification=9, fragment=more << 13 | offset // 8))
        for offset, piece, more in cut(outer, [1480, 1480])
    ]
    assert [row.payload for row in decoded(block(packets))[0]] == [LONG]


def test_an_atomic_fragment_does_not_disturb_the_fragments_of_its_identification():
    packets = [fragment6(*PIECES[0]), fragment6(0, SEGMENT, False), *(fragment6(*piece) for piece in PIECES[1:])]
    found, _ = decoded(block(packets))
    assert [(row.frame, row.payload) for row in found] == [(2, PAYLOAD), (5, LONG)]


def test_datagrams_that_are_never_completed_are_given_up():
    first, *others = [fragment4(*piece, identification=0) for piece in PIECES]
    flood = [fragment4(*PIECES[0], identification=n) for n in range(1, 2000)]
    found, passed_over = decoded(block([first, *flood]), block(others, first=3000))
    assert (found, passed_over) == ([], {MISSING: 2003})
    recent = [fragment4(*piece, identification=1999) for piece in PIECES[1:]]
    assert len(decoded(block([first, *flood]), block(recent, first=3000))[0]) == 1


def test_overlapping_fragments_cannot_fill_the_memory():
    blocks = [block([fragment4(start, bytes(30_000), True) for start in range(8, 24_000, 80)]) for _ in range(2)]
    tracemalloc.start()
    decoded(*blocks)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20  # 18 MB of fragments were given


# Witness


def stored(packets: Iterable[bytes], path: Path) -> Path:
    """A capture file with these frames."""
    with path.open("wb") as file:
        writer = PcapngWriter(file)
        writer.interface(ETHERNET)
        for number, packet in enumerate(packets):
            writer.packet(number * 10**9, packet)
    return path


@pytest.mark.witness
def test_tshark_opens_the_same_tunnels(tshark, tmp_path):
    path = stored(TUNNELS.values(), tmp_path / "tunnels.pcapng")
    found, passed_over = decoded_file(path)
    assert passed_over == {}
    theirs = shown_by_tshark(tshark, path)
    names = list(TUNNELS)
    assert [names[row[0] - 1] for row in as_tshark_shows(found) if row not in theirs] == []
    assert len(theirs) == len(found) == len(TUNNELS)


@pytest.mark.witness
def test_tshark_joins_the_same_fragments(tshark, tmp_path):
    packets = [fragment(*PIECES[number]) for fragment in (fragment4, fragment6) for number in (2, 0, 3, 1)]
    path = stored(packets, tmp_path / "fragments.pcapng")
    found, _ = decoded_file(path)
    assert as_tshark_shows(found) == shown_by_tshark(tshark, path)
    assert len(found) == 2


@pytest.mark.witness
def test_tshark_finds_tcp_in_what_we_do_not_support(tshark, tmp_path):
    path = stored((packet for packet, _ in NOT_SUPPORTED.values()), tmp_path / "others.pcapng")
    assert [row[0] for row in shown_by_tshark(tshark, path)] == [1, 2, 3]


@pytest.mark.witness
@pytest.mark.parametrize(
    "capture",
    [
        "mixed-vlan-mpls.pcap", "mpls-in-vlan.pcap", "erspan.pcap", "erspanI.pcap", "erspanII.pcap", "erspanIII.pcap",
        "ipv6-fragmented-dns.pcap", "ipv6-http-atomic-frag.pcap", "ipv6-reassembly-state-leak.pcap",
        "trunc/ip6-ext-trunc.pcap", "trunc/mpls-6in6-6in6-4in6-trunc.pcap", "trunc/mpls-6in6-broken.pcap.gz",
        "trunc/icmp-header-trunc.pcap",
    ],
)  # fmt: skip
def test_tshark_finds_the_same_segments(capture, shared, tshark):
    path = shared / "captures/public/zeek" / capture
    found, _ = decoded_file(path)
    assert as_tshark_shows(found) == shown_by_tshark(tshark, path)
