"""Handles, oplocks and leases, as smbtorture uses them. Witness: tshark's counts."""

from pathlib import Path

import pytest

from analyzer.events import Event, Kind
from analyzer.events.handles import BREAK_WAIT
from tests.analyzer.captures import analyzed, count_of

SECOND = 1_000_000_000


def events(shared: Path, name: str, *kinds: Kind) -> list[Event]:
    return list(analyzed(shared, name).timeline.of(*kinds))


@pytest.mark.witness
@pytest.mark.parametrize("name", ["torture_oplock", "torture_lease", "torture_replay", "torture_durable_open"])
def test_breaks_and_reconnects_are_those_that_tshark_shows(name: str, shared: Path, tshark: str) -> None:
    file, path = f"samba/{name}.pcapng", shared / "captures" / "samba" / f"{name}.pcapng"
    told = "smb2.cmd == 18 and smb2.msg_id == 0xffffffffffffffff and smb2.buffer_code"
    asked = "smb2.cmd == 18 and smb2.flags.response == 0 and smb2.buffer_code"
    wanted = 'smb2.cmd == 5 and smb2.flags.response == 0 and (smb2.tag contains "DHnC" or smb2.tag contains "DH2C")'
    assert len(events(shared, file, Kind.OPLOCK_BREAK)) == count_of(tshark, path, f"{told} == 24")
    assert len(events(shared, file, Kind.LEASE_BREAK)) == count_of(tshark, path, f"{told} == 44")
    for kind, size in ((Kind.OPLOCK_ACK, 24), (Kind.LEASE_ACK, 36)):
        acknowledged = [event for event in events(shared, file, kind) if event.details["by"] == "acknowledgment"]
        assert len(acknowledged) == count_of(tshark, path, f"{asked} == {size}")
    wanted_back = events(shared, file, Kind.HANDLE_RECONNECTED, Kind.HANDLE_LOST)
    assert len(wanted_back) == count_of(tshark, path, wanted)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("faults/break_oplock_batch22a_enc.pcapng", Kind.OPLOCK_TIMEOUT),
        ("faults/break_frozen_holder_enc.pcapng", Kind.OPLOCK_TIMEOUT),
        ("faults/break_lease_timeout_signed.pcapng", Kind.LEASE_TIMEOUT),
    ],
)
def test_a_break_that_nobody_acknowledges_times_out(name: str, kind: Kind, shared: Path) -> None:
    """The blocked CREATE is answered when the server gives up, a moment after its 35 seconds."""
    (timeout,) = events(shared, name, Kind.OPLOCK_TIMEOUT, Kind.LEASE_TIMEOUT)
    assert timeout.kind is kind
    broken = next(event for event in events(shared, name, Kind.OPLOCK_BREAK, Kind.LEASE_BREAK))
    assert timeout.time - broken.time == BREAK_WAIT
    done = [event for event in events(shared, name, Kind.ASYNC_DONE) if event.details["command"] == "CREATE"]
    assert [0 < event.time - timeout.time < SECOND / 10 for event in done] == [True]


def test_an_acknowledgment_that_comes_too_late_is_refused(shared: Path) -> None:
    late, _ = events(shared, "faults/break_lease_timeout_signed.pcapng", Kind.LEASE_ACK)
    assert late.details["length_ns"] > BREAK_WAIT
    assert late.details["status"] == "STATUS_UNSUCCESSFUL"


def test_a_holder_whose_connection_is_closed_does_not_time_out(shared: Path) -> None:
    name = "faults/break_oplock_batch22b_signed.pcapng"
    assert len(events(shared, name, Kind.OPLOCK_BREAK)) == 1
    assert not events(shared, name, Kind.OPLOCK_TIMEOUT, Kind.OPLOCK_ACK)


def test_timeouts_of_the_whole_suites_are_the_creates_that_waited_so_long(shared: Path) -> None:
    for test, kind in (("oplock", Kind.OPLOCK_TIMEOUT), ("lease", Kind.LEASE_TIMEOUT)):
        name = f"samba/torture_{test}.pcapng"
        waited = [e for e in events(shared, name, Kind.ASYNC_DONE) if (e.details["length_ns"] or 0) > 34 * SECOND]
        assert len(events(shared, name, kind)) == len(waited) > 0


def test_giving_up_by_closing_the_file_is_an_acknowledgment(shared: Path) -> None:
    by = [event.details["by"] for event in events(shared, "samba/torture_oplock.pcapng", Kind.OPLOCK_ACK)]
    assert by.count("close") == 3
    assert by.count("acknowledgment") == 38


def test_breaks_name_the_file_and_the_session(shared: Path) -> None:
    (told,) = events(shared, "faults/break_frozen_holder_enc.pcapng", Kind.OPLOCK_BREAK)
    assert told.text == "the server breaks the oplock of 'held.txt' to II"
    assert told.session is not None
    assert told.details["needs_acknowledgment"] is True
    (lease, _) = events(shared, "faults/break_lease_timeout_signed.pcapng", Kind.LEASE_BREAK)
    assert (lease.details["old_state"], lease.details["new_state"]) == ("RHW", "RH")


def test_handles_are_taken_up_again_or_lost(shared: Path) -> None:
    name = "samba/torture_durable_open.pcapng"
    assert len(events(shared, name, Kind.HANDLE_RECONNECTED)) == 19
    lost = events(shared, name, Kind.HANDLE_LOST)
    refused = ("STATUS_OBJECT_NAME_NOT_FOUND", "STATUS_INVALID_PARAMETER", "STATUS_USER_SESSION_DELETED")
    assert {event.details["status"] for event in lost} == set(refused)


def test_leases_of_one_key_are_told_apart_by_their_clients(shared: Path) -> None:
    """Every test of smbtorture's uses the same keys, a ClientGuid of its own, and minutes lie between."""
    answers = events(shared, "samba/torture_lease.pcapng", Kind.LEASE_ACK)
    assert max(event.details["length_ns"] for event in answers if event.details["asked_for"]) < 36 * SECOND
