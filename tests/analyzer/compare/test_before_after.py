"""Different traffic, before and after."""

from pathlib import Path

import pandas as pd
import pytest

from analyzer import Analysis, analyze
from analyzer.compare.before_after import before_after
from analyzer.compare.comparison import Comparison
from analyzer.compare.schema import TABLES


@pytest.fixture(scope="module")
def bound(samples: Path) -> Analysis:
    return analyze(samples / "mch_bind_enc.pcapng", keys=samples / "mch_bind_enc.keys.toml")


@pytest.fixture(scope="module")
def comparison(mixed: Analysis, bound: Analysis) -> Comparison:
    return before_after(mixed, bound)


def test_latency_has_every_command_of_both(comparison: Comparison, mixed: Analysis, bound: Analysis) -> None:
    tables = [analysis.latency("command").set_index("command") for analysis in (mixed, bound)]
    rows = comparison.latency.set_index("command")
    assert set(rows.index) == {*tables[0].index, *tables[1].index}
    assert rows.loc["NEGOTIATE", "median_a"] == tables[0].loc["NEGOTIATE", "median"]
    assert rows.loc["NEGOTIATE", "median_b"] == tables[1].loc["NEGOTIATE", "median"]
    assert rows.loc["READ", "count_b"] == 0
    assert pd.isna(rows.loc["READ", "ratio"])


def test_errors_are_counted_on_both_sides(comparison: Comparison, mixed: Analysis) -> None:
    rows = comparison.errors.set_index(["command", "status"])
    refused = mixed.exchanges[mixed.exchanges["status"] == "STATUS_LOGON_FAILURE"]
    assert rows.loc[("SESSION_SETUP", "STATUS_LOGON_FAILURE"), "count_a"] == len(refused) > 0
    assert rows.loc[("SESSION_SETUP", "STATUS_LOGON_FAILURE"), "count_b"] == 0
    harmless = {"STATUS_SUCCESS", "STATUS_PENDING", "STATUS_MORE_PROCESSING_REQUIRED", "STATUS_NO_MORE_FILES"}
    assert not harmless & set(comparison.errors["status"])


def test_volume_counts_what_was_moved(comparison: Comparison, mixed: Analysis) -> None:
    row = comparison.volume.set_index("capture").loc["A"]
    assert row["requests"] == len(mixed.exchanges)
    assert row["read"] + row["written"] == mixed.exchanges["transferred"].sum()
    assert row["rate"] == (row["read"] + row["written"]) * 10**9 // row["length"].value


def test_findings_appear_and_go(comparison: Comparison, mixed: Analysis, bound: Analysis) -> None:
    rules = [set(analysis.findings["rule"].astype(str)) for analysis in (mixed, bound)]
    changes = comparison.changes.set_index("rule")["change"].astype(str)
    assert set(changes[changes == "appeared"].index) == rules[1] - rules[0]
    assert set(changes[changes == "gone"].index) == rules[0] - rules[1]
    assert changes["weak_dialect"] == "gone"


def test_what_changed_is_said(comparison: Comparison) -> None:
    text = "\n".join(comparison.sentences)
    assert "Gone in B: weak_dialect (an old dialect)" in text
    assert "SESSION_SETUP became slower: median 431.9 us, then 2.578 ms." in text
    assert "CREATE ended with STATUS_SHARING_VIOLATION never, then 6 times." in text
    assert "TREE_DISCONNECT became" not in text


def test_nothing_changed_is_said_too(mixed: Analysis) -> None:
    comparison = before_after(mixed, mixed)
    assert set(comparison.changes["change"].astype(str)) <= {"same"}
    assert "No command that both use often became much slower or faster." in comparison.sentences
    assert comparison.sentences[0].startswith("Found in both: ")


@pytest.mark.parametrize("name", ["latency", "errors", "volume", "changes"])
def test_tables_are_as_declared(name: str, comparison: Comparison) -> None:
    assert {column: str(dtype) for column, dtype in comparison.tables[name].dtypes.items()} == {
        column.name: column.dtype for column in TABLES[name].columns
    }


def test_captures_without_smb_can_be_compared(shared: Path) -> None:
    quiet = analyze(shared / "captures" / "public" / "snet" / "tls1.3_aes128.pcap")
    comparison = before_after(quiet, quiet)
    assert len(comparison.latency) == 0
    assert comparison.sentences[0] == "Neither capture has a finding of severity warning or above."
