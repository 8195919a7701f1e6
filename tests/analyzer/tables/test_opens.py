"""Rows of opens become the table `opens`."""

import numpy as np
import pandas as pd

from analyzer import Analysis
from analyzer.tables.opens import opens_table
from parsers.smb2.opens import OPEN


def test_a_file_id_is_both_its_halves_in_hexadecimal() -> None:
    rows = np.zeros(2, OPEN)
    rows["persistent"], rows["volatile"], rows["name"] = (1, 2**64 - 1), (0xFEDC_BA98_7654_3210, 0), -1
    frame = opens_table(rows, [], [])
    assert frame.file_id.tolist() == ["0000000000000001:fedcba9876543210", "ffffffffffffffff:0000000000000000"]


def test_what_was_never_closed_has_no_time_of_closing() -> None:
    rows = np.zeros(2, OPEN)
    rows["closed"], rows["closed_frame"], rows["name"], rows["opened"] = (0, 9), (0, 4), (0, -1), 5
    frame = opens_table(rows, [], ["a.txt"])
    assert frame.closed.isna().tolist() == [True, False]
    assert frame.closed_frame.tolist() == [pd.NA, 4]
    assert frame.file_name.isna().tolist() == [False, True]


def test_levels_and_actions_have_names_and_unknown_ones_their_number() -> None:
    rows = np.zeros(2, OPEN)
    rows["oplock_level"], rows["create_action"] = (0xFF, 0x33), (1, 77)
    frame = opens_table(rows, [], ["a"])
    assert frame.oplock_level.tolist() == ["LEASE", "0x33"]
    assert frame.create_action.tolist() == ["OPENED", "0x4D"]


def test_no_opens_are_an_empty_table() -> None:
    assert len(opens_table(np.empty(0, OPEN), [], [])) == 0


def test_the_sample_moves_the_bytes_of_its_file(mixed: Analysis) -> None:
    """smbclient put 10,690 bytes of mixed_alice.txt and got them twice (ntlm_311_mixed_sessions.json)."""
    opens = mixed.opens[mixed.opens.file_name == "mixed_alice.txt"]
    assert opens.bytes_written.sum() == 10_690
    assert opens.bytes_read.sum() == 2 * 10_690
    assert opens.closed.notna().all()
    assert opens.session_id.isin(mixed.sessions.session_id).all()
