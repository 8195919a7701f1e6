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
from analyzer.cli import codes, commands
from analyzer.cli.arguments import KEY_TABLES
from analyzer.tables.schema import TABLES

Sessionscope = Callable[..., tuple[int, str, str]]
COMMAND_OF = {"findings": "diagnose"}  # of tables that a command of another name shows
KEYS = ("--password", r"CORPUS\alice:Passw0rd!", "--password", r"CORPUS\bob:B0bPass#")


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("kind", ["text", "json", "csv", "parquet"])
def test_every_table_is_written_in_every_format(
    table: str, kind: str, sample: Path, mixed: Analysis, tmp_path: Path, sessionscope: Sessionscope
) -> None:
    path = tmp_path / "out"
    command = ("keys", "check", "--table", table) if table in KEY_TABLES else (COMMAND_OF.get(table, table),)
    code, out, err = sessionscope(*command, sample, *KEYS, "--format", kind, "-o", path)
    assert (code, out, err) == (codes.FOUND_ERRORS if table == "findings" else codes.FINE, "", "")
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
    assert lines[closed + 1] == (
        r"    no credential for CORPUS\alice; those given are for CORPUS\bob; give the password or NT hash, or the "
        "session key"
    )
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


def test_extract_says_what_it_did(sample: Path, shared: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    folder = tmp_path / "files"
    assert sessionscope("extract", sample, *KEYS, "-o", folder) == (0, "", "3 files written, 3 of them complete\n")
    assert sorted(path.name for path in folder.rglob("*")) == [
        "files.csv", "mixed_alice (2).txt", "mixed_alice (3).txt", "mixed_alice.txt", "share",
    ]  # fmt: skip
    code, out, err = sessionscope("extract", sample, *KEYS, "-o", folder)
    assert (code, out) == (2, "")
    assert "is not empty: name a new folder" in err
    _, _, err = sessionscope("extract", sample, "-o", tmp_path / "closed")
    why = "some messages stayed encrypted, `sessionscope sessions` says why"
    assert err == f"1 file written, 1 of them complete; {why}\n"
    capture = shared / "captures/public/zeek/smb/smb2.pcap"
    for option, said in (("--strict", "1 file written, 1 of them complete; 2 only listed in files.csv\n"),
                         ("--pipes", "3 files written, 1 of them complete\n")):  # fmt: skip
        assert sessionscope("extract", capture, option, "-o", tmp_path / option)[2] == said


def test_a_mistake_leaves_no_folder(sample: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    folder = tmp_path / "files"
    code, _, err = sessionscope("extract", sample, "--password", "carol:x", "-o", folder)
    assert code == 2
    assert "no session in the capture is of carol" in err
    assert not folder.exists()


def test_standard_input_can_be_extracted(sample: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "analyzer.cli", "extract", "-", "--password=alice:Passw0rd!", "-o", tmp_path / "x"]
    with sample.open("rb") as capture:
        done = subprocess.run(command, stdin=capture, capture_output=True, check=True)
    assert done.stderr == b"3 files written, 3 of them complete\n"


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


# ----------------------------------------------------------------------------------------------- keys


def test_both_tables_of_keys_are_text_for_people(sample: Path, sample_keys: Path, sessionscope: Sessionscope) -> None:
    code, out, err = sessionscope("keys", "check", sample, "--keys", sample_keys, "--password", "carol:x")
    assert (code, err) == (0, "")
    sessions, _, entries = out.partition("\n11 sessions: 8 plaintext, 2 decrypted, 1 no_key\n\n")
    assert sessions.split()[: len(TABLES["keys"].headline)] == list(TABLES["keys"].headline)
    assert entries.split()[: len(TABLES["key_entries"].headline)] == list(TABLES["key_entries"].headline)
    assert f"{sample_keys} line 5" in sessions
    assert "    no NTLM logon of carol is in the capture\n" in entries
    assert entries.endswith("\n4 keys\n")


@pytest.mark.parametrize(
    ("arguments", "table"),
    [
        (("--where", "entry.isna()"), "keys"),
        (("--columns", "session_id,proof"), "keys"),
        (("--limit", 3), "keys"),
        (("--table", "key_entries"), "key_entries"),
        (("--table", "key_entries", "--where", "used"), "key_entries"),
    ],
)
def test_a_selection_is_of_one_table(
    arguments: tuple[object, ...], table: str, sample: Path, sample_keys: Path, sessionscope: Sessionscope
) -> None:
    code, out, _ = sessionscope("keys", "check", sample, "--keys", sample_keys, *arguments)
    assert code == 0
    assert ("proof" in out) == (table == "keys")
    assert ("owner" in out) == (table == "key_entries")


def test_programs_get_one_table_of_keys(sample: Path, sessionscope: Sessionscope) -> None:
    _, out, _ = sessionscope("keys", "check", sample, *KEYS, "--format", "json")
    assert [tuple(row) for row in json.loads(out)] == [TABLES["keys"].names] * 11


@pytest.mark.parametrize("kind", ["toml", "wireshark"])
def test_exported_keys_open_what_the_passwords_open(
    kind: str, sample: Path, mixed: Analysis, tmp_path: Path, sessionscope: Sessionscope
) -> None:
    path = tmp_path / "found"
    code, out, err = sessionscope("keys", "export", sample, *KEYS, "--format", kind, "-o", path)
    assert (code, out) == (0, "")
    assert err == "keys of 8 of 11 sessions written; `sessionscope keys check` says why not of all\n"
    assert path.stat().st_mode & 0o777 == 0o600
    again = analyze(sample, keys=path)
    assert again.sessions.decryption.tolist() == mixed.sessions.decryption.tolist()
    assert (again.messages.signature == mixed.messages.signature).all()


def test_an_export_says_what_is_wrong_and_writes_nothing(
    sample: Path, sample_keys: Path, tmp_path: Path, sessionscope: Sessionscope
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_bytes(sample_keys.read_bytes())
    named = tmp_path / "names.toml"
    named.write_text('[[import]]\npath = "mine.toml"\n')
    link = tmp_path / "link"
    link.symlink_to(mine)
    for arguments, message in (
        (("--format", "nss", "-o", tmp_path / "out"), "an NSS key log is for TLS, which is not decrypted yet"),
        (("-o", tmp_path / "out"), "no session was opened, so there are no keys to write"),
        (("--keys", mine, "-o", mine), "is one of the files with keys that are read"),
        (("--keys", mine, "-o", link), "is one of the files with keys that are read"),
        (("--keys", named, "-o", mine), "is one of the files with keys that are read"),
        (("--keys", mine, "-o", sample), "is one of the captures that are read"),
        (("--keys", mine, "-o", "-"), "keys go to a file that only you can read"),
        (("--keys", mine, "-o", tmp_path / "absent" / "out"), "its folder does not exist"),
        (("--password", "carol:x", "-o", tmp_path / "out"), "no session in the capture is of carol"),
    ):
        code, out, err = sessionscope("keys", "export", sample, *arguments)
        assert (code, out) == (2, "")
        assert message in err
        assert not (tmp_path / "out").exists()
    assert mine.read_bytes() == sample_keys.read_bytes()


def test_strict_speaks_of_damage_in_keys_too(sample: Path, tmp_path: Path, sessionscope: Sessionscope) -> None:
    cut = tmp_path / "cut.pcapng"
    cut.write_bytes(sample.read_bytes()[:-100])
    assert sessionscope("keys", "check", cut, *KEYS, "--strict")[0] == 3
    assert sessionscope("keys", "export", cut, *KEYS, "--strict", "-o", tmp_path / "out")[0] == 3
    assert (tmp_path / "out").exists()
