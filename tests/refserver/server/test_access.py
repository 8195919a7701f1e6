"""Access masks of opens (MS-FSA 2.1.5.1.2.1)."""

import pytest

from parsers import ntstatus
from refserver.errors import StatusError
from refserver.server import access, permissions
from tests.refserver.server.opens import Opener, opener


@pytest.fixture
def client() -> Opener:
    return opener()


@pytest.mark.parametrize(
    ("desired", "allowed", "rights"),
    [
        (0x80000000, permissions.ALL, 0x120089),
        (0x40000000, permissions.ALL, 0x120116),
        (0x20000000, permissions.ALL, 0x1200A0),
        (0x10000000, permissions.ALL, permissions.ALL),
        (0x02000000, 0x1200A9, 0x1200A9),
        (0x02000001, 0x1200A9, 0x1200A9),
        (0x1, 0x1200A9, 0x1),
    ],
)
def test_generic_rights_stand_for_others(desired: int, allowed: int, rights: int) -> None:
    assert access.granted_access(desired, allowed) == rights


@pytest.mark.parametrize(("desired", "allowed"), [(0x2, 0x1), (0x40000000, 0x1200A9), (0x02000002, 0x1200A9)])
def test_more_than_is_allowed_is_denied(desired: int, allowed: int) -> None:
    with pytest.raises(StatusError) as refused:
        access.granted_access(desired, allowed)
    assert refused.value.status == ntstatus.STATUS_ACCESS_DENIED


@pytest.mark.parametrize(
    ("desired", "status"),
    [
        (0, ntstatus.STATUS_ACCESS_DENIED),
        (0x00000200, ntstatus.STATUS_ACCESS_DENIED),
        (0x04000000, ntstatus.STATUS_ACCESS_DENIED),
        (0x01000000, ntstatus.STATUS_PRIVILEGE_NOT_HELD),
    ],
)
def test_some_masks_are_refused_whatever_the_file(client: Opener, desired: int, status: int) -> None:
    assert client.ask(access=desired).status == status


def test_a_share_to_read_is_not_written_to(client: Opener) -> None:
    client.close(client.open())
    client.server.shares["data"].read_only = True
    client.peer.tree_connect("data")
    assert client.ask(access=0x2).status == ntstatus.STATUS_ACCESS_DENIED
    assert client.ask("new", access=0x1).status == ntstatus.STATUS_ACCESS_DENIED
    assert client.ask(access=0x1, disposition=5).status == ntstatus.STATUS_ACCESS_DENIED
    assert client.ask(access=0x1).status == 0


def test_a_read_only_file_is_not_written_to(client: Opener) -> None:
    client.close(client.open(attributes=1))
    assert client.ask(access=0x2).status == ntstatus.STATUS_ACCESS_DENIED
    assert client.record(client.open(access=0x02000000)).granted_access & 0x6 == 0
