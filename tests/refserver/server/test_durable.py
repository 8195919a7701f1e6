"""Opens that outlive their connection (MS-SMB2 3.3.5.9.6 to 3.3.5.9.13, 3.3.5.15.9, 3.3.7.1)."""

import pytest

from parsers import ntstatus
from parsers.smb2.app_contexts import AppInstanceId
from parsers.smb2.create import CreateAction, OplockLevel
from parsers.smb2.create_contexts import CreateContext
from parsers.smb2.durable import (
    DurableFlags,
    DurableReconnect,
    DurableReconnectV2,
    DurableRequest,
    DurableRequestV2,
    DurableResponse,
    DurableResponseV2,
)
from parsers.smb2.file_id import FileId
from parsers.smb2.header import Flags
from refserver.errors import StatusError
from refserver.server import durable
from refserver.server.config import UserAccount
from refserver.server.state import Share
from tests.refserver.server.opens import (
    EXCLUSIVE,
    PENDING,
    RH,
    RHW,
    RW,
    UNLOCK,
    Opener,
    R,
    another,
    created,
    opener,
    v1,
)
from tests.refserver.server.peer import PASSWORD, SECOND

BATCH, II, NONE = OplockLevel.BATCH, OplockLevel.II, OplockLevel.NONE
GONE = ntstatus.STATUS_OBJECT_NAME_NOT_FOUND
GUID = b"the create's id."
V1, V2 = DurableRequest(), DurableRequestV2(0, DurableFlags(0), GUID)


@pytest.fixture
def client() -> Opener:
    return opener()


def back(client: Opener, number: int = 2, guid: int = 1) -> Opener:
    """The client has connected again."""
    client.lose()
    return another(client.server, number, guid=guid)


@pytest.mark.parametrize(
    ("oplock", "contexts", "granted"),
    [
        (NONE, (), False),
        (II, (), False),
        (OplockLevel.EXCLUSIVE, (), False),
        (BATCH, (), True),
        (NONE, (v1(1, R),), False),
        (NONE, (v1(1, RW),), False),
        (NONE, (v1(1, RH),), True),
        (NONE, (v1(1, RHW),), True),
    ],
)
def test_who_caches_the_handle_may_have_a_durable_one(
    client: Opener, oplock: int, contexts: tuple[CreateContext, ...], granted: bool
) -> None:
    one = client.create("1", oplock=oplock, contexts=(V1, *contexts))
    assert (DurableResponse() in one.contexts) is granted
    client.close(one.file_id)
    two = client.create("2", oplock=oplock, contexts=(V2, *contexts))
    assert (DurableResponseV2(180_000, DurableFlags(0)) in two.contexts) is granted


@pytest.mark.parametrize(("asked", "granted"), [(0, 180_000), (5_000, 5_000), (0xFFFF_FFFF, 300_000)])
def test_the_client_may_name_its_time_up_to_a_limit(client: Opener, asked: int, granted: int) -> None:
    context = DurableRequestV2(asked, DurableFlags(0), GUID)
    assert client.create(oplock=BATCH, contexts=[context]).contexts == (DurableResponseV2(granted, DurableFlags(0)),)


def test_a_share_that_is_always_there_gives_persistent_opens(client: Opener) -> None:
    share = client.server.shares["data"]
    share.continuously_available, share.ca_timeout = True, 7_000
    context = DurableRequestV2(0, DurableFlags.PERSISTENT, GUID)
    assert client.create(contexts=[context]).contexts == (DurableResponseV2(7_000, DurableFlags.PERSISTENT),)


def test_a_directory_is_not_durable(client: Opener) -> None:
    assert client.create("d", options=1, oplock=BATCH, contexts=[V1]).contexts == ()


@pytest.mark.parametrize("first", [V1, V2, DurableReconnect(FileId(1, 2))])
def test_contexts_that_exclude_each_other_are_refused(client: Opener, first: CreateContext) -> None:
    second = DurableReconnectV2(FileId(1, 2), GUID, DurableFlags(0))
    assert client.ask(contexts=[first, second]).status == ntstatus.STATUS_INVALID_PARAMETER


def test_a_durable_open_comes_back_with_what_it_had(client: Opener) -> None:
    file = client.open(share=0, oplock=BATCH, contexts=[V1])
    client.lock(file, (0, 1, EXCLUSIVE))
    again = back(client)
    response = again.create("whatever", access=0, contexts=[DurableReconnect(file)])
    assert response.create_action == CreateAction.OPENED
    assert response.oplock_level == BATCH
    assert response.file_id.persistent == file.persistent
    assert response.file_id.volatile != file.volatile
    assert again.lock(response.file_id, (0, 1, UNLOCK)).status == 0
    assert again.read(file, 1) == ntstatus.STATUS_FILE_CLOSED


def test_it_can_be_lost_again(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[V1])
    second = back(client, 2)
    second.open(contexts=[DurableReconnect(file), V1])
    third = back(second, 3)
    assert third.create(contexts=[DurableReconnect(file), V1]).contexts == (DurableResponse(),)


def test_version_2_wants_its_own_identifier(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[V2])
    again = back(client)
    wrong = DurableReconnectV2(file, bytes(16), DurableFlags(0))
    assert again.ask(contexts=[wrong]).status == GONE
    right = DurableReconnectV2(file, GUID, DurableFlags(0))
    assert again.create(contexts=[right]).file_id.persistent == file.persistent


def test_an_open_with_a_lease_wants_it_and_its_name_and_its_client(client: Opener) -> None:
    file = client.open(contexts=[V1, v1(1, RHW)])
    stranger, again = back(client, 2, guid=9), another(client.server, 3, guid=1)
    reconnect = DurableReconnect(file)
    assert again.ask(contexts=[reconnect]).status == GONE
    assert again.ask(contexts=[reconnect, v1(2, RHW)]).status == GONE
    assert stranger.ask(contexts=[reconnect, v1(1, RHW)]).status == GONE
    assert again.ask("g", contexts=[reconnect, v1(1, RHW)]).status == ntstatus.STATUS_INVALID_PARAMETER
    response = again.create(contexts=[reconnect, v1(1, RHW)])
    assert response.contexts == (v1(1, RHW),)


def test_an_open_without_a_lease_wants_none(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[V1])
    assert back(client).ask(contexts=[DurableReconnect(file), v1(1, R)]).status == GONE


def test_what_is_still_connected_is_not_taken_up(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[V1])
    assert client.ask(contexts=[DurableReconnect(file)]).status == GONE
    assert another(client.server, 2, guid=1).ask(contexts=[DurableReconnect(file)]).status == GONE


def test_another_share_does_not_have_it(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[V1])
    client.server.shares["other"] = Share("other", client.server.shares["data"].store)
    again = back(client)
    again.peer.tree_connect("other")
    assert again.ask(contexts=[DurableReconnect(file)]).status == GONE


def test_another_user_may_not_have_it(client: Opener) -> None:
    client.server.config.add_user(UserAccount("bob", PASSWORD))
    file = client.open(oplock=BATCH, contexts=[V1])
    client.record(file).durable_owner = "\\bob"
    assert back(client).ask(contexts=[DurableReconnect(file)]).status == ntstatus.STATUS_ACCESS_DENIED


def test_the_time_runs_from_the_loss(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[DurableRequestV2(5_000, DurableFlags(0), GUID)])
    client.peer.now += 60 * SECOND
    again = back(client)
    client.server.timers.fire(client.peer.now + 5 * SECOND - 1)
    assert client.record(file)
    client.server.timers.fire(client.peer.now + 5 * SECOND)
    assert client.server.global_open_table == {}
    assert again.ask(contexts=[DurableReconnectV2(file, GUID, DurableFlags(0))]).status == GONE


def test_who_came_back_is_not_scavenged(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[V1])
    again = back(client)
    again.open(contexts=[DurableReconnect(file)])
    client.server.timers.fire(client.peer.now + 1000 * SECOND)
    assert len(client.server.global_open_table) == 1


@pytest.mark.parametrize("contexts", [(V1,), (V1, v1(1, RHW))])
def test_nobody_waits_for_a_client_that_is_gone(client: Opener, contexts: tuple[CreateContext, ...]) -> None:
    file = client.open(oplock=BATCH, contexts=contexts)
    again, other = back(client), another(client.server, 3)
    assert other.create(oplock=BATCH).oplock_level == BATCH
    assert again.ask(contexts=[DurableReconnect(file), *contexts[1:]]).status == GONE


def test_who_only_looks_leaves_it_there(client: Opener) -> None:
    file = client.open(oplock=BATCH, contexts=[V1])
    again, other = back(client), another(client.server, 3)
    other.open(access=0x80)
    assert again.create(contexts=[DurableReconnect(file)]).oplock_level == BATCH


def test_an_oplock_that_was_breaking_does_not_survive(client: Opener) -> None:
    client.open(oplock=BATCH, contexts=[V1])
    other = another(client.server, 3)
    assert other.ask().status == PENDING
    client.lose()
    assert [answer.status for answer in other.answers()] == [0]
    assert len(client.server.global_open_table) == 1


def test_a_file_to_delete_goes_when_the_client_does_not_come_back(client: Opener) -> None:
    client.open(oplock=BATCH, options=0x1000, contexts=[V1])
    again = back(client)
    assert again.create(options=0x1000, oplock=BATCH).create_action == CreateAction.CREATED


def test_a_file_to_delete_stays_while_the_client_may_come_back(client: Opener) -> None:
    file = client.open(oplock=BATCH, options=0x1000, contexts=[V1])
    again = back(client)
    taken = again.open(contexts=[DurableReconnect(file)])
    again.close(taken)
    assert again.ask(disposition=1).status == GONE


def test_the_tree_takes_its_opens_along_and_the_logoff_does_not(client: Opener) -> None:
    one, two = client.open("1", oplock=BATCH, contexts=[V1]), client.open("2", oplock=BATCH, contexts=[V1])
    client.close(one)
    client.peer.log_off()
    assert [open_.durable_file_id for open_ in client.server.global_open_table.values()] == [two.persistent]
    again = another(client.server, 2, guid=1)
    taken = again.open(contexts=[DurableReconnect(two)])
    assert taken.persistent == two.persistent
    assert again.peer.ask(4, b"\4\0\0\0").status == 0
    assert client.server.global_open_table == {}


def test_an_open_that_is_not_durable_ends_with_the_connection(client: Opener) -> None:
    client.open()
    client.open("g", oplock=BATCH)
    client.lose()
    assert client.server.global_open_table == {}
    assert client.server.open_files == {}


# ---------------------------------------------------------------------------------------------- resilient


def test_a_resilient_open_waits_as_long_as_was_asked_for(client: Opener) -> None:
    file = client.open()
    open_ = client.record(file)
    durable.request_resiliency(client.server, open_, 2_000)
    again = back(client)
    client.server.timers.fire(client.peer.now + 2 * SECOND - 1)
    assert again.create(contexts=[DurableReconnect(file)]).file_id.persistent == file.persistent
    durable.request_resiliency(client.server, open_, 0)
    assert open_.resilient_open_timeout == 120_000
    with pytest.raises(StatusError) as refused:
        durable.request_resiliency(client.server, open_, 300_001)
    assert refused.value.status == ntstatus.STATUS_INVALID_PARAMETER


def test_others_do_not_end_a_resilient_open(client: Opener) -> None:
    file = client.open(oplock=BATCH)
    durable.request_resiliency(client.server, client.record(file), 60_000)
    again = back(client)
    another(client.server, 3).open()
    assert again.create(contexts=[DurableReconnect(file)]).oplock_level == II


# ---------------------------------------------------------------------------------------------- repeated requests


def test_a_repeated_create_gets_the_same_open(client: Opener) -> None:
    first = client.create(oplock=BATCH, contexts=[V2])
    again = client.create(oplock=BATCH, contexts=[V2], flags=Flags.REPLAY_OPERATION)
    assert again.file_id == first.file_id
    assert again.create_action == first.create_action == CreateAction.CREATED
    assert client.ask(oplock=BATCH, contexts=[V2]).status == ntstatus.STATUS_DUPLICATE_OBJECTID
    other = client.ask(contexts=[V2, v1(1, R)], flags=Flags.REPLAY_OPERATION)
    assert other.status == ntstatus.STATUS_ACCESS_DENIED


def test_a_repeated_create_finds_the_open_that_was_lost(client: Opener) -> None:
    first = client.create(oplock=BATCH, contexts=[V2])
    again = back(client)
    response = again.create(oplock=BATCH, contexts=[V2], flags=Flags.REPLAY_OPERATION)
    assert response.file_id.persistent == first.file_id.persistent
    assert again.close(response.file_id) == 0


def test_a_create_that_still_waits_is_not_repeated(client: Opener) -> None:
    another(client.server, 2).open(oplock=BATCH)
    assert client.ask(oplock=BATCH, contexts=[V2]).status == PENDING
    again = client.ask(oplock=BATCH, contexts=[V2], flags=Flags.REPLAY_OPERATION)
    assert again.status == ntstatus.STATUS_FILE_NOT_AVAILABLE


def test_an_application_that_moved_takes_its_files_along(client: Opener) -> None:
    instance = AppInstanceId(b"the application.")
    client.open(share=0, oplock=BATCH, contexts=[V2, instance])
    moved = another(client.server, 2)
    created(moved.ask(share=0, oplock=BATCH, contexts=[DurableRequestV2(0, DurableFlags(0), b"x" * 16), instance]))
    assert len(client.server.global_open_table) == 1
