"""The window: what it holds, how it grows, what a search finds in it."""

import io

import numpy as np
import pytest

from parsers.capture.packets import SLACK, CaptureLog, Damage
from parsers.capture.window import LOOKAHEAD, MAX_DAMAGE, Window, columns_at, recover

NOTHING = np.empty(0, np.int64)


def window_of(data, size):
    return Window(io.BytesIO(data), size, "f", CaptureLog())


def held(window):
    return bytes(window.buffer[window.start : window.end])


def test_the_unfinished_rest_moves_to_the_front_and_its_place_in_the_file_is_known():
    window = window_of(b"abcdefghij", 4)
    assert window.need(3)
    assert held(window) == b"abcd"
    window.start += 3
    assert window.need(2)
    assert (held(window), window.base + window.start) == (b"defg", 3)
    assert not window.ended


def test_it_grows_only_for_what_is_needed_and_says_when_the_file_ends():
    window = window_of(b"abcdefghij", 4)
    assert window.need(8)
    assert (held(window), len(window.buffer)) == (b"abcdefgh", 8 + SLACK)
    assert not window.need(11)
    assert (held(window), window.ended) == (b"abcdefghij", True)


def test_columns_are_read_at_any_place_in_either_byte_order():
    buffer = bytearray(range(20))
    places = np.array([3, 0, 16])
    assert columns_at(buffer, places, np.dtype("<u4")).tolist() == [0x06050403, 0x03020100, 0x13121110]
    pair = columns_at(buffer, places[:1], np.dtype([("a", ">u2"), ("b", "u1")]))
    assert (pair["a"].tolist(), pair["b"].tolist()) == ([0x0304], [5])
    with pytest.raises(IndexError):
        columns_at(buffer, np.array([17]), np.dtype("<u4"))


@pytest.mark.parametrize("size", [1, 100_000, 8 << 20])
def test_a_search_sees_every_place_once_and_never_past_what_it_may_look_at(size):
    data = bytes(3_000_000) + b"!"
    window = window_of(data, size)
    seen = []

    def plausible(first, stop):
        assert window.start <= first < stop <= window.end
        assert window.ended or stop + LOOKAHEAD <= window.end
        seen.append((window.base + first, window.base + stop))
        return first + np.flatnonzero(np.frombuffer(window.buffer, np.uint8, stop - first, first) == ord("!"))

    window.need(1)
    recover(window, plausible, "zeros")
    assert held(window) == b"!"
    assert window.log.damage == [Damage("f", 0, "zeros: 3000000 bytes skipped")]
    assert [begin for begin, _ in seen[1:]] == [end for _, end in seen[:-1]]
    assert seen[0][0] == 1


def test_a_search_that_finds_nothing_ends_with_the_file():
    window = window_of(bytes(1000), 16)
    window.need(1)
    recover(window, lambda first, stop: NOTHING, "zeros")
    assert held(window) == b""
    assert window.log.damage == [Damage("f", 0, "zeros: nothing readable in the 1000 bytes up to the end")]


def test_damage_without_end_is_not_collected():
    window = window_of(b"", 16)
    for place in range(MAX_DAMAGE + 5):
        assert not window.hopeless or place >= MAX_DAMAGE
        window.note(place, "bad")
    assert window.hopeless
    assert len(window.log.damage) == MAX_DAMAGE + 1
    assert window.log.damage[-1].offset == MAX_DAMAGE - 1
