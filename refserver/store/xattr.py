"""What SMB knows of a file and POSIX does not, in one extended attribute: bits, two times, security, EAs."""

import os
import struct
from dataclasses import dataclass, field
from typing import Self

from parsers.errors import ParseError
from parsers.reader import Reader

__all__ = ["DosInformation", "read_dos_information", "write_dos_information"]

_NAME = "user.sessionscope"
_VERSION = 1
_FIXED = struct.Struct("<BIqqH")
_EA = struct.Struct("<BH")
_TICK = 100  # ns; FILETIME has no finer ones, and as nanoseconds its years do not fit into 64 bits


@dataclass(slots=True)
class DosInformation:
    """FILE_ATTRIBUTE_ bits, CreationTime and ChangeTime in nanoseconds since 1970, extended attributes by name.

    `security` is a self-relative security descriptor of at most 65535 bytes.
    """

    attributes: int
    creation_time: int
    change_time: int
    ea: dict[bytes, bytes] = field(default_factory=dict)
    security: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `build` made.

        Raises:
            ParseError: anything else.
        """
        reader = Reader(data)
        fixed = _FIXED.unpack(reader.take(_FIXED.size, "DosInformation"))
        version, attributes, creation_time, change_time, security_length = fixed
        if version != _VERSION:
            raise ParseError(f"version {version} of DosInformation")
        security = bytes(reader.take(security_length, "security descriptor"))
        ea = {}
        while reader.remaining:
            name_length, value_length = _EA.unpack(reader.take(_EA.size, "EA"))
            name = bytes(reader.take(name_length, "EA name"))
            ea[name] = bytes(reader.take(value_length, "EA value"))
        return cls(attributes, creation_time * _TICK, change_time * _TICK, ea, security)

    def build(self) -> bytes:
        """The value of the attribute."""
        times = self.creation_time // _TICK, self.change_time // _TICK
        fixed = _FIXED.pack(_VERSION, self.attributes, *times, len(self.security)) + self.security
        return fixed + b"".join(_EA.pack(len(name), len(value)) + name + value for name, value in self.ea.items())


def read_dos_information(fd: int) -> DosInformation | None:
    """What the file says; None where it says nothing, or something else under that name."""
    if not hasattr(os, "getxattr"):  # it is Linux only
        return None
    try:
        return DosInformation.parse(os.getxattr(fd, _NAME))
    except (OSError, ParseError):
        return None


def write_dos_information(fd: int, information: DosInformation) -> bool:
    """Whether the file system could keep it."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.setxattr(fd, _NAME, information.build())
    except OSError:
        return False
    return True
