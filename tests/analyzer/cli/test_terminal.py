"""Text tables are aligned, fit the terminal, and obey nobody."""

import io

import pandas as pd
import pytest

from analyzer.cli.terminal import display_width, write_text
from analyzer.tables.columns import from_values
from analyzer.tables.schema import Column, Table

TABLE = Table(
    "things",
    "a thing",
    (
        Column("name", "string", "", ""),
        Column("size", "int64", "bytes", ""),
        Column("id", "UInt32", "id", ""),
        Column("decryption", "category", "", ""),
        Column("reason", "string", "", ""),
    ),
    ("name",),
    "reason",
)


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def frame(*rows: tuple[str, int, str, str | None]) -> pd.DataFrame:
    names, sizes, verdicts, reasons = zip(*rows, strict=True) if rows else ((), (), (), ())
    return pd.DataFrame(
        {
            "name": from_values(names, "string"),
            "size": from_values(sizes, "int64"),
            "id": from_values([7] * len(rows), "UInt32"),
            "decryption": from_values(verdicts, "category"),
            "reason": from_values(reasons, "string"),
        }
    )


def lines(*frames: pd.DataFrame, file: io.BytesIO | None = None, columns: tuple[str, ...] = TABLE.names) -> list[str]:
    file = io.BytesIO() if file is None else file
    write_text(frames, TABLE, columns, file)
    return file.getvalue().decode().splitlines()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_columns_are_aligned_and_remarks_stand_below() -> None:
    assert lines(frame(("long name", 5, "no_key", "give a key"), ("b", 12345, "decrypted", ""))) == [
        "name        size  id          decryption",
        "long name      5  0x00000007  no_key",
        "    give a key",
        "b          12345  0x00000007  decrypted",
        "",
        "2 things: 1 decrypted, 1 no_key",
    ]


def test_an_unknown_remark_is_not_shown_and_one_row_is_singular() -> None:
    assert lines(frame(("a", 1, "decrypted", None)))[1:] == [
        "a        1  0x00000007  decrypted",
        "",
        "1 thing: 1 decrypted",
    ]


def test_a_remark_alone_is_a_column() -> None:
    assert lines(frame(("a", 1, "x", "why")), columns=("reason",)) == ["reason", "why", "", "1 thing"]


def test_no_rows_say_so() -> None:
    assert lines(frame()) == ["no things"]


def test_later_frames_are_counted_and_need_no_second_heading() -> None:
    written = lines(frame(("aaaa", 1, "x", "")), frame(), frame(("a much longer name", 1, "x", "")))
    assert [line.split()[0] for line in written[:3]] == ["name", "aaaa", "a"]
    assert written[-1] == "2 things: 2 x"


def test_a_terminal_is_not_exceeded(terminal: Terminal) -> None:
    written = lines(frame(("x" * 60, 1, "plaintext", "word " * 30)), file=terminal)
    assert max(map(display_width, (line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in written))) <= 40
    assert "…" in written[1]
    assert len([line for line in written if line.startswith("    word")]) > 3


def test_a_file_is_not_cut() -> None:
    assert "x" * 500 in lines(frame(("x" * 500, 1, "plaintext", "")))[1]


@pytest.mark.parametrize(
    ("verdict", "colour"), [("damaged", "\x1b[31m"), ("no_key", "\x1b[33m"), ("decrypted", ""), ("plaintext", "")]
)
def test_bad_verdicts_have_a_colour(verdict: str, colour: str, terminal: Terminal) -> None:
    row = lines(frame(("a", 1, verdict, "")), file=terminal)[1]
    assert (f"{colour}{verdict}" in row) if colour else "\x1b" not in row


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_declined(variable: str, value: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    lines(frame(("a", 1, "damaged", "")), file=terminal)
    assert b"\x1b" not in terminal.getvalue()


def test_a_name_that_is_a_verdict_has_no_colour(terminal: Terminal) -> None:
    row = lines(frame(("damaged", 1, "plaintext", "")), file=terminal)[1]
    assert "\x1b" not in row


def test_hostile_text_stays_in_its_cell(terminal: Terminal) -> None:
    written = lines(frame(("a\n\x1b[31m", 1, "plaintext", "r\x1b]0;title\x07\n")), file=terminal)
    assert len(written) == 5
    assert b"\x1b]" not in terminal.getvalue()


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("報告", 4), ("e\u0301", 1), ("", 0)])
def test_the_width_of_text_is_that_of_a_terminal(text: str, width: int) -> None:
    assert display_width(text) == width
    cells = lines(frame((text or "-", 1, "x", ""), ("b" * 9, 1, "x", "")))
    assert display_width(cells[1]) == display_width(cells[2])
