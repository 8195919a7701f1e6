"""Headers and checksums, against dpkt and against the reader of this project."""

import dpkt
import pytest

from parsers.transport.ip import ACK, SYN
from refserver.network.frames import PSH, Segment, Socket, encode, syn_options

V4 = (Socket(bytes([10, 0, 0, 10]), 50000), Socket(bytes([10, 0, 0, 1]), 445))
V6 = (Socket(bytes.fromhex("fd" + 14 * "00" + "10"), 50000), Socket(bytes.fromhex("fd" + 14 * "00" + "01"), 445))


@pytest.mark.parametrize("ends", [V4, V6])
@pytest.mark.parametrize("payload", [b"", b"odd", bytes(range(256)) * 5, b"\xff" * 1460])
def test_dpkt_reads_what_was_meant_and_agrees_with_the_checksums(ends: tuple[Socket, Socket], payload: bytes) -> None:
    frame = encode(Segment(*ends, 0xFFFFFFFE, 7, ACK | PSH, 512, payload), 0x12345)
    ethernet = dpkt.ethernet.Ethernet(frame)
    tcp = ethernet.data.data
    assert (tcp.sport, tcp.dport, tcp.seq, tcp.ack, tcp.flags, tcp.win) == (50000, 445, 0xFFFFFFFE, 7, 0x18, 512)
    assert (ethernet.data.src, ethernet.data.dst, tcp.data) == (ends[0].address, ends[1].address, payload)
    right = tcp.sum
    tcp.sum = 0
    ethernet.data.data = tcp
    if ends is V4:
        header = ethernet.data.sum
        ethernet.data.sum = 0
        again = dpkt.ip.IP(bytes(ethernet.data))
        assert (again.sum, again.id) == (header, 0x2345)
    else:
        again = dpkt.ip6.IP6(bytes(ethernet.data))
    assert again.data.sum == right


def test_a_syn_says_its_segment_size_and_scale() -> None:
    frame = encode(Segment(*V4, 1, 0, SYN, 65535, options=syn_options(1460, 8)), 0)
    options = dpkt.tcp.parse_opts(dpkt.ethernet.Ethernet(frame).data.data.opts)
    assert options == [(2, b"\x05\xb4"), (1, b""), (3, b"\x08")]


def test_sockets_are_written_as_people_do() -> None:
    assert [str(end) for end in (V4[1], V6[1])] == ["10.0.0.1:445", "[fd00::1]:445"]
