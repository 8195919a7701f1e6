"""What the network did to the packets: loss, disorder, little bandwidth; and what the capture itself lost."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.words import clock, count, ends, rate, seconds, share_of
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

__all__ = ["RULES"]

_MANY = 10  # repeated or reordered segments that are more than an accident
_SHARE = 0.001  # of all packets; below, nobody feels it
_LONG = 5 * NANOSECONDS  # a message that takes longer than this to send is one that people wait for
_SLOW = 12_500_000  # bytes in a second: 100 Mbit/s, what any local network does
_PLACES = 3  # one segment that is repeated and repeated is a path, or a peer, that is dead
_FELT = NANOSECONDS // 5  # less waiting than this in a whole connection nobody feels
_GRAIN = 10_000_000  # ns: how exact the times of what was sent before are
_SIDES = {CLIENT: "the client", SERVER: "the server"}


def _path_loss(case: Case) -> Iterator[Found]:
    for connection in case.smb_connections:
        tcp = case.evidence.tcp
        repeats = tcp.marks_of(connection, Mark.RETRANSMISSION)
        reordered = len(tcp.marks_of(connection, Mark.REORDERED))
        packets = int(case.connections.iloc[connection]["packets"])
        places = len(np.unique(repeats["position"]))
        if places < _PLACES or _mostly_overtaken(len(repeats), reordered):
            continue
        if _is_one_blackout(case, connection, len(repeats)):
            continue
        cost = _time_lost(case, connection, repeats)
        if cost < _FELT and (len(repeats) < _MANY or len(repeats) < packets * _SHARE):
            continue
        client, server = ends(case, connection)
        by_side = ", ".join(f"{np.sum(repeats['sender'] == side):,} of {name}" for side, name in _SIDES.items())
        trip = tcp.round_trip(connection)
        yield Found(
            int(repeats["time"][0]),
            f"The path between {client} and {server} loses packets: {count(len(repeats), 'segment')} of "
            f"{packets:,} packets ({share_of(len(repeats), packets)}) had to be sent again.",
            f"retransmissions: {by_side}; {count(reordered, 'reordered segment')}; waiting for them took about "
            f"{seconds(cost / NANOSECONDS)}" + (f"; round trip {seconds(trip / NANOSECONDS)}" if trip else ""),
            tuple(repeats["frame"][:5].tolist()),
            case.last_session_id(connection),
            connection,
            int(repeats["time"][-1]),
            Confidence.LIKELY if case.has_gap(connection) else Confidence.CERTAIN,
            severity=None if cost >= _FELT else Severity.INFO,
        )


def _path_reorders(case: Case) -> Iterator[Found]:
    for connection in case.smb_connections:
        tcp = case.evidence.tcp
        reordered = tcp.marks_of(connection, Mark.REORDERED)
        repeats = tcp.marks_of(connection, Mark.RETRANSMISSION, Mark.NEEDLESS)
        packets = int(case.connections.iloc[connection]["packets"])
        if len(reordered) < max(_MANY, packets * _SHARE) or len(repeats) == 0:
            continue  # disorder that makes nobody repeat anything may be of the capture alone
        lost = len(tcp.marks_of(connection, Mark.RETRANSMISSION))
        if not _mostly_overtaken(lost, len(reordered)):
            continue
        client, server = ends(case, connection)
        needless = tcp.marks_of(connection, Mark.NEEDLESS)
        yield Found(
            int(min(reordered["time"][0], repeats["time"][0])),
            f"The path between {client} and {server} changes the order of packets: {count(len(reordered), 'segment')} "
            f"of {packets:,} packets ({share_of(len(reordered), packets)}) were overtaken, and the senders took some "
            f"for lost and repeated them in vain.",
            f"{count(len(reordered), 'overtaken segment')}, {count(len(repeats), 'repeated one')}, of which "
            f"{len(needless):,} were acknowledged before",
            tuple(reordered["frame"][:5].tolist()),
            case.last_session_id(connection),
            connection,
            int(reordered["time"][-1]),
        )


def _path_slow(case: Case) -> Iterator[Found]:
    """A large message that took long, at a steady low rate and without loss."""
    tcp = case.evidence.tcp
    for connection in case.smb_connections:
        last = case.unfinished(connection, CLIENT)
        if last is None:
            continue
        sent = tcp.sent_by(connection, CLIENT, case.end)
        until = tcp.sent_at(connection, CLIENT, sent) or last.time
        spent, moved = until - last.time, sent - last.position
        if (
            spent < _LONG
            or moved * NANOSECONDS > spent * _SLOW
            or tcp.retransmitted(connection, CLIENT, last.time, until)
        ):
            continue
        if len(tcp.marks_of(connection, Mark.ZERO_WINDOW, since=last.time, until=until)):
            continue
        client, server = ends(case, connection)
        speed, whole = rate(moved, spent / NANOSECONDS), last.end - last.position
        yield Found(
            last.time,
            f"The path from {client} to {server} carries {speed} only: the {whole:,} bytes of one request would have "
            f"needed {seconds(whole / moved * spent / NANOSECONDS)}, and the client did not wait so long.",
            f"{moved:,} bytes went out between {clock(last.time)} and {clock(until)} at a steady rate, none of them "
            f"was repeated, and the server took everything",
            (last.frame,),
            case.last_session_id(connection),
            connection,
            until,
        )


def _capture_loss(case: Case) -> Iterator[Found]:
    for row in case.connections.itertuples():
        if not row.gap_bytes:
            continue
        gaps = case.evidence.tcp.marks_of(int(str(row.connection)), Mark.GAP)
        if len(gaps) == 0:
            continue
        yield Found(
            int(gaps["time"][0]),
            f"The capture lacks {int(gaps['length'].sum()):,} bytes of the connection of {row.client} with "
            f"{row.server} that were delivered: what is said about that connection is less certain.",
            f"{count(len(gaps), 'hole')} that the receiver acknowledged",
            tuple(gaps["frame"][:5].tolist()),
            connection=int(str(row.connection)),
            end=int(gaps["time"][-1]),
        )


def _snaplen_too_short(case: Case) -> Iterator[Found]:
    cut = [account for account in case.evidence.decoded.accounts if account.snapped]
    if cut:
        size, connections = sum(account.snapped for account in cut), len({account.connection for account in cut})
        yield Found(
            case.begin,
            f"The capture was made with a snap length: {size:,} bytes of {count(connections, 'connection')} "
            f"were cut off, so messages cannot be decrypted, checked or read to their ends.",
            "packets are shorter in the capture than they were on the wire; times and TCP are complete",
            confidence=Confidence.CERTAIN,
        )


def _time_lost(case: Case, connection: int, repeats: npt.NDArray[Any]) -> int:
    """Nanoseconds that the recoveries cost: a round trip each, or the silence before it where a timer had to expire."""
    tcp = case.evidence.tcp
    trip = tcp.round_trip(connection) or 0
    cost = 0
    for side in (CLIENT, SERVER):
        times = repeats["time"][repeats["sender"] == side]
        if len(times) == 0:
            continue
        begins = times[np.diff(times, prepend=np.iinfo(np.int64).min // 2) > max(trip, _GRAIN)]
        sent = tcp.rows(connection, side)["time"]
        before = sent[np.maximum(np.searchsorted(sent, begins) - 1, 0)]
        cost += int(np.maximum(begins - before, trip).sum())
    return cost


def _mostly_overtaken(repeats: int, reordered: int) -> bool:
    """Whether segments came late because others overtook them: what is repeated then is repeated in vain."""
    return reordered > 2 * repeats


def _is_one_blackout(case: Case, connection: int, repeats: int) -> bool:
    """Whether nearly all that was repeated belongs to times in which nothing came through: that is said already."""
    explained = sum(still.repeated for still in case.stillnesses if still.connection == connection)
    return explained > 0 and repeats - explained < _MANY


RULES = (
    Rule(
        "path_loss",
        "packets are lost on the way",
        Severity.WARNING,
        Party.NETWORK,
        "RFC 5681; RFC 6298",
        "Segments had to be sent again because they were lost between the two hosts. Each loss shrinks what is sent at "
        "once, and one at the end of an answer costs a retransmission timeout.",
        "Look for errors, full queues or duplex mismatch on the path; a second capture at the other end "
        "(sessionscope compare) says how many segments were lost in each direction.",
        _path_loss,
    ),
    Rule(
        "path_reorders",
        "packets overtake each other",
        Severity.WARNING,
        Party.NETWORK,
        "RFC 4737; RFC 5681 3.2",
        "Segments arrive in another order than they were sent in, and nothing is lost. Senders take the missing ones "
        "for lost and repeat them in vain, and slow down.",
        "Look for load balancing by packet, parallel links or queues on the path.",
        _path_reorders,
    ),
    Rule(
        "path_slow",
        "the path is too slow for the size of a request",
        Severity.WARNING,
        Party.NETWORK,
        "MS-SMB2 3.2.6.1",
        "A request was sent at a steady low rate without loss, and the time that the client allows ran out before its "
        "end.",
        "Make requests smaller (smb2 max write in smb.conf, wsize= of a Linux mount), or the client more patient "
        "(SessTimeout; smbclient -t).",
        _path_slow,
    ),
    Rule(
        "capture_loss",
        "the capture is incomplete",
        Severity.INFO,
        Party.CAPTURE,
        "RFC 9293 3.4",
        "Bytes are missing that their receiver acknowledged, so it was the capture that lost them, not the path.",
        "Capture with a larger buffer (dumpcap -B), to a faster disk, or with a filter.",
        _capture_loss,
    ),
    Rule(
        "snaplen_too_short",
        "packets were cut short by the capture",
        Severity.INFO,
        Party.CAPTURE,
        "pcapng: Interface Description Block, SnapLen",
        "Only the beginnings of packets were kept. Timing and TCP can be judged, contents cannot.",
        "Capture whole packets: tcpdump -s 0, dumpcap -s 0.",
        _snaplen_too_short,
    ),
)
