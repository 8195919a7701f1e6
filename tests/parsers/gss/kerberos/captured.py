"""Kerberos as it stands in captures: the GSS tokens of SESSION_SETUPs, and the messages to and from a KDC.

It joins TCP streams with the project's own stages and reads SMB messages by their offsets, so that it needs nothing of
the session machinery that uses Kerberos.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dpkt

from parsers.capture.open import open_captures
from parsers.gss.kerberos.exchange import KerberosExchange
from parsers.gss.spnego import mechanism_tokens
from parsers.transport.connections import CLIENT, SERVER, ConnectionTracker
from parsers.transport.ip import SegmentDecoder

KDC_PORT = 88
SMB2, SMB1 = b"\xfeSMB", b"\xffSMB"
SESSION_SETUP, SESSION_SETUP_ANDX = 1, 0x73


class Setup(NamedTuple):
    """One SESSION_SETUP and its answer: the GSS tokens of both sides, and the SessionId in the answer."""

    client: bytes
    server: bytes
    session_id: int


def setups(capture: Path) -> list[Setup]:
    """All of a capture, those with an answer that carries no token with an empty one."""
    found = []
    sides = streams(capture)
    for number, port in sorted({(number, port) for number, port, _ in sides}):
        if port != KDC_PORT:
            requests = dict(tokens(sides.get((number, port, CLIENT), b"")))
            answers = dict(tokens(sides.get((number, port, SERVER), b"")))
            found += [Setup(token, *answers.get(key, (b"", 0))) for key, (token, _) in requests.items()]
    return found


def exchanges(capture: Path) -> Iterator[tuple[Setup, KerberosExchange]]:
    """The SESSION_SETUPs that are Kerberos."""
    for setup in setups(capture):
        sides = (setup.client, setup.server)
        exchange = KerberosExchange.from_tokens(
            token for side in sides for token in mechanism_tokens([side] * bool(side))
        )
        if exchange is not None:
            yield setup, exchange


def kdc_messages(capture: Path) -> list[bytes]:
    """The Kerberos messages from and to port 88, over UDP and then over TCP, each direction in order."""
    messages = list(datagrams(capture))
    for (_, port, _), data in streams(capture).items():
        place = 0
        while port == KDC_PORT and place + 4 <= len(data):
            end = place + 4 + int.from_bytes(data[place : place + 4], "big")
            messages += [data[place + 4 : end]] if end <= len(data) else []
            place = end
    return messages


def streams(capture: Path) -> dict[tuple[int, int, int], bytes]:
    """What each side of each TCP connection sent, by number of the connection, server's port, and side."""
    decoder = SegmentDecoder()
    tracker = ConnectionTracker(decoder.book)
    joined: dict[tuple[int, int, int], bytes] = {}
    for block in [*open_captures(capture), None]:
        for delivery in tracker.finish() if block is None else tracker.feed(decoder.decode(block)):
            key = (delivery.connection.number, delivery.connection.server.port, delivery.sender)
            added = bytearray(delivery.pieces.size)
            delivery.pieces.copy_into(memoryview(added), 0)
            joined[key] = joined.get(key, b"") + added
    return joined


def datagrams(capture: Path) -> Iterator[bytes]:
    """The payloads of UDP to and from port 88."""
    with capture.open("rb") as file:
        for _, frame in dpkt.pcap.UniversalReader(file):
            datagram = dpkt.ethernet.Ethernet(frame).data
            while isinstance(datagram, dpkt.ip.IP | dpkt.ip6.IP6):
                datagram = datagram.data
            if isinstance(datagram, dpkt.udp.UDP) and KDC_PORT in (datagram.sport, datagram.dport):
                yield bytes(datagram.data)


def tokens(stream: bytes) -> Iterator[tuple[int, tuple[bytes, int]]]:
    """MessageId, GSS token and SessionId of each plain SESSION_SETUP."""
    place = 0
    while place + 4 <= len(stream):
        end = place + 4 + int.from_bytes(stream[place + 1 : place + 4], "big")
        message = stream[place + 4 : end]
        place = end
        if message[:4] == SMB2 and message[12] == SESSION_SETUP:
            fields = 68 if message[16] & 1 else 76
            offset, length = (int.from_bytes(message[at : at + 2], "little") for at in (fields, fields + 2))
            session_id = int.from_bytes(message[40:48], "little")
            yield int.from_bytes(message[24:32], "little"), (message[offset : offset + length], session_id)
        elif message[:4] == SMB1 and message[4] == SESSION_SETUP_ANDX and message[32] in (4, 12):
            fields, start = (47, 59) if message[32] == 12 else (39, 43)
            length = int.from_bytes(message[fields : fields + 2], "little")
            yield int.from_bytes(message[30:32], "little"), (message[start : start + length], 0)
