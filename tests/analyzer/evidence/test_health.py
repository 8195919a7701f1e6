"""Questions about TCP connections: from packets made by hand, and of a server that stood still for 15 seconds."""

from itertools import pairwise
from pathlib import Path

import pytest

from analyzer.evidence.health import Closing, TcpHealth
from analyzer.evidence.marks import Mark
from analyzer.evidence.tcp import TcpEvidence
from parsers.transport.addresses import AddressBook
from parsers.transport.connections import ConnectionTracker
from parsers.transport.ip import ACK, FIN, RST
from tests.analyzer.captures import analyzed
from tests.analyzer.evidence.packets import MS, Wire, make

CLIENT, SERVER = 0, 1


def health_of(wire: Wire) -> TcpHealth:
    evidence = TcpEvidence()
    made, connections = make([wire], 0, None, ConnectionTracker(AddressBook()))
    evidence(None, made, None)
    return TcpHealth(
        evidence.marks(connections), evidence.series(connections), evidence.largest(connections), connections
    )


@pytest.fixture
def stalled() -> TcpHealth:
    """At 1012 ms the client asks; it is acknowledged 20 ms later, answered after 3 s, and dead after that."""
    wire = Wire().handshake().send(CLIENT, 0, 100, ack=0, later=20).send(SERVER, 0, ack=100, later=2_980)
    wire.send(SERVER, 0, 500, ack=100, later=1).send(CLIENT, 100, 0, ack=500, later=100)
    wire.send(CLIENT, 100, 70, ack=500, later=400).send(CLIENT, 100, 70, ack=500, later=800)
    return health_of(wire.send(CLIENT, 100, 70, ack=500))


def test_what_was_sent_and_what_was_acknowledged_is_known_at_any_time(stalled: TcpHealth) -> None:
    at = [1_011, 1_012, 1_031, 1_032, 4_012, 4_013]
    assert [stalled.sent_by(0, CLIENT, ms * MS) for ms in at] == [0, 100, 100, 100, 100, 100]
    assert [stalled.acknowledged_by(0, CLIENT, ms * MS) for ms in at] == [0, 0, 0, 100, 100, 100]
    assert [stalled.outstanding(0, CLIENT, ms * MS) for ms in at] == [0, 100, 100, 0, 0, 0]
    assert stalled.sent_by(0, SERVER, 4_012 * MS) == 500
    assert stalled.acknowledged_by(0, SERVER, 4_013 * MS) == 500


def test_when_something_was_delivered(stalled: TcpHealth) -> None:
    assert stalled.acknowledged_at(0, CLIENT, 100) == stalled.delivered_at(0, CLIENT, 1_012 * MS) == 1_032 * MS
    assert stalled.delivered_at(0, CLIENT, 4_200 * MS) is None
    assert stalled.acknowledged_at(0, CLIENT, 101) is None
    assert stalled.sent_at(0, SERVER, 500) == 4_012 * MS


def test_silences_have_a_begin_and_mostly_an_end(stalled: TcpHealth) -> None:
    first, last = stalled.silences(0, SERVER, 1_000 * MS)
    assert (first.start, first.end, first.length) == (1_032 * MS, 4_012 * MS, 2_980 * MS)
    assert (first.start_frame, first.end_frame) == (5, 6)
    assert (last.start, last.end, last.length, last.end_frame) == (4_012 * MS, None, None, None)
    assert stalled.quiet(0, SERVER, 1_032 * MS, 4_012 * MS)
    assert not stalled.quiet(0, SERVER, 1_032 * MS, 4_013 * MS)
    assert stalled.last_packet(0, SERVER, 4_011 * MS) == 1_032 * MS
    assert stalled.last_packet(0, SERVER, 1_000 * MS) is None


def test_marks_are_chosen_by_kind_sender_and_time(stalled: TcpHealth) -> None:
    assert stalled.retransmitted(0, CLIENT, 0, 10_000 * MS) == 2
    assert stalled.retransmitted(0, CLIENT, 0, 4_600 * MS) == 1
    assert stalled.retransmitted(0, SERVER, 0, 10_000 * MS) == 0
    assert len(stalled.marks_of(0)) == 4
    assert len(stalled.marks_of(0, Mark.SYN, Mark.SYN_ACK)) == 2
    assert len(stalled.marks_of(0, Mark.RETRANSMISSION, since=4_600 * MS)) == 1


def test_the_round_trip_is_the_shortest(stalled: TcpHealth) -> None:
    assert stalled.round_trip(0) == 10 * MS + 1 * MS  # handshake: server's half and client's half
    assert stalled.round_trips(0, SERVER).tolist() == [10 * MS, 20 * MS]


def test_the_first_fin_or_rst_closes_a_connection(stalled: TcpHealth) -> None:
    assert stalled.closing(0) is None
    left = health_of(Wire().handshake().send(CLIENT, 0, ack=0, flags=FIN | ACK).send(SERVER, 0, ack=1, flags=RST))
    assert left.closing(0) == Closing(0, CLIENT, "FIN", 4, 1_012 * MS)
    dropped = health_of(Wire().handshake().send(SERVER, 0, ack=0, flags=RST))
    assert dropped.closing(0) == Closing(0, SERVER, "RST", 4, 1_012 * MS)


def test_windows_and_gaps_are_known_at_a_time() -> None:
    wire = Wire().handshake().send(SERVER, 0, ack=0, window=0, later=50).send(SERVER, 0, ack=0, later=50)
    wire.send(SERVER, 80, 20, ack=0).send(CLIENT, 0, ack=100)
    health = health_of(wire)
    closed = [health.window_closed(0, SERVER, ms * MS) for ms in (1_011, 1_012, 1_061, 1_062)]
    assert closed == [None, 1_012 * MS, 1_012 * MS, None]
    assert health.near_gap(0, 1_100 * MS, 1_200 * MS)
    assert not health.near_gap(0, 1_000 * MS, 1_100 * MS)


def test_a_server_that_was_stopped_is_silent_while_nothing_is_lost(shared: Path) -> None:
    """SIGSTOP for 15 s in the middle of a transfer, as the notes of the capture say, to 0.1 s."""
    health = analyzed(shared, "faults/srv_stop15_get_signed.pcapng.gz").evidence.tcp
    (silence,) = health.silences(2, SERVER, 1_000 * MS)
    assert silence.length == pytest.approx(15e9, abs=0.1e9)
    assert health.retransmitted(2, CLIENT, silence.start, silence.end) == 0
    assert health.outstanding(2, CLIENT, silence.start + 500 * MS) == 0


def test_a_path_that_was_dead_shows_backing_off(shared: Path) -> None:
    """20 s of blackout: the server repeats one segment, and nobody acknowledges it."""
    health = analyzed(shared, "faults/net_blackout_giveup_enc.pcapng.gz").evidence.tcp
    repeats = health.marks_of(0, Mark.RETRANSMISSION, sender=CLIENT)
    assert len(set(repeats["position"].tolist())) == 1
    pauses = (repeats["time"][1:] - repeats["time"][:-1]).tolist()
    assert all(1.7 < later / earlier < 2.3 for earlier, later in pairwise(pauses))
    assert health.outstanding(0, CLIENT, int(repeats["time"][3])) > 0
