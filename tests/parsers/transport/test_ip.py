"""IPv4, IPv6 and TCP headers in columns. Witness: tshark, on real captures with odd and truncated headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.transport.ip import ACK, FIN, RST, SYN, SegmentDecoder
from tests.parsers.transport.packets import (
    CLIENT,
    CLIENT6,
    IPIP,
    IPV6,
    RAW,
    SERVER,
    SERVER6,
    UDP,
    Row,
    as_tshark_shows,
    block,
    decoded,
    decoded_file,
    ethernet,
    ipv4,
    ipv6,
    one,
    rows,
    shown_by_tshark,
    tcp,
    udp,
)

PAYLOAD = b"what the segment carries"
SEGMENT = tcp(PAYLOAD)
ROW = Row(1, CLIENT, SERVER, 50000, 445, 1000, 2000, ACK, 512, PAYLOAD, 0)


def test_a_segment_has_the_fields_of_its_headers():
    packet = ethernet(
        ipv4(
            tcp(
                PAYLOAD,
                ports=(65535, 1),
                sequence=0xFFFF_FFFF,
                acknowledgment=0x8000_0000,
                flags=FIN | SYN | RST | ACK,
                window=65535,
            ),
            ends=("255.255.255.255", "0.0.0.0"),
        )
    )
    assert one(packet) == Row(
        1, "255.255.255.255", "0.0.0.0", 65535, 1, 2**32 - 1, 2**31, FIN | SYN | RST | ACK, 65535, PAYLOAD, 0
    )


@pytest.mark.parametrize(
    "packet",
    [
        ethernet(ipv4(SEGMENT)),
        ethernet(ipv4(SEGMENT, options=b"\x94\x04\0\0")),  # router alert
        ethernet(ipv4(SEGMENT, options=b"\x07\x27\x04" + bytes(37))),  # the longest header: record route
        ethernet(ipv4(tcp(PAYLOAD, options=b"\1\1\x08\x0a" + bytes(8)))),  # time stamps
        ethernet(ipv4(tcp(PAYLOAD, options=bytes(40)))),
        ethernet(ipv4(SEGMENT, fragment=0x4000)),  # "don't fragment" does not make a fragment
        ethernet(ipv4(SEGMENT, fragment=0xC000)),  # the reserved bit neither
        ethernet(ipv4(SEGMENT) + bytes(6)),  # Ethernet padding
        ethernet(ipv4(SEGMENT, total=0)),  # segmentation offload: the frame's length holds
    ],
)
def test_ipv4_in_all_its_lengths(packet):
    assert one(packet) == ROW


@pytest.mark.parametrize("packet", [ipv6(SEGMENT), ipv6(SEGMENT, length=0), ipv6(SEGMENT) + bytes(6)])
def test_ipv6_in_all_its_lengths(packet):
    assert one(ethernet(packet, IPV6)) == ROW._replace(source=CLIENT6, destination=SERVER6)


def test_an_offloaded_segment_may_be_larger_than_an_ip_datagram():
    payload = bytes(range(256)) * 300
    for packet in (ipv4(tcp(payload), total=0), ipv6(tcp(payload), length=0)):
        assert one(packet, RAW).payload == payload


def test_a_pure_acknowledgment_in_a_padded_frame_has_no_payload():
    assert one(ethernet(ipv4(tcp()) + bytes(6))).payload == b""


@pytest.mark.parametrize("kept", [0, 1, len(PAYLOAD) - 1])
@pytest.mark.parametrize("network", [ipv4, ipv6])
def test_payload_that_the_snap_length_cut_off_is_missing(network, kept):
    packet = network(SEGMENT)
    cut = packet[: len(packet) - len(PAYLOAD) + kept]
    row = one(cut, RAW, len(packet))
    assert (row.payload, row.missing) == (PAYLOAD[:kept], len(PAYLOAD) - kept)


@pytest.mark.parametrize("network", [ipv4, ipv6])
def test_a_cut_in_the_tcp_options_leaves_the_payload_missing(network):
    packet = network(tcp(PAYLOAD, options=bytes(12)))
    row = one(packet[: -len(PAYLOAD) - 5], RAW, len(packet))
    assert (row.payload, row.missing) == (b"", len(PAYLOAD))


def test_the_ip_length_counts_even_where_the_file_knows_no_longer_packet():
    """Tools that cut packets often forget the wire length; the peer acknowledges what the IP header says."""
    packet = ipv4(SEGMENT)[:-10]
    assert one(packet, RAW, len(packet)) == ROW._replace(payload=PAYLOAD[:-10], missing=10)


@pytest.mark.parametrize("network", [ipv4, ipv6])
def test_a_header_that_is_cut_anywhere_is_counted(network):
    packet = network(SEGMENT)
    headers = len(packet) - len(PAYLOAD)
    cuts = [packet[:size] for size in range(1, headers)]
    network_size = headers - 20
    for fill in (0x45, 0xFF):
        assert decoded(block(cuts, RAW, lengths=[len(packet)] * len(cuts), fill=fill)) == (
            [],
            {"cut in the IP header": network_size - 1, "cut in the TCP header": 20},
        )


@pytest.mark.parametrize(
    "packet",
    [
        b"\x55" + ipv4(SEGMENT)[1:],  # version 5
        b"\x44" + ipv4(SEGMENT)[1:],  # a header of 16 bytes
        ipv4(SEGMENT, total=19),
        ipv4(SEGMENT, options=bytes(8), total=27),
    ],
)
def test_a_malformed_ip_header_is_counted(packet):
    assert decoded(block([ethernet(packet)])) == ([], {"malformed IP header": 1})


def test_an_ipv6_header_of_another_version_is_counted():
    assert decoded(block([ethernet(b"\x45" + ipv6(SEGMENT)[1:], IPV6)])) == ([], {"malformed IP header": 1})


@pytest.mark.parametrize("words", [0, 4, 12, 15])
def test_a_malformed_tcp_header_is_counted(words):
    segment = SEGMENT[:12] + bytes([words << 4]) + SEGMENT[13:]
    expected = {"malformed TCP header": 1}
    assert decoded(block([ethernet(ipv4(segment[:44]))])) == ([], expected)
    assert decoded(block([ethernet(ipv6(segment[:44]), IPV6)])) == ([], expected)


def test_a_segment_longer_than_its_ip_packet_is_cut_in_the_header():
    assert decoded(block([ethernet(ipv4(SEGMENT, total=39))])) == ([], {"cut in the TCP header": 1})


def test_udp_is_counted_and_icmp_has_no_tcp_inside():
    datagram = udp(b"question")
    packets = [ipv4(datagram, UDP), ipv6(datagram, UDP), ipv4(datagram[:5], UDP), ipv4(bytes(8), 1), ipv6(bytes(8), 58)]
    assert decoded(block(packets, RAW)) == ([], {"UDP": 3, "no TCP inside": 2})


def test_an_empty_block_gives_nothing():
    assert decoded(block([])) == ([], {})


def test_segments_keep_the_order_and_the_times_of_their_frames():
    plain, tunnelled = ethernet(ipv4(SEGMENT)), ethernet(ipv4(ipv4(SEGMENT), IPIP))
    newer = ethernet(ipv6(SEGMENT), IPV6)
    packets = [tunnelled, newer, plain, ethernet(ipv4(udp(b""), UDP)), newer, tunnelled, plain]
    decoder = SegmentDecoder()
    segments = decoder.decode(block(packets, first=100))
    assert segments.frame.tolist() == [100, 101, 102, 104, 105, 106]
    assert segments.time.tolist() == [frame * 10**9 for frame in segments.frame.tolist()]
    assert segments.connection.tolist() == [-1] * 6
    assert {row.payload for row in rows(segments, decoder)} == {PAYLOAD}


def test_addresses_keep_their_numbers_from_block_to_block():
    decoder = SegmentDecoder()
    first = decoder.decode(block([ethernet(ipv4(SEGMENT)), ethernet(ipv6(SEGMENT), IPV6)]))
    second = decoder.decode(block([ethernet(ipv6(SEGMENT), IPV6), ethernet(ipv4(SEGMENT, ends=(SERVER, CLIENT)))]))
    assert first.source.tolist() == [second.destination[1], second.source[0]]
    assert first.destination.tolist() == [second.source[1], second.destination[0]]


def test_the_block_s_own_buffer_is_used_where_nothing_was_unwrapped():
    given_block = block([ethernet(ipv4(SEGMENT, fragment=0x4000)), ethernet(ipv4(bytes(8), 1))])
    assert SegmentDecoder().decode(given_block).buffer is given_block.buffer


@pytest.mark.fuzz
@given(st.data())
def test_damaged_packets_give_rows_or_reasons(data):
    """Every packet is a segment or counted; what lies between the packets is never read."""
    whole = st.sampled_from(
        [ethernet(ipv4(SEGMENT)), ethernet(ipv6(SEGMENT), IPV6), ethernet(ipv4(ipv4(SEGMENT), IPIP))]
    )
    packets = []
    for packet in data.draw(st.lists(whole, max_size=5)):
        damaged = bytearray(packet)
        for place, value in data.draw(st.dictionaries(st.integers(12, 60), st.integers(0, 255), max_size=4)).items():
            damaged[place] = value
        packets.append(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    assert decoded(block(packets, fill=0x45)) == decoded(block(packets, fill=0xFF))


@pytest.mark.parametrize("count", [0, 1, 2000])
def test_many_packets_are_decoded_in_one_step(count):
    packets = [
        ethernet(ipv4(tcp(bytes([n % 256]) * (n % 50), sequence=n), ends=(f"10.1.{n % 9}.1", SERVER)))
        for n in range(count)
    ]
    found, passed_over = decoded(block(packets))
    assert passed_over == {}
    assert [(row.sequence, row.source, row.payload) for row in found] == [
        (n, f"10.1.{n % 9}.1", bytes([n % 256]) * (n % 50)) for n in range(count)
    ]


ZEEK = [
    "tcp/ctu-64702-888.pcap", "tcp/fin_retransmission.pcap", "tcp/handshake-reorder.pcap", "tcp/miss_end_data.pcap",
    "tcp/one-sided-2745.pcap", "tcp/option-27.pcap", "tcp/option-sack.pcap", "tcp/options.pcap",
    "tcp/payload-synack.pcap", "tcp/retransmit-fast009.pcap", "tcp/rst-inject-rae.pcap", "tcp/single-rst.pcap",
    "tcp/ssh-dups.pcap", "tcp/syn-bad.pcap", "tcp/tcp-fast-open.pcap", "tcp/timestamp.pcap",
    "tcp/truncated-header.pcap", "trunc/icmp-payload-trunc.pcap", "trunc/ip-discarder-truncated-tcp-oob.pcapng",
    "trunc/ip4-trunc.pcap", "trunc/ip6-trunc.pcap", "trunc/ipv4-internally-truncated-header.pcap",
    "trunc/ipv4-truncated-broken-header.pcap", "trunc/trunc-hdr.pcap",
]  # fmt: skip


@pytest.mark.witness
@pytest.mark.parametrize("capture", ZEEK)
def test_tshark_finds_the_same_segments(capture, shared, tshark):
    path = shared / "captures/public/zeek" / capture
    found, _ = decoded_file(path)
    assert as_tshark_shows(found) == shown_by_tshark(tshark, path)


@pytest.mark.witness
def test_packets_shorter_than_their_ip_length_are_where_tshark_differs(shared, tshark):
    """Frame 7 has 1440 bytes of payload in the file and 1448 in its IP header: 1448 is what the peer acknowledges."""
    path = shared / "captures/public/zeek/tcp/reassembly.pcap"
    found, _ = decoded_file(path)
    ours, theirs = as_tshark_shows(found), shown_by_tshark(tshark, path)
    differing = [number for number in range(len(ours)) if ours[number] != theirs[number]]
    assert [(ours[n][0], ours[n][-1] - theirs[n][-1], found[n].missing) for n in differing] == [
        (7, 8, 8), (26, 8, 8), (35, 8, 8), (39, 20, 20), (85, 20, 20),
    ]  # fmt: skip
    assert found[7].acknowledgment == found[6].sequence + 1448
    assert len(found[6].payload) == 1440
