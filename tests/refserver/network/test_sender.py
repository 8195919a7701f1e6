"""The sending half by itself: windows, round trips, and what goes out again."""

from refserver.network.sender import Sender, TcpSettings
from refserver.network.simulation import MILLISECOND, SECOND

MSS = 1000


def sender(data: int, window: int = 1 << 20) -> Sender:
    made = Sender(TcpSettings(mss=1460))
    made.agree(MSS, window)
    made.write(bytes(data))
    return made


def sent(of: Sender, now: int = 0) -> list[tuple[int, int, bool]]:
    return [(offset, len(payload), fin) for offset, payload, fin in of.segments(now)]


def test_the_smaller_of_both_segment_sizes_is_used() -> None:
    assert sent(sender(2500)) == [(0, 1000, False), (1000, 1000, False), (2000, 500, False)]


def test_no_more_goes_out_than_the_peer_offers() -> None:
    one = sender(5000, window=2500)
    assert sent(one) == [(0, 1000, False), (1000, 1000, False)]  # the last 500 would be a silly window
    one.acknowledged(2000, 2500, 1, bare=True)
    assert sent(one) == [(2000, 1000, False), (3000, 1000, False)]


def test_the_congestion_window_opens_with_acknowledgments() -> None:
    one = sender(100_000)
    assert len(sent(one)) == 10
    one.acknowledged(2000, 1 << 20, 1, bare=True)
    assert len(sent(one)) == 3  # two have left, and one more is allowed


def test_the_fin_follows_the_data_and_counts_one() -> None:
    one = sender(500)
    one.close()
    assert sent(one) == [(0, 500, False), (500, 0, True)]
    one.acknowledged(500, 1 << 20, 1, bare=True)
    assert not one.finished
    assert one.first_again() == (500, b"", True)
    one.acknowledged(501, 1 << 20, 1, bare=True)
    assert one.finished
    assert not one.outstanding


def test_three_duplicates_ask_for_the_first_segment_again() -> None:
    one = sender(10_000)
    sent(one)
    answers = [one.acknowledged(0, 1 << 20, 1, bare=True) for _ in range(4)]
    assert answers == [False, False, True, False]
    assert one.first_again() == (0, bytes(1000), False)
    assert one.acknowledged(3000, 1 << 20, 2, bare=True)  # a partial one: the next hole
    assert not one.acknowledged(10_000, 1 << 20, 3, bare=True)


def test_an_acknowledgment_with_data_or_another_window_is_no_duplicate() -> None:
    one = sender(10_000)
    sent(one)
    for place in range(5):
        assert not one.acknowledged(0, 1 << 20, 1, bare=False)
        assert not one.acknowledged(0, (1 << 19) + place, 1, bare=True)


def test_a_timeout_begins_again_with_one_segment_and_waits_twice_as_long() -> None:
    one = sender(10_000)
    sent(one)
    before = one.rto
    one.timed_out()
    assert one.rto == 2 * before
    assert sent(one) == [(0, 1000, False)]
    one.acknowledged(5000, 1 << 20, 1, bare=True)  # the receiver had the others
    assert sent(one)[0] == (5000, 1000, False)


def test_the_timeout_follows_the_round_trip() -> None:
    one = sender(1000)
    one.measured(100 * MILLISECOND)
    assert one.rto == 300 * MILLISECOND  # RFC 6298 2.2
    for _ in range(50):
        one.measured(100 * MILLISECOND)
    assert 200 * MILLISECOND <= one.rto < 210 * MILLISECOND
    for _ in range(20):
        one.back_off()
    assert one.rto == 120 * SECOND


def test_a_closed_window_is_probed_with_the_next_byte() -> None:
    one = sender(3000, window=1000)
    sent(one)
    one.acknowledged(1000, 0, 1, bare=True)
    assert sent(one) == []
    assert one.stuck
    assert one.probe() == (1000, b"\0", False)
    assert not one.acknowledged(1000, 0, 2, bare=True)
    assert one.stuck
    one.acknowledged(1000, 5000, 3, bare=True)
    assert sent(one) == [(1000, 1000, False), (2000, 1000, False)]


def test_what_was_never_sent_cannot_be_acknowledged() -> None:
    one = sender(3000, window=1000)
    sent(one)
    assert not one.acknowledged(2000, 9000, 1, bare=True)
    assert (one.unacknowledged, one.window) == (0, 1000)
