"""pcapng: blocks from the specification by hand, sections, clocks, damage, truncation."""

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.capture.packets import Secrets

BEGIN = 1_700_000_000_000_000  # microseconds


def random_packets(count, longest=90, seed=1):
    chance = random.Random(seed)
    return [chance.randbytes(chance.randint(1, longest)) for _ in range(count)]


def capture(wire, packets, order="<"):
    """A section, an interface, one packet a microsecond; and the offset of each block."""
    blocks = [wire.section(order), wire.interface(order=order)]
    blocks += [wire.enhanced(data, BEGIN + n, order=order) for n, data in enumerate(packets)]
    return blocks, [sum(map(len, blocks[:n])) for n in range(len(blocks) + 1)]


@pytest.mark.parametrize("order", ["<", ">"])
def test_packets_of_every_kind_of_block_give_the_fields_that_were_written(wire, order):
    data = (
        wire.section(order)
        + wire.interface(wire.option(9, b"\x09", order), order, linktype=1, snaplen=6)
        + wire.interface(order=order, linktype=101)
        + wire.enhanced(b"cut", BEGIN * 1000 + 1, 0, order, length=60, more=wire.option(1, b"comment", order))
        + wire.simple(b"simple", order, length=100)
        + wire.obsolete(b"packet", BEGIN + 2, interface=1, drops=0xFFFF, order=order)
        + wire.simple(b"abc", order)
        + wire.enhanced(b"", BEGIN + 3, 1, order)
    )
    packets, captures = wire.read(data)
    assert [(p.time, p.data, p.length, p.linktype, p.interface) for p in packets] == [
        (BEGIN * 1000 + 1, b"cut", 60, 1, 0),
        (BEGIN * 1000 + 1, b"simple", 100, 1, 0),
        (BEGIN * 1000 + 2000, b"packet", 10, 101, 1),
        (BEGIN * 1000 + 2000, b"abc", 3, 1, 0),
        (BEGIN * 1000 + 3000, b"", 0, 101, 1),
    ]
    assert captures.damage == []


def test_a_simple_packet_before_all_others_has_time_0(wire):
    packets, _ = wire.read(wire.section() + wire.interface() + wire.simple(b"a") + wire.enhanced(b"b", 7))
    assert [(p.data, p.time) for p in packets] == [(b"a", 0), (b"b", 7000)]


@pytest.mark.parametrize("window", [1, 28, 16 << 20])
def test_sections_have_their_own_byte_order_and_interfaces(wire, window):
    data = b""
    for number, order in enumerate("<><>>"):
        data += wire.section(order) + wire.interface(order=order, linktype=number)
        data += wire.enhanced(order.encode(), number, order=order)
    packets, captures = wire.read(data, window)
    assert [(p.data, p.time, p.linktype, p.interface) for p in packets] == [
        (b"<", 0, 0, 0),
        (b">", 1000, 1, 1),
        (b"<", 2000, 2, 2),
        (b">", 3000, 3, 3),
        (b">", 4000, 4, 4),
    ]
    assert captures.damage == []


def test_secrets_are_kept_and_unknown_blocks_skipped(wire):
    keys = b"CLIENT_RANDOM 00 11\n"
    data = (
        wire.section(">")
        + wire.block(10, struct.pack(">II", 0x544C534B, len(keys) - 1) + keys, ">")
        + wire.block(4, b"names...", ">")
        + wire.interface(order=">")
        + wire.block(0x0BAD, bytes(400), ">")
        + wire.enhanced(b"x", 1, order=">")
        + wire.block(5, bytes(12), ">")
        + wire.block(0x80000001, b"", ">")
    )
    packets, captures = wire.read(data)
    assert [p.data for p in packets] == [b"x"]
    assert captures.secrets == [Secrets(0x544C534B, keys[:-1], "a file object")]
    assert captures.damage == []


def test_secrets_that_leave_their_block_or_have_no_end_are_damage(wire):
    one = wire.block(10, struct.pack("<II", 1, 8 << 20) + bytes(8 << 20))
    head = wire.section()
    _, captures = wire.read(
        head + wire.block(10, struct.pack("<II", 1, 5) + bytes(4)) + wire.block(10, bytes(4)) + one * 3
    )
    assert [len(secrets.data) for secrets in captures.secrets] == [8 << 20]
    assert [(d.offset, d.reason) for d in captures.damage] == [
        (28, "decryption secrets of 5 bytes leave their block"),
        (52, "decryption secrets need 8 bytes, not 4"),
        (68 + len(one), "decryption secrets beyond 16777216 bytes are left out"),
        (68 + 2 * len(one), "decryption secrets beyond 16777216 bytes are left out"),
    ]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_file_cut_anywhere_gives_every_whole_packet_and_says_that_it_is_cut(wire, order):
    packets = random_packets(12)
    blocks, begins = capture(wire, packets, order)
    data = b"".join(blocks)
    for cut in range(4, len(data)):
        whole = sum(end <= cut for end in begins[3:])
        found, captures = wire.read(data[:cut])
        assert [p.data for p in found] == packets[:whole]
        if cut in begins:
            assert captures.damage == []
        elif cut >= begins[2]:
            expected = [(begins[whole + 2], "cut off in the middle of a packet")]
            assert [(d.offset, d.reason) for d in captures.damage] == expected
        else:
            assert len(captures.damage) == 1


@pytest.mark.parametrize("window", [1, 12, 64, 100, 1000])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_size_of_the_window_changes_nothing(wire, window, order):
    blocks, _ = capture(wire, random_packets(200), order)
    for n in range(10, 200, 7):
        blocks[n] += wire.block(4, bytes(8), order) + wire.interface(order=order)
    data = b"".join(blocks)
    assert wire.read(data, window)[0] == wire.read(data)[0]


def test_a_packet_larger_than_the_window_is_delivered(wire):
    large = random.Random(3).randbytes(300_000)
    blocks, _ = capture(wire, [b"a", large, b"b"])
    assert [p.data for p in wire.read(b"".join(blocks), 64)[0]] == [b"a", large, b"b"]


@pytest.mark.parametrize("window", [64, 16 << 20])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_wrong_length_loses_one_packet_and_is_reported_with_its_place(wire, window, order):
    packets = random_packets(40)
    blocks, begins = capture(wire, packets, order)
    for where in (4, len(blocks[22]) - 4):
        for wrong in (0, 1, 3, 4, 11, 13, 16, 4000, 0xFFFFFFFC, 0x80000000, 16 << 20):
            damaged = bytearray(b"".join(blocks))
            struct.pack_into(order + "I", damaged, begins[22] + where, wrong)
            found, captures = wire.read(bytes(damaged), window)
            assert [p.data for p in found] == packets[:20] + packets[21:]
            assert [d.offset for d in captures.damage] == [begins[22]]
            assert f"{len(blocks[22])} bytes skipped" in captures.damage[0].reason


def test_after_a_wrong_trailer_a_capture_inside_the_packet_is_not_taken_for_blocks(wire):
    inside = b"".join(capture(wire, random_packets(5))[0])
    blocks, begins = capture(wire, [b"before", inside, b"after"])
    blocks[3] = blocks[3][:-4] + bytes(4)
    found, captures = wire.read(b"".join(blocks))
    assert [p.data for p in found] == [b"before", b"after"]
    assert [d.offset for d in captures.damage] == [begins[3]]


@pytest.mark.parametrize("window", [64, 5000, 16 << 20])
def test_reading_goes_on_after_bytes_that_are_overwritten_lost_or_inserted(wire, window):
    packets = random_packets(300)
    blocks, begins = capture(wire, packets)
    data = b"".join(blocks)
    damages = {
        "overwritten": data[: begins[52]] + bytes(begins[62] - begins[52]) + data[begins[62] :],
        "lost": data[: begins[52]] + data[begins[61] + 3 :],
        "inserted": data[: begins[52]] + b"\xff" * 77 + data[begins[52] :],
    }
    for what, damaged in damages.items():
        found, captures = wire.read(damaged, window)
        kept = packets[:50] + (packets[50:] if what == "inserted" else packets[60:])
        assert [p.data for p in found] == kept, what
        assert [d.offset for d in captures.damage] == [begins[52]], what


def test_a_section_header_without_byte_order_is_damage_and_the_next_section_is_read(wire):
    broken = bytearray(wire.section())
    broken[8:12] = b"what"
    second = wire.section(">") + wire.interface(order=">") + wire.enhanced(b"x", 1, order=">")
    packets, captures = wire.read(bytes(broken) + wire.interface() + second)
    assert [p.data for p in packets] == [b"x"]
    assert "byte order" in captures.damage[0].reason


def test_data_that_leave_their_block_cost_that_packet_only(wire):
    blocks, begins = capture(wire, [b"a", b"b", b"c"])
    broken = bytearray(blocks[3])
    struct.pack_into("<I", broken, 20, 5)
    packets, captures = wire.read(b"".join([*blocks[:3], broken, blocks[4], wire.block(6, b""), wire.block(3, b"")]))
    assert [p.data for p in packets] == [b"a", b"c"]
    assert [(d.offset, d.reason) for d in captures.damage] == [
        (begins[3], "a packet's data leave its block"),
        (begins[5], "a packet's data leave its block"),
        (begins[5] + 12, "a packet's data leave its block"),
    ]


@pytest.mark.parametrize("window", [1, 16 << 20])
def test_packets_of_an_interface_that_is_not_described_yet_are_left_out_with_one_word(wire, window):
    data = wire.section() + wire.interface()
    at = len(data)
    data += wire.enhanced(b"early", 1, interface=1) * 2 + wire.interface(linktype=9)
    data += wire.enhanced(b"known", 1, interface=1) + wire.enhanced(b"never", 1, interface=0xFFFFFFFF)
    packets, captures = wire.read(data, window)
    assert [(p.data, p.linktype, p.interface) for p in packets] == [(b"known", 9, 1)]
    assert [(d.offset, d.reason.split(" are")[0]) for d in captures.damage] == [
        (at, "packets of interface 1"),
        (len(data) - 40, "packets of interface 4294967295"),
    ]


def test_a_broken_interface_description_leaves_the_others(wire):
    data = wire.section() + wire.block(1, b"") + wire.interface() + wire.enhanced(b"x", 1, interface=1)
    packets, captures = wire.read(data)
    assert [p.data for p in packets] == [b"x"]
    assert [(d.offset, d.reason) for d in captures.damage] == [(28, "an interface description needs 8 bytes, not 0")]


@pytest.mark.fuzz
@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 200), st.sampled_from("<>"))
def test_any_bytes_behind_a_header_give_packets_or_damage_whatever_the_window(wire, data, window, order):
    head = wire.section(order) + wire.interface(order=order)
    large, small = wire.read(head + data), wire.read(head + data, window)
    assert large[0] == small[0]
    assert large[1].damage == small[1].damage


@pytest.mark.fuzz
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_damage_costs_only_packets_it_hits(wire, data):
    packets = random_packets(60, seed=data.draw(st.integers(0, 5)))
    blocks, begins = capture(wire, packets)
    damaged = bytearray(b"".join(blocks))
    at = data.draw(st.integers(begins[2], len(damaged) - 1))
    damage = data.draw(st.binary(min_size=1, max_size=8))[: len(damaged) - at]
    damaged[at : at + len(damage)] = damage
    found, _ = wire.read(bytes(damaged), data.draw(st.sampled_from([32, 500, 1 << 20])))
    hit = [n for n in range(60) if begins[n + 2] < at + len(damage) and at < begins[n + 3]]
    untouched = packets[: hit[0]] + packets[hit[-1] + 1 :]
    assert [p.data for p in found if p.data in untouched] == untouched
