"""Writes pcapng (draft-ietf-opsawg-pcapng): the same calls give the same bytes."""

import struct
from typing import IO

from parsers.capture.packets import MAX_PACKET
from parsers.errors import UsageError
from parsers.layout import Buffer

__all__ = ["PcapngWriter"]

# Block types, section 11.1
_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_DECRYPTION_SECRETS = 10

# Options, sections 3.5, 4.1 and 4.2
_COMMENT = 1
_SHB_USERAPPL = 4
_IF_NAME = 2
_IF_TSRESOL = 9

_LONGEST_OPTION = 0xFFFF
_END_OF_OPTIONS = bytes(4)


class PcapngWriter:
    """One little-endian section with nanosecond time stamps. Interfaces and secrets come before what needs them.

    Args:
        file: open for writing in binary mode; it stays open.
        application: the program that writes (shb_userappl).
        comment: about the whole file (opt_comment).
    """

    def __init__(self, file: IO[bytes], *, application: str = "", comment: str = "") -> None:
        self._file = file
        self._interfaces = 0
        options = _options(
            (_COMMENT, comment.encode("utf-8", "replace")), (_SHB_USERAPPL, application.encode("utf-8", "replace"))
        )
        self._block(_SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), options)  # length not given

    def interface(self, linktype: int, *, name: str = "", snaplen: int = 0) -> int:
        """Describe an interface; gives the number by which packets refer to it.

        Args:
            linktype: LINKTYPE_ value.
            name: if_name.
            snaplen: bytes of a packet that were captured at most; 0 is no limit.
        """
        options = _options((_IF_NAME, name.encode("utf-8", "replace")), (_IF_TSRESOL, b"\x09"))
        self._block(_INTERFACE_DESCRIPTION, struct.pack("<HHI", linktype, 0, snaplen), options)
        self._interfaces += 1
        return self._interfaces - 1

    def packet(
        self, time_ns: int, data: Buffer, *, interface: int = 0, original_length: int | None = None, comment: str = ""
    ) -> None:
        """Write a packet.

        Args:
            time_ns: nanoseconds since 1970, not negative.
            data: its bytes.
            interface: number that `interface` gave.
            original_length: bytes on the wire, if not all are in `data`.
            comment: opt_comment of the packet.

        Raises:
            UsageError: the interface was not described, the time or the length cannot be written.
        """
        if not 0 <= interface < self._interfaces:
            raise UsageError(f"interface {interface} was not described: call interface() before packet()")
        if not 0 <= time_ns < 2**64:
            raise UsageError(f"pcapng cannot hold the time {time_ns}: give nanoseconds since 1970")
        if len(data) > MAX_PACKET:
            raise UsageError(
                f"a packet of {len(data)} bytes is too long for readers: split it, {MAX_PACKET} is the limit"
            )
        length = len(data) if original_length is None else original_length
        fixed = struct.pack("<IIIII", interface, time_ns >> 32, time_ns & 0xFFFFFFFF, len(data), length)
        self._block(
            _ENHANCED_PACKET, fixed, data, _padding(len(data)), _options((_COMMENT, comment.encode("utf-8", "replace")))
        )

    def secrets(self, kind: int, data: bytes) -> None:
        """Write a Decryption Secrets Block (section 4.7); it has to stand before the packets that need it.

        Args:
            kind: Secrets Type, 0x544C534B for an NSS key log.
            data: the secrets as that type has them.
        """
        self._block(_DECRYPTION_SECRETS, struct.pack("<II", kind, len(data)), data, _padding(len(data)))

    def _block(self, kind: int, *parts: Buffer) -> None:
        length = struct.pack("<I", 12 + sum(map(len, parts)))
        self._file.write(b"".join((struct.pack("<I", kind), length, *parts, length)))


def _padding(length: int) -> bytes:
    return bytes(-length % 4)


def _options(*options: tuple[int, bytes]) -> bytes:
    """Options that have a value (section 3.5); nothing at all if none has."""
    written = b""
    for code, value in options:
        if len(value) > _LONGEST_OPTION:
            raise UsageError(f"pcapng cannot hold a text of {len(value)} bytes: shorten it to {_LONGEST_OPTION}")
        if value:
            written += struct.pack("<HH", code, len(value)) + value + _padding(len(value))
    return written + _END_OF_OPTIONS if written else b""
