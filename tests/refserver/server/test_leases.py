"""Leases (MS-SMB2 3.3.4.7, 3.3.5.9.8, 3.3.5.9.11, 3.3.5.22.2); the dialogues are those of Samba's smbd."""

import pytest

from parsers import ntstatus
from parsers.smb2.create import CreateDisposition, OplockLevel
from parsers.smb2.lease import Lease, LeaseFlags, LeaseState, LeaseV2
from parsers.smb2.oplock_break import LeaseBreakFlags, LeaseBreakNotification
from refserver.server import sharing
from tests.refserver.server.opens import (
    EXCLUSIVE,
    PENDING,
    RH,
    RHW,
    RW,
    H,
    Opener,
    R,
    another,
    created,
    opener,
    state_of,
    v1,
    v2,
)
from tests.refserver.server.peer import SECOND

OVERWRITE = CreateDisposition.OVERWRITE
ONE, TWO = b"\x01" * 16, b"\x02" * 16


def notice(key: bytes, old: int, new: int, *, answer: bool = True, epoch: int = 0) -> LeaseBreakNotification:
    """What the client of a lease is told."""
    flags = LeaseBreakFlags.ACK_REQUIRED if answer else LeaseBreakFlags(0)
    return LeaseBreakNotification(epoch, flags, key, LeaseState(old), LeaseState(new))


@pytest.fixture
def holder() -> Opener:
    return opener()


@pytest.fixture
def comer(holder: Opener) -> Opener:
    return another(holder.server, 2)


@pytest.mark.parametrize(
    ("had", "asks", "has"),
    [(0, RHW, RHW), (R, RH, RH), (R, RW, RW), (RH, RW, RH), (RH, RHW, RHW), (RHW, R, RHW), (RW, RH, RW), (RH, 0, RH)],
)
def test_a_lease_grows_but_never_changes_sides(holder: Opener, had: int, asks: int, has: int) -> None:
    holder.open(contexts=[v1(1, had)])
    assert state_of(holder.create(contexts=[v1(1, asks)])) == has


@pytest.mark.parametrize(
    ("first", "asks", "second", "has"), [(R, RHW, R, R), (R, RH, R, RH), (RH, RHW, RH, RH), (R, RW, RH, R)]
)
def test_beside_another_lease_it_grows_to_exactly_what_it_asks_or_not_at_all(
    holder: Opener, first: int, asks: int, second: int, has: int
) -> None:
    holder.open(contexts=[v1(1, first)])
    holder.open(contexts=[v1(2, second)])
    assert state_of(holder.create(contexts=[v1(1, asks)])) == has


def test_a_key_is_of_one_file(holder: Opener) -> None:
    holder.open("f", contexts=[v1(1, RHW)])
    assert holder.ask("new", contexts=[v1(1, RHW)]).status == ntstatus.STATUS_INVALID_PARAMETER
    assert holder.ask("new", disposition=CreateDisposition.OPEN).status == ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
    holder.open("old")
    assert holder.ask("old", contexts=[v1(1, RHW)]).status == ntstatus.STATUS_INVALID_PARAMETER


def test_the_same_key_of_another_client_is_another_lease(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, R)])
    comer.open(contexts=[v1(1, R)])
    assert len(holder.server.lease_tables) == 2
    assert comer.acknowledge_lease(TWO, 0) == ntstatus.STATUS_OBJECT_NAME_NOT_FOUND


def test_a_lease_ends_with_its_last_open(holder: Opener) -> None:
    files = [holder.open(contexts=[v1(1, RHW)]) for _ in range(2)]
    holder.close(files[0])
    file = holder.create(contexts=[v1(1, 0)])
    assert state_of(file) == RHW
    holder.close(files[1])
    holder.close(file.file_id)
    assert holder.server.lease_tables == {}
    assert holder.server.open_files == {}


def test_epochs_count_the_changes_of_a_lease_of_version_2(holder: Opener, comer: Opener) -> None:
    def epoch(response: object) -> int:
        (lease,) = (context for context in created(response).contexts if isinstance(context, LeaseV2))  # type: ignore[arg-type]
        return lease.epoch

    assert epoch(holder.ask(contexts=[v2(1, R, epoch=17)])) == 18
    assert epoch(holder.ask(contexts=[v1(1, RH)])) == 19
    assert epoch(holder.ask(contexts=[v2(1, RHW, epoch=3)])) == 20
    assert epoch(holder.ask(contexts=[v2(1, RHW, epoch=3)])) == 20
    assert comer.ask().status == PENDING
    assert holder.breaks() == [notice(ONE, RHW, RH, epoch=21)]


def test_the_version_is_that_of_the_first_open(holder: Opener) -> None:
    holder.open(contexts=[v1(1, R)])
    (context,) = holder.create(contexts=[v2(1, RW, epoch=9)]).contexts
    assert context == Lease(ONE, LeaseState(RW), LeaseFlags(0))


def test_writers_become_readers_when_another_comes(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, RHW)])
    assert comer.ask(contexts=[v1(2, RHW)]).status == PENDING
    assert holder.breaks() == [notice(ONE, RHW, RH)]
    assert holder.acknowledge_lease(ONE, RH) == 0
    assert state_of(created(comer.answers()[0])) == RH


def test_one_key_never_breaks_itself(holder: Opener) -> None:
    holder.open(contexts=[v1(1, RHW)])
    file = holder.open(contexts=[v1(1, RHW)])
    assert holder.write(file, b"x") == 0
    assert holder.breaks() == []


def test_handles_are_given_up_where_sharing_needs_it(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, RHW)])
    assert comer.ask(share=1, contexts=[v1(2, RHW)]).status == PENDING
    assert holder.breaks() == [notice(ONE, RHW, RW)]
    assert holder.acknowledge_lease(ONE, RW) == 0
    assert comer.answers()[0].status == ntstatus.STATUS_SHARING_VIOLATION


def test_only_what_was_left_may_be_kept(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, RHW)])
    comer.ask(disposition=OVERWRITE)
    assert holder.breaks() == [notice(ONE, RHW, 0)]
    for state in (RHW, RW, RH, R, H):
        assert holder.acknowledge_lease(ONE, state) == ntstatus.STATUS_REQUEST_NOT_ACCEPTED
    assert holder.acknowledge_lease(ONE, 0) == 0
    assert comer.answers()[0].status == 0
    assert holder.acknowledge_lease(ONE, 0) == ntstatus.STATUS_UNSUCCESSFUL


def test_more_may_be_given_up_than_asked_for(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, RHW)])
    comer.ask()
    assert holder.acknowledge_lease(ONE, 0) == 0
    assert comer.answers()[0].status == 0


def test_a_break_during_a_break_comes_after_it_step_by_step(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, RHW)])
    third = another(holder.server, 3)
    assert comer.ask().status == PENDING
    assert third.ask(disposition=OVERWRITE).status == PENDING
    assert holder.breaks() == [notice(ONE, RHW, RH)]
    response = holder.create(contexts=[v1(1, RHW)])
    assert response.contexts[0] == Lease(ONE, LeaseState(RHW), LeaseFlags.BREAK_IN_PROGRESS)
    assert holder.acknowledge_lease(ONE, RH) == 0
    assert holder.breaks() == [notice(ONE, RH, R)]
    assert comer.answers() == third.answers() == []
    assert holder.acknowledge_lease(ONE, R) == 0
    assert holder.breaks() == [notice(ONE, R, 0, answer=False)]
    assert comer.answers()[0].status == third.answers()[0].status == 0


def test_readers_are_overwritten_without_waiting(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, RH)])
    comer.close(comer.open(disposition=OVERWRITE))
    assert holder.breaks() == [notice(ONE, RH, 0)]
    comer.close(comer.open(disposition=OVERWRITE))
    assert holder.breaks() == []
    assert holder.acknowledge_lease(ONE, 0) == 0


def test_a_mere_reader_is_told_and_not_asked(holder: Opener, comer: Opener) -> None:
    holder.open(contexts=[v1(1, R)])
    comer.open(disposition=OVERWRITE)
    assert holder.breaks() == [notice(ONE, R, 0, answer=False)]
    assert holder.acknowledge_lease(ONE, 0) == ntstatus.STATUS_UNSUCCESSFUL


@pytest.mark.parametrize("change", ["write", "lock"])
def test_changes_break_what_others_have_read(holder: Opener, comer: Opener, change: str) -> None:
    holder.open(contexts=[v1(1, RH)])
    file = comer.open(contexts=[v1(2, R)])
    if change == "write":
        assert comer.write(file, b"x") == 0
    else:
        assert comer.lock(file, (0, 1, EXCLUSIVE)).status == 0
    assert holder.breaks() == [notice(ONE, RH, 0)]
    assert comer.breaks() == []


def test_no_answer_in_35_seconds_is_nothing(holder: Opener, comer: Opener) -> None:
    file = holder.open(contexts=[v1(1, RHW)])
    assert comer.ask(contexts=[v1(2, RHW)]).status == PENDING
    holder.server.timers.fire(comer.peer.now + 35 * SECOND)
    assert state_of(created(comer.answers()[0])) == RH
    assert holder.acknowledge_lease(ONE, RH) == ntstatus.STATUS_UNSUCCESSFUL
    assert holder.record(file).lease is not None
    assert state_of(holder.create(contexts=[v1(1, 0)])) == 0


def test_the_oldest_connection_of_the_client_is_told(holder: Opener) -> None:
    second = another(holder.server, 2, guid=1)
    second.open(contexts=[v2(1, RHW)])
    third = another(holder.server, 3)
    assert third.ask().status == PENDING
    assert holder.breaks() == [notice(ONE, RHW, RH, epoch=2)]
    assert second.breaks() == []
    assert holder.acknowledge_lease(ONE, RH) == 0
    assert third.answers()[0].status == 0


def test_a_server_without_leases_grants_none() -> None:
    client = opener(leasing=False)
    response = client.create(contexts=[v1(1, RHW)])
    assert (response.oplock_level, response.contexts) == (OplockLevel.NONE, ())


@pytest.mark.parametrize(("dialect", "context"), [(0x0202, v1(1, R)), (0x0210, v2(1, R))])
def test_an_older_dialect_knows_no_such_lease(dialect: int, context: Lease | LeaseV2) -> None:
    response = opener(dialect).create(contexts=[context])
    assert (response.oplock_level, response.contexts) == (OplockLevel.NONE, ())


def test_the_parent_key_comes_back(holder: Opener) -> None:
    asked = LeaseV2(ONE, LeaseState(R), LeaseFlags.PARENT_LEASE_KEY_SET, TWO, 4)
    assert holder.create(contexts=[asked]).contexts == (
        LeaseV2(ONE, LeaseState(R), LeaseFlags.PARENT_LEASE_KEY_SET, TWO, 5),
    )


@pytest.mark.parametrize("how", ["on close", "by mark"])
def test_who_deletes_wants_no_handles_cached_and_waits_for_nobody(holder: Opener, comer: Opener, how: str) -> None:
    holder.open(contexts=[v1(1, RH)])
    if how == "on close":
        comer.open(options=0x1000)
    else:
        open_ = comer.record(comer.open())
        sharing.set_delete_pending(comer.server, open_, comer.peer.now, pending=True)
    assert holder.breaks() == [notice(ONE, RH, R)]
