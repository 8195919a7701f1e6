"""Classic pcap: every variant from the specification by hand, damage, truncation."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.capture.packets import MAX_PACKET, Interface

BEGIN = 1_700_000_000


def random_packets(count, longest=90, seed=1):
    chance = random.Random(seed)
    return [chance.randbytes(chance.randint(1, longest)) for _ in range(count)]


def capture(wire, packets, order="<"):
    """A microsecond file with one packet a second."""
    records = [wire.record(data, BEGIN + n, n, order) for n, data in enumerate(packets)]
    return wire.pcap_header(order) + b"".join(records), [len(record) for record in records]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "fraction_ns"), [("micro", 1000), ("nano", 1), ("modified", 1000)])
def test_every_variant_gives_the_fields_that_were_written(wire, order, kind, fraction_ns):
    extra = b"\x02\x00\x00\x00\x00\x08\x00\x00" if kind == "modified" else b""
    data = (
        wire.pcap_header(order, kind, linktype=113, snaplen=96)
        + wire.record(b"first", BEGIN, 999_999, order, extra=extra)
        + wire.record(b"", BEGIN + 1, 0, order, length=60, extra=extra)
        + wire.record(b"cut" * 32, 0xFFFFFFFF, 5, order, length=70_000, extra=extra)
    )
    packets, captures = wire.read(data)
    assert [(p.time, p.data, p.length, p.linktype, p.interface) for p in packets] == [
        (BEGIN * 10**9 + 999_999 * fraction_ns, b"first", 5, 113, 0),
        ((BEGIN + 1) * 10**9, b"", 60, 113, 0),
        (0xFFFFFFFF * 10**9 + 5 * fraction_ns, b"cut" * 32, 70_000, 113, 0),
    ]
    assert captures.interfaces == [Interface("", 113, 96, "a file object")]
    assert captures.damage == []


def test_the_bits_above_the_linktype_are_not_part_of_it(wire):
    packets, captures = wire.read(wire.pcap_header(linktype=0x5400_0001) + wire.record(b"x", 1, 1))
    assert (packets[0].linktype, captures.interfaces[0].linktype) == (1, 1)


def test_a_capture_without_packets_is_fine(wire):
    packets, captures = wire.read(wire.pcap_header())
    assert (packets, captures.damage) == ([], [])
    assert (captures.files[0].packets, captures.files[0].first_frame) == (0, None)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_cut_anywhere_gives_every_whole_packet_and_says_that_it_is_cut(wire, order):
    packets = random_packets(12)
    data, sizes = capture(wire, packets, order)
    ends = [24 + sum(sizes[:n]) for n in range(len(sizes) + 1)]
    for cut in range(4, len(data)):
        whole = sum(end <= cut for end in ends[1:])
        found, captures = wire.read(data[:cut])
        assert [p.data for p in found] == packets[:whole]
        if cut < 24:
            assert [(d.offset, d.reason) for d in captures.damage] == [(0, "cut off in the middle of the file header")]
        elif cut in ends:
            assert captures.damage == []
        else:
            expected = [(ends[whole], "cut off in the middle of a packet")]
            assert [(d.offset, d.reason) for d in captures.damage] == expected


@pytest.mark.parametrize("window", [1, 7, 16, 64, 100, 1000])
def test_the_size_of_the_window_changes_nothing(wire, window):
    data, _ = capture(wire, random_packets(200))
    assert wire.read(data, window)[0] == wire.read(data)[0]


def test_a_packet_larger_than_the_window_is_delivered(wire):
    large = random.Random(3).randbytes(300_000)
    data = wire.pcap_header(snaplen=0) + wire.record(b"a", 1, 1) + wire.record(large, 1, 2) + wire.record(b"b", 1, 3)
    assert [p.data for p in wire.read(data, 64)[0]] == [b"a", large, b"b"]


def test_a_wrong_length_loses_one_packet_and_is_reported_with_its_place(wire):
    packets = random_packets(40)
    data, sizes = capture(wire, packets)
    at = 24 + sum(sizes[:20])
    for wrong in (sizes[20] - 15, 300, 40_000, 0x7FFFFFFF, 0xFFFFFFFF, MAX_PACKET):
        damaged = bytearray(data)
        struct.pack_into("<I", damaged, at + 8, wrong)
        found, captures = wire.read(bytes(damaged))
        assert [p.data for p in found] == packets[:20] + packets[21:]
        assert [(d.file, d.offset) for d in captures.damage] == [("a file object", at)]
        assert f"{sizes[20]} bytes skipped" in captures.damage[0].reason


def test_a_length_that_is_too_short_shortens_one_packet(wire):
    """No one can tell this from bytes that were inserted behind a packet."""
    packets = random_packets(40)
    data, sizes = capture(wire, packets)
    at = 24 + sum(sizes[:20])
    for wrong in (0, sizes[20] - 17):
        damaged = bytearray(data)
        struct.pack_into("<I", damaged, at + 8, wrong)
        found, captures = wire.read(bytes(damaged))
        assert [p.data for p in found] == [*packets[:20], packets[20][:wrong], *packets[21:]]
        assert [d.offset for d in captures.damage] == [at + 16 + wrong]


@pytest.mark.parametrize("window", [64, 5000, 16 << 20])
def test_reading_goes_on_after_bytes_that_are_overwritten_lost_or_inserted(wire, window):
    packets = random_packets(300)
    data, sizes = capture(wire, packets)
    begins = [24 + sum(sizes[:n]) for n in range(301)]
    damages = {
        "overwritten": data[: begins[50]] + bytes(begins[60] - begins[50]) + data[begins[60] :],
        "lost": data[: begins[50]] + data[begins[59] + 3 :],
        "inserted": data[: begins[50]] + b"\xff" * 77 + data[begins[50] :],
    }
    for what, damaged in damages.items():
        found, captures = wire.read(damaged, window)
        kept = packets[:50] + (packets[50:] if what == "inserted" else packets[60:])
        assert [p.data for p in found] == kept, what
        assert [d.offset for d in captures.damage] == [begins[50]], what


@pytest.mark.parametrize("hit", [0, 1, 2, 30])
def test_a_record_whose_time_is_damaged_too_does_not_mislead_the_search(wire, hit):
    packets = random_packets(60, longest=500)
    data, sizes = capture(wire, packets)
    damaged = bytearray(data)
    at = 24 + sum(sizes[:hit])
    damaged[at : at + 4] = bytes(4)
    damaged[at + sizes[hit] : at + sizes[hit] + 16] = b"\xff" * 16
    found, captures = wire.read(bytes(damaged))
    assert [p.data for p in found] == packets[: hit + 1] + packets[hit + 2 :]
    assert [d.offset for d in captures.damage] == [at + sizes[hit]]


def test_a_tail_of_zeros_is_one_damage_and_no_packets(wire):
    data, _ = capture(wire, random_packets(5))
    found, captures = wire.read(data + bytes(2_000_000))
    assert len(found) == 5
    assert [d.offset for d in captures.damage] == [len(data)]
    assert "2000000 bytes" in captures.damage[0].reason


def test_software_that_counts_fractions_beyond_a_second_is_read(wire):
    data = wire.pcap_header() + wire.record(b"abc", 10, 1_500_000) + wire.record(b"def", 11, 999_999_999)
    packets, captures = wire.read(data)
    assert [p.time for p in packets] == [11_500_000_000, 1_010_999_999_000]
    assert captures.damage == []


def test_a_file_of_nothing_but_damage_is_given_up(wire):
    """One sound chain, one broken header, and again: as much damage as bytes allow."""
    good = b"".join(wire.record(b"x", BEGIN, n) for n in range(3))
    found, captures = wire.read(wire.pcap_header() + (good + b"\xff" * 16) * 12_000)
    assert len(captures.damage) == 10_001
    assert captures.damage[-1].reason.startswith("more than 10000 damaged places")
    assert len(found) == 30_000


@pytest.mark.fuzz
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 200))
def test_any_bytes_behind_a_header_give_packets_or_damage_whatever_the_window(wire, data, window):
    head = wire.pcap_header()
    large, small = wire.read(head + data), wire.read(head + data, window)
    assert large[0] == small[0]
    assert large[1].damage == small[1].damage
    if data:
        assert large[0] or large[1].damage


@pytest.mark.fuzz
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_damage_costs_only_packets_near_it(wire, data):
    packets = random_packets(60, seed=data.draw(st.integers(0, 5)))
    sound, sizes = capture(wire, packets)
    damaged = bytearray(sound)
    at = data.draw(st.integers(24, len(sound) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=8))[: len(sound) - at]
    damaged[at : at + len(damage)] = damage
    found, _ = wire.read(bytes(damaged), data.draw(st.sampled_from([32, 500, 1 << 20])))
    begins = [24 + sum(sizes[:n]) for n in range(61)]
    hit = [n for n in range(60) if begins[n] < at + len(damage) and at < begins[n + 1]]
    untouched = packets[: max(hit[0] - 1, 0)] + packets[hit[-1] + 2 :]
    assert [p.data for p in found if p.data in untouched] == untouched
