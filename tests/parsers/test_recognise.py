"""Each protocol by its first bytes, and SMB wherever a segment begins a message. Witness: captures of known content."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.capture.open import open_captures
from parsers.recognise import SMB, UNKNOWN, recognise
from parsers.transport.connections import SERVER, ConnectionTracker
from parsers.transport.ip import SegmentDecoder
from parsers.transport.streams import Pieces

SMB2_REQUEST = bytes.fromhex("000000a8 fe534d42 4000 0100 00000000 0000 1f00 00000000") + bytes(148)
SMB2_RESPONSE = SMB2_REQUEST[:20] + b"\1" + SMB2_REQUEST[21:]
TRANSFORM = bytes.fromhex("00000100 fd534d42") + bytes(range(252))
COMPRESSION = bytes.fromhex("00000100 fc534d42") + bytes(252)
SMB1 = bytes.fromhex("00000054 ff534d42 72 00000000 18 0128") + bytes(74)
SESSION_REQUEST = bytes.fromhex("81000044 20") + b"CKFDENECFDEFFCFGEFFCCACACACACACA\0"  # RFC 1002 4.3.2

PROTOCOLS = {
    "SMB2 request": (SMB2_REQUEST, SMB, False),
    "SMB2 response": (SMB2_RESPONSE, SMB, True),
    "encrypted SMB3": (TRANSFORM, SMB, None),
    "compressed SMB3": (COMPRESSION, SMB, None),
    "SMB1": (SMB1, SMB, None),
    "NetBIOS session request": (SESSION_REQUEST, SMB, False),
    "TLS hello": (bytes.fromhex("1603010200010001fc0303") + bytes(60), "tls", None),
    "hello in an SSLv2 frame": (bytes.fromhex("802e0103010015000000") + bytes(40), "tls", None),
    "HTTP request": (b"GET /download/CHANGES.txt HTTP/1.1\r\n", "http", False),
    "HTTP upload": (b"PUT /a HTTP/1.1\r\nHost: a\r\n\r\n", "http", False),
    "HTTP response": (b"HTTP/1.1 200 OK\r\nDate: Mon\r\n", "http", True),
    "SSH": (b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "ssh", None),
    "AS-REQ": (bytes.fromhex("0000012c 6a820128 30820124 a103020105 a20302010a") + bytes(30), "kerberos", False),
    "TGS-REQ": (bytes.fromhex("0000012c 6c820128 30820124 a103020105 a20302010c") + bytes(30), "kerberos", False),
    "AS-REP": (bytes.fromhex("0000012c 6b820128 30820124 a003020105 a10302010b") + bytes(30), "kerberos", True),
    "TGS-REP": (bytes.fromhex("0000012c 6d820128 30820124 a003020105 a10302010d") + bytes(30), "kerberos", True),
    "KRB-ERROR": (bytes.fromhex("0000012c 7e820128 30820124 a003020105 a10302011e") + bytes(30), "kerberos", True),
    "something else": (b"EHLO mail.example.org\r\n250 ok", UNKNOWN, None),
}
IN_EVERY_SEGMENT = ("SMB2 request", "SMB2 response", "encrypted SMB3", "compressed SMB3", "SMB1")
protocols = pytest.mark.parametrize("name", PROTOCOLS)


def pieces(parts: list[bytes], *, kept: tuple[int, ...] = (), gaps: dict[int, int] | None = None) -> Pieces:
    """Parts of a stream, each its own segment. Those numbered in `kept` came in an earlier block.

    `gaps` says how many bytes are missing before a part.
    """
    lengths = np.array([len(part) for part in parts])
    missing = np.array([(gaps or {}).get(number, 0) for number in range(len(parts))])
    position = np.cumsum(missing + lengths) - lengths
    is_kept = np.isin(np.arange(len(parts)), kept)
    stores = (bytearray(b"\xee" * 5), bytearray())  # the block's buffer, and what was kept
    offsets = []
    for part, old in zip(parts, is_kept.tolist(), strict=True):
        offsets.append(len(stores[old]))
        stores[old].extend(part)
    frame = np.arange(1, len(parts) + 1)
    return Pieces(
        bytes(stores[0]) + bytes(16), position, np.array(offsets), lengths, frame, frame,
        bytes(stores[1]), is_kept if kept else None,
    )  # fmt: skip


@protocols
def test_a_protocol_is_told_by_the_first_bytes_of_a_stream(name):
    data, protocol, from_server = PROTOCOLS[name]
    assert recognise(pieces([data]), at_start=True) == (protocol, from_server)


@pytest.mark.parametrize(
    ("data", "protocol"),
    [
        (bytes.fromhex("0000012c 6a"), "kerberos"),  # too few bytes to tell more
        (bytes.fromhex("0000012c 6a820128 30820124 a1"), "kerberos"),
        (bytes.fromhex("0000012c 6a820127 30820124 a1"), UNKNOWN),  # the length of the message is another
        (bytes.fromhex("0000012c 6a820128 30820123 a1"), UNKNOWN),
        (bytes.fromhex("0000012c 6e820128 30820124 a1"), UNKNOWN),  # AP-REQ
        (bytes.fromhex("0000012c"), UNKNOWN),
    ],
)
def test_a_message_to_a_kdc_fills_the_length_before_it(data, protocol):
    found = recognise(pieces([data]), at_start=True)
    assert found is not None
    assert found[0] == protocol


@protocols
def test_only_smb_is_told_in_mid_stream(name):
    data, protocol, from_server = PROTOCOLS[name]
    expected = (protocol, from_server) if name in IN_EVERY_SEGMENT else None
    assert recognise(pieces([b"\x55" * 500, data]), at_start=False) == expected


@protocols
@pytest.mark.parametrize("cut", [*range(1, 9), 23])
def test_the_first_bytes_may_lie_in_several_segments(name, cut):
    data, protocol, _ = PROTOCOLS[name]
    found = recognise(pieces([data[:cut], data[cut:]]), at_start=True)
    assert found is not None
    assert found[0] == protocol


@protocols
def test_the_first_bytes_may_come_one_by_one(name):
    data, protocol, _ = PROTOCOLS[name]
    found = recognise(pieces([bytes([byte]) for byte in data]), at_start=True)
    assert found is not None
    assert found[0] == protocol


@protocols
@pytest.mark.parametrize("kept", [(0,), (0, 1), (1,)])
def test_bytes_that_were_kept_from_an_earlier_block_count_as_the_others(name, kept):
    data, protocol, from_server = PROTOCOLS[name]
    assert recognise(pieces([data[:30], data[30:]], kept=kept), at_start=True) == (protocol, from_server)


def test_a_message_is_found_among_kept_and_new_segments_in_mid_stream():
    filler = b"\x55" * 100
    for kept in [(0,), (1,), (2,), (0, 1), (0, 2)]:
        found = recognise(pieces([filler, filler, SMB2_RESPONSE], kept=kept), at_start=False)
        assert found == (SMB, True), kept


def test_bytes_on_both_sides_of_a_gap_are_not_joined():
    apart = pieces([b"HTT", b"P/1.1 200 OK\r\nDate: Mon, 1 Jan"], gaps={1: 40})
    assert recognise(apart, at_start=True) == (UNKNOWN, None)
    assert recognise(pieces([b"HTT", b"P/1.1 200 OK\r\nDate: Mon, 1 Jan"]), at_start=True) == ("http", True)


@pytest.mark.parametrize(
    "data",
    [
        SMB2_REQUEST[:23],
        b"\x00\x00\x00\x3f" + SMB2_REQUEST[4:],  # shorter than an SMB2 header
        b"\x01\x00\x00\xa8" + SMB2_REQUEST[4:],  # no session message
        b"\x00\x00\x00\xa8\xfb" + SMB2_REQUEST[5:],  # no protocol of the family
        b"\x00" + SMB2_REQUEST,
    ],
)
def test_what_only_resembles_a_message_tells_nothing_in_mid_stream(data):
    assert recognise(pieces([b"\x55" * 500, data]), at_start=False) is None


def test_a_message_behind_many_lookalikes_in_a_block_waits_for_the_next_block():
    lookalike = b"\x01" + SMB2_REQUEST[1:]
    assert recognise(pieces([lookalike] * 20 + [SMB2_REQUEST]), at_start=False) == (SMB, False)
    assert recognise(pieces([lookalike] * 200 + [SMB2_REQUEST]), at_start=False) is None


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        ("zeek/smb/smb311.pcap", {(SMB, False), (SMB, True)}),
        ("zeek/smb/smb2readwrite.pcap", {(SMB, False), (SMB, True)}),  # begins in mid-stream
        ("zeek/ssl-and-ssh-using-sslh.pcap", {("ssh", None), ("tls", None)}),
        ("zeek/http-vlan-0.pcap", {("http", False), ("http", True)}),
        ("zeek/krb/smb2_krb.pcap", {(SMB, None), (SMB, True)}),  # SMB1 NEGOTIATE, answered in SMB2
        ("zeek/tcp/ssh-dups.pcap", {("ssh", None)}),
        ("zeek/tcp-syslog.pcap", {(UNKNOWN, None)}),
    ],
)
def test_the_streams_of_real_captures_are_recognised(capture, expected, shared):
    decoder = SegmentDecoder()
    tracker = ConnectionTracker(decoder.book)
    found = set()
    for block in open_captures(shared / "captures/public" / capture):
        for delivery in tracker.feed(decoder.decode(block)):
            recognised = recognise(delivery.pieces, at_start=int(delivery.pieces.position[0]) == 0)
            assert recognised is not None
            assert recognised[1] in (None, delivery.sender == SERVER)
            found.add(recognised)
    assert found == expected


@pytest.mark.fuzz
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=6), st.booleans(), st.data())
def test_any_bytes_give_an_answer(parts, at_start, data):
    kept = data.draw(st.sets(st.integers(0, len(parts) - 1)))
    found = recognise(pieces(parts, kept=tuple(kept)), at_start=at_start)
    assert found is None or (isinstance(found[0], str) and found[1] in (True, False, None))
    assert found is not None or not at_start
