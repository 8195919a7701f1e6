"""Findings on a terminal: paragraphs, the worst first, and nothing that a terminal would obey."""

from io import BytesIO

import pytest

from analyzer.cli.findings_text import write_findings
from analyzer.rules.findings import findings_table
from analyzer.rules.rule import Confidence, Finding, Found, Party, Rule, Severity
from analyzer.tables.schema import TABLES

RULE = Rule(
    "server_stalled", "it stands still", Severity.ERROR, Party.SERVER, "3.2.6.1", "why", "Look there.", lambda _: ()
)


def text_of(*found: Found) -> str:
    file = BytesIO()
    table = TABLES["findings"]
    write_findings([findings_table(Finding(RULE, each) for each in found)], table, table.names, file)
    return file.getvalue().decode()


def test_a_finding_is_a_paragraph() -> None:
    found = Found(10**9, "It stood still for 5 s.", "nothing came", (3, 9), 0x42, 1, confidence=Confidence.LIKELY)
    text = text_of(found)
    assert text.splitlines() == [
        "ERROR  server_stalled: it stands still",
        "  1970-01-01 00:00:01.000000, session 0x0000000000000042, connection 1, likely",
        "  It stood still for 5 s.",
        "  evidence  nothing came (frames 3, 9)",
        "  remedy    Look there.",
        "  source    3.2.6.1",
        "",
        "1 finding: 1 error",
    ]


def test_long_sentences_are_wrapped() -> None:
    assert max(map(len, text_of(Found(0, "word " * 100, "")).splitlines())) <= 110


@pytest.mark.parametrize(("count", "footer"), [(0, "no findings\n"), (2, "2 findings: 2 errors\n")])
def test_the_last_line_counts(count: int, footer: str) -> None:
    assert text_of(*[Found(0, "", "")] * count).endswith(footer)


def test_names_from_the_wire_are_harmless() -> None:
    assert "\x1b" not in text_of(Found(0, "\x1b[31m red", "\x07"))
