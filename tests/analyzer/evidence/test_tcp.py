"""Health of TCP connections, from packets made by hand and from real networks. Witness: tshark, and the other side."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from analyzer.evidence.marks import Mark
from analyzer.evidence.tcp import TcpEvidence
from parsers.transport.addresses import AddressBook
from parsers.transport.connections import ConnectionTracker
from parsers.transport.ip import ACK, FIN, RST
from tests.analyzer.captures import analyzed, count_of, frames_of
from tests.analyzer.evidence.packets import Wire, make

CLIENT, SERVER = 0, 1


def marks_of(*wires: Wire, cut: int | None = None) -> list[tuple[int, str, int, int]]:
    """Sender, kind, position and length of all marks; the packets come in two blocks if there is a `cut`."""
    evidence, tracker = TcpEvidence(), ConnectionTracker(AddressBook())
    for first, last in ((0, cut), (cut, None)) if cut else ((0, None),):
        made, connections = make(list(wires), first, last, tracker)
        evidence(None, made, None)
    return [
        (int(m["sender"]), Mark(m["kind"]).name, int(m["position"]), int(m["length"]))
        for m in evidence.marks(connections)
        if m["kind"] not in {Mark.SYN, Mark.SYN_ACK}
    ]


def in_any_cut(wire: Wire) -> list[tuple[int, str, int, int]]:
    """The marks of a conversation, which must not depend on where blocks end."""
    whole = marks_of(wire)
    for cut in range(1, len(wire.rows)):
        assert marks_of(wire, cut=cut) == whole, cut
    return whole


def test_a_clean_conversation_has_no_marks() -> None:
    wire = Wire().handshake()
    for step in range(8):
        wire.send(CLIENT, step * 100, 100, ack=step * 50).send(SERVER, step * 50, 50, ack=step * 100 + 100)
    assert in_any_cut(wire) == []


def test_bytes_that_are_sent_again_are_a_retransmission() -> None:
    wire = Wire().handshake().send(CLIENT, 0, 100, ack=0, later=300).send(CLIENT, 0, 100, ack=0)
    assert in_any_cut(wire.send(SERVER, 0, ack=100)) == [(CLIENT, "RETRANSMISSION", 0, 100)]


def test_what_had_been_acknowledged_is_sent_again_needlessly() -> None:
    wire = Wire().handshake().send(CLIENT, 0, 100, ack=0).send(SERVER, 0, ack=100).send(CLIENT, 0, 100, ack=0)
    assert in_any_cut(wire) == [(CLIENT, "NEEDLESS", 0, 100)]


def test_a_hole_that_is_filled_before_its_sender_can_know_was_reordering() -> None:
    wire = Wire().handshake().send(SERVER, 100, 100, ack=0, later=2).send(SERVER, 0, 100, ack=0)
    assert in_any_cut(wire) == [(SERVER, "REORDERED", 0, 100)]


def test_a_hole_that_is_filled_after_a_round_trip_was_loss() -> None:
    wire = Wire().handshake().send(SERVER, 100, 100, ack=0).send(CLIENT, 0, ack=0, later=12).send(SERVER, 0, 100, ack=0)
    assert in_any_cut(wire) == [(CLIENT, "DUPLICATE_ACK", 0, 0), (SERVER, "RETRANSMISSION", 0, 100)]


@pytest.mark.parametrize(("ident", "kind"), [(41, "REORDERED"), (43, "RETRANSMISSION")])
def test_counted_identifications_tell_what_was_sent_first(ident: int, kind: str) -> None:
    wire = Wire().handshake().send(SERVER, 100, 100, ack=0, ident=42, later=5).send(SERVER, 0, 100, ack=0, ident=ident)
    assert in_any_cut(wire) == [(SERVER, kind, 0, 100)]


def test_what_its_receiver_has_but_nobody_captured_is_a_gap() -> None:
    wire = Wire().handshake().send(SERVER, 0, 100, ack=0).send(SERVER, 250, 50, ack=0).send(CLIENT, 0, ack=300)
    assert in_any_cut(wire) == [(SERVER, "GAP", 100, 150)]


def test_what_nobody_has_is_a_hole() -> None:
    wire = Wire().handshake().send(SERVER, 0, 100, ack=0).send(SERVER, 250, 50, ack=0)
    wire.send(CLIENT, 0, ack=100).send(CLIENT, 0, ack=100)
    assert sorted(in_any_cut(wire)) == [(CLIENT, "DUPLICATE_ACK", 100, 0), (SERVER, "HOLE", 100, 150)]


def test_a_hole_may_be_filled_in_parts() -> None:
    wire = Wire().handshake().send(SERVER, 300, 100, ack=0, later=20).send(SERVER, 100, 100, ack=0)
    assert sorted(in_any_cut(wire.send(CLIENT, 0, ack=400))) == [
        (SERVER, "GAP", 0, 100),
        (SERVER, "GAP", 200, 100),
        (SERVER, "RETRANSMISSION", 100, 100),
    ]


@pytest.mark.parametrize("ident", [9, 0])
def test_the_same_packet_once_more_is_no_retransmission(ident: int) -> None:
    wire = Wire().handshake().send(CLIENT, 0, 100, ack=0, ident=ident).send(CLIENT, 0, 100, ack=0, ident=ident)
    assert marks_of(wire) == [(CLIENT, "CAPTURED_TWICE", 0, 100)]


def test_windows_close_and_open_and_are_probed() -> None:
    wire = Wire().handshake().send(CLIENT, 0, 100, ack=0).send(SERVER, 0, ack=100, window=0, later=200)
    wire.send(CLIENT, 99, ack=0).send(SERVER, 0, ack=100, window=0, later=300)
    wire.send(CLIENT, 99, ack=0).send(SERVER, 0, ack=100, window=50)
    assert in_any_cut(wire) == [
        (SERVER, "ZERO_WINDOW", 100, 0),
        (CLIENT, "PROBE", 99, 0),
        (CLIENT, "PROBE", 99, 0),
        (SERVER, "WINDOW_OPEN", 100, 0),
    ]


@pytest.mark.parametrize("size", [0, 1])
def test_a_keep_alive_repeats_a_byte_at_most(size: int) -> None:
    wire = Wire().handshake().send(CLIENT, 0, 100, ack=0).send(SERVER, 0, ack=100, later=60_000)
    assert in_any_cut(wire.send(CLIENT, 99, size, ack=0)) == [(CLIENT, "KEEP_ALIVE", 99, size)]


def test_ends_are_marked_with_their_senders() -> None:
    wire = Wire().handshake().send(SERVER, 0, ack=0, flags=FIN | ACK).send(CLIENT, 0, ack=1).send(CLIENT, 0, flags=RST)
    assert in_any_cut(wire) == [(SERVER, "FIN", 0, 0), (CLIENT, "RST", 0, 0)]


def test_a_connection_that_began_before_the_capture_is_followed_from_its_lowest_byte() -> None:
    wire = Wire().send(SERVER, 5_100, 100, ack=900).send(SERVER, 5_000, 100, ack=900, later=30)
    assert marks_of(wire.send(SERVER, 5_000, 100, ack=900)) == [
        (SERVER, "REORDERED", 0, 100),
        (SERVER, "RETRANSMISSION", 0, 100),
    ]


def test_connections_do_not_mix() -> None:
    one, two = Wire().handshake(), Wire(port=51_000, now=1_000_500_000).handshake()
    one.send(CLIENT, 0, 100, ack=0, later=300).send(CLIENT, 0, 100, ack=0)
    two.send(SERVER, 0, 100, ack=0).send(SERVER, 300, 100, ack=0).send(CLIENT, 0, ack=400)
    assert sorted(marks_of(one, two)) == [(CLIENT, "RETRANSMISSION", 0, 100), (SERVER, "GAP", 100, 200)]


def test_many_sequence_numbers_later_positions_still_count_on() -> None:
    wire = Wire().handshake()
    at = 0
    for _ in range(40):
        wire.send(CLIENT, at, 60_000, ack=0)
        at += 60_000
    assert in_any_cut(wire.send(CLIENT, at + 10, 5, ack=0).send(SERVER, 0, ack=at + 15)) == [(CLIENT, "GAP", at, 10)]


@pytest.mark.witness
@pytest.mark.parametrize("side", ["", "_srv"])
def test_of_a_lossy_path_both_ends_tell_what_was_sent_again(side: str, shared: Path, tshark: str) -> None:
    """What a sender's own capture shows twice was sent again; the other end must see it as such, and nothing else."""
    faults = shared / "captures" / "faults"
    sent: dict[tuple[str, ...], bool] = {}
    for other in ("", "_srv"):
        source = "10.77.0.2" if other == "" else "10.77.0.1"
        seen: set[int] = set()
        rows = frames_of(
            tshark, faults / f"twoside_delay30_loss2{other}.pcapng.gz", f"ip.src == {source} and tcp.len > 0", "ip.src",
            "ip.id", "tcp.seq_raw", "tcp.len",
        )  # fmt: skip
        for _, *key in rows:
            first, last = int(key[2]), int(key[2]) + int(key[3]) - 1
            sent[tuple(key)] = first in seen or last in seen
            seen |= {first, last}
    name = f"faults/twoside_delay30_loss2{side}.pcapng.gz"
    here = frames_of(tshark, shared / "captures" / name, "tcp.len > 0", "ip.src", "ip.id", "tcp.seq_raw", "tcp.len")
    truth = {int(frame) for frame, *key in here if sent.get(tuple(key))}
    marks = analyzed(shared, name).evidence.tcp.marks
    found = set(marks["frame"][np.isin(marks["kind"], (Mark.RETRANSMISSION, Mark.NEEDLESS))].tolist())
    assert found <= truth
    assert len(truth) > 100
    assert len(truth - found) <= 2  # a lost tail behind which nothing was sent looks like something new


@pytest.mark.witness
def test_pure_reordering_is_hardly_ever_taken_for_loss(shared: Path, tshark: str) -> None:
    """The path of this capture reorders 2,996 packets of the server and loses none; tshark calls many retransmitted."""
    path = shared / "captures" / "faults" / "net_reorder10_enc.pcapng.gz"
    marks = analyzed(shared, "faults/net_reorder10_enc.pcapng.gz").evidence.tcp.marks
    kinds = Counter(Mark(kind).name for kind in marks["kind"][marks["sender"] == SERVER])
    first_copies = "tcp.srcport == 445 and tcp.analysis.out_of_order"
    assert kinds["REORDERED"] > count_of(tshark, path, first_copies) > 0
    assert kinds["RETRANSMISSION"] < kinds["REORDERED"] / 100


@pytest.mark.witness
def test_a_capture_without_trouble_has_only_what_tshark_finds(shared: Path, tshark: str) -> None:
    name = "samba/torture_lease.pcapng"
    marks = analyzed(shared, name).evidence.tcp.marks
    path = shared / "captures" / name
    for kind, shown in (
        (Mark.SYN, "tcp.flags.syn == 1 and tcp.flags.ack == 0"),
        (Mark.SYN_ACK, "tcp.flags.syn == 1 and tcp.flags.ack == 1"),
        (Mark.FIN, "tcp.flags.fin == 1"),
        (Mark.RST, "tcp.flags.reset == 1"),
        (Mark.RETRANSMISSION, "tcp.analysis.retransmission"),
    ):
        assert np.count_nonzero(marks["kind"] == kind) == count_of(tshark, path, shown), kind


@pytest.mark.parametrize(("name", "size"), [("minus-p191", 2896), ("minus-p191-p192", 3044)])
def test_packets_that_were_left_out_of_a_capture_are_a_gap(name: str, size: int, shared: Path) -> None:
    (path,) = (shared / "captures" / "public" / "suricata").rglob(f"smb2-peter-{name}.pcap")
    marks = analyzed(shared, path.relative_to(shared / "captures").as_posix()).evidence.tcp.marks
    gaps = marks[marks["kind"] == Mark.GAP]
    assert gaps["length"].tolist() == [size]
    assert gaps["sender"].tolist() == [SERVER]
