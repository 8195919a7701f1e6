"""What may be cached beside what (MS-FSA 2.1.5.17)."""

import pytest

from parsers.smb2.create import OplockLevel
from refserver.server.caching import is_stat_open, level_for, state_for
from tests.refserver.server.opens import RH, RHW, RW, H, Opener, R, W, another, opener, state_of, v1

NONE, II, EXCLUSIVE, BATCH = OplockLevel.NONE, OplockLevel.II, OplockLevel.EXCLUSIVE, OplockLevel.BATCH


@pytest.fixture
def client() -> Opener:
    return opener()


@pytest.mark.parametrize(
    ("asked", "granted"), [(0, 0), (R, R), (H, 0), (W, 0), (RH, RH), (RW, RW), (H | W, 0), (RHW, RHW)]
)
def test_a_lone_lease_is_granted_as_asked_if_it_reads(client: Opener, asked: int, granted: int) -> None:
    assert state_of(client.create(contexts=[v1(1, asked)])) == granted


@pytest.mark.parametrize(
    ("first", "second", "granted"),
    [
        (R, R, R),
        (R, RH, RH),
        (R, RW, R),
        (R, RHW, RH),
        (RH, RHW, RH),
        (RH, RW, R),
        (0, RHW, RH),
    ],
)
def test_a_second_lease_never_writes(client: Opener, first: int, second: int, granted: int) -> None:
    client.open(contexts=[v1(1, first)])
    assert state_of(client.create(contexts=[v1(2, second)])) == granted


@pytest.mark.parametrize(
    ("held", "asked", "granted"),
    [
        (R, II, II),
        (R, EXCLUSIVE, II),
        (R, BATCH, II),
        (RH, II, NONE),
        (RH, EXCLUSIVE, NONE),
        (RH, BATCH, NONE),
    ],
)
def test_an_oplock_beside_a_lease_reads_or_is_none_where_the_lease_has_handles(
    client: Opener, held: int, asked: int, granted: int
) -> None:
    client.open(contexts=[v1(1, held)])
    assert client.create(oplock=asked).oplock_level == granted


@pytest.mark.parametrize(("asked", "granted"), [(R, R), (RH, R), (RW, R), (RHW, R)])
def test_a_lease_beside_an_oplock_caches_no_handles(client: Opener, asked: int, granted: int) -> None:
    client.open(oplock=II)
    assert state_of(client.create(contexts=[v1(1, asked)])) == granted


def test_who_only_looks_does_not_stand_against_a_writer(client: Opener) -> None:
    client.close(client.open())
    client.open(access=0x80)
    assert state_of(client.create(contexts=[v1(1, RHW)])) == RHW


def test_who_only_looks_caches_nothing_beside_a_writer(client: Opener) -> None:
    client.open(oplock=BATCH)
    assert client.create(access=0x100080, oplock=BATCH).oplock_level == NONE
    assert client.breaks() == []


def test_locks_cannot_be_cached_over(client: Opener) -> None:
    other = another(client.server, 2)
    file = client.open()
    client.lock(file, (0, 1, 0x12))
    assert state_of(other.create(contexts=[v1(1, RHW)])) == 0
    assert other.create(oplock=BATCH).oplock_level == NONE


def test_a_directory_has_no_lease_and_no_oplock(client: Opener) -> None:
    response = client.create("d", options=1, contexts=[v1(1, RHW)])
    assert (response.oplock_level, response.contexts) == (NONE, ())
    assert client.create("d", options=1, oplock=BATCH).oplock_level == NONE


def test_levels_and_states_say_the_same() -> None:
    for level in (NONE, II, EXCLUSIVE, BATCH):
        assert level_for(state_for(level)) == level
    assert state_for(0x77) == 0
    assert level_for(RH) == II
    assert level_for(W) == NONE


@pytest.mark.parametrize(
    ("access", "beside_oplock", "beside_lease"),
    [(0x80, True, True), (0x100, True, True), (0x100000, True, True), (0x20000, False, True), (0x1, False, False)],
)
def test_the_security_descriptor_may_be_looked_at_beside_a_lease(
    access: int, beside_oplock: bool, beside_lease: bool
) -> None:
    assert is_stat_open(access, beside_lease=False) is beside_oplock
    assert is_stat_open(access, beside_lease=True) is beside_lease
