"""`sessionscope compare-with-tshark`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.analyzer.cli.conftest import Run

Command = Callable[..., Run]


@pytest.mark.witness
@pytest.mark.usefixtures("tshark")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # pyshark leaves its cache open
def test_the_second_opinion_has_the_keys(sessionscope: Command, sample: Path, sample_keys: Path) -> None:
    pytest.importorskip("pyshark")
    run = sessionscope("compare-with-tshark", sample, "--keys", sample_keys)
    assert (run.code, run.err) == (0, "")
    assert "- sessionscope shows 289 readable SMB2 messages in 289 frames, tshark 289 in 289.\n" in run.out
    assert "\ncounts\ncommand " in run.out


@pytest.mark.witness
@pytest.mark.usefixtures("tshark")
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # pyshark leaves its cache open
def test_one_table_as_json(sessionscope: Command, samples: Path) -> None:
    pytest.importorskip("pyshark")
    run = sessionscope("compare-with-tshark", samples / "mch_bind_enc.pcapng", "--table", "counts", "--format", "json")
    rows = json.loads(run.out)
    assert {row["command"] for row in rows} >= {"NEGOTIATE", "SESSION_SETUP"}
    assert all(row["difference"] == row["sessionscope"] - row["tshark"] for row in rows)


def test_mistakes_are_said(sessionscope: Command, sample: Path) -> None:
    assert "name it with --table" in sessionscope("compare-with-tshark", sample, "--format", "csv").err
    assert "invalid choice: 'lost'" in sessionscope("compare-with-tshark", sample, "--table", "lost").err
    assert "cannot be opened" in sessionscope("compare-with-tshark", "/no/such.pcap").err
