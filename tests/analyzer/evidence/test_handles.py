"""CREATEs that ask for handles to keep, and breaks. Witness: tshark's counts."""

from pathlib import Path

import numpy as np
import pytest

from analyzer.evidence.evidence import Collector
from parsers import ntstatus
from parsers.capture.open import open_captures
from parsers.keys.store import KeyStore
from parsers.pipeline import decode
from parsers.smb2.oplock_break import LeaseBreak, LeaseBreakNotification, OplockBreak
from tests.analyzer.captures import analyzed, count_of

DURABLE = "samba/torture_durable_open.pcapng"


@pytest.mark.witness
@pytest.mark.parametrize("name", [DURABLE, "samba/torture_lease.pcapng", "samba/torture_replay.pcapng"])
def test_what_was_asked_and_granted_is_what_tshark_shows(name: str, shared: Path, tshark: str) -> None:
    rows = analyzed(shared, name).evidence.handles.creates
    path = shared / "captures" / name

    def count(side: int, *tags: str) -> int:
        tagged = " or ".join(f'smb2.tag contains "{tag}"' for tag in tags)
        return count_of(tshark, path, f"smb2.cmd == 5 and smb2.flags.response == {side} and ({tagged})")

    assert np.count_nonzero(rows["asked_version"]) == count(0, "DHnQ", "DH2Q")
    assert np.count_nonzero(rows["reconnect_version"]) == count(0, "DHnC", "DH2C")
    assert np.count_nonzero(rows["asked_lease"] >= 0) == count(0, "RqLs")
    assert np.count_nonzero(rows["granted_version"]) == count(1, "DHnQ", "DH2Q")
    assert np.count_nonzero(rows["granted_lease"] >= 0) == count(1, "RqLs")


def test_rows_do_not_depend_on_where_blocks_end(shared: Path) -> None:
    path = shared / "captures" / DURABLE
    found = []
    for window in (1 << 24, 1 << 12):
        collector = Collector()
        decode(open_captures(path, window=window), KeyStore(), [collector])
        rows = collector.handles.creates
        found.append(rows[np.argsort(rows["request_frame"], kind="stable")])
    for name in found[0].dtype.names:
        assert found[0][name].tolist() == found[1][name].tolist(), name


def test_a_reconnect_names_the_handle_that_was_granted(shared: Path) -> None:
    rows = analyzed(shared, DURABLE).evidence.handles.creates
    again = rows[(rows["reconnect_version"] > 0) & (rows["status"] == ntstatus.STATUS_SUCCESS)]
    granted = {int(row["file_persistent"]) for row in rows[rows["granted_version"] > 0]}
    assert len(again) == 19
    assert {int(row["reconnect_persistent"]) for row in again} <= granted
    assert (again["file_persistent"] == again["reconnect_persistent"]).all()


@pytest.mark.witness
@pytest.mark.parametrize("name", ["torture_oplock", "torture_lease", "torture_replay"])
def test_breaks_are_those_that_tshark_shows(name: str, shared: Path, tshark: str) -> None:
    breaks = analyzed(shared, f"samba/{name}.pcapng").evidence.handles.breaks
    path = shared / "captures" / "samba" / f"{name}.pcapng"
    notifications = [message for message in breaks if not message.solicited]
    of_client = [message for message in breaks if message.from_client]
    told = "smb2.cmd == 18 and smb2.msg_id == 0xffffffffffffffff and smb2.buffer_code"
    asked = "smb2.cmd == 18 and smb2.flags.response == 0 and smb2.buffer_code"
    for messages, kind, shown in (
        (notifications, OplockBreak, f"{told} == 24"),
        (notifications, LeaseBreakNotification, f"{told} == 44"),
        (of_client, OplockBreak, f"{asked} == 24"),
        (of_client, LeaseBreak, f"{asked} == 36"),
    ):
        assert sum(isinstance(message.body, kind) for message in messages) == count_of(tshark, path, shown), shown
