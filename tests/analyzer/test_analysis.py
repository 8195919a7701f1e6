"""`analyze` and `Analysis`: what users import."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analyzer
from analyzer import Analysis, analyze
from analyzer.analysis import load_keys, read
from analyzer.tables.rows import Spool
from analyzer.tables.schema import TABLES
from parsers.errors import UsageError
from parsers.keys.store import KeyStore
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.rows import MESSAGE


def test_the_face_has_two_names() -> None:
    assert analyzer.__all__ == ["Analysis", "analyze"]
    assert {name for name in TABLES if not hasattr(Analysis, name)} == set()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        analyzer.nothing  # noqa: B018  # reading it is the test


def test_the_face_imports_pandas_only_when_it_is_used() -> None:
    program = "import sys, analyzer; print('pandas' in sys.modules); analyzer.analyze; print('pandas' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_tables_are_built_once(mixed: Analysis) -> None:
    assert mixed.messages is mixed.messages


def test_keys_come_from_a_file_a_store_or_one_by_one(sample: Path, sample_keys: Path) -> None:
    store = KeyStore()
    store.add_password(r"CORPUS\alice:Passw0rd!")
    by_store = analyze(sample, keys=store).sessions.decryption
    assert by_store.tolist() == analyze(sample, passwords=["alice:Passw0rd!"]).sessions.decryption.tolist()
    hashed = analyze(sample, nt_hashes=[r"CORPUS\alice:fc525c9683e8fe067095ba2ddc971889"]).sessions
    assert by_store.tolist() == hashed.decryption.tolist()
    assert hashed.key_source.dropna().str.contains("the NT hash that was given").all()
    by_file = analyze(sample, keys=sample_keys).sessions
    assert by_file.decryption.tolist().count("decrypted") == 2
    assert by_file.key_source.dropna().str.contains(str(sample_keys)).all()


def test_a_store_is_not_changed_by_passwords_beside_it() -> None:
    with pytest.raises(UsageError, match="add them to the store"):
        load_keys(KeyStore(), passwords=["alice:a"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keytabs": ["smb.keytab"]}, "the key file smb.keytab cannot be read: No such file or directory"),
        ({"policy": "/nowhere/policy.toml"}, "/nowhere/policy.toml: No such file or directory"),
        ({"passwords": ["alice"]}, "there is no colon"),
        ({"nt_hashes": ["alice:12"]}, "32 hexadecimal digits"),
        ({"keys": "/nowhere/keys.toml"}, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_the_callers_mistake(options: dict[str, object], message: str, sample: Path) -> None:
    with pytest.raises(UsageError, match=message):
        analyze(sample, **options)


@pytest.mark.parametrize("captures", [[], "/nowhere.pcap", 7, io.StringIO("text")])
def test_what_is_no_capture_is_the_callers_mistake(captures: object) -> None:
    with pytest.raises(UsageError):
        analyze(captures)


def test_captures_are_a_path_a_list_a_generator_or_an_open_file(sample: Path, mixed: Analysis) -> None:
    expected = len(mixed.messages)
    assert len(analyze([str(sample)]).messages) > 0
    assert len(analyze(path for path in [sample]).connections) == len(mixed.connections)
    with sample.open("rb") as file:
        analysis = analyze(file, passwords=["alice:Passw0rd!", "bob:B0bPass#"])
    assert len(analysis.messages) == expected


def test_a_password_of_nobody_is_noted(sample: Path) -> None:
    analysis = analyze(sample, passwords=[r"CORPUS\carol:x", "ALICE:Passw0rd!"], nt_hashes=["dave:" + 32 * "0"])
    assert analysis.notes == [
        "no session in the capture is of CORPUS\\carol, for whom a password was given; "
        "the users there are CORPUS\\alice, CORPUS\\bob, CORPUS\\root",
        "no session in the capture is of dave, for whom a NT hash was given; "
        "the users there are CORPUS\\alice, CORPUS\\bob, CORPUS\\root",
    ]


def test_users_of_the_key_file_may_be_absent(sample: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('[[user]]\nname = "carol"\npassword = "x"\n')
    assert analyze(sample, keys=keys).notes == []


def test_files_are_extracted_with_the_keys_that_were_given(sample: Path, mixed: Analysis, tmp_path: Path) -> None:
    files = mixed.extract(tmp_path / "files")
    assert files.user.tolist() == [r"CORPUS\alice", r"CORPUS\alice", r"CORPUS\bob"]
    assert [(tmp_path / "files" / path).stat().st_size for path in files.path] == files["size"].tolist() == [10_690] * 3
    with sample.open("rb") as file:
        streamed = analyze(file)
    with pytest.raises(UsageError, match="a stream cannot be read twice"):
        streamed.extract(tmp_path / "again")


@pytest.mark.parametrize("table", TABLES)
def test_frames_are_the_table_in_pieces(table: str, mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.analysis._PIECE", 100)
    pieces = list(mixed.frames(table))
    whole = getattr(mixed, table)
    assert max(map(len, pieces)) <= max(100, 0 if table in {"messages", "exchanges"} else len(whole))
    joined = pd.concat([piece.astype(object) for piece in pieces], ignore_index=True)
    pd.testing.assert_frame_equal(joined, whole.astype(object))


@pytest.mark.parametrize("table", ["messages", "exchanges"])
def test_a_table_without_rows_is_one_piece(table: str, shared: Path) -> None:
    analysis = analyze(shared / "captures" / "public" / "snet" / "tls1.3_aes128.pcap")
    (piece,) = analysis.frames(table)
    assert len(piece) == 0
    assert list(piece.columns) == list(TABLES[table].names)


def test_a_table_that_does_not_exist_has_no_frames(mixed: Analysis) -> None:
    with pytest.raises(UsageError, match="no table '_repr_html_'"):
        next(mixed.frames("_repr_html_"))


def test_messages_and_exchanges_may_wait_in_files(sample: Path, mixed: Analysis) -> None:
    keys, _ = load_keys(None, passwords=["alice:Passw0rd!", "bob:B0bPass#"])
    with Spool(MESSAGE) as messages, Spool(EXCHANGE) as exchanges:
        analysis = read(sample, keys, messages=messages, exchanges=exchanges)
        pd.testing.assert_frame_equal(analysis.messages, mixed.messages)
        pd.testing.assert_frame_equal(analysis.exchanges, mixed.exchanges)


def test_describe_is_a_table_of_the_columns(mixed: Analysis) -> None:
    described = mixed.describe("sessions")
    assert list(described.columns) == ["name", "type", "unit", "meaning"]
    assert described.name.tolist() == list(mixed.sessions.columns)


def test_decrypt_writes_a_capture_that_needs_no_key(sample: Path, mixed: Analysis, tmp_path: Path) -> None:
    plain = tmp_path / "plain.pcapng"
    summary = mixed.decrypt(plain)
    assert summary.units_decrypted == mixed.sessions.encrypted.sum()
    again = analyze(plain)
    assert (again.sessions.decryption == "plaintext").all()
    assert again.opens.bytes_read.sum() == mixed.opens.bytes_read.sum()
    assert np.array_equal(
        again.messages.command.value_counts().sort_index(), mixed.messages.command.value_counts().sort_index()
    )


def test_a_stream_cannot_be_decrypted_afterwards(sample: Path, tmp_path: Path) -> None:
    with sample.open("rb") as file:
        analysis = analyze(file)
        with pytest.raises(UsageError, match="cannot be read twice"):
            analysis.decrypt(tmp_path / "plain.pcapng")


def test_the_summary_for_notebooks_says_what_was_decrypted(sample: Path, mixed: Analysis) -> None:
    html = analyze(sample, passwords=["carol:x"])._repr_html_()
    assert "422 packets" in html
    assert "<td>0x00000000e58faea7</td><td>CORPUS</td><td>alice</td><td>no_key</td><td>no credential for" in html
    assert "no session in the capture is of carol" in html
    assert "10 connections" in html
    assert repr(mixed).startswith("<Analysis of /")


def test_names_from_the_wire_cannot_become_markup(tampered: Callable[[bytes, int, bytes], Path]) -> None:
    evil = tampered("alice".encode("utf-16-le"), 0, "<b>\x1b\u202e".encode("utf-16-le"))
    html = analyze(evil)._repr_html_()
    assert "<b>" not in html
    assert r"&lt;b&gt;\x1b\u202e" in html
