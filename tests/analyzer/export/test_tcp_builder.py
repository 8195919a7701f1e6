"""Headers and checksums against dpkt, which computes its own, and tshark."""

from collections.abc import Callable
from pathlib import Path

import dpkt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from analyzer.export.tcp_builder import MAX_PAYLOAD, TcpPath

MACS = bytes.fromhex("020000000001 020000000002")
IPV4 = (bytes((10, 77, 0, 2)), bytes((10, 77, 0, 1)))
IPV6 = (bytes.fromhex("fd00" + "00" * 13 + "02"), bytes.fromhex("fd00" + "00" * 13 + "01"))
SYN, ACK = 0x02, 0x10

numbers = st.integers(0, 2**32 - 1)


def recomputed(transport: dpkt.tcp.TCP, addresses: tuple[bytes, bytes]) -> int:
    """The TCP checksum by dpkt."""
    raw = bytes(transport)[:16] + b"\0\0" + bytes(transport)[18:]
    pseudo = b"".join(addresses) + len(raw).to_bytes(4, "big") + b"\0\0\0\6"
    return int(dpkt.in_cksum(pseudo + raw))


@given(numbers, numbers, st.integers(0, 255), st.binary(max_size=1600))
@example(0, 0, ACK, bytes(MAX_PAYLOAD))
@example(2**32 - 1, 2**32 - 1, SYN, b"\xff" * MAX_PAYLOAD)
@example(1, 1, ACK, b"odd")
def test_dpkt_reads_an_ipv4_packet_with_valid_checksums(
    sequence: int, acknowledgment: int, flags: int, payload: bytes
) -> None:
    frame = dpkt.ethernet.Ethernet(TcpPath(MACS, *IPV4, 50000, 445).packet(sequence, acknowledgment, flags, payload))
    ip, tcp = frame.data, frame.data.data
    assert (frame.dst, frame.src, frame.type) == (MACS[:6], MACS[6:], dpkt.ethernet.ETH_TYPE_IP)
    assert (ip.src, ip.dst, ip.len, ip.p, ip.df, ip.offset) == (*IPV4, len(ip), 6, 1, 0)
    assert dpkt.in_cksum(bytes(ip)[:20]) == 0
    assert (tcp.sport, tcp.dport, tcp.seq, tcp.ack, tcp.flags & 0xFF) == (50000, 445, sequence, acknowledgment, flags)
    assert tcp.data == payload
    assert tcp.sum == recomputed(tcp, IPV4)


@given(numbers, st.sampled_from([SYN, ACK]), st.binary(max_size=1600))
@example(0, ACK, bytes(range(1, 256)) * 255)
def test_dpkt_reads_an_ipv6_packet_with_a_valid_checksum(sequence: int, flags: int, payload: bytes) -> None:
    frame = dpkt.ethernet.Ethernet(TcpPath(MACS, *IPV6, 445, 50000).packet(sequence, 7, flags, payload))
    ip, tcp = frame.data, frame.data.data
    assert (frame.type, ip.src, ip.dst, ip.nxt) == (dpkt.ethernet.ETH_TYPE_IP6, *IPV6, 6)
    assert ip.plen == len(tcp)
    assert (tcp.seq, tcp.ack, tcp.data) == (sequence, 7, payload)
    assert tcp.sum == recomputed(tcp, IPV6)


def test_without_macs_a_packet_begins_with_the_ip_header() -> None:
    with_link, without = (TcpPath(macs, *IPV4, 1, 2).packet(3, 4, ACK, b"data") for macs in (MACS, b""))
    assert with_link == MACS + b"\x08\x00" + without


def test_only_a_syn_has_options() -> None:
    path = TcpPath(b"", *IPV4, 1, 2)
    syn = dpkt.ip.IP(path.packet(0, 0, SYN)).data
    assert dpkt.tcp.parse_opts(syn.opts) == [
        (dpkt.tcp.TCP_OPT_MSS, MAX_PAYLOAD.to_bytes(2, "big")),
        (dpkt.tcp.TCP_OPT_NOP, b""),
        (dpkt.tcp.TCP_OPT_WSCALE, b"\x0e"),
    ]
    assert dpkt.ip.IP(path.packet(0, 0, ACK)).data.opts == b""


def test_payload_may_be_a_part_of_a_larger_buffer() -> None:
    buffer = memoryview(bytearray(range(256)) * 8)
    path = TcpPath(MACS, *IPV4, 1, 2)
    for start in range(4):
        for length in (0, 1, 510, 511, 512, 513, 1027):
            part = buffer[start : start + length]
            assert path.packet(1, 2, ACK, part) == path.packet(1, 2, ACK, bytes(part))


@pytest.mark.witness
@pytest.mark.parametrize("addresses", [IPV4, IPV6])
def test_tshark_finds_every_checksum_good(
    addresses: tuple[bytes, bytes],
    write_packets: Callable[..., Path],
    tshark_rows: Callable[..., list[list[list[str]]]],
) -> None:
    content = bytes(range(251)) * 240
    path = TcpPath(MACS, *addresses, 40000, 50000)
    packets = [path.packet(size, 1, ACK, content[size % 7 : size]) for size in range(0, 60000, 777)]
    packets += [path.packet(0, 0, SYN), path.packet(1, 0, ACK, b"\xff" * MAX_PAYLOAD)]
    source = write_packets((0, packet, len(packet)) for packet in packets)
    rows = tshark_rows(source, ["tcp.checksum.status", "ip.checksum.status", "_ws.malformed"])
    good = ["1"]
    assert len(rows) == len(packets)
    assert [row[0] for row in rows] == [good] * len(packets)
    assert [row[1] for row in rows] == [good if addresses is IPV4 else []] * len(packets)
    assert not any(row[2] for row in rows)
