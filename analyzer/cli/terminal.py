"""Tables for people: aligned text that fits the terminal, with colour for what is bad."""

import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO
from unicodedata import combining, east_asian_width

import pandas as pd

from analyzer.tables.cells import UNKNOWN, shown
from analyzer.tables.schema import DURATION, Column, Table

__all__ = ["Page", "display_width", "write_text"]

_SPACE = "  "
_NARROWEST = 8  # a text column is not cut below this
_INDENT = "    "
_RED, _YELLOW, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[1m", "\x1b[0m"
_COLOURS = {
    **dict.fromkeys(("wrong_key", "damaged", "invalid", "unanswered"), _RED),
    **dict.fromkeys(("no_key", "no_handshake", "unsupported", "pending", "cancelled", "capture_edge"), _YELLOW),
}
_VERDICTS = ("decryption", "signature", "outcome")
_SUMMED = ("outcome", "decryption")  # what the last line counts
_TEXTS = ("string", "category")


@dataclass(frozen=True, slots=True)
class Page:
    """What is written to: `width` columns of characters, None for no limit."""

    width: int | None
    colour: bool

    @classmethod
    def of(cls, file: BinaryIO) -> "Page":
        """A terminal has a width and colours (https://no-color.org); a file has neither."""
        if not file.isatty():
            return cls(None, colour=False)
        dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
        return cls(shutil.get_terminal_size().columns, colour=not dumb)


def write_text(frames: Iterable[pd.DataFrame], table: Table, columns: Sequence[str], file: BinaryIO) -> None:
    """Aligned columns under their names, then how many rows there were.

    The widths are those of the first frame; a later one may need more. The remark of a table, which is a sentence, is
    the last column, and stands below its row.
    """
    layout = _Layout(table, columns, Page.of(file))
    verdict = next((name for name in _SUMMED if name in columns), None)
    rows, verdicts = 0, Counter[str]()
    for frame in frames:
        if len(frame):
            file.write("".join(layout.lines(frame)).encode())
        rows += len(frame)
        if verdict is not None:
            verdicts.update({str(name): count for name, count in frame[verdict].value_counts().items()})
    file.write(_footer(table, rows, verdicts).encode())


class _Layout:
    """The columns of one table on one page."""

    def __init__(self, table: Table, columns: Sequence[str], page: Page) -> None:
        beside = [name for name in columns if name != table.remark] or list(columns)
        self._columns = [table.column(name) for name in beside]
        self._remark = None if len(beside) == len(columns) or table.remark is None else table.column(table.remark)
        self._page = page
        self._widths: list[int] = []

    def lines(self, frame: pd.DataFrame) -> Iterator[str]:
        """The rows of a frame; the names of the columns before the first."""
        cells = [shown(frame[column.name], column) for column in self._columns]
        remarks = shown(frame[self._remark.name], self._remark) if self._remark is not None else [""] * len(frame)
        if not self._widths:
            self._widths = self._fitting([max(map(display_width, column)) for column in cells])
            yield self._heading()
        padded = [
            self._padded(column, texts, width)
            for column, texts, width in zip(self._columns, cells, self._widths, strict=True)
        ]
        for *row, remark in zip(*padded, remarks, strict=True):
            yield _SPACE.join(row).rstrip() + "\n"
            if remark not in {"", UNKNOWN}:
                yield self._wrapped(remark)

    def _fitting(self, widths: list[int]) -> list[int]:
        """Widths that fit the page, as far as texts can be cut."""
        widths = [max(width, len(column.name)) for width, column in zip(widths, self._columns, strict=True)]
        texts = [place for place, column in enumerate(self._columns) if column.dtype in _TEXTS]
        room = (self._page.width or sys.maxsize) - len(_SPACE) * (len(widths) - 1)
        while sum(widths) > room and texts:
            widest = max(texts, key=widths.__getitem__)
            if widths[widest] <= _NARROWEST:
                break
            widths[widest] -= 1
        return widths

    def _heading(self) -> str:
        names = [
            self._padded(column, [column.name], width)[0]
            for column, width in zip(self._columns, self._widths, strict=True)
        ]
        line = _SPACE.join(names).rstrip()
        return f"{_BOLD}{line}{_PLAIN}\n" if self._page.colour else f"{line}\n"

    def _padded(self, column: Column, texts: list[str], width: int) -> list[str]:
        if self._page.width is not None:
            texts = [_cut(text, width) for text in texts]
        right = _is_number(column)
        padded = [_pad(text, width, right=right) for text in texts]
        return list(map(_coloured, padded)) if self._page.colour and column.name in _VERDICTS else padded

    def _wrapped(self, remark: str) -> str:
        width = self._page.width or sys.maxsize
        return textwrap.fill(remark, width, initial_indent=_INDENT, subsequent_indent=_INDENT) + "\n"


def display_width(text: str) -> int:
    """How many columns of a terminal the text takes: East Asian wide characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(character) else 1 + (east_asian_width(character) in "WF") for character in text)


def _coloured(text: str) -> str:
    colour = _COLOURS.get(text.rstrip())
    return f"{colour}{text}{_PLAIN}" if colour else text


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space


def _cut(text: str, width: int) -> str:
    if display_width(text) <= width:
        return text
    while display_width(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _is_number(column: Column) -> bool:
    """Quantities stand at the right, under their units; identifiers are names."""
    return column.dtype == DURATION or (
        column.dtype.lower().startswith(("int", "uint")) and column.unit not in {"id", "bits"}
    )


def _footer(table: Table, rows: int, verdicts: Counter[str]) -> str:
    """`11 sessions: 8 plaintext, 3 decrypted`."""
    noun = table.noun or (table.name if table.name.endswith("s") else "rows")
    if rows == 0:
        return f"no {noun}\n"
    parts = ", ".join(f"{count:,} {verdict}" for verdict, count in verdicts.most_common() if count)
    return f"\n{rows:,} {noun.removesuffix('s') if rows == 1 else noun}{': ' if parts else ''}{parts}\n"
