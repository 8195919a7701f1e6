"""Classic pcap files -> blocks of packet columns.

draft-ietf-opsawg-pcap: microsecond and nanosecond files in both byte orders, and the "modified" format of old Linux
libpcap (magic 0xa1b2cd34), whose record headers are eight bytes longer. A place where no record header can be is
noted as damage, and reading goes on at the next chain of headers.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import MAX_PACKET, Interface, PacketBlock
from parsers.capture.window import CUT_OFF, LOOKAHEAD, SEARCH_ROOM, Window, columns_at, recover, search
from parsers.times import NANOSECONDS

__all__ = ["PCAP_MAGICS", "PcapReader"]

_FILE_HEADER_SIZE = 24
_LINKTYPE_MASK = 0xFFFF  # section 4: the upper bits of the field say how many FCS bytes frames end with

_CHAIN = 3
"""Record headers in a row that are believed after damage: one may be chance, three are not."""

_USUAL_LIMIT = 256 << 10
"""Captured length that is believed whatever snapshot length the file states, and no other is believed while looking for
a record: libpcap's own MAXIMUM_SNAPLEN."""

_NO_RECORD = "no packet record can be read here"

_GAP_S = 30 * 86400
"""Seconds that may lie between records while looking for one: a month of silence just at the damage is not credible."""

_FULL_WALK = 1 << 30
_SHORT_WALK = 512
"""Bytes walked at first after damage. Doubles again, so that much damage does not cost a window's walk each time."""


class _Variant(NamedTuple):
    byteorder: str
    fractions: int  # of a second
    header_size: int


def _variants() -> Iterator[tuple[bytes, _Variant]]:
    for order in "<>":
        yield struct.pack(order + "I", 0xA1B2C3D4), _Variant(order, 1_000_000, 16)
        yield struct.pack(order + "I", 0xA1B23C4D), _Variant(order, NANOSECONDS, 16)
        yield struct.pack(order + "I", 0xA1B2CD34), _Variant(order, 1_000_000, 24)


PCAP_MAGICS = dict(_variants())
"""The first four bytes of a file -> how it is written (section 4)."""


class PcapReader:
    """Reads one file.

    Args:
        window: at the beginning of the file, whose first four bytes are in `PCAP_MAGICS`.
    """

    format = "pcap"

    def __init__(self, window: Window) -> None:
        self._window = window
        window.need(4)
        self._variant = PCAP_MAGICS[bytes(window.buffer[window.start : window.start + 4])]
        order = self._variant.byteorder
        self._header = np.dtype([(name, order + "u4") for name in ("seconds", "fraction", "captured", "length")])
        self._captured_at = struct.Struct(order + "8xI").unpack_from
        self._recent: list[int] = []
        self._packets = 0
        self._reach = _FULL_WALK
        self._longest = MAX_PACKET
        self._linktype = 0
        self._interface = 0

    def __iter__(self) -> Iterator[PacketBlock]:
        window = self._window
        if not window.need(_FILE_HEADER_SIZE):
            window.note(window.start, "cut off in the middle of the file header")
            return
        self._open()
        while window.need(self._variant.header_size) and not window.hopeless:
            yield from self._run()
        if window.end > window.start and not window.hopeless:
            window.note(window.start, CUT_OFF)

    def _open(self) -> None:
        window = self._window
        snaplen, linktype = struct.unpack_from(self._variant.byteorder + "II", window.buffer, window.start + 16)
        window.start += _FILE_HEADER_SIZE
        if 0 < snaplen < MAX_PACKET:
            self._longest = max(snaplen, _USUAL_LIMIT)
        self._linktype = linktype & _LINKTYPE_MASK
        self._interface = len(window.log.interfaces)
        window.log.interfaces.append(Interface("", self._linktype, snaplen, window.file))

    def _run(self) -> Iterator[PacketBlock]:
        """The records from `window.start` on, up to damage or to one that is not wholly in the window.

        A wrong length shows only where the next header should be: a record is delivered when that one was seen.
        """
        window, size = self._window, self._variant.header_size
        offsets = self._walk()
        heads = columns_at(window.buffer, offsets, self._header)
        captured = heads["captured"].astype(np.int64)
        ends = offsets + size + captured
        bad = self._bad(heads)
        damaged = bool(bad.any())
        sound = int(bad.argmax()) if damaged else len(offsets)
        last_of_file = window.ended and ends[-1] <= window.end < ends[-1] + size
        whole = sound if last_of_file and not damaged else max(sound - 1, 0)
        if whole:
            yield self._block(offsets[:whole], heads[:whole], captured[:whole])
            window.start = int(ends[whole - 1])
        self._reach = _SHORT_WALK if damaged else min(2 * self._reach, _FULL_WALK)
        if damaged and sound:
            yield from self._doubt(size + int(captured[sound - 1]))
        elif damaged:
            recover(window, self._plausible, _NO_RECORD)
        elif not whole:
            self._complete(int(captured[0]))

    def _complete(self, captured: int) -> None:
        """Have the first record and the header after it in the window."""
        window, size = self._window, self._variant.header_size
        if not window.need(size + captured + size) and window.end - window.start < size + captured:
            recover(window, self._plausible, "a packet reaches beyond the end of the file", CUT_OFF)

    def _doubt(self, length: int) -> Iterator[PacketBlock]:
        """A record of `length` bytes after which none can be: is it the length that is wrong, or what follows?"""
        window = self._window
        window.need(length + SEARCH_ROOM)
        start = window.start
        if search(window, self._plausible, length):
            window.note(start, f"the captured length of a packet is wrong: {window.start - start} bytes skipped")
            return
        window.start = start
        offset = np.array([start], np.int64)
        heads = columns_at(window.buffer, offset, self._header)
        yield self._block(offset, heads, heads["captured"].astype(np.int64))
        window.start = start + length
        recover(window, self._plausible, _NO_RECORD)

    def _walk(self) -> npt.NDArray[np.int64]:
        """Where record headers begin, if every length is right. Only lengths are read: this is the inner loop."""
        window = self._window
        buffer, captured_at, step = window.buffer, self._captured_at, self._variant.header_size
        position = window.start
        second = position + step + captured_at(buffer, position)[0]
        last = min(max(second, position + self._reach), window.end - step)
        starts: list[int] = []
        append = starts.append
        while position <= last:
            append(position)
            (captured,) = captured_at(buffer, position)
            position += step + captured
        return np.array(starts, np.int64)

    def _bad(self, heads: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        """Headers that cannot be: an impossible length, zeros, or two oddities at once (one alone is bad software)."""
        captured, length, seconds = heads["captured"], heads["length"], heads["seconds"]
        zeros = (captured == 0) & (length == 0) & (seconds == 0)
        odd = (heads["fraction"] >= self._variant.fractions) & (captured > length)
        bad: npt.NDArray[np.bool_] = (captured > self._longest) | zeros | odd
        return bad

    def _block(
        self, offsets: npt.NDArray[np.int64], heads: npt.NDArray[np.void], captured: npt.NDArray[np.int64]
    ) -> PacketBlock:
        count = len(offsets)
        seconds = heads["seconds"].astype(np.int64)
        self._recent = [*self._recent, *seconds[-3:].tolist()][-3:]
        seconds *= NANOSECONDS
        seconds += heads["fraction"] * np.int64(NANOSECONDS // self._variant.fractions)
        first = self._packets + 1
        self._packets += count
        return PacketBlock(
            buffer=self._window.buffer,
            offset=offsets + self._variant.header_size,
            captured=captured,
            length=heads["length"].astype(np.int64),
            time=seconds,
            frame=np.arange(first, first + count, dtype=np.int64),
            linktype=np.full(count, self._linktype, np.uint16),
            interface=np.full(count, self._interface, np.int32),
        )

    def _plausible(self, first: int, stop: int) -> npt.NDArray[np.int64]:
        """Positions at which a chain of credible record headers begins (see `recover`)."""
        size, end = self._variant.header_size, self._window.end
        begins = np.arange(first, min(stop, end - size + 1), dtype=np.int64)
        chained = np.zeros(len(begins), bool)
        growing = np.arange(len(begins))  # the chains that hold so far, as indexes into `begins`
        at = begins
        before: npt.NDArray[np.int64] | int | None = self._middle_of_recent()
        for link in range(1, _CHAIN + 1):
            heads = columns_at(self._window.buffer, at, self._header)
            credible = self._credible(heads, before)
            growing, heads, at = growing[credible], heads[credible], at[credible]
            at = at + (size + heads["captured"].astype(np.int64))
            near = at <= np.minimum(begins[growing] + (LOOKAHEAD - size), end)
            complete = (at == end) & self._window.ended | (link == _CHAIN)
            chained[growing[near & complete]] = True
            near &= at <= end - size
            growing, at, before = growing[near], at[near], heads["seconds"][near].astype(np.int64)
        return begins[chained]

    def _middle_of_recent(self) -> int | None:
        """The time of the records before, in seconds; if the last one was itself damaged, not that of this one."""
        return sorted(self._recent)[1] if len(self._recent) == 3 else None

    def _credible(
        self, heads: npt.NDArray[np.void], before: npt.NDArray[np.int64] | int | None
    ) -> npt.NDArray[np.bool_]:
        captured, length = heads["captured"], heads["length"]
        credible: npt.NDArray[np.bool_] = (captured > 0) & (captured <= _USUAL_LIMIT) & (captured <= length)
        credible &= (length <= MAX_PACKET) & (heads["fraction"] < self._variant.fractions)
        if before is not None:
            credible &= np.abs(heads["seconds"].astype(np.int64) - before) <= _GAP_S
        return credible
