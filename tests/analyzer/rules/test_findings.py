"""Findings as a table: the declared columns, in the order given."""

from analyzer.rules.findings import findings_table
from analyzer.rules.rule import Confidence, Finding, Found, Party, Rule, Severity
from analyzer.tables.schema import TABLES

RULE = Rule("SIGN-05", "a signature", Severity.SECURITY, Party.EITHER, "3.1.5.1", "why", "do", lambda _case: ())


def test_every_column_is_there() -> None:
    found = Found(5, "cause", "evidence", (12, 3), 0xFFFF_FFFF_FFFF_FFFF, 2, None, Confidence.LIKELY, Severity.INFO)
    table = findings_table([Finding(RULE, found)])
    assert tuple(table.columns) == TABLES["findings"].names
    row = table.iloc[0]
    assert (row["rule"], row["severity"], row["frames"], row["confidence"]) == ("SIGN-05", "info", "12, 3", "likely")
    assert (row["session_id"], row["connection"], row["time"].value) == (0xFFFF_FFFF_FFFF_FFFF, 2, 5)
    assert row.isna().to_dict() == dict.fromkeys(table.columns, False) | {"end": True}


def test_nothing_found_is_an_empty_table() -> None:
    table = findings_table([])
    assert len(table) == 0
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        column.name: column.dtype for column in TABLES["findings"].columns
    }
