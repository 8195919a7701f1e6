"""Network interfaces: round trips, refusals, and what tshark reads in real ones."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import ParseError
from parsers.smb2.fsctl import FsctlCode
from parsers.smb2.header import Command
from parsers.smb2.ioctl import IoctlResponse
from parsers.smb2.network_interface import (
    InterfaceCapabilities,
    NetworkInterface,
    build_network_interfaces,
    parse_network_interfaces,
    socket_address,
)
from tests.parsers.smb2.messages import fields, find

V4 = NetworkInterface(1, InterfaceCapabilities.RSS_CAPABLE, 10**10, socket_address(IPv4Address("192.0.2.1")))
V6 = NetworkInterface(2, InterfaceCapabilities.RDMA_CAPABLE, 0, socket_address(IPv6Address("2001:db8::1")))
OTHER = NetworkInterface(3, InterfaceCapabilities(1 << 31), 1, b"\x11\x00" + bytes(126))


@pytest.mark.parametrize("interfaces", [(), (V4,), (V4, V6, OTHER)])
def test_what_is_built_is_read_back(interfaces: tuple[NetworkInterface, ...]) -> None:
    assert parse_network_interfaces(build_network_interfaces(interfaces)) == interfaces


def test_an_interface_has_the_address_of_its_family() -> None:
    addresses = [interface.address for interface in (V4, V6, OTHER)]
    assert addresses == [IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1"), None]


def test_every_shorter_buffer_is_refused() -> None:
    whole = build_network_interfaces((V4, V6))
    for length in range(1, len(whole)):
        with pytest.raises(ParseError):
            parse_network_interfaces(whole[:length])


@given(st.lists(st.tuples(st.integers(0, 303), st.integers(0, 255)), max_size=6))
def test_damage_gives_interfaces_or_a_parse_error(damage: list[tuple[int, int]]) -> None:
    data = bytearray(build_network_interfaces((V4, V6)))
    for place, value in damage:
        data[place] = value
    try:
        interfaces = parse_network_interfaces(data)
    except ParseError:
        return
    assert 1 <= len(interfaces) <= 2
    assert all(len(str(interface.address)) > 3 for interface in interfaces)


@pytest.mark.witness
@pytest.mark.parametrize(
    "place", ["samba/torture_multichannel.pcapng", "public/suricata/smb2-ntlmssp-negotiateflags/input.pcap"]
)
def test_real_interfaces_are_read_as_tshark_reads_them(place: str, shared: Path, tshark: str) -> None:
    capture = shared / "captures" / place
    interface = "smb2.ioctl.network_interfaces."
    names = [interface + name for name in ("index", "capabilities", "link_speed")]
    theirs = fields(tshark, capture, *names, "smb2.windows.sockaddr.in.addr", "smb2.windows.sockaddr.in6.addr")
    seen = 0
    for message in find(tshark, capture, Command.IOCTL, responses=True):
        ioctl = IoctlResponse.parse(message.data)
        if ioctl.ctl_code == FsctlCode.QUERY_NETWORK_INTERFACE_INFO:
            ours = parse_network_interfaces(ioctl.output)
            seen += len(ours)
            assert theirs[message.frame] == [
                [str(entry.if_index) for entry in ours],
                [f"0x{entry.capability:08x}" for entry in ours],
                [str(entry.link_speed) for entry in ours],
                [str(entry.address) for entry in ours if isinstance(entry.address, IPv4Address)],
                [str(entry.address) for entry in ours if isinstance(entry.address, IPv6Address)],
            ]
    assert seen > 1
