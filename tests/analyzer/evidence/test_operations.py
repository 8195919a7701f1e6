"""Requests whose meaning is in their bodies, and exchanges that tell of trouble. Witness: tshark."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from analyzer.evidence.operations import OperationEvidence
from parsers import ntstatus
from parsers.smb2.exchanges import EXCHANGE
from parsers.smb2.header import Command
from tests.analyzer.captures import analyzed, count_of, frames_of


@pytest.mark.witness
@pytest.mark.parametrize(
    ("name", "command", "field"),
    [
        ("samba/torture_lock.pcapng", Command.LOCK, "smb2.lock_flags"),
        ("samba/torture_multichannel.pcapng", Command.IOCTL, "smb2.ioctl.function"),
        ("samba/krb5_torture_expire2s.pcapng", Command.CHANGE_NOTIFY, "smb.nt.notify.completion_filter"),
    ],
)
def test_codes_are_those_that_tshark_shows(name: str, command: Command, field: str, shared: Path, tshark: str) -> None:
    rows = analyzed(shared, name).evidence.operations.codes(command)
    shown = frames_of(
        tshark,
        shared / "captures" / name,
        f"smb2.cmd == {int(command)} and smb2.flags.response == 0",
        "smb2.cmd",
        field,
    )
    alone = [(int(frame), int(values.split(",")[0], 0)) for frame, cmd, values in shown if "," not in cmd and values]
    mine = {int(row["frame"]): int(row["code"]) for row in rows}
    assert alone
    assert {frame: mine.get(frame) for frame, _ in alone} == dict(alone)


@pytest.mark.witness
def test_cancels_name_what_they_cancel(shared: Path, tshark: str) -> None:
    name = "samba/krb5_torture_expire2s.pcapng"
    (row,) = analyzed(shared, name).evidence.operations.codes(Command.CANCEL)
    assert count_of(tshark, shared / "captures" / name, "smb2.cmd == 12") == 1
    watched = analyzed(shared, name).evidence.operations.watched
    (target,) = watched[watched["async_id"] == row["async_id"]]
    assert target["command"] == Command.CHANGE_NOTIFY
    assert target["status"] == ntstatus.STATUS_CANCELLED


@pytest.mark.witness
def test_refusals_of_an_expired_session_are_watched(shared: Path, tshark: str) -> None:
    name = "samba/krb5_torture_expire2s.pcapng"
    watched = analyzed(shared, name).evidence.operations.watched
    refused = watched[watched["status"] == ntstatus.STATUS_NETWORK_SESSION_EXPIRED]
    assert len(refused) == count_of(tshark, shared / "captures" / name, "smb2.nt_status == 0xc000035c") == 14


def test_what_went_well_is_not_watched() -> None:
    evidence = OperationEvidence()
    rows = np.zeros(6, EXCHANGE)
    rows["response_frame"] = [2, 2, 0, 2, 2, 2]
    rows["command"] = Command.READ
    rows["command"][1] = Command.ECHO
    rows["pending_time"][3] = 7
    rows["status"][4] = ntstatus.STATUS_USER_SESSION_DELETED
    rows["message_id"] = range(6)
    evidence.watch(rows)
    evidence.watch(rows[:0])
    assert evidence.watched["message_id"].tolist() == [1, 2, 3, 4]


def test_blocking_locks_can_be_told_from_others(shared: Path) -> None:
    rows = analyzed(shared, "samba/torture_lock.pcapng").evidence.operations.codes(Command.LOCK)
    blocking = Counter(int(row["code"]) & 0x10 == 0 for row in rows)
    assert blocking[True] > 10
    assert blocking[False] > 10
