"""The pcapng writer: what it writes, byte by byte, and what the reader makes of it."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.capture.packets import Interface, Secrets
from parsers.capture.write import PcapngWriter
from parsers.errors import UsageError


def test_the_bytes_are_those_of_the_specification(wire):
    file = io.BytesIO()
    writer = PcapngWriter(file, application="test")
    writer.interface(1, name="eth0", snaplen=65535)
    writer.secrets(0x544C534B, b"abc")
    writer.packet(0x0123456789ABCDEF, b"data!", original_length=9, comment="why")
    assert file.getvalue() == (
        wire.block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + wire.option(4, b"test") + bytes(4))
        + wire.interface(wire.option(2, b"eth0") + wire.option(9, b"\x09") + bytes(4), snaplen=65535)
        + wire.block(10, struct.pack("<II", 0x544C534B, 3) + b"abc\0")
        + wire.enhanced(b"data!", 0x0123456789ABCDEF, length=9, more=wire.option(1, b"why") + bytes(4))
    )


@given(
    st.lists(st.tuples(st.integers(0, 2**63 - 1), st.binary(max_size=50), st.integers(0, 1), st.text(max_size=5))),
    st.text(max_size=20),
)
def test_what_is_written_is_read_again(wire, rows, name):
    file = io.BytesIO()
    writer = PcapngWriter(file)
    assert [writer.interface(1, name=name), writer.interface(101, snaplen=7)] == [0, 1]
    writer.secrets(1, b"key")
    for time, data, interface, comment in rows:
        writer.packet(time, data, interface=interface, comment=comment)
    packets, captures = wire.read(file.getvalue())
    assert [(p.time, p.data, p.interface, p.length) for p in packets] == [(t, d, i, len(d)) for t, d, i, _ in rows]
    assert captures.interfaces == [Interface(name, 1, 0, "a file object"), Interface("", 101, 7, "a file object")]
    assert captures.secrets == [Secrets(1, b"key", "a file object")]
    assert captures.damage == []


def test_what_pcapng_cannot_hold_is_refused_and_nothing_is_written():
    file = io.BytesIO()
    writer = PcapngWriter(file)
    with pytest.raises(UsageError, match="interface 0 was not described"):
        writer.packet(1, b"x")
    writer.interface(1)
    before = file.getvalue()
    with pytest.raises(UsageError, match="interface 1 was not described"):
        writer.packet(1, b"x", interface=1)
    with pytest.raises(UsageError, match="time -1"):
        writer.packet(-1, b"x")
    with pytest.raises(UsageError, match="too long"):
        writer.packet(1, bytes((16 << 20) + 1))
    with pytest.raises(UsageError, match="text of 70000 bytes"):
        writer.packet(1, b"x", comment="x" * 70_000)
    with pytest.raises(UsageError, match="text of 65536 bytes"):
        writer.interface(1, name="x" * 65_536)
    assert file.getvalue() == before


def test_the_largest_packet_with_the_longest_comment_is_read_again(wire):
    file = io.BytesIO()
    writer = PcapngWriter(file)
    writer.interface(1)
    writer.packet(1, bytes(16 << 20), comment="x" * 65_000)
    packets, captures = wire.read(file.getvalue())
    assert [len(p.data) for p in packets] == [16 << 20]
    assert captures.damage == []
