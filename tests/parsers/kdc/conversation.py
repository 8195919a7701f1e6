"""Messages of a recorded logon (MIT Kerberos, alice to cifs/rc4srv), and captures that carry them over UDP and TCP."""

from io import BytesIO
from typing import NamedTuple

from parsers.capture.write import PcapngWriter
from parsers.kdc.framing import Record
from parsers.transport.ip import ACK, SYN
from tests.parsers.gss.kerberos.samples import KDC_MESSAGES
from tests.parsers.transport import packets

AS_REQ, PREAUTH_REQUIRED, AS_REQ_AGAIN, AS_REP, TGS_REQ, TGS_REP = KDC_MESSAGES
REQUESTS = (AS_REQ, AS_REQ_AGAIN, TGS_REQ)
RAW_IP = 101  # LINKTYPE_RAW
STEP = 1000  # nanoseconds between two packets


class Said(NamedTuple):
    """A message, who sends it, and the port of the client."""

    message: bytes
    from_client: bool
    port: int = 50_000


LOGON = tuple(Said(message, message in REQUESTS, 50_000 + number // 2) for number, message in enumerate(KDC_MESSAGES))


def framed(message: bytes) -> bytes:
    """With its length (RFC 4120 7.2.2)."""
    return len(message).to_bytes(4, "big") + message


def record(data: bytes, frame: int) -> Record:
    """As a stream would give it."""
    return Record(data, 0, len(data), 0, frame, frame, frame * STEP, frame * STEP)


def over_udp(*said: Said, server_port: int = 88) -> list[bytes]:
    """One datagram a message."""
    return [
        packets.ipv4(packets.udp(message, ports), packets.UDP, ends=ends)
        for message, from_client, port in said
        for ports, ends in [_direction(from_client, port, server_port)]
    ]


def over_tcp(*said: Said, size: int = 1400, server_port: int = 88) -> list[bytes]:
    """One connection for the whole conversation, in segments of `size` bytes."""
    sequence, out = {True: 1000, False: 9000}, []

    def send(from_client: bool, payload: bytes, flags: int = ACK) -> None:
        ports, ends = _direction(from_client, said[0].port, server_port)
        segment = packets.tcp(
            payload, ports=ports, sequence=sequence[from_client], acknowledgment=sequence[not from_client], flags=flags
        )
        out.append(packets.ipv4(segment, ends=ends))
        sequence[from_client] += len(payload) + bool(flags & SYN)

    send(True, b"", SYN)
    send(False, b"", SYN | ACK)
    for message, from_client, _ in said:
        data = framed(message)
        for at in range(0, len(data), size):
            send(from_client, data[at : at + size])
    return out


def capture(frames: list[bytes], cut: int | None = None) -> BytesIO:
    """A capture file of IP packets, a microsecond apart; `cut` is its snap length."""
    file = BytesIO()
    writer = PcapngWriter(file)
    writer.interface(RAW_IP)
    for number, frame in enumerate(frames, 1):
        writer.packet(number * STEP, frame[:cut], original_length=len(frame))
    file.seek(0)
    return file


def _direction(from_client: bool, port: int, server_port: int) -> tuple[tuple[int, int], tuple[str, str]]:
    ports, ends = (port, server_port), (packets.CLIENT, packets.SERVER)
    return (ports, ends) if from_client else (ports[::-1], ends[::-1])
