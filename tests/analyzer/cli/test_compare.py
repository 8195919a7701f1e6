"""`sessionscope compare`."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.cli.compare import write_comparison
from analyzer.compare import Comparison
from tests.analyzer.cli.conftest import Run
from tests.analyzer.compare.places import CLIENT, MS, Places

Command = Callable[..., Run]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    return Places(ahead=3_217 * MS).talk(20).send(CLIENT, 400, seen="a").talk(5).write(tmp_path)


def test_two_sides_are_told_in_sentences_with_their_paths(sessionscope: Command, sides: tuple[Path, Path]) -> None:
    run = sessionscope("compare", *sides)
    assert (run.code, run.err) == (0, "")
    assert run.out.startswith(f"A: {sides[0]}\nB: {sides[1]}\ntwo sides\n\n- Both captures show the same traffic")
    assert "- The clock of B is 3.217000 s ahead of that of A" in run.out
    assert "\npaths\nconnection  client" in run.out
    assert "\n2 paths\n" in run.out


def test_before_and_after_show_what_changed(sessionscope: Command, sample: Path, samples: Path) -> None:
    run = sessionscope("compare", sample, samples / "mch_bind_enc.pcapng")
    assert run.code == 0
    assert "before and after\n\n- " in run.out
    assert [name for name in ("changes", "latency", "errors") if f"\n{name}\n" in run.out] == [
        "changes", "latency", "errors",
    ]  # fmt: skip


def test_keys_open_what_is_compared(sessionscope: Command, sample: Path, sample_keys: Path) -> None:
    plain, opened = (
        json.loads(sessionscope("compare", sample, sample, "--mode", "before-after", "--format", "json", *keys).out)
        for keys in ((), ("--keys", sample_keys))
    )
    assert opened["tables"]["volume"][0]["requests"] > plain["tables"]["volume"][0]["requests"]


def test_json_holds_sentences_values_and_tables(sessionscope: Command, sides: tuple[Path, Path]) -> None:
    document = json.loads(sessionscope("compare", *sides, "--format", "json").out)
    assert document["mode"] == "two sides"
    assert document["clock_offset"] == 3.217
    assert len(document["sentences"]) == 4
    assert {name: len(rows) for name, rows in document["tables"].items()} == {"paths": 2, "lost": 1, "apart": 0}
    assert document["tables"]["lost"][0]["kind"] == "lost"
    assert document["tables"]["paths"][0]["median"] == 0.005


def test_one_table_goes_to_a_file(sessionscope: Command, sides: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "matched.csv"
    assert sessionscope("compare", *sides, "--table", "matched", "--format", "csv", "-o", path) == (0, "", "")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 50
    assert {row["delay"] for row in rows} == {"0.005000000"}
    assert "kind  seen_by" in sessionscope("compare", *sides, "--table", "lost").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--format", "csv"], "a file in csv holds one table: name it with --table"),
        (["--table", "latency"], "give no table latency; they give paths, lost, matched, apart"),
        (["--mode", "sideways"], "invalid choice"),
    ],
)
def test_mistakes_are_said(options: list[str], message: str, sessionscope: Command, sides: tuple[Path, Path]) -> None:
    run = sessionscope("compare", *sides, *options)
    assert (run.code, run.out) == (2, "")
    assert message in run.err


def test_standard_input_cannot_be_compared(sessionscope: Command, sides: tuple[Path, Path]) -> None:
    run = sessionscope("compare", sides[0], "-")
    assert run.code == 2
    assert "a stream cannot be read twice" in run.err


def test_names_of_files_are_not_obeyed() -> None:
    file = io.BytesIO()
    write_comparison(Comparison("two sides", "a\x1b[2J.pcap", "b", ("From \x1b.",), {}), file)
    assert "\x1b" not in file.getvalue().decode()
