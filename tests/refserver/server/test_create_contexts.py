"""Create contexts about the file itself (MS-SMB2 3.3.5.9.1 to 3.3.5.9.5)."""

import pytest

from parsers import ntstatus
from parsers.smb2.access import AccessMask
from parsers.smb2.create_contexts import CreateContext, RawCreateContext
from parsers.smb2.file_contexts import (
    AllocationSize,
    MaximalAccessRequest,
    MaximalAccessResponse,
    OnDiskIdRequest,
    OnDiskIdResponse,
)
from parsers.smb2.security_descriptor import Control, SecurityDescriptor, build_sid
from parsers.times import ns_to_filetime
from tests.refserver.server.opens import ALL, Opener, opener


@pytest.fixture
def client() -> Opener:
    return opener()


def test_contexts_are_answered_in_their_order(client: Opener) -> None:
    asked: list[CreateContext] = [OnDiskIdRequest(), MaximalAccessRequest(), RawCreateContext(b"AAPL", bytes(24))]
    response = client.create(contexts=asked)
    node = client.record(response.file_id).node
    store = client.server.shares["data"].store
    assert store is not None
    assert response.contexts == (
        OnDiskIdResponse(node.file_id, store.volume().serial),
        MaximalAccessResponse(0, AccessMask(ALL)),
    )


def test_who_knows_the_time_need_not_be_told_the_rights(client: Opener) -> None:
    asked = MaximalAccessRequest(ns_to_filetime(client.peer.now))
    wanted = MaximalAccessResponse(ntstatus.STATUS_NONE_MAPPED, AccessMask(0))
    assert client.create(contexts=[asked]).contexts == (wanted,)


def test_space_that_is_set_aside_comes_in_clusters(client: Opener) -> None:
    response = client.create(contexts=[AllocationSize(5000)])
    assert response.allocation_size == 8192
    client.close(response.file_id)
    assert client.create(contexts=[AllocationSize(50_000)]).allocation_size == 0


def test_a_security_descriptor_comes_with_the_file(client: Opener) -> None:
    sent = SecurityDescriptor(owner=build_sid(5, 18))
    file = client.open(contexts=[RawCreateContext(b"SecD", sent.build())])
    kept = SecurityDescriptor.parse(client.record(file).node.attributes().security)
    assert kept.owner == build_sid(5, 18)
    assert kept.group == build_sid(5, 32, 545)
    assert kept.control & Control.DACL_PRESENT
    assert kept.dacl


def test_a_name_has_four_bytes_at_least(client: Opener) -> None:
    assert client.ask(contexts=[RawCreateContext(b"Ab", b"")]).status == ntstatus.STATUS_INVALID_PARAMETER
    assert client.ask(contexts=[RawCreateContext(b"AbCd", b"")]).status == 0
