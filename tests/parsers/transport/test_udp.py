"""UDP datagrams in columns, wherever they lie. Witness: tshark, on real captures."""

import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.capture.open import open_captures
from parsers.transport.ip import SegmentDecoder
from parsers.transport.udp import UDP_HEADER, Datagrams
from tests.parsers.transport.packets import (
    CLIENT,
    CLIENT6,
    GRE,
    IPV4,
    RAW,
    SERVER,
    SERVER6,
    UDP,
    block,
    gre,
    ipv4,
    ipv6,
    tcp,
    udp,
)

Row = tuple[int, str, int, str, int, bytes, int]
QUESTION = b"question"


def rows(decoder: SegmentDecoder) -> list[Row]:
    """Frame, endpoints, payload and what is missing of it."""
    return [
        (
            int(table.frame[n]), decoder.book.text(int(table.source[n])), int(table.source_port[n]),
            decoder.book.text(int(table.destination[n])), int(table.destination_port[n]),
            bytes(memoryview(table.buffer)[table.offset[n] : table.offset[n] + table.length[n]]), int(table.missing[n]),
        )
        for table in decoder.datagrams
        for n in range(len(table))
    ]  # fmt: skip


def decoded(frames: list[bytes], *, lengths: list[int] | None = None, fill: int = 0x45) -> list[Row]:
    decoder = SegmentDecoder()
    given_block = block(frames, RAW, lengths=lengths, fill=fill)
    decoder.decode(given_block)
    for table in decoder.datagrams:
        assert all(getattr(table, name).dtype == np.int64 for name in Datagrams.__slots__[1:])
        assert table.time.tolist() == [frame * 10**9 for frame in table.frame.tolist()]
    return rows(decoder)


def test_datagrams_of_both_versions_have_their_ends_and_payloads():
    found = decoded([ipv4(udp(QUESTION), UDP), ipv4(tcp(b"x")), ipv6(udp(b"", (53, 50000)), UDP)])
    assert found == [(1, CLIENT, 50000, SERVER, 53, QUESTION, 0), (3, CLIENT6, 53, SERVER6, 50000, b"", 0)]


def test_a_datagram_in_a_tunnel_or_in_fragments_is_found():
    datagram = udp(QUESTION * 10)
    inside = ipv4(gre(ipv4(datagram, UDP), IPV4), GRE, ends=("192.0.2.1", "192.0.2.2"))
    fragments = [ipv4(datagram[:40], UDP, fragment=0x2000), ipv4(datagram[40:], UDP, fragment=5)]
    assert [row[5] for row in decoded([inside, *fragments])] == [QUESTION * 10] * 2
    assert [row[0] for row in decoded([inside, *fragments])] == [1, 3]


def test_only_the_datagrams_of_the_last_block_are_kept():
    decoder = SegmentDecoder()
    for payload in (b"one", b"two"):
        decoder.decode(block([ipv4(udp(payload), UDP)], RAW))
    assert [row[5] for row in rows(decoder)] == [b"two"]


@pytest.mark.parametrize("kept", range(len(QUESTION)))
def test_what_the_snap_length_cut_off_is_missing(kept):
    packet = ipv4(udp(QUESTION), UDP)
    cut = packet[: len(packet) - len(QUESTION) + kept]
    assert decoded([cut], lengths=[len(packet)]) == [
        (1, CLIENT, 50000, SERVER, 53, QUESTION[:kept], len(QUESTION) - kept)
    ]


def test_a_header_that_is_cut_gives_no_datagram():
    packet = ipv4(udp(QUESTION), UDP)
    assert decoded([packet[:size] for size in range(20, 28)], lengths=[len(packet)] * 8) == []


@pytest.mark.parametrize(
    ("length", "payload"), [(0, QUESTION), (8, b""), (12, QUESTION[:4]), (3, b""), (9000, QUESTION)]
)
def test_the_length_in_the_header_counts_within_the_packet(length, payload):
    """0 is a length that did not fit, or that segmentation offload left open."""
    datagram = udp(QUESTION)
    packet = ipv4(datagram[:4] + length.to_bytes(2, "big") + datagram[6:], UDP)
    assert decoded([packet + b"padding"]) == [(1, CLIENT, 50000, SERVER, 53, payload, 0)]


@pytest.mark.fuzz
@given(st.lists(st.binary(max_size=60), max_size=4), st.sampled_from([ipv4, ipv6]))
def test_nothing_is_read_beyond_a_packet(datas, network):
    frames = [network(data, UDP) for data in datas]
    assert decoded(frames, fill=0x00) == decoded(frames, fill=0xFF)
    assert all(row[6] == 0 and len(row[5]) <= 60 - UDP_HEADER.size for row in decoded(frames))


@pytest.mark.witness
@pytest.mark.parametrize(
    "name",
    ["samba/krb5_torture_expire1e.pcapng", "faults/ad_krb5_torture_expire1s.pcapng", "public/zeek/krb/kinit.pcap"],
)
def test_tshark_shows_the_same_datagrams(name: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / name
    command = [tshark, "-r", str(capture), "-Y", "udp && !icmp", "-T", "fields"]
    fields = ("frame.number", "ip.src", "udp.srcport", "ip.dst", "udp.dstport", "udp.payload")
    shown = subprocess.run(
        [*command, *(part for field in fields for part in ("-e", field))], capture_output=True, check=True, text=True
    ).stdout
    found: Counter[tuple[str, ...]] = Counter()
    decoder = SegmentDecoder()
    for each in open_captures(capture):
        decoder.decode(each)
        found.update((*map(str, row[:5]), row[5].hex()) for row in rows(decoder))
    assert found == Counter(tuple(line.split("\t")) for line in shown.splitlines())
    assert found
