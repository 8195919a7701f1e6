"""Text from the wire is made harmless, and stays readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.tables.text import encodable, printable, spreadsheet_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("report.txt", "report.txt"),
        ("Übersicht 報告\u3000.txt", "Übersicht 報告\u3000.txt"),
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\r\nb\tc\x7f", r"a\x0d\x0ab\x09c\x7f"),
        ("a\x9b31mb", r"a\x9b31mb"),
        ("photo\u202egpj.exe", r"photo\u202egpj.exe"),
        ("a\u2028b", r"a\u2028b"),
        ("a\ud800b", r"a\ud800b"),
        ("a\U000e0041b", r"a\U000e0041b"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(codec=None)))
def test_printable_text_is_one_line_that_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    shown.encode()


@pytest.mark.parametrize(
    ("text", "whole"), [("a", "a"), ("ä😀", "ä😀"), ("a\ud800b", "a\ufffdb"), ("\udc00\ud800", "\ufffd\ufffd")]
)
def test_lone_surrogates_are_replaced(text: str, whole: str) -> None:
    assert encodable(text) == whole


@pytest.mark.parametrize(
    ("text", "cell"),
    [("=1+1", "'=1+1"), ("+a", "'+a"), ("-a", "'-a"), ("@a", "'@a"), ("a=b", "a=b"), ("", ""), ("\t=1", r"\x09=1")],
)
def test_no_cell_is_a_formula(text: str, cell: str) -> None:
    assert spreadsheet_text(text) == cell
