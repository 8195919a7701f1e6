"""`sessionscope latency`."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.tables.schema import LATENCY

Sessionscope = Callable[..., tuple[int, str, str]]
KEYS = ("--password", r"CORPUS\alice:Passw0rd!", "--password", r"CORPUS\bob:B0bPass#")


def test_groups_are_printed_with_the_longest_sum_first(
    sample: Path, mixed: Analysis, sessionscope: Sessionscope
) -> None:
    code, out, err = sessionscope("latency", sample, *KEYS, "--by", "command,server")
    assert (code, err) == (0, "")
    heading, first, *_, last = out.splitlines()
    assert heading.split()[:3] == ["command", "server", "count"]
    assert first.split()[:2] == mixed.latency("command", "server").iloc[0, :2].tolist()
    assert last == f"{len(mixed.latency('command', 'server'))} groups"


@pytest.mark.parametrize("kind", ["json", "csv", "parquet"])
def test_programs_get_every_column(
    kind: str, sample: Path, mixed: Analysis, tmp_path: Path, sessionscope: Sessionscope
) -> None:
    path = tmp_path / "out"
    by = ("share", "session_id")
    code, out, err = sessionscope("latency", sample, *KEYS, "--by", ",".join(by), "--format", kind, "-o", path)
    assert (code, out, err) == (0, "", "")
    if kind == "json":
        rows = json.loads(path.read_text())
        names = list(rows[0])
    elif kind == "csv":
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        names = list(rows[0])
    else:
        rows = pd.read_parquet(path)
        names = rows.columns.tolist()
    assert len(rows) == len(mixed.latency(*by))
    assert names == [*by, *LATENCY.names[7:]]


def test_a_limit_counts_groups(sample: Path, sessionscope: Sessionscope) -> None:
    _, out, _ = sessionscope("latency", sample, *KEYS, "--limit", 2, "--format", "json")
    assert len(json.loads(out)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--by", "colour"), "cannot be grouped by 'colour'; by command, server"),
        (("--by", "command,command"), "twice"),
        (("--limit", "0"), "no positive number"),
        (("--password", "carol:x"), "no session in the capture is of carol"),
        (("-o", "/nowhere/out"), "its folder does not exist"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: tuple[str, ...], message: str, sample: Path, sessionscope: Sessionscope
) -> None:
    code, out, err = sessionscope("latency", sample, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_strict_complains_of_what_stayed_undecoded(shared: Path, sessionscope: Sessionscope) -> None:
    snapped = shared / "captures" / "faults" / "dmg_enc_snap96.pcapng"
    assert sessionscope("latency", snapped)[0] == 0
    assert sessionscope("latency", snapped, "--strict")[0] == 3
