"""UDP datagrams in columns: what protocols that are not streams read."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.layout import U16, Buffer, Layout

__all__ = ["UDP_HEADER", "Datagrams", "UdpHeader", "locate_payloads"]

Column = npt.NDArray[np.int64]


class UdpHeader(NamedTuple):
    """RFC 768."""

    source_port: U16
    destination_port: U16
    length: U16
    checksum: U16


UDP_HEADER = Layout(UdpHeader, byteorder=">")


@dataclass(slots=True)
class Datagrams:
    """UDP datagrams of one block. Every column is int64 of shape (n,); they mean what those of `Segments` mean."""

    buffer: Buffer
    frame: Column
    time: Column
    source: Column
    destination: Column
    source_port: Column
    destination_port: Column
    offset: Column
    length: Column
    missing: Column

    def __len__(self) -> int:
        return len(self.frame)


def locate_payloads(
    buffer: Buffer, starts: Column, ends: Column, captured_ends: Column
) -> tuple[npt.NDArray[np.void], Column, Column, Column]:
    """Headers of many datagrams, and of their payloads the offset, the captured bytes and those that were cut off.

    Args:
        buffer: what the offsets count in.
        starts: of the UDP headers, which are there in full.
        ends: of the IP packets as they were on the wire.
        captured_ends: of what was captured of them.
    """
    headers = UDP_HEADER.gather(buffer, starts)
    length = headers["length"].astype(np.int64)
    # 0 stands for one that does not fit (RFC 2675 4), or one that segmentation offload left open.
    end = np.where(length == 0, ends, np.minimum(starts + length, ends))
    offset = starts + UDP_HEADER.size
    captured = np.maximum(np.minimum(end, captured_ends) - offset, 0)
    return headers, offset, captured, np.maximum(end - offset, 0) - captured
