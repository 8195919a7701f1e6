"""A section of a pcapng file: its byte order and the interfaces that its packets refer to."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from parsers.capture.clock import DEFAULT_CLOCK, Clock, nanoseconds
from parsers.capture.packets import CaptureLog, Interface
from parsers.errors import ParseError

__all__ = ["NO_INTERFACE", "Section"]

NO_INTERFACE = -1
"""In place of an interface that could not be read, so that those after it keep their numbers."""

_MAX_INTERFACES = 1 << 14
"""Interfaces of a capture that are kept: more than any machine has, few enough to hold. Packets of others are not."""

# Options, sections 3.5 and 4.2
_END_OF_OPTIONS = 0
_IF_NAME = 2
_IF_TSRESOL = 9
_IF_TSOFFSET = 14
_MICROSECONDS = 6  # if_tsresol where the option is absent
_MAX_NAME = 256  # bytes that are kept


class _Tables(NamedTuple):
    """The interfaces as columns; `indexes` has one `NO_INTERFACE` more at its end."""

    indexes: npt.NDArray[np.int32]
    linktypes: npt.NDArray[np.uint16]
    clocks: npt.NDArray[np.int64]


class Section:
    """The interfaces described so far, numbered from 0 as packets do.

    Args:
        byteorder: "<" or ">".
        file: name of the file, for `Interface`.
        log: takes the interfaces of the whole capture.
    """

    def __init__(self, byteorder: str, file: str, log: CaptureLog) -> None:
        self.byteorder = byteorder
        self._file = file
        self._log = log
        self._indexes: list[int] = []  # into log.interfaces, or NO_INTERFACE
        self._linktypes: list[int] = []
        self._clock_numbers: list[int] = []
        self._clocks: dict[Clock, int] = {}
        self._built: _Tables | None = None
        self.snaplen = 0
        """Snapshot length of interface 0, which Simple Packet Blocks belong to; 0 is no limit."""

    def __len__(self) -> int:
        return len(self._indexes)

    def describe(self, body: bytes) -> None:
        """Add the interface of an Interface Description Block (section 4.2).

        Args:
            body: the block without its type and its two lengths.

        Raises:
            ParseError: the body cannot be read to its end. An interface was added all the same: with what stands
                before, or as `NO_INTERFACE`.
        """
        if len(body) < 8:
            self._add(NO_INTERFACE, 0, DEFAULT_CLOCK)
            raise ParseError(f"an interface description needs 8 bytes, not {len(body)}")
        if len(self._log.interfaces) >= _MAX_INTERFACES:
            self._add(NO_INTERFACE, 0, DEFAULT_CLOCK)
            return
        linktype, snaplen = struct.unpack_from(self.byteorder + "H2xI", body)
        options: dict[int, bytes] = {}
        try:
            options.update(self._options(body))
        finally:
            if not self._indexes:
                self.snaplen = snaplen
            self._add(len(self._log.interfaces), linktype, self._clock(options))
            name = options.get(_IF_NAME, b"")[:_MAX_NAME].decode("utf-8", "replace")
            self._log.interfaces.append(Interface(name, linktype, snaplen, self._file))

    def indexes(self, interface: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Indexes into `CaptureLog.interfaces`, `NO_INTERFACE` where the section does not describe one."""
        return self._tables().indexes[np.minimum(interface, len(self._indexes))]

    def linktypes(self, interface: npt.NDArray[np.int64]) -> npt.NDArray[np.uint16]:
        """LINKTYPE_ values of described interfaces."""
        return self._tables().linktypes[interface]

    def times(self, interface: npt.NDArray[np.int64], ticks: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """Time stamps of packets of described interfaces, in nanoseconds since 1970."""
        if len(self._clocks) == 1:
            return nanoseconds(ticks, next(iter(self._clocks)))
        numbers = self._tables().clocks[interface]
        clocks = list(self._clocks)
        time = np.empty(len(ticks), np.int64)
        for number in np.unique(numbers):
            rows = numbers == number
            time[rows] = nanoseconds(ticks[rows], clocks[number])
        return time

    def _tables(self) -> _Tables:
        if self._built is None:
            self._built = _Tables(
                np.array([*self._indexes, NO_INTERFACE], np.int32),
                np.array(self._linktypes, np.uint16),
                np.array(self._clock_numbers, np.int64),
            )
        return self._built

    def _add(self, index: int, linktype: int, clock: Clock) -> None:
        self._built = None
        self._indexes.append(index)
        self._linktypes.append(linktype)
        self._clock_numbers.append(self._clocks.setdefault(clock, len(self._clocks)))

    def _clock(self, options: dict[int, bytes]) -> Clock:
        tsresol, tsoffset = options.get(_IF_TSRESOL, b""), options.get(_IF_TSOFFSET, b"")
        return Clock.of(
            tsresol[0] if tsresol else _MICROSECONDS,
            struct.unpack(self.byteorder + "q", tsoffset)[0] if len(tsoffset) == 8 else 0,
        )

    def _options(self, body: bytes) -> Iterator[tuple[int, bytes]]:
        """The options behind the fixed fields of an interface description: code, value (section 3.5)."""
        position = 8
        while position < len(body):
            if position + 4 > len(body):
                raise ParseError("an interface option is cut off", position)
            code, length = struct.unpack_from(self.byteorder + "HH", body, position)
            position += 4
            if code == _END_OF_OPTIONS:
                return
            if position + length > len(body):
                raise ParseError(f"interface option {code} leaves its block", position)
            yield code, body[position : position + length]
            position += (length + 3) & ~3
