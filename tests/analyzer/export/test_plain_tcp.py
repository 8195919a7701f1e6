"""What a connection that is written anew looks like, packet by packet."""

import dpkt
import pytest

from analyzer.export.plain_tcp import PlainConnection, Route
from analyzer.export.plain_units import PlainUnit
from analyzer.export.tcp_builder import MAX_PAYLOAD, TcpPath

CLIENT, SERVER = 0, 1
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
PATHS = (TcpPath(b"", b"\1\1\1\1", b"\2\2\2\2", 50000, 445), TcpPath(b"", b"\2\2\2\2", b"\1\1\1\1", 445, 50000))


class Dialogue:
    """A connection and the packets it writes: time, sender, flags, sequence, acknowledgment, payload."""

    def __init__(self, *, units: tuple[int, int], lossy: bool = False, syn: bool = True, first: int = 1001) -> None:
        routes = (
            Route(PATHS[CLIENT], 3, first - 1 if syn else None, first, units[0], lossy),
            Route(PATHS[SERVER], 3, 4999 if syn else None, 5000, units[1], lossy),
        )
        self.packets: list[tuple[int, int, int, int, int, bytes]] = []
        self.connection = PlainConnection(self.emit, *routes)
        self._position = [0, 0]

    def emit(self, time: int, packet: bytes, interface: int) -> None:
        assert interface == 3
        tcp = dpkt.ip.IP(packet).data
        sender = SERVER if tcp.sport == 445 else CLIENT
        self.packets.append((time, sender, tcp.flags, tcp.seq, tcp.ack, bytes(tcp.data)))

    def unit(self, time: int, sender: int, data: bytes, *, was: int = 0, size: int = 0, skipped: int = 0) -> None:
        """A unit that had `was` bytes behind the prefix on the wire, `skipped` bytes behind the one before."""
        position = self._position[sender] + skipped
        self._position[sender] = position + 4 + (was or len(data))
        end = self._position[sender]
        self.connection.unit(PlainUnit(0, time, 0, sender, position, end, size or len(data), memoryview(data)))


def test_a_connection_is_opened_used_and_closed() -> None:
    d = Dialogue(units=(1, 1))
    d.connection.control(CLIENT, 1, SYN)
    d.connection.control(SERVER, 2, SYN | ACK)
    d.unit(3, CLIENT, b"hello", was=57)
    d.unit(4, SERVER, b"welcome", was=59)
    d.connection.control(CLIENT, 5, FIN | ACK)
    d.connection.control(SERVER, 6, FIN | ACK)
    assert d.packets == [
        (1, CLIENT, SYN, 1000, 0, b""),
        (2, SERVER, SYN | ACK, 4999, 1001, b""),
        (3, CLIENT, ACK | PSH, 1001, 5000, b"\0\0\0\5hello"),
        (4, SERVER, ACK | PSH, 5000, 1010, b"\0\0\0\7welcome"),
        (5, CLIENT, FIN | ACK, 1010, 5011, b""),
        (6, SERVER, FIN | ACK, 5011, 1011, b""),
    ]


@pytest.mark.parametrize("size", [1, MAX_PAYLOAD - 5, MAX_PAYLOAD - 4, MAX_PAYLOAD - 3, 3 * MAX_PAYLOAD - 4, 200_001])
def test_a_long_unit_is_cut_into_packets_that_follow_one_another(size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    d = Dialogue(units=(2, 0))
    d.unit(7, CLIENT, data[:size])
    d.unit(8, CLIENT, b"next")
    stream, pushes = b"", 0
    for time, _, flags, sequence, _, payload in d.packets:
        assert time == (7 if len(stream) < size + 4 else 8)
        assert sequence == 1001 + len(stream)
        assert 0 < len(payload) <= MAX_PAYLOAD
        stream += payload
        pushes += bool(flags & PSH)
    assert stream == size.to_bytes(4, "big") + data[:size] + b"\0\0\0\4next"
    assert pushes == 2


def test_sequence_numbers_wrap() -> None:
    d = Dialogue(units=(2, 1), first=2**32 - 4)
    d.unit(1, CLIENT, b"1234")
    d.unit(2, CLIENT, b"5")
    d.unit(3, SERVER, b"6")
    assert [packet[3:5] for packet in d.packets] == [(2**32 - 4, 5000), (4, 5000), (5000, 9)]


def test_what_was_lost_is_left_out_of_the_sequence_numbers() -> None:
    d = Dialogue(units=(3, 1), lossy=True)
    d.unit(1, CLIENT, b"half", size=100)  # its prefix still says how long it was
    d.unit(2, CLIENT, b"whole", skipped=96)
    d.unit(3, SERVER, b"answer")
    assert d.packets == [
        (1, CLIENT, ACK | PSH, 1001, 5000, b"\0\0\0\x64half"),
        (2, CLIENT, ACK | PSH, 1001 + 4 + 100, 5000, b"\0\0\0\5whole"),
        (3, SERVER, ACK | PSH, 5000, 1001 + 4 + 100 + 4 + 5, b"\0\0\0\6answer"),
    ]


def test_session_service_packets_between_units_leave_no_hole() -> None:
    d = Dialogue(units=(2, 0))
    d.unit(1, CLIENT, b"one", skipped=76)
    d.unit(2, CLIENT, b"two", skipped=4)
    assert [packet[3] for packet in d.packets] == [1001, 1008]


def test_a_fin_waits_for_the_units_before_it() -> None:
    """They were complete later: a segment of them came out of order."""
    d = Dialogue(units=(2, 1))
    d.unit(1, CLIENT, b"one")
    d.connection.control(CLIENT, 2, FIN | ACK)
    d.connection.control(CLIENT, 3, FIN | ACK)
    d.unit(3, SERVER, b"in between")
    d.unit(4, CLIENT, b"two")
    d.connection.control(CLIENT, 5, FIN | ACK)
    assert [packet[:4] for packet in d.packets] == [
        (1, CLIENT, ACK | PSH, 1001),
        (3, SERVER, ACK | PSH, 5000),
        (4, CLIENT, ACK | PSH, 1008),
        (4, CLIENT, FIN | ACK, 1015),
        (4, CLIENT, FIN | ACK, 1015),
        (5, CLIENT, FIN | ACK, 1015),
    ]


def test_a_reset_is_written_at_once_and_its_flags_stay() -> None:
    d = Dialogue(units=(1, 1))
    d.connection.control(SERVER, 1, RST)
    d.connection.control(SERVER, 2, RST | ACK | PSH)
    assert [packet[1:5] for packet in d.packets] == [(SERVER, RST, 5000, 0), (SERVER, RST | ACK, 5000, 1001)]


def test_a_repeated_syn_keeps_its_number() -> None:
    d = Dialogue(units=(1, 0))
    d.connection.control(CLIENT, 1, SYN)
    d.unit(2, CLIENT, b"data in the SYN")
    d.connection.control(CLIENT, 3, SYN)
    assert [packet[2:4] for packet in d.packets] == [(SYN, 1000), (ACK | PSH, 1001), (SYN, 1000)]


def test_a_connection_whose_beginning_is_not_there_starts_where_it_is_met() -> None:
    d = Dialogue(units=(0, 1), syn=False)
    d.unit(1, SERVER, b"x")
    d.connection.control(CLIENT, 2, FIN | ACK)
    assert [packet[1:5] for packet in d.packets] == [(SERVER, ACK | PSH, 5000, 1001), (CLIENT, FIN | ACK, 1001, 5005)]
