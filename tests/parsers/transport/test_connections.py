"""Who talks to whom, where a connection begins and ends, and what each side says.

Witness: tshark, on real captures: the connections, the bytes of each side, and which of them are missing.
"""

import subprocess
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise, takewhile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.capture.open import open_captures
from parsers.capture.packets import PacketBlock
from parsers.transport.connections import CLIENT, SERVER, Connection, ConnectionTracker, Delivery
from parsers.transport.ip import ACK, FIN, RST, SYN, SegmentDecoder, Segments
from tests.parsers.transport.packets import RAW, block, ipv4, ipv6, tcp

HERE, THERE = "10.0.0.1", "10.0.0.2"
Ports = tuple[int, int]
PORTS = (50000, 445)
SECOND = 10**9


def c(flags: int, sequence: int, acknowledgment: int = 0, payload: bytes = b"", ports: Ports = PORTS) -> bytes:
    """A packet of the client."""
    segment = tcp(payload, ports=ports, sequence=sequence, acknowledgment=acknowledgment, flags=flags)
    return ipv4(segment, ends=(HERE, THERE))


def s(flags: int, sequence: int, acknowledgment: int = 0, payload: bytes = b"", ports: Ports = PORTS) -> bytes:
    """A packet of the server."""
    segment = tcp(payload, ports=ports[::-1], sequence=sequence, acknowledgment=acknowledgment, flags=flags)
    return ipv4(segment, ends=(THERE, HERE))


HANDSHAKE = [c(SYN, 100), s(SYN | ACK, 300, 101), c(ACK, 101, 301)]
REQUEST, RESPONSE = c(ACK, 101, 301, b"request"), s(ACK, 301, 108, b"response")


class Capture:
    """Packets, one second apart, through decoder and tracker."""

    def __init__(self) -> None:
        self._decoder = SegmentDecoder()
        self._tracker = ConnectionTracker(self._decoder.book)
        self._frames = 0
        self.said: dict[tuple[int, int], bytes] = {}
        self.at: dict[tuple[int, int], list[int]] = defaultdict(list)
        self.segments: Segments

    def block(self, *packets: bytes) -> list[Delivery]:
        self._frames += len(packets)
        return self.feed(block(packets, RAW, first=self._frames - len(packets) + 1))

    def feed(self, given_block: PacketBlock) -> list[Delivery]:
        self.segments = self._decoder.decode(given_block)
        deliveries = self._tracker.feed(self.segments)
        self._note(deliveries)
        return deliveries

    def finish(self) -> list[Delivery]:
        deliveries = self._tracker.finish()
        self._note(deliveries)
        return deliveries

    @property
    def connections(self) -> list[Connection]:
        return self._tracker.connections

    def ends(self, connection: Connection) -> tuple[str, str]:
        """Client and server."""
        sides = (connection.client, connection.server)
        client, server = (f"{self._decoder.book.text(side.address)}:{side.port}" for side in sides)
        return client, server

    def _note(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            whose = (delivery.connection.number, delivery.sender)
            self.said[whose] = self.said.get(whose, b"") + bytes_of(delivery)
            self.at[whose] += delivery.pieces.position.tolist()


def bytes_of(delivery: Delivery) -> bytes:
    target = bytearray(delivery.pieces.size)
    delivery.pieces.copy_into(memoryview(target), 0)
    return bytes(target)


def heard(*blocks: Iterable[bytes]) -> Capture:
    """A capture of some blocks, to its end."""
    capture = Capture()
    for packets in blocks:
        capture.block(*packets)
    capture.finish()
    return capture


ENDS = ("10.0.0.1:50000", "10.0.0.2:445")


def test_a_connection_has_what_its_packets_tell():
    capture = heard([*HANDSHAKE, REQUEST, RESPONSE, c(FIN | ACK, 108, 309), s(FIN | ACK, 309, 109)])
    (connection,) = capture.connections
    assert capture.ends(connection) == ENDS
    assert capture.said == {(0, CLIENT): b"request", (0, SERVER): b"response"}
    assert capture.at == {(0, CLIENT): [0], (0, SERVER): [0]}
    assert connection.oriented
    assert (connection.first_frame, connection.last_frame, connection.packets) == (1, 7, 7)
    assert (connection.first_time, connection.last_time) == (1 * SECOND, 7 * SECOND)
    assert (connection.syn_time, connection.syn_ack_time) == (1 * SECOND, 2 * SECOND)
    assert (connection.closed_by, connection.closed_time) == ("client FIN", 6 * SECOND)
    assert [direction.initial_sequence for direction in connection.directions] == [100, 300]


# Who is the client


@pytest.mark.parametrize("ports", [(50000, 445), (445, 50000), (445, 445), (1, 65535)])
@pytest.mark.parametrize("first", ["SYN", "SYN+ACK"])
def test_a_handshake_tells_the_client_whatever_the_ports(ports, first):
    packets = [c(SYN, 100, ports=ports), s(SYN | ACK, 300, 101, ports=ports), c(ACK, 101, 301, b"hi", ports=ports)]
    capture = heard(packets[first == "SYN+ACK" :])
    assert capture.ends(capture.connections[0]) == (f"10.0.0.1:{ports[0]}", f"10.0.0.2:{ports[1]}")
    assert capture.said == {(0, CLIENT): b"hi"}
    assert capture.connections[0].oriented


@pytest.mark.parametrize("packets", [[REQUEST, RESPONSE], [RESPONSE, REQUEST], [s(ACK, 301, 108), REQUEST, RESPONSE]])
def test_in_mid_stream_the_higher_port_is_taken_for_the_client_s(packets):
    capture = heard(packets)
    (connection,) = capture.connections
    assert capture.ends(connection) == ENDS
    assert not connection.oriented
    assert capture.said == {(0, CLIENT): b"request", (0, SERVER): b"response"}


def test_in_mid_stream_between_equal_ports_the_first_sender_is_taken_for_the_client():
    capture = heard([s(ACK, 301, 108, b"response", ports=(445, 445)), c(ACK, 101, 301, b"request", ports=(445, 445))])
    assert capture.ends(capture.connections[0]) == ("10.0.0.2:445", "10.0.0.1:445")
    assert capture.said == {(0, CLIENT): b"response", (0, SERVER): b"request"}


def test_sides_that_were_taken_for_each_other_are_swapped():
    capture = Capture()
    capture.block(REQUEST, RESPONSE, c(RST, 108))
    (connection,) = capture.connections
    directions = list(connection.directions)
    connection.swap()
    assert capture.ends(connection) == ENDS[::-1]
    assert connection.directions == directions[::-1]
    assert connection.closed_by == "server RST"
    assert [(d.sender, bytes_of(d)) for d in capture.block(c(ACK, 108, 309, b"more"))] == [(SERVER, b"more")]
    connection.swap()
    assert (capture.ends(connection), connection.closed_by) == (ENDS, "client RST")


def test_sides_are_swapped_while_nothing_was_closed():
    capture = heard([REQUEST])
    capture.connections[0].swap()
    assert capture.connections[0].closed_by is None


# Where a connection begins


@pytest.mark.parametrize(
    "packets",
    [
        [HANDSHAKE[0], *HANDSHAKE],  # the SYN was sent twice
        [HANDSHAKE[0], HANDSHAKE[1], HANDSHAKE[1], HANDSHAKE[2]],
        [*HANDSHAKE, HANDSHAKE[0], HANDSHAKE[1]],
        [HANDSHAKE[1], HANDSHAKE[0], HANDSHAKE[2]],  # captured in disorder
        [HANDSHAKE[1], HANDSHAKE[2]],  # its SYN was not captured
    ],
)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_handshake_makes_one_connection(packets, size):
    packets = [*packets, REQUEST, RESPONSE]
    capture = heard(*(packets[at : at + size] for at in range(0, len(packets), size)))
    assert [capture.ends(connection) for connection in capture.connections] == [ENDS]
    assert capture.said == {(0, CLIENT): b"request", (0, SERVER): b"response"}
    assert capture.at == {(0, CLIENT): [0], (0, SERVER): [0]}


@pytest.mark.parametrize("size", [1, 100])
def test_a_handshake_that_is_sent_again_after_data_moves_nothing(size):
    packets = [*HANDSHAKE, REQUEST, RESPONSE, *HANDSHAKE, c(ACK, 108, 309, b" two"), s(ACK, 309, 112, b" too")]
    capture = heard(*(packets[at : at + size] for at in range(0, len(packets), size)))
    assert capture.said == {(0, CLIENT): b"request two", (0, SERVER): b"response too"}
    assert capture.at[0, CLIENT][-1] == 7


def test_what_is_lost_before_the_first_data_is_known_from_the_handshake():
    capture = heard([*HANDSHAKE[1:], c(ACK, 108, 301, b"second"), s(ACK, 311, 114, b"too")])
    assert capture.at == {(0, CLIENT): [7], (0, SERVER): [10]}
    assert [direction.gaps for direction in capture.connections[0].directions] == [7, 10]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_another_initial_number_on_the_same_ports_begins_a_connection(size):
    again = [c(SYN, 5100), s(SYN | ACK, 5300, 5101), c(ACK, 5101, 5301, b"other"), s(ACK, 5301, 5106, b"answer")]
    packets = [*HANDSHAKE, REQUEST, RESPONSE, *again]
    capture = heard(*(packets[at : at + size] for at in range(0, len(packets), size)))
    assert [(con.number, con.first_frame, con.packets) for con in capture.connections] == [(0, 1, 5), (1, 6, 4)]
    assert capture.said == {
        (0, CLIENT): b"request",
        (0, SERVER): b"response",
        (1, CLIENT): b"other",
        (1, SERVER): b"answer",
    }


def test_a_connection_may_follow_one_that_began_before_the_capture():
    capture = heard([REQUEST, c(SYN, 5100), s(SYN | ACK, 5300, 5101), c(ACK, 5101, 5301, b"other")])
    assert capture.said == {(0, CLIENT): b"request", (1, CLIENT): b"other"}
    assert [connection.oriented for connection in capture.connections] == [False, True]


@pytest.mark.parametrize("size", [1, 2])
def test_an_answer_to_an_unseen_syn_begins_a_connection_too(size):
    packets = [REQUEST, RESPONSE, s(SYN | ACK, 5300, 5101), c(ACK, 5101, 5301, b"other")]
    capture = heard(*(packets[at : at + size] for at in range(0, len(packets), size)))
    assert capture.said == {(0, CLIENT): b"request", (0, SERVER): b"response", (1, CLIENT): b"other"}


@pytest.mark.parametrize("size", [1, 100])
def test_the_first_of_several_syns_gives_the_time(size):
    packets = [*HANDSHAKE[:1] * 3, *HANDSHAKE[1:2] * 2]
    (connection,) = heard(*(packets[at : at + size] for at in range(0, len(packets), size))).connections
    assert (connection.syn_time, connection.syn_ack_time) == (1 * SECOND, 4 * SECOND)


def test_the_other_side_may_begin_the_next_connection():
    capture = heard([*HANDSHAKE, REQUEST, s(SYN, 5300), c(SYN | ACK, 5100, 5301), s(ACK, 5301, 5101, b"hello")])
    assert [capture.ends(connection) for connection in capture.connections] == [ENDS, ENDS[::-1]]
    assert capture.said == {(0, CLIENT): b"request", (1, CLIENT): b"hello"}


def test_what_waits_in_a_connection_is_delivered_though_its_ports_were_used_again():
    capture = Capture()
    capture.block(*HANDSHAKE, c(ACK, 105, 301, b"late"), c(SYN, 5100), c(ACK, 5101, 0, b"other"))
    assert capture.said == {(1, CLIENT): b"other"}
    assert [(d.connection.number, d.sender, d.pieces.position.tolist()) for d in capture.finish()] == [(0, CLIENT, [4])]


def test_a_simultaneous_open_counts_as_two_connections_the_second_with_all_data():
    """RFC 9293 3.5: both sides send a SYN. The first is taken for an attempt that was given up."""
    packets = [c(SYN, 100), s(SYN, 300), c(SYN | ACK, 100, 301), s(SYN | ACK, 300, 101), REQUEST, RESPONSE]
    capture = heard(packets)
    assert [(capture.ends(con), con.packets) for con in capture.connections] == [(ENDS, 1), (ENDS[::-1], 5)]
    assert capture.said == {(1, SERVER): b"request", (1, CLIENT): b"response"}
    assert capture.at == {(1, SERVER): [0], (1, CLIENT): [0]}


@pytest.mark.parametrize("size", [1, 100])
def test_a_syn_may_carry_data(size):
    """TCP Fast Open, RFC 7413: the data count from the number behind the SYN."""
    packets = [
        c(SYN, 100, 0, b"early"),
        s(SYN | ACK, 300, 106, b"soon"),
        c(SYN, 100, 0, b"early"),
        c(ACK, 106, 305, b" late"),
        s(ACK, 305, 111, b"er"),
    ]
    capture = heard(*(packets[at : at + size] for at in range(0, len(packets), size)))
    assert capture.said == {(0, CLIENT): b"early late", (0, SERVER): b"sooner"}
    assert [direction.retransmitted for direction in capture.connections[0].directions] == [5, 0]


# How it ends


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([c(FIN | ACK, 101, 301), s(FIN | ACK, 301, 102)], "client FIN"),
        ([s(FIN | ACK, 301, 101), c(RST, 101)], "server FIN"),
        ([c(RST, 101)], "client RST"),
        ([s(RST | ACK, 301, 101), c(FIN | ACK, 101, 301)], "server RST"),
        ([c(FIN | RST | ACK, 101, 301)], "client RST"),
        ([c(ACK, 101, 301)], None),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_what_closes_first_is_noted(ends, expected, size):
    packets = [*HANDSHAKE, *ends]
    capture = heard(*(packets[at : at + size] for at in range(0, len(packets), size)))
    (connection,) = capture.connections
    assert (connection.closed_by, connection.closed_time) == (expected, 4 * SECOND if expected else None)


def test_a_refused_connection_has_no_second_syn():
    (connection,) = heard([c(SYN, 100), s(RST | ACK, 0, 101)]).connections
    assert (connection.oriented, connection.closed_by, connection.syn_ack_time) == (True, "server RST", None)


def test_data_may_come_with_the_fin_and_before_a_late_one():
    capture = heard([*HANDSHAKE, c(FIN | ACK, 108, 301, b" bye"), REQUEST, s(FIN | ACK, 301, 112, b"bye")])
    assert capture.said == {(0, CLIENT): b"request bye", (0, SERVER): b"bye"}


def test_the_text_in_a_rst_belongs_to_no_stream():
    capture = heard([*HANDSHAKE, REQUEST, s(RST | ACK, 301, 108, b"go away"), s(ACK, 301, 108, b"response")])
    assert capture.said == {(0, CLIENT): b"request", (0, SERVER): b"response"}
    assert capture.connections[0].directions[SERVER].captured == 8


# Many at once


def test_every_segment_is_told_its_connection():
    """Three hundred connections, their packets mixed in two blocks."""
    ports = [(40000 + number, 445) for number in range(300)]
    opening = [c(SYN, 100, ports=pair) for pair in ports] + [s(SYN | ACK, 300, 101, ports=pair) for pair in ports]
    talking = [c(ACK, 101, 301, b"request %d" % pair[0], ports=pair) for pair in reversed(ports)]
    talking += [s(ACK, 301, 114, b"response %d" % pair[0], ports=pair) for pair in ports]
    capture = Capture()
    for packets in (opening, talking):
        deliveries = capture.block(*packets)
        client_port = np.maximum(capture.segments.source_port, capture.segments.destination_port)
        numbers = [con.client.port for con in capture.connections]
        assert [numbers[number] for number in capture.segments.connection.tolist()] == client_port.tolist()
    order = [(delivery.connection.client.port, delivery.sender) for delivery in deliveries]
    assert order == [(pair[0], sender) for pair in ports for sender in (CLIENT, SERVER)]
    assert {text for (_, sender), text in capture.said.items() if sender == CLIENT} == {
        b"request %d" % pair[0] for pair in ports
    }
    assert {connection.packets for connection in capture.connections} == {4}


def test_blocks_without_a_segment_give_nothing():
    capture = Capture()
    assert capture.block() == []
    assert capture.block(ipv4(bytes(8), 1)) == []
    assert capture.finish() == []
    assert capture.connections == []


def test_connections_differ_by_each_of_their_addresses_and_ports():
    ends = [(HERE, THERE), ("10.0.0.3", THERE), (HERE, "10.0.0.3")]
    ports = [PORTS, (50001, 445), (50000, 446)]
    packets = [ipv4(tcp(b"hello", ports=pair), ends=addresses) for addresses in ends for pair in ports]
    packets += [ipv6(tcp(b"hello", ports=PORTS), ends=("::10.0.0.1", "::10.0.0.2"))]
    capture = heard(packets)
    assert len({capture.ends(connection) for connection in capture.connections}) == len(packets) == 10
    assert set(capture.said.values()) == {b"hello"}


def test_a_connection_to_the_own_address_has_two_sides():
    ends = (HERE, HERE)
    packets = [ipv4(tcp(b"request", ports=PORTS), ends=ends), ipv4(tcp(b"response", ports=PORTS[::-1]), ends=ends)]
    assert heard(packets).said == {(0, CLIENT): b"request", (0, SERVER): b"response"}


# What one side acknowledges is missing in the capture, not in the stream of the other


def test_a_gap_is_known_from_the_acknowledgments_of_the_other_side():
    capture = Capture()
    capture.block(*HANDSHAKE, REQUEST, c(ACK, 200, 301, b"later"), s(ACK, 301, 205))
    assert capture.said == {(0, CLIENT): b"request"}
    capture.block(s(ACK, 301, 205, b"response"), s(ACK, 309, 205))
    assert capture.said == {(0, CLIENT): b"requestlater", (0, SERVER): b"response"}
    assert capture.at[0, CLIENT] == [0, 99]
    assert capture.connections[0].directions[CLIENT].gaps == 92


def test_the_number_in_a_rst_acknowledges_nothing():
    capture = Capture()
    capture.block(*HANDSHAKE, REQUEST, c(ACK, 200, 301, b"later"), s(RST | ACK, 301, 205), s(RST | ACK, 301, 205))
    assert capture.said == {(0, CLIENT): b"request"}


# Whatever the blocks

DIALOGUE = [
    *HANDSHAKE,
    REQUEST,
    RESPONSE,
    RESPONSE,
    s(ACK, 320, 108, b"in disorder"),
    s(ACK, 309, 108, b"for a while"),
    c(ACK, 104, 331, b"uest and more"),
    c(SYN, 9100),
    c(ACK, 9104, 0, b" another"),
    c(ACK, 9101, 0, b"yet"),
    s(SYN | ACK, 700, 9101),
    s(FIN | ACK, 701, 9112, b"end"),
    c(FIN | ACK, 9112, 705),
]


@given(st.lists(st.integers(0, len(DIALOGUE)), max_size=8))
def test_connections_do_not_depend_on_how_packets_fall_into_blocks(cuts):
    edges = [0, *sorted(cuts), len(DIALOGUE)]
    capture = heard(*(DIALOGUE[start:end] for start, end in pairwise(edges)))
    assert capture.said == {
        (0, CLIENT): b"request and more",
        (0, SERVER): b"responsefor a whilein disorder",
        (1, CLIENT): b"yet another",
        (1, SERVER): b"end",
    }
    first, second = capture.connections
    assert (first.first_frame, first.last_frame, first.packets, first.closed_by) == (1, 9, 9, None)
    assert (second.first_frame, second.last_frame, second.packets, second.closed_by) == (10, 15, 6, "server FIN")
    assert [d.retransmitted for con in capture.connections for d in con.directions] == [4, 8, 0, 0]
    assert [d.gaps for con in capture.connections for d in con.directions] == [0] * 4


# Witness


def read(path: Path) -> Capture:
    """A capture file."""
    capture = Capture()
    for given_block in open_captures(path):
        capture.feed(given_block)
    capture.finish()
    return capture


FIELDS = ("tcp.stream", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.len")


def shown(tshark: str, path: Path) -> dict[int, list[tuple[int, ...]]]:
    """The segments of each stream that tshark numbers: `FIELDS` without the first."""
    command = [tshark, "-r", str(path), "-Y", "tcp", "-T", "fields", "-E", "occurrence=l"]
    command += [part for field in FIELDS for part in ("-e", field)]
    listing = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    streams = defaultdict(list)
    for line in listing.splitlines():
        stream, *values = (int(value, 0) for value in line.split("\t"))
        streams[stream].append(tuple(values))
    return streams


def coverage(segments: list[tuple[int, ...]], port: int) -> tuple[int, int]:
    """What the side with this source port sent of its stream: bytes seen, and the place behind the last."""
    flags = np.array([row[2] for row in segments])
    mine = np.array([row[0] == port for row in segments])
    sequence, acknowledgment, length = (np.array([row[column] for row in segments]) for column in (3, 4, 5))
    syn, data = mine & (flags & SYN > 0), mine & (length > 0) & (flags & RST == 0)
    answer = ~mine & (flags & (SYN | ACK) == SYN | ACK)
    if not data.any():
        return 0, 0
    first = sequence[data][0]
    if syn.any() or answer.any():
        first = sequence[syn][0] + 1 if syn.any() else acknowledgment[answer][0]
    place = (sequence[data] + (flags[data] & SYN > 0) - first + 2**31) % 2**32 - 2**31
    place -= 0 if syn.any() or answer.any() else place.min()
    end = place + length[data]
    seen = np.zeros(max(int(end.max()), 0), np.bool_)
    for start, stop in zip(place.tolist(), end.tolist(), strict=True):
        seen[max(start, 0) : max(stop, 0)] = True
    return int(seen.sum()), len(seen)


CAPTURES = [
    "public/zeek/tcp/ctu-64702-888.pcap", "public/zeek/tcp/fin_retransmission.pcap",
    "public/zeek/tcp/handshake-reorder.pcap", "public/zeek/tcp/http-on-irc-port-missing-syn.pcapng",
    "public/zeek/tcp/miss_end_data.pcap", "public/zeek/tcp/missing-syn.pcap", "public/zeek/tcp/no-handshake.pcap",
    "public/zeek/tcp/one-sided-2745.pcap", "public/zeek/tcp/options.pcap", "public/zeek/tcp/payload-syn.pcap",
    "public/zeek/tcp/payload-synack.pcap", "public/zeek/tcp/qi_internet_SYNACK_curl_jsonip.pcap",
    "public/zeek/tcp/retransmit-fast009.pcap", "public/zeek/tcp/retransmit-timeout.pcapng",
    "public/zeek/tcp/rst-inject-rae.pcap", "public/zeek/tcp/ssh-dups.pcap",
    "public/zeek/tcp/syn-then-stuff-then-rst.pcap", "public/zeek/tcp/tcp-fast-open.pcap",
    "public/zeek/tcp/timestamp.pcap", "public/zeek/tcp/truncated-header.pcap",
    "public/zeek/tcp/window-scale-range.pcap", "public/zeek/erspan.pcap", "public/zeek/ipv6-http-atomic-frag.pcap",
    "public/zeek/mixed-vlan-mpls.pcap", "public/zeek/vlan-collisions.pcap", "public/zeek/smb/smb2.pcap",
    "samba/ntlm_311_enc_aes-128-gcm.pcapng", "samba/ntlm_311_mixed_sessions.pcapng",
    "faults/net_mtu_blackhole_enc.pcapng", "faults/dmg_enc_snap96.pcapng", "faults/srv_connection_refused.pcapng",
]  # fmt: skip


@pytest.mark.witness
@pytest.mark.parametrize("name", CAPTURES)
def test_tshark_sees_the_same_connections_and_bytes(name, shared, tshark):
    path = shared / "captures" / name
    capture, streams = read(path), shown(tshark, path)
    assert len(capture.connections) == len(streams)
    for connection, segments in zip(capture.connections, streams.values(), strict=True):
        assert {connection.client.port, connection.server.port} == set(segments[0][:2])
        assert connection.packets == len(segments)
        if connection.client.port == connection.server.port:
            continue
        for end, direction in zip((connection.client, connection.server), connection.directions, strict=True):
            seen, size = coverage(segments, end.port)
            assert (direction.delivered + direction.snapped, direction.gaps) == (seen, size - seen)


FOLLOWED = [
    "public/zeek/http-vlan-0.pcap", "public/zeek/tcp/handshake-reorder.pcap", "public/zeek/tcp/tcp-fast-open.pcap",
    "public/zeek/tcp/ssh-dups.pcap", "public/zeek/tcp/qi_internet_SYNACK_curl_jsonip.pcap", "public/zeek/snap-tcp.pcap",
    "samba/krb5_311_enc_aes-256-ccm.pcapng", "faults/auth_lockout.pcapng",
]  # fmt: skip


@pytest.mark.witness
@pytest.mark.parametrize("name", FOLLOWED)
def test_tshark_follows_the_same_streams(name, shared, tshark):
    path = shared / "captures" / name
    capture = read(path)
    taps = [part for number in range(len(capture.connections)) for part in ("-z", f"follow,tcp,raw,{number}")]
    command = [tshark, "-r", str(path), "-q", "-o", "tcp.reassemble_out_of_order:TRUE", *taps]
    listing = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    parts = {int(part.split()[0]): part for part in listing.split("tcp.stream eq ")[1:]}
    assert len(parts) == len(capture.connections)
    for number in range(len(capture.connections)):
        lines = list(takewhile(lambda line: not line.startswith("="), parts[number].splitlines()[3:]))
        sides = ([line for line in lines if line[:1] != "\t"], [line for line in lines if line[:1] == "\t"])
        theirs = {b"".join(bytes.fromhex(line) for line in side) for side in sides}
        assert {capture.said.get((number, sender), b"") for sender in (CLIENT, SERVER)} == theirs
