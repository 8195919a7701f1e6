"""Link layers: where the network header of each packet begins, and which one it is.

Common links are decoded in columns. What is uncommon (MPLS, PPPoE, unknown link types) is left with its
ethertype for `uncommon`.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import PacketBlock
from parsers.layout import everywhere

__all__ = ["ARP", "IPV4", "IPV6", "UNKNOWN", "locate_network_headers"]

IPV4 = 0x0800
IPV6 = 0x86DD
ARP = 0x0806
UNKNOWN = 0  # no ethertype could be read: the packet is too short or its link type is not known

_ETHERNET, _NULL, _RAW_VALUES, _LOOP = 1, 0, (12, 14, 101, 228, 229), 108
_LINUX_COOKED, _LINUX_COOKED_2, _NFLOG = 113, 276, 239
_NFLOG_PACKET = 9  # the type of the TLV that holds the packet
_MAX_NFLOG_TLVS = 32  # a dozen types are in use
_VLAN_TAGS = (0x8100, 0x88A8, 0x9100)
_MAX_VLAN_TAGS = 4  # more than QinQ ever needs; a longer chain is nonsense
_BSD_FAMILIES = {2: IPV4, 10: IPV6, 23: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}  # AF_INET6 differs between systems

Offsets = npt.NDArray[np.int64]
Types = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.int64] | slice


def locate_network_headers(block: PacketBlock) -> tuple[Offsets, Types]:
    """For each packet the buffer offset behind its link header (int64) and its ethertype (int64, 0: `UNKNOWN`)."""
    offsets = block.offset.copy()
    types = np.zeros(len(block), np.int64)
    for link in np.flatnonzero(np.bincount(block.linktype)).tolist():
        mine = block.linktype == link
        rows = slice(None) if mine.all() else np.flatnonzero(mine)
        decode = _LINKS.get(link)
        if decode is not None:
            offsets[rows], types[rows] = decode(block, rows)
    return offsets, types


def _gather(block: PacketBlock, starts: Offsets, ends: Offsets, dtype: str) -> npt.NDArray[Any]:
    """The integers at `starts`, zero where one does not end before `ends`."""
    inside = starts + np.dtype(dtype).itemsize <= ends
    if inside.all():
        return everywhere(block.buffer, dtype)[starts].astype(np.int64)
    values = np.zeros(len(starts), np.int64)
    values[inside] = everywhere(block.buffer, dtype)[starts[inside]]
    return values


def _ethernet(block: PacketBlock, rows: Rows) -> tuple[Offsets, Types]:
    return _behind_tags(block, rows, block.offset[rows] + 12)


def _behind_tags(block: PacketBlock, rows: Rows, at: Offsets) -> tuple[Offsets, Types]:
    """Read the ethertype `at`, stepping over VLAN tags (IEEE 802.1Q, 802.1ad)."""
    ends = block.offset[rows] + block.captured[rows]
    types = _gather(block, at, ends, ">u2")
    for _ in range(_MAX_VLAN_TAGS):
        tagged = np.flatnonzero(np.isin(types, _VLAN_TAGS))
        if len(tagged) == 0:
            break
        at[tagged] += 4
        types[tagged] = _gather(block, at[tagged], ends[tagged], ">u2")
    return at + 2, types


def _linux_cooked(block: PacketBlock, rows: Rows) -> tuple[Offsets, Types]:
    return _behind_tags(block, rows, block.offset[rows] + 14)


def _linux_cooked_2(block: PacketBlock, rows: Rows) -> tuple[Offsets, Types]:
    start = block.offset[rows]
    types = _gather(block, start, start + block.captured[rows], ">u2")
    return start + 20, types


def _bsd_loopback(block: PacketBlock, rows: Rows) -> tuple[Offsets, Types]:
    """The address family is in the byte order of the capturing host (NULL) or of the network (LOOP)."""
    start = block.offset[rows]
    family = _gather(block, start, start + block.captured[rows], "<u4")
    family = np.where(family > 0xFFFF, family.astype(np.uint32).byteswap().astype(np.int64), family)
    types = np.zeros(len(start), np.int64)
    for value, ethertype in _BSD_FAMILIES.items():
        types[family == value] = ethertype
    return start + 4, types


def _nflog(block: PacketBlock, rows: Rows) -> tuple[Offsets, Types]:
    """LINKTYPE_NFLOG: address family, version, resource; then TLVs in the host's byte order, padded to four bytes."""
    start = block.offset[rows]
    ends = start + block.captured[rows]
    family, at = _gather(block, start, ends, "u1"), start + 4
    for _ in range(_MAX_NFLOG_TLVS):
        length, kind = _gather(block, at, ends, "<u2"), _gather(block, at + 2, ends, "<u2")
        others = np.flatnonzero((kind != _NFLOG_PACKET) & (length >= 4))
        if len(others) == 0:
            break
        at[others] += length[others] + 3 & ~3
    types = np.where(family == 2, IPV4, np.where(family == 10, IPV6, UNKNOWN))
    return at + 4, np.where((kind == _NFLOG_PACKET) & (length >= 4), types, UNKNOWN)


def _raw_ip(block: PacketBlock, rows: Rows) -> tuple[Offsets, Types]:
    start = block.offset[rows]
    version = _gather(block, start, start + block.captured[rows], "u1") >> 4
    types = np.where(version == 4, IPV4, np.where(version == 6, IPV6, UNKNOWN))
    return start, types


_LINKS = {
    _ETHERNET: _ethernet,
    _NULL: _bsd_loopback,
    _LOOP: _bsd_loopback,
    _LINUX_COOKED: _linux_cooked,
    _LINUX_COOKED_2: _linux_cooked_2,
    _NFLOG: _nflog,
    **dict.fromkeys(_RAW_VALUES, _raw_ip),
}
