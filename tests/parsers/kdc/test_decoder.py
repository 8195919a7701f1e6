"""Captures with a KDC in them, from packets to exchanges, and the account of their bytes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.capture.open import open_captures
from parsers.keys.store import KeyStore
from parsers.pipeline import Account, Decoded, decode
from tests.parsers.kdc.conversation import (
    AS_REP,
    AS_REQ,
    LOGON,
    TGS_REQ,
    Said,
    capture,
    over_tcp,
    over_udp,
)
from tests.parsers.transport import packets

SIZES = [sum(len(said.message) for said in LOGON if said.from_client is side) for side in (True, False)]
PREFIXES = 4 * len(LOGON) // 2


def run(frames: list[bytes], *, cut: int | None = None, window: int = 16 << 20) -> Decoded:
    """Decode packets; every captured byte must be accounted for."""
    decoded = decode(open_captures(capture(frames, cut), window=window), KeyStore())
    for account in decoded.accounts:
        assert account.captured == account.decoded + account.undecoded + account.retransmitted
    return decoded


def told(decoded: Decoded) -> list[tuple[object, ...]]:
    book = decoded.book
    return [
        (
            row.path.connection, book.text(row.path.client.address), row.path.client.port,
            book.text(row.path.server.address), row.path.server.port, row.kind, row.request_frame, row.response_frame,
            row.outcome.value, row.request_time, row.response_time,
        )
        for row in decoded.kdc.exchanges.rows
    ]  # fmt: skip


@pytest.mark.parametrize("window", [1, 1000, 1 << 20])
@pytest.mark.parametrize("server_port", [88, 7088])
def test_a_logon_over_udp(window, server_port):
    decoded = run(over_udp(*LOGON, server_port=server_port), window=window)
    assert told(decoded) == [
        (None, packets.CLIENT, 50_000 + n, packets.SERVER, server_port, kind, 2 * n + 1, 2 * n + 2, outcome,
         (2 * n + 1) * 1000, (2 * n + 2) * 1000)
        for n, (kind, outcome) in enumerate([("AS", "retry"), ("AS", "issued"), ("TGS", "issued")])
    ]  # fmt: skip
    assert decoded.accounts == [
        Account(None, side, "kerberos", size, size, 0, 0, 0, 0) for side, size in enumerate(SIZES)
    ]
    assert decoded.undecoded == []
    assert decoded.passed_over == {"UDP": 6}  # packets without a TCP segment


@pytest.mark.parametrize("window", [1000, 1 << 20])
@pytest.mark.parametrize("size", [1, 3, 100, 1400])
def test_a_logon_over_one_tcp_connection(window, size):
    decoded = run(over_tcp(*LOGON, size=size), window=window)
    rows = told(decoded)
    assert [row[:6] + row[8:9] for row in rows] == [
        (0, packets.CLIENT, 50_000, packets.SERVER, 88, kind, outcome)
        for kind, outcome in [("AS", "retry"), ("AS", "issued"), ("TGS", "issued")]
    ]
    assert all(row[6] < row[7] for row in rows)
    if size == 1400:  # each message in one segment, behind the handshake
        assert [row[6:8] for row in rows] == [(3, 4), (5, 6), (7, 8)]
    if window == 1 << 20 or size >= 100:
        assert decoded.protocols == {0: "kerberos"}
        assert [account.decoded for account in decoded.accounts] == [size + PREFIXES for size in SIZES]
        assert decoded.undecoded == []


def test_a_connection_that_is_seen_from_its_middle_shows_who_is_the_server():
    """Of the two ports the KDC's is the higher one here."""
    frames = over_tcp(*(said._replace(port=87) for said in LOGON), server_port=60_000)[2:]
    decoded = run(frames)
    assert [row[1:5] for row in told(decoded)] == [(packets.CLIENT, 87, packets.SERVER, 60_000)] * 3


def test_what_is_no_message_is_undecoded():
    damaged = AS_REQ[:60].ljust(len(AS_REQ), b"\xff")
    said = [Said(AS_REQ, from_client=True), Said(AS_REP[:-1] + b"\0" * 40, from_client=False)]
    decoded = run([*over_tcp(*said), *over_udp(Said(damaged, from_client=True))])
    assert told(decoded)[0][6:9] == (3, None, "unanswered")
    rows = {(row.connection, row.sender, row.length, row.frame): row.reason for row in decoded.undecoded}
    assert rows.keys() == {(0, 1, 4 + len(said[1].message), 4), (None, 0, len(damaged), 5)}
    assert rows[0, 1, 4 + len(said[1].message), 4] == "no Kerberos message begins here"


@pytest.mark.parametrize("cut", [60, 100, 300])
def test_what_the_snap_length_cut_is_undecoded_and_counted(cut):
    frames = over_udp(*LOGON)
    decoded = run(frames, cut=cut)
    whole = [len(frame) <= cut for frame in frames]
    assert sum(row.length for row in decoded.undecoded) == sum(
        min(len(frame), cut) - 28 for frame, is_whole in zip(frames, whole, strict=True) if not is_whole
    )
    assert {row.reason for row in decoded.undecoded} == {"cut by the snap length of the capture"}
    assert sum(account.snapped for account in decoded.accounts) == sum(max(len(frame) - cut, 0) for frame in frames)
    assert len(decoded.kdc.exchanges.rows) <= sum(whole)


def test_a_hole_in_a_stream_costs_only_its_message():
    frames = over_tcp(*LOGON, size=400)
    lost = next(number for number, frame in enumerate(frames) if TGS_REQ[400:440] in frame)
    decoded = run(frames[:lost] + frames[lost + 1 :])
    assert [row[8] for row in told(decoded)] == ["retry", "issued", "issued"]
    assert told(decoded)[2][6] is None
    assert {row.reason for row in decoded.undecoded} == {
        "the end of the message was lost",
        "no Kerberos message begins here",
    }


def test_other_datagrams_change_nothing():
    frames = [packets.ipv4(packets.udp(data), packets.UDP) for data in (b"", b"\x6a", b"dns", AS_REQ[1:])]
    decoded = run([*frames, *over_udp(LOGON[0])])
    assert [row[6:9] for row in told(decoded)] == [(5, None, "unanswered")]
    assert decoded.passed_over == {"UDP": 5}


@pytest.mark.fuzz
@given(st.data(), st.sampled_from([over_udp, over_tcp]))
def test_any_damage_is_accounted_for(data: st.DataObject, transport: Callable[..., list[bytes]]) -> None:
    frames = list(map(bytearray, transport(*LOGON)))
    for _ in range(data.draw(st.integers(1, 6))):
        frame = data.draw(st.sampled_from(frames))
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    order = data.draw(st.permutations(frames))[: data.draw(st.integers(1, len(frames)))]
    run([bytes(frame) for frame in order], cut=data.draw(st.none() | st.integers(20, 1500)))
