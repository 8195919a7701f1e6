"""Several captures at once: order, ties, bounded windows, files opened when their time comes."""

import heapq
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.capture.open import open_captures


def capture(wire, seconds, name):
    """A pcap file with packets at these seconds, which carry the file's name and their number."""
    records = [wire.record(f"{name}{n}".encode() + bytes(n % 7), second, 0) for n, second in enumerate(seconds)]
    return wire.pcap_header() + b"".join(records)


def heads_merged(files):
    """What a program does that compares the next packet of each file, the last file first where times are equal."""
    queues = [list(enumerate(seconds)) for seconds in files]
    order = []
    while any(queues):
        ready = [(queue[0][1], -rank) for rank, queue in enumerate(queues) if queue]
        rank = -min(ready)[1]
        order.append(f"{'abcdef'[rank]}{queues[rank].pop(0)[0]}")
    return order


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 12), max_size=12), min_size=1, max_size=4), st.sampled_from([1, 40, 90, 1 << 20])
)
def test_packets_come_as_if_the_next_of_each_file_were_compared(wire, tmp_path_factory, files, window):
    folder = tmp_path_factory.mktemp("merge")
    paths = []
    for name, seconds in zip("abcdef", files, strict=False):
        paths.append(folder / name)
        paths[-1].write_bytes(capture(wire, seconds, name))
    # A file is opened by the time of its first packet, so one that begins late comes late even if it goes back later.
    packets, captures = wire.read(paths, window)
    assert [p.data.rstrip(b"\0").decode() for p in packets] == heads_merged(files)
    owners = [captures.interfaces[p.interface].file for p in packets]
    for path, file in zip(paths, captures.files, strict=True):
        assert file.packets == owners.count(str(path))
        assert file.first_frame == (owners.index(str(path)) + 1 if file.packets else None)


def test_two_captures_of_the_same_time_are_interleaved_whatever_the_window(wire, stored):
    chance = random.Random(1)
    times = [sorted(chance.choices(range(1_000_000), k=2000)) for _ in range(3)]
    paths = [stored(name, capture(wire, seconds, name)) for name, seconds in zip("abc", times, strict=True)]
    expected = [time * 10**9 for time in heapq.merge(*times)]
    for window in (50, 10_000, 16 << 20):
        packets, captures = wire.read(paths, window)
        assert [p.time for p in packets] == expected
        assert all(p.data.startswith(captures.interfaces[p.interface].file[-1].encode()) for p in packets)


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
def test_files_of_a_rotated_set_are_open_one_at_a_time(wire, stored):
    paths = [stored(f"{n:03}", capture(wire, range(n * 10, n * 10 + 10), "x")) for n in range(1, 200)]
    random.Random(2).shuffle(paths)
    before = open_files()
    captures = open_captures(paths)
    assert open_files() == before
    times = []
    for block in captures:
        assert open_files() <= before + 2
        times += block.time.tolist()
    assert open_files() == before
    assert times == sorted(times)
    assert len(times) == 1990


def test_files_are_closed_when_reading_stops_in_the_middle(wire, stored):
    paths = [stored(name, capture(wire, range(1, 1000), name)) for name in "ab"]
    captures = open_captures(paths, window=100)
    next(iter(captures))
    del captures  # an open file that is dropped would be a ResourceWarning, which is an error here


def test_a_single_file_is_handed_out_without_copying_even_out_of_order(wire, stored):
    path = stored("a", capture(wire, [5, 3, 9, 1], "a"))
    packets, _ = wire.read(path)
    assert [p.time // 10**9 for p in packets] == [5, 3, 9, 1]
