import pandas as pd
import pytest

from analyzer import Analysis
from analyzer.latency import top_talkers
from analyzer.report import sections
from parsers.capture.packets import Damage


def test_captures_are_named_without_their_folders(mixed: Analysis) -> None:
    (file,) = mixed.files
    (row,) = sections.captures(mixed.files, [Damage(file.name, 10, "cut off")]).rows
    assert row == ("ntlm_311_mixed_sessions.pcapng", "pcapng", "422", "cut off")


def test_sessions_are_all_there_with_their_decryption(mixed: Analysis) -> None:
    section = sections.sessions(mixed.sessions)
    assert len(section.rows) == len(mixed.sessions)
    assert [row[-1] for row in section.rows] == mixed.sessions["decryption"].astype(str).tolist()


def test_closed_sessions_say_why(mixed: Analysis) -> None:
    assert sections.closed_sessions(mixed.sessions).rows == []
    closed = mixed.sessions.assign(decrypted=0, reason="no key fits")
    rows = sections.closed_sessions(closed).rows
    assert len(rows) == (mixed.sessions["encrypted"] > 0).sum()
    assert {row[-1] for row in rows} == {"no key fits"}


def test_files_are_counted_once_each_and_add_up(mixed: Analysis) -> None:
    section = sections.files(mixed.opens)
    assert sum(int(row[1]) for row in section.rows) == len(mixed.opens)
    names = [row[0] for row in section.rows]
    assert len(set(names)) == len(names) == mixed.opens["file_name"].nunique(dropna=False)


def test_shares_are_counted(mixed: Analysis) -> None:
    counts = {row[0]: int(row[2]) for row in sections.shares(mixed.trees).rows}
    assert counts == mixed.trees["path"].value_counts().to_dict()


def test_latency_shows_a_row_a_group(mixed: Analysis) -> None:
    table = mixed.latency("command", "server")
    section = sections.latency(table)
    assert [row[0] for row in section.rows] == table["command"].tolist()
    assert [row[2] for row in section.rows] == [str(count) for count in table["count"]]


def test_talkers_are_pairs(mixed: Analysis) -> None:
    (row,) = sections.talkers(top_talkers(mixed.exchanges, mixed.connections)).rows
    assert row[:3] == ("10.77.0.2", "10.77.0.1:445", str(len(mixed.exchanges)))


def test_keys_are_shown_without_secrets_and_folders(mixed: Analysis) -> None:
    rows = sections.given_keys(mixed.key_entries.assign(entry=r"C:\keys\mine.toml line 3")).rows
    assert {row[0] for row in rows} == {"mine.toml line 3"}
    assert "Passw0rd!" not in str(rows)


def test_protocols_add_up(mixed: Analysis) -> None:
    rows = sections.protocols(mixed.accounting).rows
    assert {row[0] for row in rows} == set(mixed.accounting["protocol"].astype(str))


def test_reasons_of_what_was_not_decoded_are_counted(mixed: Analysis) -> None:
    twice = pd.concat([mixed.undecoded, pd.DataFrame({"layer": ["smb2"] * 2, "reason": ["odd"] * 2, "length": [3, 4]})])
    assert ("smb2", "odd", "2", "7 bytes") in sections.undecoded(twice).rows


def test_rows_that_do_not_fit_are_counted(mixed: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "_MOST", 2)
    section = sections.sessions(mixed.sessions)
    assert (len(section.rows), section.left) == (2, len(mixed.sessions) - 2)
