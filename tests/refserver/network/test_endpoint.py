"""TCP in virtual time: what arrives, what the expert of Wireshark says of it, and how long it takes."""

from collections.abc import Callable

import pytest

from refserver.network.endpoint import Lost
from refserver.network.path import blackout, larger_than
from refserver.network.simulation import MILLISECOND, SECOND
from tests.refserver.network.talkers import START, Pair

MakePair = Callable[..., Pair]
FAULTLESS = {
    "Connection establish request (SYN): server port 445": 1,
    "Connection establish acknowledge (SYN+ACK): server port 445": 1,
    "Connection finish (FIN)": 2,
    "This frame initiates the connection closing": 1,
    "This frame undergoes the connection closing": 1,
}


def assert_exchanged(pair: Pair) -> None:
    assert pair.server.got == b"q" * 100
    assert pair.client.got == pair.answer
    assert [what for what, _ in pair.client.told] == ["connected"]  # it has closed first
    assert [what for what, _ in pair.server.told] == ["connected", "ended"]


@pytest.mark.parametrize("addresses", [("10.0.0.10", "10.0.0.1"), ("fd00::10", "fd00::1")])
@pytest.mark.witness
def test_the_expert_has_nothing_to_say_of_a_clean_connection(
    addresses: tuple[str, str], make_pair: MakePair, tshark: str
) -> None:
    pair = make_pair(300_000, addresses=addresses)
    pair.connect()
    pair.run(5)
    assert_exchanged(pair)
    assert pair.expert(tshark) == FAULTLESS


@pytest.mark.parametrize("seed", range(8))
def test_every_byte_arrives_over_a_bad_path(seed: int, make_pair: MakePair) -> None:
    pair = make_pair(400_000, seed=seed)
    for path in (pair.there, pair.back):
        path.latency, path.loss, path.reorder, path.duplicate = 5 * MILLISECOND, 0.03, 0.02, 0.02
    pair.connect()
    pair.run(300)
    assert_exchanged(pair)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(make_pair: MakePair) -> None:
    captures = []
    for seed in (7, 7, 8):
        pair = make_pair(200_000, seed=seed)
        pair.back.loss = pair.there.duplicate = 0.02
        pair.connect()
        pair.run(100)
        pair.close_files()
        captures.append(pair.path.read_bytes())
    assert captures[0] == captures[1] != captures[2]


@pytest.mark.witness
def test_a_lost_segment_is_retransmitted_fast_and_others_after_a_timeout(make_pair: MakePair, tshark: str) -> None:
    pair = make_pair(60_000)
    pair.back.latency = 10 * MILLISECOND
    lost = [3 * 1460, 59_000]  # one with many behind it; nearly the last, behind which too little comes
    pair.back.faults.append(
        lambda segment, size, now: any(
            segment.offset <= place < segment.offset + len(segment.payload) and (lost.remove(place) or True)
            for place in list(lost)
        )
    )
    pair.connect()
    pair.run(5)
    assert_exchanged(pair)
    found = pair.expert(tshark)
    assert found["This frame is a (suspected) fast retransmission"] == 1
    assert found["This frame is a (suspected) retransmission"] == 2  # which counts the fast one too
    assert found["Previous segment(s) not captured (common at capture start)"] == 2
    assert found["Duplicate ACK (#3)"] == 1
    assert 200 * MILLISECOND < pair.server.told[-1][1] - START < 400 * MILLISECOND  # one timeout


@pytest.mark.witness
def test_a_client_that_does_not_read_closes_its_window_and_is_probed(make_pair: MakePair, tshark: str) -> None:
    pair = make_pair(4_000_000)
    pair.connect()
    pair.run(0.003)
    pair.endpoint.pause()
    pair.run(30)
    waiting = len(pair.client.got)
    pair.endpoint.resume()
    pair.run(2)
    assert_exchanged(pair)
    assert waiting < 3_000_000
    found = pair.expert(tshark)
    probes = found.pop("TCP Zero Window Probe")
    assert probes == 7  # after 0.2, 0.4, 0.8, ... seconds
    assert found == FAULTLESS | {
        "TCP window specified by the receiver is now completely full": 1,
        "TCP Zero Window segment": 1 + probes,
        "ACK to a TCP Zero Window Probe": probes,
        "TCP window update": 1,
    }


def test_a_blackout_is_outlived_and_costs_events_not_steps(make_pair: MakePair) -> None:
    pair = make_pair(1_000_000)
    for path in (pair.there, pair.back):
        path.faults.append(blackout(START + 5 * MILLISECOND, START + 20 * SECOND))
    pair.connect()
    pair.run(3600)
    assert_exchanged(pair)
    assert 20 * SECOND < pair.server.told[-1][1] - START < 60 * SECOND


def test_a_peer_that_is_gone_for_good_is_given_up(make_pair: MakePair) -> None:
    pair = make_pair(1_000_000)
    pair.connect()
    pair.run(0.003)
    pair.client_host.reachable = False
    pair.run(1800)
    assert pair.server.lost_by is Lost.TIMEOUT
    assert pair.server.told[-1][1] - START > 600 * SECOND  # 15 times, ever more slowly


def test_only_large_segments_disappear_in_a_black_hole(make_pair: MakePair) -> None:
    pair = make_pair(100_000)
    pair.back.faults.append(larger_than(1400))
    pair.connect()
    pair.run(60)
    assert pair.server.told == [("connected", pair.server.told[0][1])]
    assert pair.client.got == b""
    sizes = {seen.payload for seen in pair.server_observer.seen if seen.source == pair.endpoint.remote}
    assert sizes == {0, 1460}


def test_nobody_listens_and_nobody_answers(make_pair: MakePair) -> None:
    refused, silent = make_pair(1), make_pair(1)
    refused.server_host.deaf(445)
    silent.server_host.reachable = False
    for pair in (refused, silent):
        pair.connect()
        pair.run(120)
    assert (refused.client.lost_by, silent.client.lost_by) == (Lost.RESET, Lost.TIMEOUT)
    assert len(silent.observer.seen) == 5  # a SYN and four repetitions


def test_an_abort_resets_the_peer(make_pair: MakePair) -> None:
    pair = make_pair(100)
    pair.connect()
    pair.client.on_data = pair.endpoint.abort
    pair.run(1)
    assert pair.server.lost_by is Lost.RESET
    assert pair.client.lost_by is None


def test_data_for_an_application_that_has_closed_is_answered_with_a_reset(make_pair: MakePair) -> None:
    pair = make_pair(1_000_000)
    pair.client.on_data = lambda: pair.endpoint.close() if len(pair.client.got) > 50_000 else None
    pair.server.on_end = lambda: None
    pair.connect()
    pair.run(1)
    assert pair.server.lost_by is Lost.RESET


def test_a_lost_fin_comes_again_and_is_acknowledged_again(make_pair: MakePair) -> None:
    pair = make_pair(100)
    lost = iter((True, True))
    pair.there.faults.append(lambda segment, size, now: bool(segment.flags & 1) and next(lost, False))
    pair.back.faults.append(
        lambda segment, size, now: segment.offset == 101 and not segment.flags & 1 and next(lost, False)
    )
    pair.connect()
    pair.run(10)
    assert_exchanged(pair)
