"""What a capture shows, what it misses, and which frame carried which bytes."""

import io
from collections.abc import Callable

from parsers.capture.open import open_captures
from parsers.capture.write import PcapngWriter
from parsers.transport.ip import FIN, SYN
from refserver.network.observer import Observer
from refserver.network.simulation import MILLISECOND
from tests.refserver.network.talkers import START, Pair

MakePair = Callable[..., Pair]


def played(pair: Pair) -> Pair:
    pair.connect()
    pair.run(30)
    pair.close_files()
    return pair


def test_frames_are_found_by_the_bytes_that_they_carry(make_pair: MakePair) -> None:
    pair = played(make_pair(100_000))
    server = pair.endpoint.remote
    for begin, end in ((0, 1), (1459, 1461), (50_000, 70_000), (99_999, 100_000)):
        frames = pair.observer.frames_of(0, server, begin, end)
        carried = [seen for seen in pair.observer.seen if seen.source == server and seen.payload]
        assert frames == tuple(
            seen.frame for seen in carried if seen.offset < end and begin < seen.offset + seen.payload
        )
        assert len(frames) == (end - 1) // 1460 - begin // 1460 + 1
    assert pair.observer.frames_of(1, server, 0, 100_000) == ()
    assert pair.observer.frames_of(0, pair.endpoint.local, 0, 100) == (4,)


def test_frame_numbers_and_times_are_those_of_the_file(make_pair: MakePair) -> None:
    pair = played(make_pair(50_000))
    times = [int(time) for block in open_captures(pair.path) for time in block.time]
    assert times == [seen.time for seen in pair.observer.seen]
    assert pair.observer.times([1]) == [START]


def test_a_retransmission_is_among_the_frames_of_its_bytes(make_pair: MakePair) -> None:
    pair = make_pair(20_000)
    lost = iter([True])
    pair.back.faults.append(
        lambda segment, size, now: segment.offset == 2920 and bool(segment.payload) and next(lost, False)
    )
    played(pair)
    assert len(pair.observer.frames_of(0, pair.endpoint.remote, 3000, 3001)) == 1  # the client saw one of them
    assert len(pair.server_observer.frames_of(0, pair.endpoint.remote, 3000, 3001)) == 2


def test_flags_are_found(make_pair: MakePair) -> None:
    pair = played(make_pair(1000))
    assert pair.observer.with_flags(0, SYN) == (1, 2)
    assert len(pair.observer.with_flags(0, FIN)) == 2


def test_a_capture_may_begin_late_miss_frames_cut_them_and_have_two_interfaces(make_pair: MakePair) -> None:
    pair = make_pair(50_000)
    files = [io.BytesIO() for _ in range(4)]
    writers = [PcapngWriter(file) for file in files]
    late = Observer(pair.simulation, writers[0], begin=START + MILLISECOND)
    lossy = Observer(pair.simulation, writers[1], loss=0.2)
    short = Observer(pair.simulation, writers[2], snaplen=60)
    double = Observer(pair.simulation, writers[3], interfaces=("in", "out"))
    pair.client_host.witnesses += [late, lossy, short, double]
    played(pair)
    complete = len(pair.observer.seen)
    assert len(late.seen) == sum(time >= START + MILLISECOND for time in (seen.time for seen in pair.observer.seen))
    assert len(late.seen) < complete
    assert lossy.missed > 0
    assert len(lossy.seen) == complete - lossy.missed
    assert len(short.seen) == complete
    assert len(files[2].getvalue()) < 120 * complete
    assert len(double.seen) == 2 * complete
    assert [seen.time for seen in double.seen] == sorted(seen.time for seen in double.seen)


def test_a_capture_misses_what_it_is_told_to(make_pair: MakePair) -> None:
    pair = make_pair(5000)
    file = io.BytesIO()
    half = Observer(pair.simulation, PcapngWriter(file), misses=lambda segment, now: segment.source.port == 445)
    pair.client_host.witnesses.append(half)
    played(pair)
    assert {seen.source for seen in half.seen} == {pair.endpoint.local}
