"""Interface descriptions: options, defaults, what is broken."""

import struct

import numpy as np
import pytest

from parsers.capture.packets import CaptureLog, Interface
from parsers.capture.section import NO_INTERFACE, Section
from parsers.errors import ParseError


def described(*bodies, order="<"):
    section = Section(order, "f", CaptureLog())
    for body in bodies:
        section.describe(body)
    return section


def times(section, *interfaces, ticks=10_000_000):
    return section.times(np.array(interfaces), np.full(len(interfaces), ticks, np.uint64)).tolist()


@pytest.mark.parametrize("order", ["<", ">"])
def test_name_resolution_and_offset_are_read_and_other_options_skipped(wire, order):
    options = (
        wire.option(12, b"Linux", order)
        + wire.option(2, "eth0 \u00e9".encode(), order)
        + wire.option(9, b"\x07", order)
        + wire.option(14, struct.pack(order + "q", -1), order)
        + bytes(4)
        + b"behind the end of options"
    )
    log = CaptureLog()
    section = Section(order, "f", log)
    section.describe(struct.pack(order + "HHI", 276, 0, 96) + options)
    assert log.interfaces == [Interface("eth0 \u00e9", 276, 96, "f")]
    assert section.snaplen == 96
    assert times(section, 0) == [0]  # 10^7 ticks of 100 ns, less one second


def test_without_options_time_is_in_microseconds(wire):
    assert times(described(struct.pack("<HHI", 1, 0, 0)), 0) == [10_000_000_000]


def test_interfaces_keep_their_own_clocks(wire):
    plain = struct.pack("<HHI", 1, 0, 0)
    section = described(plain, plain + wire.option(9, b"\x09"), plain, plain + wire.option(9, b"\x83"))
    assert times(section, 0, 1, 3, 2) == [10_000_000_000, 10_000_000, 1_250_000 * 10**9, 10_000_000_000]


def test_interfaces_that_are_not_described_have_no_index():
    section = described(struct.pack("<HHI", 1, 0, 0))
    assert section.indexes(np.array([0, 1, 0xFFFFFFFF])).tolist() == [0, NO_INTERFACE, NO_INTERFACE]


def test_a_description_that_is_too_short_keeps_the_numbers_of_those_after_it():
    section = described(struct.pack("<HHI", 1, 0, 0))
    with pytest.raises(ParseError, match="needs 8 bytes, not 7"):
        section.describe(bytes(7))
    section.describe(struct.pack("<HHI", 101, 0, 0))
    assert section.indexes(np.array([0, 1, 2])).tolist() == [0, NO_INTERFACE, 1]
    assert section.linktypes(np.array([2, 0])).tolist() == [101, 1]


def test_options_cut_anywhere_are_an_error_and_leave_the_interface(wire):
    body = struct.pack("<HHI", 1, 0, 0) + wire.option(9, b"\x09") + wire.option(2, b"lan") + bytes(4)
    for cut in range(8, len(body)):
        log = CaptureLog()
        section = Section("<", "f", log)
        if cut in (8, 13, 14, 15, 16, 23, 24):  # between options, or nothing but padding is missing
            section.describe(body[:cut])
        else:
            with pytest.raises(ParseError, match="option"):
                section.describe(body[:cut])
        assert log.interfaces[0].name == ("lan" if cut >= 23 else "")
        assert times(section, 0) == [10_000_000 if cut >= 13 else 10_000_000_000]


def test_option_values_of_wrong_size_leave_the_default(wire):
    body = struct.pack("<HHI", 1, 0, 0) + wire.option(9, b"") + wire.option(14, b"\x01")
    assert times(described(body), 0) == [10_000_000_000]


def test_a_name_that_is_not_text_is_still_a_name(wire):
    log = CaptureLog()
    Section("<", "f", log).describe(struct.pack("<HHI", 1, 0, 0) + wire.option(2, b"\xff" * 5000))
    assert log.interfaces[0].name == "\ufffd" * 256


def test_more_interfaces_than_any_machine_has_are_not_kept():
    log = CaptureLog()
    section = Section("<", "f", log)
    body = struct.pack("<HHI", 1, 0, 0)
    for _ in range(1 << 14):
        section.describe(body)
    section.describe(body)
    assert len(log.interfaces) == 1 << 14
    assert section.indexes(np.array([16383, 16384])).tolist() == [16383, NO_INTERFACE]
