"""pcapng files -> blocks of packet columns.

draft-ietf-opsawg-pcapng: any number of sections, each with its byte order and its interfaces; Enhanced, Simple and
obsolete Packet Blocks; Decryption Secrets Blocks are kept, other blocks skipped. The walk over the blocks follows
nothing but their lengths; types, trailers, times and interfaces of all of them are then read at once. A block whose
length cannot be, or is not repeated at its end, is noted as damage, and reading goes on at the next credible block.
"""

import struct
import sys
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.capture.packets import PacketBlock, Secrets
from parsers.capture.section import NO_INTERFACE, Section
from parsers.capture.window import CUT_OFF, LOOKAHEAD, MAX_RECORD, Window, columns_at, recover
from parsers.errors import ParseError

__all__ = ["PCAPNG_MAGIC", "PcapngReader"]

PCAPNG_MAGIC = b"\n\r\r\n"
"""The first four bytes of a file: the type of a Section Header Block, the same in both byte orders."""

# Block types, section 11.1
_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE_DESCRIPTION: Final = 1
_OBSOLETE_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_ENHANCED_PACKET: Final = 6
_DECRYPTION_SECRETS: Final = 10
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D  # section 4.1
_MAGICS = {struct.pack(order + "I", _BYTE_ORDER_MAGIC): order for order in "<>"}
_ENDIAN: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_WORDS = {order: np.dtype(order + "u4") for order in "<>"}
_FIELDS = ("type", "block", "interface", "high", "low", "captured", "length")  # of an Enhanced Packet, section 4.3
_HEADERS = {order: np.dtype([(name, word) for name in _FIELDS]) for order, word in _WORDS.items()}
_NATIVE = "<" if sys.byteorder == "little" else ">"

_SMALLEST_BLOCK = 12  # type, length, length
_MAX_SECRETS = 16 << 20  # bytes in a capture: a TLS session takes about 1 KiB

_SINGLE_STEPS = 64  # blocks other than Enhanced Packets that are followed before those are looked for again
_FULL_WALK = 1 << 30
_SHORT_WALK = 512
"""Bytes walked at first after damage or a new section. Doubles again, so that a file of nothing but these does not cost
a window's walk each time."""


class _Packets(NamedTuple):
    """Packet blocks as columns; `room` is the bytes that their block has for data."""

    offset: npt.NDArray[np.int64]
    captured: npt.NDArray[np.int64]
    length: npt.NDArray[np.int64]
    room: npt.NDArray[np.int64]
    interface: npt.NDArray[np.int64]
    ticks: npt.NDArray[np.uint64]
    timeless: npt.NDArray[np.bool_]


class PcapngReader:
    """Reads one file.

    Args:
        window: at the beginning of the file, which is `PCAPNG_MAGIC`.
    """

    format = "pcapng"

    def __init__(self, window: Window) -> None:
        self._window = window
        self._reach = _FULL_WALK
        self._last_time = 0
        self._packets = 0
        self._begin(_NATIVE)

    def __iter__(self) -> Iterator[PacketBlock]:
        window = self._window
        while window.need(_SMALLEST_BLOCK) and not window.hopeless:
            if self._section_ok():
                yield from self._run()
        if window.end > window.start and not window.hopeless:
            window.note(window.start, CUT_OFF)

    def _begin(self, byteorder: str) -> None:
        self._section = Section(byteorder, self._window.file, self._window.log)
        self._undescribed: set[int] = set()
        self._header, self._word = _HEADERS[byteorder], _WORDS[byteorder]

    def _section_ok(self) -> bool:
        """Begin a section if one begins here; False if it cannot be read."""
        window = self._window
        start = window.start
        if window.buffer[start : start + 4] != PCAPNG_MAGIC:
            return True
        byteorder = _MAGICS.get(bytes(window.buffer[start + 8 : start + 12]))
        if byteorder is None:
            self._recover("a section header without byte order")
            return False
        self._begin(byteorder)
        return True

    def _run(self) -> Iterator[PacketBlock]:
        """The blocks from `window.start` up to damage, the next section or one that is not wholly there."""
        window = self._window
        offsets = self._walk()
        heads = columns_at(window.buffer, offsets, self._header)
        sizes = heads["block"].astype(np.int64)
        count, trouble = self._check(offsets, heads["type"], sizes)
        if count:
            yield from self._read(offsets[:count], heads[:count], sizes[:count])
            window.start = int(offsets[count - 1] + sizes[count - 1])
        cut = trouble or (count < len(offsets) and heads["type"][count] == _SECTION_HEADER)
        self._reach = _SHORT_WALK if cut else min(2 * self._reach, _FULL_WALK)
        if trouble:
            self._recover(trouble)
        elif not count and not window.need(int(sizes[0])):
            recover(window, self._plausible, "a block reaches beyond the end of the file", CUT_OFF)

    def _walk(self) -> npt.NDArray[np.int64]:
        """Where blocks begin, if every length is right."""
        window = self._window
        start = window.start
        count = max(min(window.end - start, self._reach) >> 2, _SMALLEST_BLOCK >> 2)
        words = np.frombuffer(window.buffer, self._word, count, start).astype("=u4", copy=False)
        packets, following = _enhanced_packets(words)
        breaks = np.append(np.flatnonzero(following[:-1] != packets[1:]), len(packets) - 1)
        past = count - 2
        found: list[npt.NDArray[np.int64]] = []
        at = 0
        while at < past:
            first = int(np.searchsorted(packets, at))
            if first < len(packets) and packets[first] == at:
                last = int(breaks[np.searchsorted(breaks, first)])
                found.append(packets[first : last + 1])
                at = int(following[last])
            else:
                singly, at = _walk_singly(words.view(np.uint8).data.cast("I"), at, past)
                found.append(singly)
        return np.concatenate(found) * 4 + start

    def _check(
        self, offsets: npt.NDArray[np.int64], kinds: npt.NDArray[np.uint32], sizes: npt.NDArray[np.int64]
    ) -> tuple[int, str]:
        """How many blocks are whole and sound and of this section; what is wrong with the next, if anything is."""
        bad = (sizes < _SMALLEST_BLOCK) | (sizes > MAX_RECORD) | (sizes & 3 != 0)
        section = kinds == _SECTION_HEADER
        section[0] = False
        stop = bad | section
        count = int(stop.argmax()) if stop.any() else len(offsets)
        trouble = f"no block is of length {sizes[count]}" if count < len(offsets) and not section[count] else ""
        ends = offsets[:count] + sizes[:count]
        if count and ends[-1] > self._window.end:
            count -= 1
        trailers = columns_at(self._window.buffer, ends[:count] - 4, self._word)
        wrong = trailers != sizes[:count]
        if wrong.any():
            count = int(wrong.argmax())
            trouble = f"the block's length {sizes[count]} is not repeated at its end"
        return count, trouble

    def _read(
        self, offsets: npt.NDArray[np.int64], heads: npt.NDArray[np.void], sizes: npt.NDArray[np.int64]
    ) -> Iterator[PacketBlock]:
        """The packets of sound blocks; interfaces and secrets are taken up on the way."""
        kinds = heads["type"]
        described: npt.NDArray[np.int64] | int = len(self._section)
        if (kinds != _ENHANCED_PACKET).any():
            known_here = described + (kinds == _INTERFACE_DESCRIPTION).cumsum()
            self._describe(offsets, kinds, sizes)
            rows = np.flatnonzero((kinds == _ENHANCED_PACKET) | (kinds == _SIMPLE_PACKET) | (kinds == _OBSOLETE_PACKET))
            offsets, sizes, described = offsets[rows], sizes[rows], known_here[rows]
            heads = columns_at(self._window.buffer, offsets, self._header)
        if len(heads):
            packets = self._packets_of(offsets, heads, sizes)
            indexes = self._section.indexes(packets.interface)
            indexes[packets.interface >= described] = NO_INTERFACE
            readable = self._readable(offsets, packets, indexes)
            if not readable.all():
                packets, indexes = _Packets._make(column[readable] for column in packets), indexes[readable]
            if len(indexes):
                yield self._block(packets, indexes)

    def _describe(
        self, offsets: npt.NDArray[np.int64], kinds: npt.NDArray[np.uint32], sizes: npt.NDArray[np.int64]
    ) -> None:
        buffer = self._window.buffer
        for row in np.flatnonzero((kinds == _INTERFACE_DESCRIPTION) | (kinds == _DECRYPTION_SECRETS)).tolist():
            offset = int(offsets[row])
            body = memoryview(buffer)[offset + 8 : offset + int(sizes[row]) - 4]
            try:
                if kinds[row] == _INTERFACE_DESCRIPTION:
                    self._section.describe(bytes(body))
                else:
                    self._keep_secrets(body)
            except ParseError as error:
                self._window.note(offset, error.reason)

    def _keep_secrets(self, body: memoryview) -> None:
        """Section 4.7."""
        if len(body) < 8:
            raise ParseError(f"decryption secrets need 8 bytes, not {len(body)}")
        kind, length = struct.unpack_from(self._section.byteorder + "II", body)
        if length > len(body) - 8:
            raise ParseError(f"decryption secrets of {length} bytes leave their block")
        log = self._window.log
        log.secrets_size += len(body)
        if log.secrets_size > _MAX_SECRETS:
            raise ParseError(f"decryption secrets beyond {_MAX_SECRETS} bytes are left out")
        log.secrets.append(Secrets(kind, bytes(body[8 : 8 + length]), self._window.file))

    def _packets_of(
        self, offsets: npt.NDArray[np.int64], heads: npt.NDArray[np.void], sizes: npt.NDArray[np.int64]
    ) -> _Packets:
        packets = _Packets(
            offset=offsets + 28,
            captured=heads["captured"].astype(np.int64),
            length=heads["length"].astype(np.int64),
            room=sizes - 32,
            interface=heads["interface"].astype(np.int64),
            ticks=(heads["high"].astype(np.uint64) << np.uint64(32)) | heads["low"],
            timeless=heads["type"] == _SIMPLE_PACKET,
        )
        simple = np.flatnonzero(packets.timeless)
        if len(simple):  # section 4.4: the length on the wire stands where others have the interface
            packets.offset[simple] -= 16
            packets.room[simple] += 16
            packets.length[simple] = packets.interface[simple]
            limit = self._section.snaplen or MAX_RECORD
            packets.captured[simple] = np.minimum(np.minimum(packets.length, packets.room)[simple], limit)
            packets.interface[simple] = 0
        obsolete = np.flatnonzero(heads["type"] == _OBSOLETE_PACKET)
        if len(obsolete):  # appendix A: two bytes of interface, two that count drops
            two_words = columns_at(self._window.buffer, offsets[obsolete] + 8, np.dtype(self._section.byteorder + "u2"))
            packets.interface[obsolete] = two_words
        return packets

    def _readable(
        self, offsets: npt.NDArray[np.int64], packets: _Packets, indexes: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.bool_]:
        """Which packets can be delivered; of the others, what is wrong is noted."""
        outside = (packets.captured > packets.room) | (packets.room < 0)
        for offset in offsets[outside].tolist():
            self._window.note(offset, "a packet's data leave its block")
        unknown = (indexes == NO_INTERFACE) & ~outside
        if unknown.any():
            numbers, first = np.unique(packets.interface[unknown], return_index=True)
            for number, offset in zip(numbers.tolist(), offsets[unknown][first].tolist(), strict=True):
                if number not in self._undescribed and not self._window.hopeless:
                    self._undescribed.add(number)
                    self._window.note(
                        offset, f"packets of interface {number} are left out: there is no description of it"
                    )
        readable: npt.NDArray[np.bool_] = ~(outside | unknown)
        return readable

    def _block(self, packets: _Packets, indexes: npt.NDArray[np.int32]) -> PacketBlock:
        time = self._section.times(packets.interface, packets.ticks)
        if packets.timeless.any():
            last_timed = np.maximum.accumulate(np.where(packets.timeless, -1, np.arange(len(time))))
            time = np.where(last_timed < 0, self._last_time, time[last_timed])
        self._last_time = int(time[-1])
        first = self._packets + 1
        self._packets += len(time)
        return PacketBlock(
            buffer=self._window.buffer,
            offset=packets.offset,
            captured=packets.captured,
            length=packets.length,
            time=time,
            frame=np.arange(first, first + len(time), dtype=np.int64),
            linktype=self._section.linktypes(packets.interface),
            interface=indexes,
        )

    def _recover(self, reason: str) -> None:
        """As `recover`, but if a credible block follows where this one says it ends, that is where to go on."""
        window = self._window
        size = int.from_bytes(window.buffer[window.start + 4 : window.start + 8], _ENDIAN[self._section.byteorder])
        if _SMALLEST_BLOCK <= size <= MAX_RECORD and size & 3 == 0:
            window.need(size + LOOKAHEAD)
            if len(self._plausible(window.start + size, window.start + size + 1)):
                window.note(window.start, f"{reason}: {size} bytes skipped")
                window.start += size
                return
        recover(window, self._plausible, reason)

    def _plausible(self, first: int, stop: int) -> npt.NDArray[np.int64]:
        """Positions of whole blocks of a known type that repeat their length at the end (see `recover`)."""
        begins = np.arange(first, min(stop, self._window.end - _SMALLEST_BLOCK + 1), dtype=np.int64)
        return np.sort(np.concatenate([self._plausible_in(byteorder, begins) for byteorder in _MAGICS.values()]))

    def _plausible_in(self, byteorder: str, begins: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Section headers in a byte order; other blocks too if it is that of the current section."""
        buffer, end = self._window.buffer, self._window.end
        word = _WORDS[byteorder]
        heads = columns_at(buffer, begins, np.dtype([(name, word) for name in ("type", "block", "magic")]))
        known = (heads["type"] == _SECTION_HEADER) & (heads["magic"] == _BYTE_ORDER_MAGIC)
        if byteorder == self._section.byteorder:
            known |= (heads["type"] >= _INTERFACE_DESCRIPTION) & (heads["type"] <= _DECRYPTION_SECRETS)
        sizes = heads["block"].astype(np.int64)
        known &= (sizes >= _SMALLEST_BLOCK) & (sizes <= LOOKAHEAD) & (sizes & 3 == 0) & (begins + sizes <= end)
        begins, sizes = begins[known], sizes[known]
        repeated: npt.NDArray[np.bool_] = columns_at(buffer, begins + sizes - 4, word) == sizes
        return begins[repeated]


def _enhanced_packets(words: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Everything among the words that looks like a whole Enhanced Packet Block: its first word, and the one behind it.

    Most blocks are; to find them at once takes less than to step from one to the next. What only looks like one, in
    the midst of another block's data, no step leads to.
    """
    begins = np.flatnonzero(words[:-1] == _ENHANCED_PACKET)
    lengths = words[begins + 1]
    ends = begins + (lengths >> 2)
    inside = (ends > begins) & (ends <= len(words))
    inside[inside] = words[ends[inside] - 1] == lengths[inside]
    return begins[inside], ends[inside]


def _walk_singly(words: memoryview, at: int, past: int) -> tuple[npt.NDArray[np.int64], int]:
    """Follow a few lengths one by one; where they lead from block to block, and where the last one leads."""
    starts: list[int] = []
    while at < past and len(starts) < _SINGLE_STEPS:
        starts.append(at)
        at += words[at + 1] >> 2 or past  # a length of 0 ends the walk instead of never ending it
    return np.array(starts, np.int64), at
