"""What the first pass learns of the connections of a capture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer.export.survey import survey
from parsers.capture.open import open_captures
from parsers.keys.store import DirectionKeys, KeyStore

CLIENT, SERVER = 0, 1
FIN, SYN = 0x01, 0x02
ETHERNET, RAW, LINUX_COOKED = 1, 101, 113
SESSION_ID, SERVER_IN_KEY = (
    0x346AE6CD,
    bytes.fromhex("92fce5245658fc847fe662c5e08934b8"),
)  # ntlm_311_enc_aes-128-gcm.json
TCP = 34  # where the TCP header begins in these captures


@pytest.fixture
def packets(shared: Path, read_packets: Callable[[Path], list[Any]]) -> list[Any]:
    return read_packets(shared / "captures/samba/ntlm_311_enc_aes-128-gcm.pcapng")


def test_without_keys_nothing_is_to_be_written_anew(shared: Path) -> None:
    found = survey(open_captures(shared / "captures/samba/ntlm_311_enc_aes-128-gcm.pcapng"), KeyStore())
    assert (found.plans, found.late, found.units_decrypted, found.units_left) == ({}, [], 0, 218)


def test_the_routes_of_a_connection(
    packets: list[Any], write_packets: Callable[..., Path], samba_keys: KeyStore
) -> None:
    found = survey(open_captures(write_packets(packets)), samba_keys)
    ((client, server),) = (plan.routes for plan in found.plans.values())
    syn, answer = (packet.data for packet in packets if packet.data[TCP + 13] & SYN)
    for route, packet in ((client, syn), (server, answer)):
        assert route.syn_sequence == int.from_bytes(packet[TCP + 4 : TCP + 8], "big")
        assert route.sequence == route.syn_sequence + 1
        assert route.path.packet(0, 0, 0)[:14] == packet[:14]  # Ethernet header
        assert route.path.packet(0, 0, 0)[26:38] == packet[26:38]  # addresses and ports
        assert (route.interface, route.lossy) == (0, False)
    assert (client.units, server.units) == (112, 112)
    assert (found.units_decrypted, found.units_left, found.late) == (218, 0, [])
    assert found.interfaces == [(ETHERNET, "made0")]


def test_another_link_layer_is_left_out(
    packets: list[Any], write_packets: Callable[..., Path], samba_keys: KeyStore
) -> None:
    cooked = [packet._replace(data=bytes(14) + packet.data[12:], length=packet.length + 2) for packet in packets]
    found = survey(open_captures(write_packets(cooked, LINUX_COOKED)), samba_keys)
    ((client, server),) = (plan.routes for plan in found.plans.values())
    assert found.interfaces == [(LINUX_COOKED, "made0"), (RAW, "made0")]
    assert client.interface == server.interface == 1
    assert client.path.packet(0, 0, 0)[:1] == b"\x45"


def test_a_direction_without_packets_is_the_mirror_of_the_other(
    packets: list[Any], write_packets: Callable[..., Path]
) -> None:
    keys = KeyStore()
    keys.add(DirectionKeys(SESSION_ID, client_to_server=SERVER_IN_KEY))
    sent = [packet for packet in packets if packet.data[TCP + 2 : TCP + 4] == b"\x01\xbd"]
    found = survey(open_captures(write_packets(sent)), keys)
    ((client, server),) = (plan.routes for plan in found.plans.values())
    mine, mirror = client.path.packet(0, 0, 0), server.path.packet(0, 0, 0)
    assert mine[:12] == sent[0].data[:12]
    assert (mirror[:6], mirror[6:12]) == (mine[6:12], mine[:6])
    assert (mirror[26:30], mirror[30:34]) == (mine[30:34], mine[26:30])
    assert (server.units, server.syn_sequence) == (0, None)
    assert found.units_decrypted == 109


def test_lost_bytes_make_a_direction_lossy(
    packets: list[Any], write_packets: Callable[..., Path], samba_keys: KeyStore
) -> None:
    middle = [
        row for row, packet in enumerate(packets) if packet.length > 1000 and packet.data[TCP : TCP + 2] == b"\x01\xbd"
    ][5]
    found = survey(open_captures(write_packets(packets[:middle] + packets[middle + 1 :])), samba_keys)
    ((client, server),) = (plan.routes for plan in found.plans.values())
    assert (client.lossy, server.lossy) == (False, True)


def test_what_only_the_end_brings_stands_behind_what_was_sent_before_it(
    packets: list[Any], write_packets: Callable[..., Path], samba_keys: KeyStore
) -> None:
    longest = max(range(len(packets)), key=lambda row: packets[row].length)
    found = survey(open_captures(write_packets(packets[: longest + 1])), samba_keys)
    (unit,) = found.late
    assert (unit.frame, unit.time) == (longest + 1, packets[longest].time)
    assert len(unit.data) < unit.size
    assert found.units_left == 1
