"""What the commands write."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from analyzer import Analysis, analyze
from analyzer.cli import commands
from analyzer.tables.schema import TABLES

Sessionscope = Callable[..., tuple[int, str, str]]
KEYS = ("--password", r"CORPUS\alice:Passw0rd!", "--password", r"CORPUS\bob:B0bPass#")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("kind", ["text", "json", "csv", "parquet"])
def test_every_table_is_written_in_every_format(
    table: str, kind: str, sample: Path, mixed: Analysis, tmp_path: Path, sessionscope: Sessionscope
) -> None:
    path = tmp_path / "out"
    code, out, err = sessionscope(table, sample, *KEYS, "--format", kind, "-o", path)
    assert (code, out, err) == (0, "", "")
    rows = len(getattr(mixed, table))
    if kind == "text":
        assert path.read_text().splitlines()[-1].split(":")[0].split()[0] == (f"{rows:,}" if rows else "no")
    elif kind == "json":
        assert len(json.loads(path.read_text())) == rows
    elif kind == "csv":
        assert len(list(csv.reader(io.StringIO(path.read_text())))) == rows + 1
    else:
        assert len(pd.read_parquet(path)) == rows


def test_conditions_columns_and_limits_work_together(sample: Path, sessionscope: Sessionscope) -> None:
    arguments = (
        "--where",
        "command == 'TREE_CONNECT' and status != 'STATUS_SUCCESS'",
        "--columns",
        "status,file_name",
        "--limit",
        1,
    )
    code, out, _ = sessionscope("exchanges", sample, *KEYS, *arguments, "--format", "json")
    assert code == 0
    (row,) = json.loads(out)
    assert list(row) == ["status", "file_name"]
    assert row["status"].startswith("STATUS_")


def test_a_limit_counts_over_all_pieces(
    sample: Path, sessionscope: Sessionscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analyzer.analysis._PIECE", 10)
    code, out, _ = sessionscope("messages", sample, "--limit", 25, "--format", "csv", "--columns", "frame")
    rows = out.split()
    assert (code, rows[0], len(rows)) == (0, "frame", 26)


def test_messages_that_waited_in_a_file_are_the_same(
    sample: Path, tmp_path: Path, sessionscope: Sessionscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("messages", sample, *KEYS, "--format", "json", "-o")
    sessionscope(*arguments, tmp_path / "a")
    monkeypatch.setattr("analyzer.tables.rows._IN_MEMORY", 1000)
    sessionscope(*arguments, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_people_see_a_selection_and_programs_all(sample: Path, sessionscope: Sessionscope) -> None:
    names = sessionscope("messages", sample, "--limit", 1)[1].splitlines()[0].split()
    assert tuple(names) == TABLES["messages"].headline
    record = json.loads(sessionscope("messages", sample, "--limit", 1, "--format", "json")[1])[0]
    assert tuple(record) == TABLES["messages"].names


def test_reasons_stand_below_their_sessions(sample: Path, sample_keys: Path, sessionscope: Sessionscope) -> None:
    _, out, _ = sessionscope("sessions", sample, "--keys", sample_keys)
    lines = out.splitlines()
    (closed,) = [place for place, line in enumerate(lines) if "no_key" in line and line.startswith("0x")]
    assert lines[closed].startswith("0x0000000036fe3099")
    assert lines[closed + 1] == r"    no credential for CORPUS\alice; give the password or NT hash, or the session key"
    assert lines[-1] == "11 sessions: 8 plaintext, 2 decrypted, 1 no_key"


@pytest.mark.parametrize("kind", ["text", "json", "csv", "parquet"])
def test_an_output_is_whole_or_not_there(
    kind: str, sample: Path, tmp_path: Path, sessionscope: Sessionscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second piece of the table fails, after the first was written."""
    frames = Analysis.frames

    def stumble(analysis: Analysis, table: str) -> Iterator[pd.DataFrame]:
        yield next(frames(analysis, table))
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Analysis, "frames", stumble)
    path = tmp_path / "out"
    path.write_text("what was there")
    code, _, err = sessionscope("messages", sample, "--format", kind, "-o", path)
    assert code == 2
    assert "Input/output error" in err
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_hostile_names_are_harmless_in_every_text(hostile: Path, sessionscope: Sessionscope) -> None:
    shown = r"=\x1b[2J<b>\u202egpj\x0a."
    for kind, prefix in (("text", ""), ("csv", "'")):
        _, out, _ = sessionscope("opens", hostile, "--format", kind)
        assert prefix + shown in out
        assert not set(out) & set("\x1b\u202e")
    _, out, _ = sessionscope("opens", hostile, "--format", "json")
    assert out.isascii()
    assert any("\x1b[2J" in (row["file_name"] or "") for row in json.loads(out))


def test_decrypt_says_what_it_did(sample: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    plain = tmp_path / "plain.pcapng"
    code, out, err = sessionscope("decrypt", sample, "--password", "alice:Passw0rd!", "-o", plain)
    assert (code, out, err) == (0, "", "102 of 102 encrypted messages decrypted\n")
    assert not analyze(plain).messages.encrypted.any()
    _, _, err = sessionscope("decrypt", sample, "-o", plain)
    assert err == "0 of 102 encrypted messages decrypted; `sessionscope sessions` says why not all\n"


def test_standard_input_can_be_decrypted_to_standard_output(sample: Path, tmp_path: Path) -> None:
    password = "--password=CORPUS\\alice:Passw0rd!"
    command = [sys.executable, "-m", "analyzer.cli", "decrypt", "-", password, "-o", "-"]
    with sample.open("rb") as capture:
        done = subprocess.run(command, stdin=capture, capture_output=True, check=True)
    plain = tmp_path / "plain.pcapng"
    plain.write_bytes(done.stdout)
    assert not analyze(plain).messages.encrypted.any()
    assert b"102 of 102" in done.stderr


def test_describe_explains_one_table_or_all(sessionscope: Sessionscope) -> None:
    code, out, _ = sessionscope("describe", "exchanges")
    assert code == 0
    assert all(name in out for name in TABLES["exchanges"].names)
    code, out, _ = sessionscope("describe")
    assert all(f"{table.name}: {table.row}\n" in out for table in TABLES.values())


def test_bytes_do_not_go_to_a_terminal(
    sample: Path, sessionscope: Sessionscope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    code, out, err = sessionscope("sessions", sample, "--format", "parquet")
    assert (code, out) == (2, "")
    assert "fill the terminal" in err


def test_a_temporary_file_lies_beside_the_output(tmp_path: Path) -> None:
    assert commands._folder(str(tmp_path / "out")) == str(tmp_path)
    assert commands._folder("-") is None
    assert commands._folder("/dev/null") is None


def test_captures_are_read_as_one(sample: Path, samples: Path, sessionscope: Sessionscope) -> None:
    _, out, _ = sessionscope("connections", sample, samples / "mch_bind_enc.pcapng", "--format", "json")
    both = len(analyze(sample).connections) + len(analyze(samples / "mch_bind_enc.pcapng").connections)
    assert len(json.loads(out)) == both
