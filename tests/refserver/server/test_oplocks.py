"""Oplocks and their breaks (MS-SMB2 3.3.4.6, 3.3.5.22.1); the dialogues are those of Samba's smbd."""

import pytest

from parsers import ntstatus
from parsers.smb2.create import CreateDisposition, OplockLevel
from parsers.smb2.file_id import FileId
from parsers.smb2.oplock_break import OplockBreak
from tests.refserver.server.opens import EXCLUSIVE as EXCLUSIVE_LOCK
from tests.refserver.server.opens import PENDING, Opener, another, created, opener
from tests.refserver.server.peer import SECOND

NONE, II, EXCLUSIVE, BATCH = OplockLevel.NONE, OplockLevel.II, OplockLevel.EXCLUSIVE, OplockLevel.BATCH
OVERWRITE = CreateDisposition.OVERWRITE


@pytest.fixture
def holder() -> Opener:
    return opener()


@pytest.fixture
def comer(holder: Opener) -> Opener:
    return another(holder.server, 2)


@pytest.mark.parametrize("level", [II, EXCLUSIVE, BATCH])
def test_the_first_open_gets_what_it_asks_for(holder: Opener, level: int) -> None:
    assert holder.create(oplock=level).oplock_level == level


def test_a_second_open_waits_until_the_first_has_given_up_writing(holder: Opener, comer: Opener) -> None:
    file = holder.open(oplock=EXCLUSIVE)
    assert comer.ask(oplock=EXCLUSIVE).status == PENDING
    assert holder.breaks() == [OplockBreak(II, file)]
    assert holder.acknowledge(file, II) == 0
    (answer,) = comer.answers()
    assert created(answer).oplock_level == II
    assert holder.record(file).oplock_level == II


def test_overwriting_leaves_nothing_to_cache(holder: Opener, comer: Opener) -> None:
    file = holder.open(oplock=BATCH)
    assert comer.ask(oplock=BATCH, disposition=OVERWRITE).status == PENDING
    assert holder.breaks() == [OplockBreak(NONE, file)]
    assert holder.acknowledge(file, NONE) == 0
    (answer,) = comer.answers()
    assert created(answer).oplock_level == II


def test_a_sharing_violation_asks_who_caches_handles_to_close(holder: Opener, comer: Opener) -> None:
    file = holder.open(share=0, oplock=BATCH)
    assert comer.ask().status == PENDING
    assert holder.breaks() == [OplockBreak(II, file)]
    assert holder.close(file) == 0
    (answer,) = comer.answers()
    created(answer)


def test_a_sharing_violation_stays_one_where_the_file_stays_open(holder: Opener, comer: Opener) -> None:
    file = holder.open(share=0, oplock=BATCH)
    assert comer.ask().status == PENDING
    assert holder.acknowledge(file, II) == 0
    (answer,) = comer.answers()
    assert answer.status == ntstatus.STATUS_SHARING_VIOLATION
    assert comer.ask().status == ntstatus.STATUS_SHARING_VIOLATION


def test_an_exclusive_oplock_does_not_wait_for_a_sharing_violation(holder: Opener, comer: Opener) -> None:
    holder.open(share=0, oplock=EXCLUSIVE)
    assert comer.ask().status == ntstatus.STATUS_SHARING_VIOLATION
    assert holder.breaks() == []


@pytest.mark.parametrize("access", [0x80, 0x100, 0x100000])
def test_looking_breaks_nothing(holder: Opener, comer: Opener, access: int) -> None:
    holder.open(oplock=BATCH)
    comer.open(access=access)
    assert holder.breaks() == []


def test_looking_breaks_if_it_overwrites(holder: Opener, comer: Opener) -> None:
    file = holder.open(oplock=EXCLUSIVE)
    assert comer.ask(access=0x100180, disposition=OVERWRITE).status == PENDING
    assert holder.breaks() == [OplockBreak(NONE, file)]


def test_a_write_breaks_every_level_ii_oplock_its_own_too_and_waits_for_none(holder: Opener, comer: Opener) -> None:
    mine, other = holder.open(oplock=II), comer.open(oplock=II)
    assert holder.write(mine, b"x") == 0
    assert holder.breaks() == [OplockBreak(NONE, mine)]
    assert comer.breaks() == [OplockBreak(NONE, other)]
    assert holder.write(mine, b"y") == 0
    assert holder.breaks() == comer.breaks() == []


def test_the_only_writer_keeps_its_oplock_when_it_writes(holder: Opener) -> None:
    file = holder.open(oplock=BATCH)
    assert holder.write(file, b"x") == 0
    assert holder.lock(file, (0, 1, EXCLUSIVE_LOCK)).status == 0
    assert holder.breaks() == []
    assert holder.record(file).oplock_level == BATCH


def test_a_lock_breaks_level_ii(holder: Opener, comer: Opener) -> None:
    file = holder.open()
    other = comer.open(oplock=II)
    holder.lock(file, (0, 1, EXCLUSIVE_LOCK))
    assert comer.breaks() == [OplockBreak(NONE, other)]


def test_no_answer_in_35_seconds_is_none(holder: Opener, comer: Opener) -> None:
    file = holder.open(oplock=BATCH)
    start = holder.server.timers.now
    assert comer.ask(oplock=BATCH).status == PENDING
    due = comer.peer.now + 35 * SECOND
    assert holder.server.timers.next() == due
    holder.server.timers.fire(due - 1)
    assert comer.answers() == []
    holder.server.timers.fire(due)
    (answer,) = comer.answers()
    assert created(answer).oplock_level == II
    assert holder.record(file).oplock_level == NONE
    assert holder.acknowledge(file, II) == ntstatus.STATUS_INVALID_DEVICE_STATE
    assert start <= due


def test_two_who_wait_go_on_in_their_order(holder: Opener, comer: Opener) -> None:
    file = holder.open(oplock=EXCLUSIVE)
    third = another(holder.server, 3)
    assert comer.ask(oplock=EXCLUSIVE).status == PENDING
    assert third.ask(oplock=EXCLUSIVE, disposition=OVERWRITE).status == PENDING
    assert holder.acknowledge(file, II) == 0
    second = created(comer.answers()[0])
    assert second.oplock_level == II
    created(third.answers()[0])
    assert holder.breaks() == [OplockBreak(II, file), OplockBreak(NONE, file)]
    assert comer.breaks() == [OplockBreak(NONE, second.file_id)]


def test_an_answer_that_was_not_asked_for_is_refused(holder: Opener) -> None:
    file = holder.open(oplock=II)
    holder.write(file, b"x")
    assert holder.acknowledge(file, NONE) == ntstatus.STATUS_INVALID_OPLOCK_PROTOCOL
    assert holder.acknowledge(file, OplockLevel.LEASE) == ntstatus.STATUS_INVALID_PARAMETER
    assert holder.acknowledge(FileId(1, 2), NONE) == ntstatus.STATUS_FILE_CLOSED


def test_an_answer_that_gives_up_nothing_loses_all(holder: Opener, comer: Opener) -> None:
    file = holder.open(oplock=BATCH)
    comer.ask()
    assert holder.acknowledge(file, EXCLUSIVE) == ntstatus.STATUS_INVALID_OPLOCK_PROTOCOL
    assert holder.record(file).oplock_level == NONE
    assert created(comer.answers()[0])


def test_a_waiting_open_can_be_cancelled(holder: Opener, comer: Opener) -> None:
    file = holder.open(oplock=BATCH)
    pending = comer.ask()
    (answer,) = comer.cancel(pending)
    assert answer.status == ntstatus.STATUS_CANCELLED
    assert holder.acknowledge(file, II) == 0
    assert comer.answers() == []
    assert len(holder.server.global_open_table) == 1


def test_a_share_may_allow_level_ii_only(holder: Opener) -> None:
    holder.server.shares["data"].force_level2_oplock = True
    assert holder.create(oplock=BATCH).oplock_level == II
    assert holder.create("g", oplock=NONE).oplock_level == NONE


def test_another_channel_hears_the_break_when_the_first_is_lost() -> None:
    holder = opener(0x0300)
    second = another(holder.server, 2, 0x0300)
    assert second.peer.log_off().status == 0
    channel = Opener(type(holder.peer)(holder.server, 3), [])
    assert channel.peer.negotiate(0x0300, guid=(1).to_bytes(16, "big")).status == 0
    assert channel.peer.bind_to(holder.peer).status == 0
    channel.peer.tree_id = holder.peer.tree_id
    file = holder.open(oplock=BATCH)
    holder.lose()
    comer = another(holder.server, 4)
    assert comer.ask().status == PENDING
    assert channel.breaks() == [OplockBreak(II, file)]
