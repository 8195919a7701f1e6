"""Why nothing moved: a server that is busy or stopped, a path that is dead, a client that takes nothing."""

from collections.abc import Iterator
from typing import Any

import numpy.typing as npt

from analyzer.evidence.marks import Mark
from analyzer.rules.case import Case
from analyzer.rules.rule import Confidence, Found, Party, Rule, Severity
from analyzer.rules.stillness import Blame, Stillness
from analyzer.rules.words import asked_for, clock, count, ends, seconds
from parsers.times import NANOSECONDS
from parsers.transport.connections import CLIENT, SERVER

__all__ = ["RULES"]

_IDLE = 5 * NANOSECONDS  # after which state on the path (address translation, firewalls) may have been given up
_LARGE = 1000  # bytes of payload: below, a packet passes every path


def _server_stalled(case: Case) -> Iterator[Found]:
    for still in _of(case, Blame.SERVER):
        client, server = ends(case, still.connection)
        shut = (
            f"; the server closed its receive window {count(still.zero_windows, 'time')}" if still.zero_windows else ""
        )
        yield _found(
            case,
            still,
            f"The server {server} answered nothing for {seconds(still.seconds)} while {client} waited for "
            f"{asked_for(still.asked)}: its TCP acknowledged everything, so its SMB service was stopped or blocked.",
            f"no payload from the server between {_span(still)}; "
            f"retransmissions: none{shut}; {_afterwards(case, still)}",
        )


def _path_dead(case: Case) -> Iterator[Found]:
    for still in _of(case, Blame.PATH):
        if _is_black_hole(case, still) or _was_idle(case, still):
            continue
        client, server = ends(case, still.connection)
        yield _found(
            case,
            still,
            f"The path between {client} and {server} let nothing through for {seconds(still.seconds)} while the client "
            f"waited for {asked_for(still.asked)}: what was sent was not acknowledged and had to be repeated.",
            f"no progress between {_span(still)}; {count(still.repeated, 'retransmission')} with growing pauses; "
            f"{_afterwards(case, still)}",
        )


def _idle_path_dropped(case: Case) -> Iterator[Found]:
    for still in _of(case, Blame.PATH):
        if _is_black_hole(case, still) or not _was_idle(case, still):
            continue
        client, server = ends(case, still.connection)
        idle = (still.begin - _before(case, still)) / NANOSECONDS
        yield _found(
            case,
            still,
            f"After {seconds(idle)} of idleness the path between {client} and {server} no longer let the connection "
            f"through: {asked_for(still.asked)} was repeated {count(still.repeated, 'time')} and not acknowledged for "
            f"{seconds(still.seconds)}.",
            f"last packet before the pause at {clock(_before(case, still))}, first request after it at "
            f"{clock(still.begin)}; {_afterwards(case, still)}",
            confidence=Confidence.LIKELY,
        )


def _mtu_black_hole(case: Case) -> Iterator[Found]:
    for still in _of(case, Blame.PATH):
        if not _is_black_hole(case, still):
            continue
        client, server = ends(case, still.connection)
        repeats = _repeats(case, still)
        delivered = case.evidence.tcp.largest_delivered(still.connection, CLIENT)
        yield _found(
            case,
            still,
            f"Large packets from {client} to {server} disappear while small ones pass: the path drops what is longer "
            f"than its MTU and tells nobody.",
            f"segments of {int(repeats['length'].max())} bytes were repeated {count(len(repeats), 'time')} between "
            f"{_span(still)} and never acknowledged; the longest that was delivered has {delivered} bytes",
        )


def _client_slow(case: Case) -> Iterator[Found]:
    for still in _of(case, Blame.CLIENT):
        client, server = ends(case, still.connection)
        yield _found(
            case,
            still,
            f"The client {client} took nothing from {server} for {seconds(still.seconds)}: its receive window was "
            f"closed, so its program did not read what had come.",
            f"zero windows of the client: {still.zero_windows} between {_span(still)}",
        )


def _unclear(case: Case) -> Iterator[Found]:
    for still in _of(case, Blame.UNCLEAR):
        client, server = ends(case, still.connection)
        yield _found(
            case,
            still,
            f"{client} waited {seconds(still.seconds)} for {asked_for(still.asked)} from {server}; packets were "
            f"repeated and acknowledged meanwhile, so it was the network, or the server and the network.",
            f"no payload from the server between {_span(still)}; {count(still.repeated, 'retransmission')}",
            confidence=Confidence.POSSIBLE,
        )


def _of(case: Case, blame: Blame) -> Iterator[Stillness]:
    return (still for still in case.stillnesses if still.blame is blame)


def _found(
    case: Case, still: Stillness, cause: str, evidence: str, confidence: Confidence = Confidence.CERTAIN
) -> Found:
    if case.evidence.tcp.near_gap(still.connection, still.begin - NANOSECONDS, still.end or still.last):
        confidence = Confidence.POSSIBLE
    session = still.asked["session_id"].dropna().tolist()[:1] or case.session_ids(still.connection)[-1:]
    return Found(
        still.begin,
        cause,
        evidence,
        still.frames,
        session[0] if session else None,
        still.connection,
        still.end,
        confidence,
    )


def _span(still: Stillness) -> str:
    return f"{clock(still.begin)} and {clock(still.end or still.last)}{'' if still.end else ' (end of the connection)'}"


def _afterwards(case: Case, still: Stillness) -> str:
    closed = case.connections.iloc[still.connection]["closed_by"]
    if still.end is not None:
        return "then it went on" if not isinstance(closed, str) else f"then there was an answer; closed by {closed}"
    return f"closed by {closed}" if isinstance(closed, str) else "nothing followed"


def _before(case: Case, still: Stillness) -> int:
    """The last packet of the server before the stillness: when the path was last known to work."""
    return case.evidence.tcp.last_packet(still.connection, SERVER, still.begin) or still.begin


def _was_idle(case: Case, still: Stillness) -> bool:
    return still.begin - _before(case, still) >= _IDLE


def _repeats(case: Case, still: Stillness) -> npt.NDArray[Any]:
    return case.evidence.tcp.marks_of(
        still.connection, Mark.RETRANSMISSION, sender=CLIENT, since=still.begin, until=still.end or still.last
    )


def _is_black_hole(case: Case, still: Stillness) -> bool:
    """Whether only long segments were repeated, and none as long was ever delivered on the connection."""
    repeats = _repeats(case, still)
    if len(repeats) < 3 or int(repeats["length"].max()) < _LARGE:
        return False
    return case.evidence.tcp.largest_delivered(still.connection, CLIENT) < int(repeats["length"].max())


RULES = (
    Rule(
        "server_stalled",
        "the server acknowledges and does not answer",
        Severity.ERROR,
        Party.SERVER,
        "TCP: RFC 9293 3.8; MS-SMB2 3.2.6.1",
        "The kernel of the server acknowledged the requests at once, or said that its buffers are full, and its SMB "
        "service answered none of them. Nothing was lost or repeated, so the network is not the cause.",
        "Look at the server at that time: a stopped or swapped-out process, a disk or a backup that blocks, a virtual "
        "machine that was paused or moved. The client's patience is SessTimeout "
        r"(HKLM\SYSTEM\CurrentControlSet\Services\LanmanWorkstation\Parameters; smbclient -t).",
        _server_stalled,
    ),
    Rule(
        "path_dead",
        "nothing comes through between client and server",
        Severity.ERROR,
        Party.NETWORK,
        "RFC 6298 5; RFC 9293 3.8.3",
        "Segments were repeated with growing pauses and not acknowledged, and no packet of the other side arrived: the "
        "path or the host was down. A server that is only busy still acknowledges.",
        "Look for a link, switch, router or tunnel that was down at that time; both ends are needed to say where.",
        _path_dead,
    ),
    Rule(
        "idle_path_dropped",
        "the path forgot an idle connection",
        Severity.ERROR,
        Party.NETWORK,
        "RFC 5382 REQ-5; RFC 6298 5",
        "The first request after a pause was never acknowledged, however often it was repeated. Address translation, "
        "firewalls and load balancers forget connections that are idle and drop what comes later without a word.",
        "Raise the idle timeout of the device (RFC 5382: two hours and four minutes at least), or keep the connection "
        "busy: KeepAliveTime (HKLM\\SYSTEM\\CurrentControlSet\\Services\\Tcpip\\Parameters), echo_interval= of a Linux "
        "mount, socket options = SO_KEEPALIVE and keepalive in smb.conf.",
        _idle_path_dropped,
    ),
    Rule(
        "mtu_black_hole",
        "long packets vanish, short ones pass",
        Severity.ERROR,
        Party.NETWORK,
        "RFC 2923 2.1; RFC 4821",
        "Only segments of full size are repeated and none of them was ever acknowledged, while shorter ones are: a "
        "link on the path has a smaller MTU, and the ICMP message that would say so is not sent or filtered.",
        "Let ICMP 'fragmentation needed' (type 3 code 4) and 'packet too big' through, clamp the MSS at the tunnel, or "
        "lower the MTU of the interface; Linux: net.ipv4.tcp_mtu_probing = 1.",
        _mtu_black_hole,
    ),
    Rule(
        "client_slow",
        "the client does not take what has come",
        Severity.WARNING,
        Party.CLIENT,
        "RFC 9293 3.8.6",
        "The client's receive window was zero: its program did not read, so the server could not send.",
        "Look at the client at that time: its processor, its disk, its security software.",
        _client_slow,
    ),
    Rule(
        "network_slow",
        "answers were late on a troubled path",
        Severity.WARNING,
        Party.NETWORK,
        "RFC 6298",
        "A request waited for its answer while packets were repeated but some came through.",
        "Look for loss on the path at that time; a second capture at the other end tells where.",
        _unclear,
    ),
)
