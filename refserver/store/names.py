"""File and stream names: which are allowed, which are the same (MS-FSCC 2.1.5, MS-FSA 2.1.5.1)."""

import re
from zlib import crc32

from parsers.ntstatus import STATUS_OBJECT_NAME_INVALID
from refserver.errors import StatusError

__all__ = ["check_name", "check_stream_name", "fold", "is_same", "is_valid_name", "short_name", "split_stream"]

_FORBIDDEN = frozenset('"*/:<>?\\|') | frozenset(map(chr, range(0x20)))  # MS-FSCC 2.1.5.2
_FORBIDDEN_IN_STREAM = frozenset("/:\\\0")  # MS-FSCC 2.1.5.3
_MOST_UNITS = 255  # UTF-16 units of one component (MS-FSCC 2.1.5.2)
_DATA_TYPE = "$DATA"
_SHORT = re.compile(r"[0-9A-Z!#$%&'()@^_`{}~-]{1,8}(\.[0-9A-Z!#$%&'()@^_`{}~-]{1,3})?")
_NOT_SHORT = re.compile(r"[^0-9A-Z!#$%&'()@^_`{}-]")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fold(name: str) -> str:
    """What two names have in common if they differ in case only: one upper case character for each."""
    upper = name.upper()
    if len(upper) == len(name):
        return upper
    return "".join(one if len(one := character.upper()) == 1 else character for character in name)


def short_name(name: str) -> str:
    """The name that a program from the days of DOS can use (MS-FSCC 2.1.5.2.1): itself, or made of its hash."""
    name = fold(name)
    if _SHORT.fullmatch(name):
        return name
    stem, _, extension = name.rpartition(".") if "." in name[1:] else (name, "", "")
    number, digits = crc32(name.encode("utf-16-le", "surrogatepass")), ""
    for _ in range(4):
        number, digit = divmod(number, len(_DIGITS))
        digits += _DIGITS[digit]
    start, end = _NOT_SHORT.sub("", stem)[:3], _NOT_SHORT.sub("", extension)[:3]
    return f"{start}~{digits}.{end}" if end else f"{start}~{digits}"


def is_same(wanted: str, name: str) -> bool:
    """Whether the folded name `wanted` means the file `name`, by its own name or by its short one."""
    return fold(name) == wanted or ("~" in wanted and short_name(name) == wanted)


def is_valid_name(name: str) -> bool:
    """Whether a file may be called `name`; `.` and `..` are no names of files."""
    return 0 < _units(name) <= _MOST_UNITS and name not in {".", ".."} and _FORBIDDEN.isdisjoint(name)


def check_name(name: str) -> None:
    """Raise StatusError OBJECT_NAME_INVALID unless a file may be called `name`."""
    if not is_valid_name(name):
        raise StatusError(STATUS_OBJECT_NAME_INVALID)


def check_stream_name(name: str) -> None:
    """Raise StatusError OBJECT_NAME_INVALID unless a stream may be called `name`."""
    if not 0 < _units(name) <= _MOST_UNITS or not _FORBIDDEN_IN_STREAM.isdisjoint(name):
        raise StatusError(STATUS_OBJECT_NAME_INVALID)


def split_stream(name: str) -> tuple[str, str]:
    """File and stream of the last name of a path; the stream is empty for the unnamed one, `file` or `file::$DATA`.

    Raises:
        StatusError: OBJECT_NAME_INVALID for another stream type than $DATA, or no name at all (MS-FSCC 2.1.5.1).
    """
    file, *rest = name.split(":")
    if not rest:
        return file, ""
    stream, *types = rest
    if len(types) > 1 or (types and fold(types[0]) != _DATA_TYPE) or not (stream or types):
        raise StatusError(STATUS_OBJECT_NAME_INVALID)
    return file, stream


def _units(name: str) -> int:
    return len(name) + sum(character > "\uffff" for character in name)
