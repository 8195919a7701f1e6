"""The addresses under which a server can be reached, for further channels (MS-SMB2 2.2.32.5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, NamedTuple

from parsers.enums import OpenFlag
from parsers.layout import U32, U64, Buffer, Layout
from parsers.smb2.chain import link_entries, split_entries

__all__ = [
    "NETWORK_INTERFACE",
    "InterfaceCapabilities",
    "NetworkInterface",
    "NetworkInterfaceFixed",
    "build_network_interfaces",
    "parse_network_interfaces",
    "socket_address",
]

_Bytes128 = Annotated[bytes, "128s"]

_ALIGNMENT = 8
_SOCKADDR_STORAGE_SIZE = 128
_INTER_NETWORK = 0x0002  # Family, MS-SMB2 2.2.32.5.1
_INTER_NETWORK_V6 = 0x0017


class NetworkInterfaceFixed(NamedTuple):
    """MS-SMB2 2.2.32.5."""

    next: U32
    if_index: U32
    capability: U32
    reserved: U32
    link_speed: U64
    sockaddr_storage: _Bytes128


NETWORK_INTERFACE = Layout(NetworkInterfaceFixed)


class InterfaceCapabilities(OpenFlag):
    """MS-SMB2 2.2.32.5, Capability."""

    RSS_CAPABLE = 0x00000001
    RDMA_CAPABLE = 0x00000002


@dataclass(frozen=True, slots=True)
class NetworkInterface:
    """NETWORK_INTERFACE_INFO, MS-SMB2 2.2.32.5; `link_speed` in bits per second."""

    if_index: int
    capability: InterfaceCapabilities
    link_speed: int
    sockaddr_storage: bytes

    @property
    def address(self) -> IPv4Address | IPv6Address | None:
        """The address in `sockaddr_storage` (MS-SMB2 2.2.32.5.1), None for another family."""
        family = int.from_bytes(self.sockaddr_storage[:2], "little")
        if family == _INTER_NETWORK:
            return IPv4Address(self.sockaddr_storage[4:8])
        if family == _INTER_NETWORK_V6:
            return IPv6Address(self.sockaddr_storage[8:24])
        return None


def socket_address(address: IPv4Address | IPv6Address) -> bytes:
    """The 128 bytes of `NetworkInterface.sockaddr_storage` for an address (MS-SMB2 2.2.32.5.1)."""
    if isinstance(address, IPv4Address):
        start = _INTER_NETWORK.to_bytes(2, "little") + bytes(2)
    else:
        start = _INTER_NETWORK_V6.to_bytes(2, "little") + bytes(6)
    return (start + address.packed).ljust(_SOCKADDR_STORAGE_SIZE, b"\0")


def parse_network_interfaces(buffer: Buffer) -> tuple[NetworkInterface, ...]:
    """The interfaces in the output buffer of FSCTL_QUERY_NETWORK_INTERFACE_INFO.

    Raises:
        ParseError: an entry is too short or its link leaves the buffer.
    """
    raw = map(NETWORK_INTERFACE.parse, split_entries(memoryview(buffer), "NETWORK_INTERFACE_INFO"))
    return tuple(
        NetworkInterface(
            entry.if_index, InterfaceCapabilities(entry.capability), entry.link_speed, entry.sockaddr_storage
        )
        for entry in raw
    )


def build_network_interfaces(interfaces: Iterable[NetworkInterface]) -> bytes:
    """The output buffer of FSCTL_QUERY_NETWORK_INTERFACE_INFO."""
    raw = (
        NetworkInterfaceFixed(
            0, interface.if_index, interface.capability, 0, interface.link_speed, interface.sockaddr_storage
        )
        for interface in interfaces
    )
    return link_entries([NETWORK_INTERFACE.build(entry) for entry in raw], _ALIGNMENT)
