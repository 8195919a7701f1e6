"""Findings for people: one paragraph each, the worst first."""

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

import pandas as pd

from analyzer.cli.terminal import Page
from analyzer.tables.cells import UNKNOWN, shown
from analyzer.tables.schema import Table

__all__ = ["finding_paragraphs", "write_findings"]

_COLOURS = {"security": "\x1b[1;35m", "error": "\x1b[1;31m", "warning": "\x1b[33m", "info": "\x1b[36m"}
_PLAIN = "\x1b[0m"
_INDENT = "  "
_LABELS = (("evidence", "evidence"), ("remedy", "remedy"), ("spec", "source"))
_WIDTH = 110  # of a paragraph where no terminal says how wide it is


def write_findings(frames: Iterable[pd.DataFrame], table: Table, columns: Sequence[str], file: BinaryIO) -> None:  # noqa: ARG001 - the writers have one signature
    """Each finding: what, where and when in one line; its cause; then evidence, remedy and source.

    Args:
        frames: the table `findings`, in order.
        table: its declaration.
        columns: ignored; a paragraph says everything.
        file: written to, as UTF-8.
    """
    page = Page.of(file)
    counts = Counter[str]()
    for frame in frames:
        counts.update(frame["severity"].astype(str))
        file.write("".join(finding_paragraphs(frame, table, page)).encode())
    file.write(_footer(counts).encode())


def finding_paragraphs(frame: pd.DataFrame, table: Table, page: Page) -> Iterator[str]:
    """Each finding as a paragraph, with an empty line behind it.

    Args:
        frame: rows of the table `findings`.
        table: its declaration.
        page: what it is written to.
    """
    cells = {column.name: shown(frame[column.name], column) for column in table.columns}
    for row in range(len(frame)):
        yield _paragraph({name: texts[row] for name, texts in cells.items()}, page)


def _paragraph(finding: dict[str, str], page: Page) -> str:
    width = min(page.width or _WIDTH, _WIDTH)
    where = [finding["time"]]
    if finding["session_id"] != UNKNOWN:
        where.append(f"session {finding['session_id']}")
    if finding["connection"] != UNKNOWN:
        where.append(f"connection {finding['connection']}")
    if finding["confidence"] != "certain":
        where.append(finding["confidence"])
    severity = finding["severity"]
    shout = f"{_COLOURS[severity]}{severity.upper()}{_PLAIN}" if page.colour else severity.upper()
    lines = [f"{shout}  {finding['rule']}: {finding['title']}", f"{_INDENT}{', '.join(where)}"]
    lines.append(_wrapped(finding["cause"], _INDENT, _INDENT, width))
    frames = "" if finding["frames"] in {"", UNKNOWN} else f" (frames {finding['frames']})"
    for name, label in _LABELS:
        text = finding[name] + (frames if name == "evidence" else "")
        if text not in {"", UNKNOWN}:
            lines.append(_wrapped(text, f"{_INDENT}{label:9} ", _INDENT + " " * 10, width))
    return "\n".join(lines) + "\n\n"


def _wrapped(text: str, first: str, rest: str, width: int) -> str:
    return textwrap.fill(
        text,
        max(width, 40),
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _footer(counts: Counter[str]) -> str:
    """`3 findings: 1 error, 2 warnings`."""
    total = counts.total()
    if total == 0:
        return "no findings\n"
    parts = ", ".join(
        f"{counts[severity]:,} {severity}{'s' if counts[severity] != 1 and severity in {'error', 'warning'} else ''}"
        for severity in _COLOURS
        if counts[severity]
    )
    return f"{total:,} finding{'' if total == 1 else 's'}: {parts}\n"
