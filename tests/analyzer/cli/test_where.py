"""Conditions choose rows, and can do nothing else."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import Analysis
from analyzer.cli.where import Condition
from analyzer.tables.schema import TABLES, Table
from parsers.errors import UsageError


@pytest.mark.parametrize(
    ("table", "expression", "rows"),
    [
        ("sessions", "user == 'alice'", 5),
        ("sessions", "user == 'alice' and decryption == 'decrypted'", 3),
        ("sessions", "user == 'alice' & decryption == 'decrypted'", 3),
        ("sessions", "user == 'alice' | user == 'bob'", 9),
        ("sessions", "user in ['alice', 'root']", 6),
        ("sessions", "user not in ('alice', 'bob')", 2),
        ("sessions", "session_id == 0xe58faea7", 1),
        ("sessions", "session_id > 18446744073709551000", 0),
        ("sessions", "cipher.isna()", 1),
        ("sessions", "cipher.notna() and not user.isna()", 10),
        ("sessions", "is_guest", 0),
        ("sessions", "not is_guest", 9),
        ("sessions", "ended_by.str.contains('refused')", 2),
        ("sessions", "ended_by.str.contains('REFUSED', case=False)", 2),
        ("sessions", "ended_by.str.contains('a | b')", 0),
        ("sessions", "reason == ''", 11),
        ("sessions", "user.str.upper() == 'ALICE'", 5),
        ("sessions", "user.str.len() < 5 and encrypted + decrypted == 0", 6),
        ("connections", "dialect == '2.1'", 1),
        ("connections", "start >= '2026-11-20 09:55:59.2'", 5),
        ("connections", "start >= '2026-11-20T10:55:59.2+01:00'", 5),
        ("connections", "'2026-11-20 09:55:59' < start < '2026-11-20 09:55:59.1'", 2),
        ("connections", "packets.between(50, 60)", 3),
        ("connections", "-packets < -57", 1),
        ("exchanges", "latency > '3ms'", 22),
        ("trees", "path.str.endswith('share')", 6),
    ],
)
def test_a_condition_chooses_rows(table: str, expression: str, rows: int, mixed: Analysis) -> None:
    frame = getattr(mixed, table)
    chosen = Condition(expression, TABLES[table]).choose(frame)
    assert list(chosen.columns) == list(frame.columns)
    assert len(chosen) == rows


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "it is no expression"),
        ("user ==", "it is no expression"),
        ("user = 'alice'", "it is no expression"),
        ("@secret == 1", "it is no expression"),
        ("user == @secret", "it is no expression"),
        ("`user` == 'a'", "it is no expression"),
        ("user == 'a'; user", "it is no expression"),
        ("usr == 'alice'", "there is no column 'usr'"),
        ("__import__('os')", "is not allowed"),
        ("user.__class__ == 1", "is not allowed"),
        ("user.to_csv('/tmp/x')", "is not allowed"),
        ("user.str.__class__()", "is not allowed"),
        ("user.str.contains(__name__)", "there is no column '__name__'"),
        ("user.map(print)", "is not allowed"),
        ("user.values[0] == 1", "is not allowed"),
        ("[x for x in user]", "is not allowed"),
        ("(lambda: 1)()", "is not allowed"),
        ("f'{user}' == 'a'", "is not allowed"),
        ("encrypted ** 9 ** 9 > 0", "is not allowed"),
        ("(" * 1000 + "user" + ")" * 1000, "it is no expression"),
        ("creation_time in ['2026-11-20']", "times are compared with < and >"),
        ("creation_time > 'yesterday-ish'", "'yesterday-ish' is no time such as"),
    ],
)
def test_what_is_not_understood_is_refused_before_anything_is_read(expression: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        Condition(expression, TABLES["sessions"])
    assert why in str(caught.value)
    assert str(caught.value).endswith("first_frame")


@pytest.mark.parametrize(
    "expression", ["user > 5", "user", "encrypted", "1 == 1", "session_id", "user.str.contains('(')"]
)
def test_what_is_no_condition_is_refused(expression: str, mixed: Analysis) -> None:
    with pytest.raises(UsageError, match="the columns of sessions are"):
        Condition(expression, TABLES["sessions"]).choose(mixed.sessions)


def test_the_conditions_of_the_manual_are_understood() -> None:
    manual = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text()
    conditions = re.findall(r'^--where "(.*)"$', manual, re.MULTILINE)
    assert len(conditions) > 3
    for condition in conditions:
        assert any(understands(table, condition) for table in TABLES.values()), condition


def understands(table: Table, condition: str) -> bool:
    try:
        Condition(condition, table)
    except UsageError:
        return False
    return True


@pytest.mark.fuzz
@given(st.text(st.sampled_from("user encrypted_=<>!&|()[]'\"@`.,0x1~-+*/\n#:;\\isna strin not")))
def test_any_text_is_a_condition_or_a_mistake(text: str) -> None:
    try:
        Condition(text, TABLES["sessions"])
    except UsageError:
        return
