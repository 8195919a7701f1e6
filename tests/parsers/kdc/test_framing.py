"""Messages in streams and datagrams: however they are cut, whatever lies between them, no byte counts twice."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.gss import der
from parsers.kdc.framing import MAX_MESSAGE, PREFIX, RecordStream, Skipped, begins_message, find_datagrams
from parsers.transport.ip import SegmentDecoder
from parsers.transport.streams import Pieces
from tests.parsers.gss.kerberos.samples import KDC_MESSAGES
from tests.parsers.kdc.conversation import AS_REP, AS_REQ, PREAUTH_REQUIRED, RAW_IP, Said, framed, over_udp
from tests.parsers.transport import packets

NO_MESSAGE = "no Kerberos message begins here"


def pieces(parts: list[bytes], *, first: int = 1, start: int = 0, gaps: dict[int, int] | None = None) -> Pieces:
    """Segments of one direction; `gaps` says how many bytes are missing before a part, `first` is a frame."""
    lengths = np.array([len(part) for part in parts])
    missing = np.array([(gaps or {}).get(number, 0) for number in range(len(parts))])
    position = start + np.cumsum(missing + lengths) - lengths
    frame = np.arange(first, first + len(parts))
    return Pieces(b"".join(parts) + bytes(16), position, np.cumsum(lengths) - lengths, lengths, frame, frame * 10)


def read(*parts: bytes, gaps: dict[int, int] | None = None) -> tuple[list[bytes], list[Skipped]]:
    stream = RecordStream()
    records = list(stream.feed(pieces(list(parts), gaps=gaps)))
    stream.finish()
    return [record.data for record in records], stream.skipped


@pytest.mark.parametrize("message", KDC_MESSAGES)
def test_a_message_is_told_by_its_first_bytes_and_its_size(message):
    assert begins_message(message[:16], len(message)) is True
    assert begins_message(message[:16], len(message) + 1) is False
    assert begins_message(message[:16], len(message) - 1) is False
    assert begins_message(b"\x6e" + message[1:16], len(message)) is False  # AP-REQ goes to no KDC
    assert begins_message(message[:4] + b"\x31" + message[5:16], len(message)) is False  # a SET
    told = [begins_message(message[:size], len(message)) for size in range(17)]
    assert told == [None] * told.index(True) + [True] * (17 - told.index(True))
    assert 5 < told.index(True) <= 8


def test_both_lengths_must_fit():
    head, size = KDC_MESSAGES[3][:16], len(KDC_MESSAGES[3])
    assert head[:2] == b"\x6b\x82"
    assert head[4:6] == b"\x30\x82"
    for place in (3, 7):
        assert begins_message(head[:place] + bytes([head[place] ^ 1]) + head[place + 1 :], size) is False


@pytest.mark.parametrize("head", [b"\x6a\x80\x30", b"\x6a\x85\0\0\0\0\0", b"\x6a\x03\x30\x80\0", b"\x6a\x02\x30\x01"])
def test_lengths_that_are_no_der_or_do_not_fit_are_no_message(head):
    assert begins_message(head, len(head)) is False


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100, 1400])
def test_messages_are_found_however_the_stream_is_cut(size):
    data = b"".join(map(framed, KDC_MESSAGES))
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert read(*parts) == (KDC_MESSAGES, [])
    stream = RecordStream()
    found = [record for number, part in enumerate(parts) for record in stream.feed(pieces([part], start=number * size))]
    assert [record.data for record in found] == KDC_MESSAGES


def test_a_message_has_the_frames_and_times_of_its_first_and_last_byte():
    data = framed(AS_REQ) + framed(AS_REP)
    edge = len(framed(AS_REQ))
    first, second = RecordStream().feed(
        pieces([data[:10], data[10 : edge - 1], data[edge - 1 : edge + 2], data[edge + 2 :]])
    )
    assert (first.first_frame, first.last_frame, first.first_time, first.last_time) == (1, 3, 10, 30)
    assert (second.first_frame, second.last_frame, second.first_time, second.last_time) == (3, 4, 30, 40)
    assert (first.position, second.position, second.length) == (0, edge, len(framed(AS_REP)))


def test_a_message_that_begins_a_segment_has_nothing_of_the_one_before():
    first, second = RecordStream().feed(pieces([framed(AS_REQ), framed(AS_REP)]))
    assert (first.first_frame, first.last_frame, second.first_frame, second.last_frame) == (1, 1, 2, 2)


def test_what_is_lost_in_a_message_costs_this_message_only():
    whole = framed(AS_REP)
    found, skipped = read(framed(AS_REQ), whole[:300], framed(PREAUTH_REQUIRED), gaps={2: len(whole) - 300})
    assert found == [AS_REQ, PREAUTH_REQUIRED]
    assert skipped == [Skipped(len(framed(AS_REQ)), 300, 2, "the end of the message was lost")]


def test_behind_a_gap_the_middle_of_a_message_is_passed_over():
    found, skipped = read(framed(AS_REQ), AS_REP[100:], framed(AS_REQ), gaps={1: 104})
    assert found == [AS_REQ]
    assert skipped == [Skipped(len(framed(AS_REQ)) + 104, len(AS_REP) - 100 + len(framed(AS_REQ)), 3, NO_MESSAGE)]


def test_behind_the_next_gap_messages_are_read_again():
    stream = RecordStream()
    parts = [framed(AS_REQ), b"what is this", framed(AS_REQ), framed(AS_REP)]
    found = [record.data for record in stream.feed(pieces(parts, gaps={3: 7}))]
    assert found == [AS_REQ, AS_REP]
    assert [row.length for row in stream.skipped] == [12 + len(framed(AS_REQ))]


def test_what_is_no_message_is_passed_over_as_it_comes():
    stream = RecordStream()
    assert list(stream.feed(pieces([framed(AS_REQ), b"\x80\0\0\x01what is this"]))) != []
    assert list(stream.feed(pieces([framed(AS_REQ)], start=len(framed(AS_REQ)) + 16))) == []
    assert [row.length for row in stream.skipped] == [16, len(framed(AS_REQ))]


def test_the_end_of_the_capture_may_cut_a_message():
    assert read(framed(AS_REP)[:-1])[1] == [
        Skipped(0, len(framed(AS_REP)) - 1, 1, "the end of the message is not in the capture")
    ]


@pytest.mark.parametrize("size", [MAX_MESSAGE + 1, 0xFFFF_FFFF])
def test_nobody_waits_for_a_message_that_is_too_long(size):
    content = der.build(der.SEQUENCE, bytes(size - 16)) if size < 1 << 24 else b""
    head = (der.application(10).to_bytes(1, "big") + b"\x84" + (size - 6).to_bytes(4, "big") + content)[:40]
    stream = RecordStream()
    assert list(stream.feed(pieces([size.to_bytes(4, "big") + head]))) == []
    assert [row.reason for row in stream.skipped] == [NO_MESSAGE]
    assert stream._data == b""


parts_of_streams = st.lists(
    st.one_of(st.binary(min_size=1, max_size=60), st.sampled_from(KDC_MESSAGES).map(framed)), min_size=1, max_size=8
)


@given(parts_of_streams, st.dictionaries(st.integers(0, 7), st.integers(1, 500)), st.integers(1, 300))
def test_every_byte_is_in_one_message_or_passed_over_once(parts, gaps, size):
    cut = [part[at : at + size] for part in parts for at in range(0, len(part), size)]
    stream = RecordStream()
    records = list(stream.feed(pieces(cut, gaps=gaps)))
    stream.finish()
    assert sum(row.length for row in [*records, *stream.skipped]) == sum(map(len, parts))
    assert all(len(record.data) == record.length - PREFIX for record in records)
    places = sorted((row.position, row.length) for row in [*records, *stream.skipped])
    assert all(one + length <= other for (one, length), (other, _) in pairwise(places))


# ----------------------------------------------------------------------------------------------- datagrams


def datagrams(frames: list[bytes], lengths: list[int] | None = None) -> list[tuple[bytes, int, int]]:
    decoder = SegmentDecoder()
    decoder.decode(packets.block(frames, RAW_IP, lengths=lengths))
    return [(found.data, found.last_frame, found.missing) for _, _, found in find_datagrams(decoder.datagrams)]


@pytest.mark.parametrize("port", [88, 750, 53])
def test_a_datagram_is_told_by_its_bytes_and_not_by_its_port(port):
    frames = over_udp(*(Said(message, from_client=True) for message in KDC_MESSAGES), server_port=port)
    assert datagrams(frames) == [(message, number, 0) for number, message in enumerate(KDC_MESSAGES, 1)]


@pytest.mark.parametrize("data", [b"", b"\x6a", AS_REQ[:-1], AS_REQ + b"\0", b"\x60" + AS_REQ[1:], b"\x6a" * 300])
def test_other_datagrams_are_left_alone(data):
    assert datagrams(over_udp(Said(data, from_client=True))) == []


def test_a_message_that_the_snap_length_cut_is_told_too():
    (frame,) = over_udp(Said(AS_REP, from_client=False))
    assert datagrams([frame[:96]], [len(frame)]) == [(AS_REP[:68], 1, len(AS_REP) - 68)]


def test_messages_in_fragments_and_tunnels_stand_in_the_order_of_frames():
    (plain,) = over_udp(Said(AS_REQ, from_client=True))
    (answer,) = over_udp(Said(AS_REP, from_client=False))
    datagram = answer[20:]
    first = packets.ipv4(datagram[:400], packets.UDP, fragment=0x2000)
    second = packets.ipv4(datagram[400:], packets.UDP, fragment=50)
    tunnelled = packets.ipv4(packets.gre(plain, packets.IPV4), packets.GRE)
    newer = packets.ipv6(plain[20:], packets.UDP)
    found = datagrams([first, tunnelled, newer, plain, second, plain])
    assert found == [(AS_REQ, 2, 0), (AS_REQ, 3, 0), (AS_REQ, 4, 0), (AS_REP, 5, 0), (AS_REQ, 6, 0)]
