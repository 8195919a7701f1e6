"""Keys in the output of Samba's programs that run with `debug encryption = yes`, on a terminal, in a log or a journal.

    debug encryption: dumping generated session keys
    Session Id    [0000] E5 B8 20 EA 00 00 00 00                             .. .....
    Session Key   [0000] 28 77 83 23 30 2D 54 6C   89 4E A4 B3 67 AF 34 F5   (w.#0-Tl .N..g.4.
    ...
    ServerIn Key  [0000] FD 35 03 8F C5 8C 24 F0   FD 84 79 75 12 47 09 BB   .5....$. ..yu.G..
    [0010] 2A 54 75 74 E6 46 A5 33   0E AC 27 D3 69 6E 95 2C   *Tut.F.3 ..'.in.,

Anything may stand before a field on its line, and any other lines between the fields.
"""

import re
from collections.abc import Iterable, Iterator

from parsers.errors import UsageError
from parsers.keys.session_dump import SESSION_ID_SIZE, DumpField, Label, collect
from parsers.keys.store import KeyStore

__all__ = ["MARKER", "parse"]

MARKER = re.compile(r"debug encryption: dumping generated session keys|\bSession Id\s+\[0000\]")

_FIELD = re.compile(r"\b(Session Id|Session Key|ServerIn Key|ServerOut Key)\s+\[0000\](.*)")
_SECOND_ROW = re.compile(r"\[0010\](.*)")  # keys have 16 or 32 bytes
_LABELS = {
    "Session Id": Label.SESSION_ID,
    "Session Key": Label.SESSION_KEY,
    "ServerIn Key": Label.SERVER_IN_KEY,
    "ServerOut Key": Label.SERVER_OUT_KEY,
}
_ROW_SIZE = 16


def parse(lines: Iterable[str], name: str) -> KeyStore:
    """The session keys and direction keys in a log; what is no key dump is passed over.

    Args:
        lines: of the log.
        name: of the file, for provenance and errors.

    Raises:
        UsageError: a row of a key dump is damaged; the message names the line.
    """
    return collect(_fields(lines, name), name)


def _fields(lines: Iterable[str], name: str) -> Iterator[DumpField]:
    field: DumpField | None = None  # whose second row may follow
    for number, line in enumerate(lines, 1):
        if found := _FIELD.search(line):
            if field is not None:
                yield field
            label = _LABELS[found[1]]
            width = SESSION_ID_SIZE if label is Label.SESSION_ID else _ROW_SIZE
            field = DumpField(number, label, _row(found[2], width, f"{name} line {number}"))
        elif field is not None and (second := _SECOND_ROW.search(line)):
            yield field._replace(value=field.value + _row(second[1], _ROW_SIZE, f"{name} line {number}"))
            field = None
        elif field is not None and "[0000]" in line:  # the Signing Key for instance, whose second row is not wanted
            yield field
            field = None
    if field is not None:
        yield field


def _row(text: str, width: int, where: str) -> bytes:
    """The `width` bytes of one row of a hexadecimal dump; the same as characters may follow."""
    digits = text.split()[:width]
    if len(digits) < width or not all(re.fullmatch("[0-9A-Fa-f]{2}", pair) for pair in digits):
        raise UsageError(f"{where}: a row of a key must have {width} bytes as pairs of hexadecimal digits")
    return bytes.fromhex("".join(digits))
