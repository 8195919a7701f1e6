"""NTSTATUS names against Wireshark's own table."""

import subprocess

import pytest

from parsers import ntstatus
from parsers.ntstatus_table import TABLE

# Not NTSTATUS values: a MAPI HRESULT, and a Win32 error that an old server returned.
ONLY_TSHARK = {0x80040111: "MAPI_E_LOGON_FAILED", 0x0000045C: "STATUS_NO_SHUTDOWN_IN_PROGRESS"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, "STATUS_SUCCESS"),
        (0x103, "STATUS_PENDING"),
        (0xC0000016, "STATUS_MORE_PROCESSING_REQUIRED"),
        (0xC000035C, "STATUS_NETWORK_SESSION_EXPIRED"),
        (0xC05D0000, "STATUS_SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP"),
        (0x80090308, "SEC_E_INVALID_TOKEN"),
        (0x005B0002, "STATUS_SMB_BAD_UID"),
        (0xC0DE1234, "0xC0DE1234"),
        (0x1F, "0x0000001F"),
    ],
)
def test_a_status_has_its_published_name(status: int, expected: str) -> None:
    assert ntstatus.name(status) == expected


def test_every_constant_has_the_value_that_the_table_gives_its_name() -> None:
    constants = [name for name in ntstatus.__all__ if name != "name"]
    assert len(constants) > 80
    assert {name: ntstatus.name(getattr(ntstatus, name)) for name in constants} == {name: name for name in constants}


def test_the_table_is_ordered_and_names_each_value_once() -> None:
    values = [int(line[:8], 16) for line in TABLE.splitlines()]
    assert len(values) > 1800
    assert values == sorted(set(values))


@pytest.mark.witness
def test_names_agree_with_tshark_on_every_value_that_both_know(tshark: str) -> None:
    listing = subprocess.run([tshark, "-G", "values"], capture_output=True, check=True).stdout.decode("latin-1")
    rows = [row.split("\t") for row in listing.splitlines() if row.startswith("V\tsmb.nt_status\t")]
    theirs = {int(row[2], 0) & 0xFFFF_FFFF: row[3] for row in rows}
    ours = {int(line[:8], 16): line[9:] for line in TABLE.splitlines()}
    assert len(theirs) > 800
    assert {value: name for value, name in theirs.items() if value not in ours} == ONLY_TSHARK
    both = theirs.keys() & ours.keys()
    assert {value: (theirs[value], ours[value]) for value in both if theirs[value] != ours[value]} == {}
